"""Which statements leave something in the server's session that DISCARD ALL does not take back.

A session's connection to the server is handed on to the next session of the same role. What the session said goes with
DISCARD ALL; what code may keep in the server's process does not (variables of a procedural language, connections to other
servers, loaded libraries), nor that a setting with a point in its name exists, nor the seed of random().
"""

from gateway.classify.catalog import Catalog
from gateway.policy.functions import power
from parser.facts import Facts, Setting

_OPAQUE = frozenset({"procedural", "unsafe-io"})
_KEEPS = frozenset({"admin", "code", "unknown"})  # of the powers of functions
_IDENTITY = frozenset({"role", "session_authorization"})
_BACK = ("DISCARD", "RESET")
_SEEDS = "setseed"
_OURS = "sluice."  # read by the gateway alone


def lasting(facts: Facts, catalog: Catalog) -> bool:
    """Whether this may outlast the session."""
    if not facts.complete or not facts.effects.isdisjoint(_OPAQUE):
        return True
    if facts.settings and not facts.kinds[0].startswith(_BACK) and any(map(_stays, facts.settings)):
        return True
    if facts.inner is not None and lasting(facts.inner, catalog):
        return True
    return any(name == _SEEDS or power(schema, name, catalog) in _KEEPS for schema, name in facts.functions)


def _stays(setting: Setting) -> bool:
    name = setting.name
    return name == "*" or name in _IDENTITY or ("." in name and not name.startswith(_OURS))
