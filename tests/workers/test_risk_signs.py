"""What a session knows of the risk of a statement that it holds; tests/workers/test_holds.py has it of a real one."""

from types import SimpleNamespace
from typing import Any, cast

from gateway.approvals.risk import ROWS_NOT_ASKED, ROWS_UNKNOWN, Signs
from gateway.policy.decision import Budget
from gateway.session import inflight
from workers import risk_signs

BUDGET = Budget("readers", "rows", 1000, 3600)


def ruling(rows: int | None = None, **facts: Any) -> Any:
    usual: dict[str, Any] = {"unfiltered": False, "mismatch": (), "labels": (), "read": (), "budgets": ()}
    facts = usual | facts
    return SimpleNamespace(
        facts=SimpleNamespace(unfiltered=facts["unfiltered"]),
        decision=SimpleNamespace(
            estimated_rows=rows, mismatch=facts["mismatch"], limits=SimpleNamespace(budgets=facts["budgets"])
        ),
        card=SimpleNamespace(info=SimpleNamespace(labels=facts["labels"], columns_read=facts["read"])),
    )


def signs(*rulings: Any, weak: bool = False, unmask: frozenset[str] = frozenset(), left: int | None = None) -> Signs:
    purses = {} if left is None else {BUDGET: SimpleNamespace(left=lambda now: left)}
    session = SimpleNamespace(
        scope=SimpleNamespace(rights=SimpleNamespace(unmask=unmask, unmask_as=frozenset({("t.c", "iban")}))),
        card=SimpleNamespace(info=SimpleNamespace(weak=weak)), purses=purses, now=0,
    )  # fmt: skip
    return risk_signs.of(cast("Any", session), rulings)


def test_of_a_plain_statement_there_is_none() -> None:
    assert signs(ruling()) == Signs()


def test_those_of_statements_that_wait_together_are_put_together() -> None:
    found = signs(ruling(40, mismatch=("it writes",)), ruling(2, unfiltered=True), weak=True)
    assert found == Signs(unfiltered=True, rows=42, mismatch=("it writes",), weak=True)


def test_rows_that_nobody_can_tell_are_told_from_those_that_nobody_asked_for() -> None:
    assert signs(ruling(40), ruling(inflight.ROWS_UNKNOWN)).rows == ROWS_UNKNOWN
    assert signs(ruling(), ruling(0)).rows == ROWS_NOT_ASKED


def test_labels_are_in_clear_where_the_rights_unmask_what_is_read() -> None:
    one = ruling(labels=(("t.a", "email"), ("t.b", "name"), ("t.c", "iban")), read=("t.a", "t.c"))
    assert signs(one).clear == ("iban",)
    assert signs(one, unmask=frozenset({"email", "name"})).clear == ("email", "iban"), "b is written alone"
    assert signs(one, unmask=frozenset({"t.a"})).clear == ("email", "iban")
    assert signs(one, unmask=frozenset({"*"})).clear == ("email", "iban")


def test_a_budget_is_told_as_far_as_the_session_has_looked() -> None:
    one = ruling(budgets=(BUDGET,))
    assert signs(one).budget == 0.0
    assert signs(one, left=150).budget == 0.85
