"""What is held, which approval rules speak of it, and that the strictest of them counts."""

import pytest

from gateway.identity.principal import Principal
from gateway.policy.access import Approvers
from gateway.policy.approving import Approval
from gateway.policy.holds import Hold, held
from tests.gateway.policy.grants import NOW, table, who

DBA = Approvers(groups=("dba",))


def test_what_nobody_could_release_is_not_held() -> None:
    assert held(["a guardrail"], "words", ()) is None


def test_of_several_rules_the_strictest_counts() -> None:
    one = Approval("one", DBA, wait_seconds=300, remember_seconds=900)
    two = Approval("two", DBA, wait_seconds=60, in_transaction="refuse")
    hold = held(["g", "h"], "words", (one, two))
    assert hold is not None
    assert (hold.rules, hold.words, hold.approvals) == (("g", "h"), "words", (one, two))
    assert (hold.wait_seconds, hold.remember_seconds, hold.refuses_in_transaction) == (60, 0, True)
    alone = held(["g"], "", (one,))
    assert alone is not None
    assert (hold.preview_seconds, alone.preview_seconds) == (0, 0)
    tried = Approval("three", DBA, preview=True, preview_seconds=2), Approval("four", DBA, preview_seconds=1)
    assert Hold((), "", tried).preview_seconds == 2
    assert (alone.wait_seconds, alone.remember_seconds, alone.refuses_in_transaction) == (300, 900, False)


@pytest.mark.parametrize(
    ("selectors", "person", "speaks"),
    [
        ("", who(), True),
        ("", who(actors="bot"), True),
        ('users = ["alice"]', who(), True),
        ('users = ["Alice"]', who(), False),
        ('users = ["bob"]', who(), False),
        ('groups = ["a"]', who(groups="a b"), True),
        ('groups = ["a"]', who(groups="b"), False),
        ('actors = ["*"]', who(), False),
        ('actors = ["*"]', who(actors="bot"), True),
        ('actors = ["bot"]', who(actors="other"), False),
        ('actors = ["bot"]', who(actors="outer bot"), True),
        ('databases = ["prod"]', who(), True),
        ('databases = ["dev"]', who(), False),
        ('environments = ["production"]', who(), True),
        ('environments = ["dev"]', who(), False),
    ],
)
def test_an_approval_rule_speaks_of_those_whom_all_its_selectors_name(
    selectors: str, person: Principal, speaks: bool
) -> None:
    text = f"""
[[grant]]
name = "all"
allow = ["all"]
[[grant]]
name = "agents"
actors = ["*"]
allow = ["all"]
[[approval]]
name = "one"
approvers = {{ groups = ["dba"] }}
{selectors}
[[approval]]
name = "other"
approvers = {{ groups = ["dba"] }}
users = ["somebody else"]
"""
    rights = table(text).rights(person, "prod", "production", NOW, 1)
    assert [one.name for one in rights.approvals] == (["one"] if speaks else [])
