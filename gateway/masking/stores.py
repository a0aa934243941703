"""Places where a statement could put a value aside and have it come back without a mask."""

from gateway.errors import Refused, State
from gateway.masking.basis import MaskBasis
from parser.facts import Facts

_SETTINGS = "built-in: no stored values in settings"
_MESSAGES = "built-in: no masked values in messages"
# Functions that hand a value to other sessions, or to a store that no column's label reaches.
_SENDING = frozenset(("pg_notify", "pg_logical_emit_message", "lo_from_bytea", "lo_put", "lowrite"))


def kept_aside(facts: Facts, basis: MaskBasis) -> Refused | None:
    """The refusal of a statement that could take the value of a masked column to where it would be read in clear."""
    if basis.inert:
        return None
    if not facts.complete and any(name == "set_config" for _, name in facts.functions):
        # A computed value: the reader leaves such a statement unread. SHOW, ParameterStatus and current_setting would give
        # it back.
        return Refused(
            State.DENIED,
            f'denied by "{_SETTINGS}": a setting would take a computed value, which may be that of a masked column',
            "Give set_config a literal or a parameter as its value.",
            _SETTINGS,
        )
    if any(name in _SENDING for _, name in facts.functions) and basis.reads_masked():
        return Refused(
            State.DENIED,
            f'denied by "{_MESSAGES}": the statement sends a value on and reads masked columns',
            "Send literals or parameters, and leave the masked columns out of the statement.",
            _MESSAGES,
        )
    return None
