"""What [[access]] may say, and how its mistakes are told."""

import pytest

from gateway.errors import ConfigError
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.table import PolicyTable
from gateway.settings import Settings

GOOD = """
[[access]]
name = "production on request"
groups = ["devs"]
databases = ["prod"]
allow = ["read"]
approvers = { groups = ["dba"] }
"""


def test_a_rule_of_access_comes_through_to_the_table() -> None:
    table = PolicyTable(policy_compile.compile([rules.load(GOOD, "p")], Settings()))
    assert [(one.name, one.max_seconds, one.approvers.groups) for one in table.access] == [
        ("production on request", 28_800, ("dba",))
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('approvers = { groups = ["dba"] }', ""), "nobody could approve"),
        (('["dba"]', '["*"]'), "names nobody"),
        (('["dba"]', '["a\\u0007"]'), "control character"),
        (("allow", "break_glass = true\nallow"), "nobody would review"),
        (("allow", 'review_by = { users = ["a"] }\nallow'), "without break_glass"),
        (("allow", "max_seconds = 59\nallow"), "max_seconds"),
        (("allow", "max_seconds = 99999999\nallow"), "max_seconds"),
        (('["read"]', '["drop"]'), "allow"),
        (("allow", 'role = "none"\nallow'), "role"),
        (("allow", "approver = 1\nallow"), "approvers"),
    ],
)
def test_mistakes_are_told_with_their_mend(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        rules.load(GOOD.replace(*change), "policy.toml")
    assert told.value.fault.mend
    assert told.value.fault.line > 1


def test_a_name_belongs_to_one_rule() -> None:
    with pytest.raises(ConfigError, match="taken"):
        rules.load(GOOD + GOOD, "p")
