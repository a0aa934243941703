"""How much one decision may allow."""

from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.allowances import MaxAllowance
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from tests.gateway.policy.test_approving import GOOD


def test_it_comes_through_to_the_table_and_is_none_where_nothing_is_said() -> None:
    for more, found in (
        ("", None),
        ("max_allowance = { times = 100, rows = 10000, seconds = 7200 }\n", MaxAllowance(100, 10_000, 7200)),
    ):
        table = PolicyTable(policy_compile.compile([rules.load(GOOD + more, "p")], Settings()))
        assert table.approval_rules["production writes"].max_allowance == found
