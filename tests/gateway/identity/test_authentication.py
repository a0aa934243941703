"""What is taken over of a token about the sign-in behind it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.authentication import METHODS_MAX, Authentication, of_claims


def test_time_class_and_methods_are_taken_over() -> None:
    said = {"auth_time": 1000, "acr": "phr", "amr": ["pwd", "mfa"], "sub": "ada"}
    assert of_claims(said) == Authentication(1000, "phr", ("pwd", "mfa"))


@pytest.mark.parametrize("claim", ["auth_time", "acr", "amr"])
@pytest.mark.parametrize("value", [None, True, "", 1.5, {}, [], -1, ["\n"], "a\0b", "x" * 5000])
def test_what_is_none_of_them_counts_as_not_said(claim: str, value: Any) -> None:
    assert of_claims({claim: value}) is None


def test_a_long_list_of_methods_is_cut() -> None:
    found = of_claims({"amr": [f"m{number}" for number in range(99)]})
    assert found is not None
    assert len(found.amr) == METHODS_MAX


anything = st.recursive(st.none() | st.integers() | st.text(), st.lists)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["auth_time", "acr", "amr"]), anything))
def test_nothing_in_a_token_is_an_error(claims: dict[str, Any]) -> None:
    found = of_claims(claims)
    assert found is None or (found.time >= 0 and all(word.isprintable() for word in (found.acr, *found.amr)))
