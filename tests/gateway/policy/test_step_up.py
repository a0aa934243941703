"""How fresh and strong a sign-in must be for a decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.identity.authentication import Authentication
from gateway.policy import rules
from gateway.policy.approving import Approval
from gateway.policy.step_up import AHEAD_SECONDS, Demand, StepUp, demand

NOW = 1_000_000.0
FULL = StepUp(300, ("phr", "phrh"), ("mfa", "hwk"))
GOOD = Authentication(int(NOW) - 10, "phrh", ("hwk", "pwd", "mfa"))
RULE = '[[approval]]\nname = "a"\napprovers = {{ groups = ["dba"] }}\nstep_up = {}\n'


def lacks(step_up: StepUp, known: Authentication | None) -> tuple[str, ...]:
    found = demand([step_up], known, NOW)
    return found.lacks if found else ()


def loaded(step_up: str) -> Approval:
    return rules.load(RULE.format(step_up), "policy.toml").approvals[0]


def test_a_fresh_and_strong_sign_in_lacks_nothing() -> None:
    assert demand([FULL, None], GOOD, NOW) is None
    assert demand([], None, NOW) is None
    assert demand([None], None, NOW) is None


def test_what_is_missing_is_said_in_words() -> None:
    assert lacks(FULL, None) == (
        "a sign-in at most 5 min old", "a sign-in of class phr or phrh", "a sign-in with mfa", "a sign-in with hwk",
    )  # fmt: skip
    assert lacks(FULL, Authentication(int(NOW) - 301, "phr", ("mfa", "hwk"))) == ("a sign-in at most 5 min old",)
    assert lacks(FULL, Authentication(int(NOW), "other", ("mfa", "hwk"))) == ("a sign-in of class phr or phrh",)
    assert lacks(FULL, Authentication(int(NOW), "phr", ("mfa",))) == ("a sign-in with hwk",)
    assert lacks(StepUp(max_age_seconds=90), None) == ("a sign-in at most 90 s old",)
    assert lacks(StepUp(max_age_seconds=7200), None) == ("a sign-in at most 2 h old",)


def test_a_sign_in_of_the_future_is_none() -> None:
    assert not lacks(StepUp(60), Authentication(int(NOW) + AHEAD_SECONDS))
    assert lacks(StepUp(60), Authentication(int(NOW) + AHEAD_SECONDS + 1))


def test_several_rules_are_asked_for_at_once() -> None:
    found = demand([StepUp(600, ("phr",)), StepUp(60), StepUp(amr=("mfa",))], None, NOW)
    assert found is not None
    assert (found.max_age_seconds, found.acr_values) == (60, ("phr",))
    assert len(found.lacks) == 4


words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(tuple)
step_ups = st.builds(StepUp, st.none() | st.integers(1, 100), words, words)
sign_ins = st.none() | st.builds(Authentication, st.integers(0, 2_000_000), st.sampled_from(["", "a", "b", "c"]), words)


@given(st.lists(step_ups, max_size=4), sign_ins)
def test_what_all_rules_together_demand_each_rule_demands(wanted: list[StepUp], known: Authentication | None) -> None:
    each = [demand([one], known, NOW) for one in wanted]
    together = demand(wanted, known, NOW)
    assert (together is None) == (each == [None] * len(each))
    if isinstance(together, Demand):
        assert set(together.lacks) == {word for one in each if one for word in one.lacks}


def test_a_rule_says_it_in_the_fields_own_words() -> None:
    assert loaded('{ max_age_seconds = 300, acr = ["phr"], amr = ["mfa"] }').step_up == StepUp(300, ("phr",), ("mfa",))


@pytest.mark.parametrize(
    ("step_up", "said"),
    [
        ("{}", "it demands nothing"), ("{ max_age = 3 }", "max_age"), ("{ max_age_seconds = 0 }", "max_age_seconds"),
        ('{ amr = ["m f a"] }', "amr"), ('{ acr = ["a\\n"] }', "acr"), ("true", "step_up"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(step_up: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(step_up)
    assert said in str(caught.value)
