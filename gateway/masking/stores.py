"""Places where a statement could put a value aside and read it back later without a mask."""

from gateway.errors import Refused, State
from gateway.masking.basis import MaskBasis
from parser.facts import Facts

_RULE = "built-in: no stored values in settings"


def kept_aside(facts: Facts, basis: MaskBasis) -> Refused | None:
    """The refusal of a set_config whose value comes out of a table with columns that are masked: SHOW, ParameterStatus and
    current_setting would give it back."""
    if basis.inert or not facts.reads:
        return None
    calls = any(name == "set_config" for _, name in facts.functions)
    if not calls or all(setting.value is not None for setting in facts.settings):
        return None
    return Refused(
        State.DENIED,
        f'denied by "{_RULE}": a setting would take its value from a table with masked columns',
        "Give set_config a literal or a parameter as its value.",
        _RULE,
    )
