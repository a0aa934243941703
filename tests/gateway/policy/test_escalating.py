"""Steps of escalation: what may be written, and who is asked after which time."""

import pytest

from gateway.errors import ConfigError
from gateway.policy import rules
from gateway.policy.access import Approvers, Step
from gateway.policy.compile import compile
from gateway.policy.escalating import due, widened
from gateway.policy.table import PolicyTable
from gateway.settings import Settings

RULE = """
[[approval]]
name = "writes"
approvers = { groups = ["dba"] }
wait_seconds = 300
escalate = [%s]
"""
LEADS = '{ after_seconds = 60, approvers = { groups = ["dba-lead"] }, channels = ["night"] }'


def test_steps_widen_who_may_decide_each_after_its_time() -> None:
    steps = (Step(60, Approvers(groups=("lead", "dba"))), Step(120, Approvers(users=("cto",)), ("night",)))
    assert [len(due(steps, waited)) for waited in (0, 59.9, 60, 119, 120, 9e9)] == [0, 0, 1, 1, 2, 2]
    assert widened(Approvers(groups=("dba",)), due(steps, 120)) == Approvers(("cto",), ("dba", "lead"))


def test_steps_reach_the_compiled_policy_in_their_order() -> None:
    text = RULE % f'{LEADS}, {{ after_seconds = 100, channels = ["console"] }}'
    table = PolicyTable(compile([rules.load(text, "policy.toml")], Settings()))
    assert [one.after_seconds for one in table.approval_rules["writes"].escalate] == [60, 100]
    assert any('"night" is not in sluice.toml' in note for note in table.notes)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("{ after_seconds = 60 }", "asks nobody and tells nobody"),
        (f"{LEADS}, {LEADS}", "not later than the one before"),
        ('{ after_seconds = 300, channels = ["console"] }', "nothing waits so long"),
        ('{ after_seconds = 0, channels = ["console"] }', "after_seconds"),
        ('{ after_seconds = 9, approvers = { groups = ["*"] } }', "names nobody"),
        ('{ after_seconds = 9, channels = ["No Channel"] }', "not a channel"),
        ('{ after_second = 9, channels = ["console"] }', "after_second"),
    ],
)
def test_a_step_that_cannot_be_meant_is_refused_with_its_place(steps: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        rules.load(RULE % steps, "policy.toml")


ACCESS = """
[[access]]
name = "on request"
allow = ["read"]
%s
escalate = [%s]
"""
ASKED = 'approvers = { groups = ["leads"] }'


def test_access_on_request_has_steps_within_the_day_that_it_waits() -> None:
    (rule,) = rules.load(ACCESS % (ASKED, LEADS), "policy.toml").access
    assert rule.escalate[0].approvers.groups == ("dba-lead",)
    with pytest.raises(ConfigError, match="nothing waits so long"):
        rules.load(ACCESS % (ASKED, '{ after_seconds = 86400, channels = ["console"] }'), "policy.toml")
    alone = 'break_glass = true\nreview_by = { groups = ["security"] }'
    with pytest.raises(ConfigError, match="nobody is asked first"):
        rules.load(ACCESS % (alone, LEADS), "policy.toml")
