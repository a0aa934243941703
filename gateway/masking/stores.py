"""Places where a statement could put a value aside and read it back later without a mask."""

from gateway.errors import Refused, State
from gateway.masking.basis import MaskBasis
from parser.facts import Facts

_RULE = "built-in: no stored values in settings"


def kept_aside(facts: Facts, basis: MaskBasis) -> Refused | None:
    """The refusal of a set_config whose value is computed (the reader leaves such a statement unread), because it may be
    that of a masked column: SHOW, ParameterStatus and current_setting would give it back."""
    if facts.complete or basis.inert:
        return None
    if not any(name == "set_config" for _, name in facts.functions):
        return None
    return Refused(
        State.DENIED,
        f'denied by "{_RULE}": a setting would take a computed value, which may be that of a masked column',
        "Give set_config a literal or a parameter as its value.",
        _RULE,
    )
