"""What a connection that is lent for one transaction cannot carry.

The next transaction on it may be anybody's of the same role, and the session's own next one may run on another connection.
So nothing may stay behind that somebody would miss or meet: no setting, prepared name, lock, listener or temporary table.
Whatever is not certain to end with the transaction is refused before it is sent.
"""

import re

from gateway.classify.catalog import Catalog
from gateway.errors import Refused, State
from gateway.policy.decision import Decision, denied
from gateway.policy.functions import called
from gateway.policy.lasting import lasting
from parser.facts import Facts, Setting

RULE = "transaction pooling"

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LOCAL_CALL = re.compile(r"\bset_config\([^()]*, true\)")
_OURS = "sluice."  # read by the gateway alone
# The server reads a prepared text anew on each connection: it must read it as it did the first time.
_LEXING = frozenset({"client_encoding", "names", "standard_conforming_strings"})
_TEMPORARY = "pg_temp"
_ENDS_WITH_COMMIT = " on commit drop"
_LOCK = re.compile(r"pg_(?:try_)?advisory_(?!xact_)")
_SEQUENCE = frozenset({"currval", "lastval"})
_SHOWN = ("pg_prepared_statement", 'u&"')

_KINDS = {
    "LISTEN": "Listen in a session of its own, on a database that is pooled by session.",
    "UNLISTEN": "Leave it out: no session listens here.",
    "LOAD": "Leave it out.",
    "DISCARD": "Leave it out: nothing of a transaction stays behind.",
    "RESET": "Leave it out: SET LOCAL ends with its transaction.",
    "SET SESSION CHARACTERISTICS": "Say it at BEGIN, or with SET TRANSACTION.",
    "PREPARE": "Let the driver prepare it (Parse of the protocol), or run it as it is.",
    "EXECUTE": "Let the driver prepare it (Parse of the protocol), or run the statement itself.",
    "DEALLOCATE": "Close it in the protocol, or use DEALLOCATE ALL.",
}


def carried(decision: Decision, facts: Facts, catalog: Catalog) -> Decision:
    """The decision where connections are lent for a transaction."""
    refused = not_carried(facts, catalog) if decision.refused is None or decision.hold is not None else None
    return decision if refused is None else denied(decision, refused)


def not_carried(facts: Facts, catalog: Catalog) -> Refused | None:
    """Why this statement is refused where connections are lent for a transaction; None where it passes."""
    shape = facts.shape.lower()
    plain = _QUOTED.sub('""', shape)
    for kind in facts.kinds:
        hint = _KINDS.get(kind)
        if hint is not None and (facts.named is None or facts.named.action != "deallocate" or facts.named.name != "*"):
            return _refused(f"{kind} needs a session that keeps its connection", hint)
    found = _setting(facts, plain) or _temporary(facts, shape, plain) or _left(facts, shape, plain, catalog)
    if found is None and lasting(facts, catalog):
        found = _refused(
            f"it is not certain that this statement leaves nothing behind{': ' + facts.reason if facts.reason else ''}",
            "Write out what the code does as statements of their own, or use a database that is pooled by session.",
        )
    if found is None and facts.inner is not None:
        found = not_carried(facts.inner, catalog)
    return found


def _refused(what: str, hint: str) -> Refused:
    return Refused(State.FEATURE, f"{what}; here each transaction has a connection of its own", hint, RULE)


def _setting(facts: Facts, plain: str) -> Refused | None:
    if not facts.settings:
        return None
    if any(name == "set_config" for _, name in facts.functions):
        if len(_LOCAL_CALL.findall(plain)) != len(facts.settings):
            return _refused(
                "set_config without the word true as its last argument outlives its transaction",
                "Write set_config(name, value, true).",
            )
    elif not all(one.local or one.name.startswith(_OURS) for one in facts.settings):
        return _refused("SET outlives its transaction", "Use SET LOCAL, or give it in the connection's parameters.")
    if any(one.name in _LEXING for one in facts.settings):
        hint = "Give it in the connection's parameters."
        return _refused("how texts are read cannot change", hint)
    if any(map(_hides, facts.settings)):
        hint = "Name only schemas in it whose tables last, as a literal."
        return _refused("a search_path with pg_temp in it makes temporary tables of plain ones", hint)
    return None


def _hides(one: Setting) -> bool:
    return one.name == "search_path" and (one.value is None or _TEMPORARY in one.value.lower() or "u&" in one.value.lower())


def _temporary(facts: Facts, shape: str, plain: str) -> Refused | None:
    made = any(relation.schema == _TEMPORARY for relation in facts.creates)
    named = "ddl" in facts.effects and _TEMPORARY in shape
    if named or (made and _ENDS_WITH_COMMIT not in plain):
        return _refused(
            "a temporary table outlives its transaction", "Create it in a transaction, as TEMPORARY with ON COMMIT DROP."
        )
    return None


def _left(facts: Facts, shape: str, plain: str, catalog: Catalog) -> Refused | None:
    if "DECLARE" in facts.kinds and " with hold " in plain:
        return _refused("a cursor WITH HOLD outlives its transaction", "Leave out WITH HOLD and fetch within it.")
    if any(word in shape for word in _SHOWN):
        return _refused("what others have prepared on the connection is not shown", "Leave out pg_prepared_statements.")
    names = called(facts.functions, catalog)
    if any(map(_LOCK.match, names)):
        return _refused("a session's advisory lock outlives its transaction", "Use pg_advisory_xact_lock.")
    if names & _SEQUENCE:
        return _refused("the connection's last value of a sequence may be another's", "Use INSERT … RETURNING, or nextval.")
    return None
