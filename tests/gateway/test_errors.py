"""Errors say who is at fault, in words a person can use."""

import re

import pytest

from gateway.errors import ConfigError, ConfigFault, Refusal, Refused, State, Unavailable


def test_states_are_sqlstates_and_read_as_text() -> None:
    assert len({state.value for state in State}) == len(State)
    for state in State:
        assert re.fullmatch(r"[0-9A-Z]{5}", state)
        assert f"{state}" == state.value


def test_refusal_carries_what_the_client_reads() -> None:
    refused = Refused(State.DENIED, "no", "do it so", "rule")
    with pytest.raises(Refusal, match=r"^no$") as caught:
        raise Refusal(refused)
    assert caught.value.refused is refused


def test_what_is_unavailable_is_refused_too() -> None:
    with pytest.raises(Refusal) as caught:
        raise Unavailable(Refused(State.AUDIT, "the audit cannot be written"))
    assert caught.value.refused.sqlstate == "58030"


def test_refused_cannot_be_changed_afterwards() -> None:
    refused = Refused(State.DENIED, "no")
    with pytest.raises(AttributeError):
        refused.message = "yes"  # type: ignore[misc]
    assert (refused.hint, refused.rule) == ("", "")


@pytest.mark.parametrize(
    ("line", "text"),
    [(7, "policy.toml:7: grant: it is wrong; mend it"), (0, "policy.toml: grant: it is wrong; mend it")],
)
def test_fault_names_its_place_and_its_mend(line: int, text: str) -> None:
    fault = ConfigFault("policy.toml", line, "grant", "it is wrong", "mend it")
    error = ConfigError(fault)
    assert str(error) == str(fault) == text
    assert error.fault is fault
