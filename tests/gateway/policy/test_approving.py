"""What [[approval]] may say, and how its mistakes are told."""

import pytest

from gateway.errors import ConfigError
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.table import PolicyTable
from gateway.settings import Settings

GOOD = """
[[approval]]
name = "production writes"
groups = ["devs"]
environments = ["production"]
approvers = { groups = ["dba"] }
"""


def test_a_rule_of_approval_comes_through_to_the_table() -> None:
    table = PolicyTable(policy_compile.compile([rules.load(GOOD, "p")], Settings()))
    found = table.approval_rules["production writes"]
    assert (found.approvers.groups, found.channels, found.wait_seconds) == (("dba",), ("console",), 300.0)
    assert (found.approvals_needed, found.remember_seconds, found.in_transaction) == (1, 0.0, "warn")
    assert (found.preview, found.preview_seconds) == (False, 5.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('{ groups = ["dba"] }', "{}"), "nobody could release"),
        (('["dba"]', '["*"]'), "names nobody"),
        (('["dba"]', '["a\\u0007"]'), "control character"),
        (("approvers", 'channels = ["SMS!"]\napprovers'), "channel"),
        (("approvers", "approvals_needed = 0\napprovers"), "approvals_needed"),
        (("approvers", "wait_seconds = -1\napprovers"), "wait_seconds"),
        (("approvers", 'in_transaction = "maybe"\napprovers'), "in_transaction"),
        (("approvers", "ticket_seconds = 0\napprovers"), "ticket_seconds"),
        (("approvers", "use_within_seconds = 90000\napprovers"), "use_within_seconds"),
        (("approvers", "max_allowance = { times = 3, rows = 5 }\napprovers"), "seconds"),
        (("approvers", "max_allowance = { times = 0, rows = 5, seconds = 9 }\napprovers"), "times"),
        (("approvers", "preview = true\nremember_seconds = 60\napprovers"), "beside preview"),
        (("approvers", "preview = true\nmax_allowance = { times = 1, rows = 5, seconds = 9 }\napprovers"), "beside preview"),
        (("approvers", "preview = true\npreview_seconds = 0\napprovers"), "preview_seconds"),
    ],
)
def test_mistakes_are_told_with_their_mend(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        rules.load(GOOD.replace(*change), "policy.toml")
    assert told.value.fault.mend
    assert told.value.fault.line > 1
