"""Budgets are called what a grant calls them."""

from typing import get_args

from gateway.policy.decision import SPANS, Budget, Spent
from gateway.policy.rules import Grant


def test_every_budget_of_a_grant_has_its_name() -> None:
    named = {
        Budget("g", what, 1, seconds).setting: (what, seconds)
        for what in get_args(Spent)
        for seconds in SPANS
    }
    budgets = [key for key in Grant.__struct_fields__ if key.startswith("max_") and "_per_" in key]
    assert len(budgets) == 9
    assert set(budgets) <= set(named)
