"""Different people are counted once, over all workers, in the last hour or in a task, and never beyond the budget."""

import os
import random
from dataclasses import replace

import pytest

from gateway.masking.distinct import Seen, seen
from gateway.policy.decision import Budget
from tests.workers.test_budgets import ADA, HOUR, NOON, SECOND
from workers import meetings as module
from workers.budgets import Budgets
from workers.crowds import Crowds
from workers.meetings import CrowdAccount, CrowdLedger, Meetings
from workers.slab import Counter, Slab

MINUTE = 60 * SECOND
HOURLY = Budget("people", "subjects", 1000, 3600)
TASK = Budget("agents", "subjects", 1000, 0)


def ledgers(slots: int) -> tuple[Slab, list[Meetings]]:
    slab, budgets = Slab(slots), Budgets(slots, 16)
    return slab, [Meetings(budgets, index, slab.row(index)) for index in range(slots)]


def people(begin: int, end: int, unknown: int = 0) -> Seen:
    """The same number is always the same person."""
    digests = b"".join(random.Random(number).randbytes(16) for number in range(begin, end))
    return seen([(digests, "prod.public.customers")], unknown)


@pytest.mark.parametrize("budget", [HOURLY, TASK])
def test_workers_meet_one_crowd(budget: Budget) -> None:
    _, (first, second) = ledgers(2)
    one, other = first.crowd(ADA, budget), second.crowd(ADA, budget)
    assert one.meet(people(0, 600), NOON)
    assert other.meet(people(300, 900), NOON)
    assert abs(one.met(NOON) - 900) <= 18
    assert one.met(NOON) == other.met(NOON)
    assert not other.exceeded(NOON)
    assert other.meet(people(0, 900), NOON), "whom it knows costs nothing"


@pytest.mark.parametrize("budget", [HOURLY, TASK])
def test_what_would_exceed_the_budget_is_not_counted(budget: Budget) -> None:
    _, (first, second) = ledgers(2)
    one, other = first.crowd(ADA, budget), second.crowd(ADA, budget)
    assert one.meet(people(0, 900), NOON)
    before = one.met(NOON)
    assert not other.meet(people(800, 1200), NOON)
    assert other.met(NOON) == before
    assert other.meet(people(800, 950), NOON)
    assert not one.exceeded(NOON)


def test_what_must_be_delivered_is_counted_and_nothing_comes_after_it() -> None:
    _, (ledger,) = ledgers(1)
    one = ledger.crowd(ADA, HOURLY)
    assert not one.meet(people(0, 1200), NOON, must=True)
    assert one.exceeded(NOON)
    assert not one.meet(people(0, 5), NOON)


def test_the_hour_moves_in_steps() -> None:
    _, (first, second) = ledgers(2)
    one, other = first.crowd(ADA, HOURLY), second.crowd(ADA, HOURLY)
    for step in range(4):
        assert (one if step % 2 else other).meet(people(100 * step, 100 * step + 100), NOON + 20 * step * MINUTE)
    for minute, expected in ((60, 400), (79, 400), (80, 300), (119, 200), (120, 100), (139, 100), (140, 0), (10_000, 0)):
        assert abs(one.met(NOON + minute * MINUTE) - expected) <= 0.02 * expected
    assert one.meet(people(0, 10), NOON + 141 * MINUTE), "the sketch of an old span is used again"
    assert one.met(NOON + 141 * MINUTE) == other.met(NOON + 141 * MINUTE) == 10


def test_a_task_is_not_forgotten_with_time() -> None:
    _, (ledger,) = ledgers(1)
    one = ledger.crowd(ADA, TASK)
    one.meet(people(0, 10), NOON)
    assert one.met(NOON + 100 * HOUR) == 10
    assert ledger.crowd(replace(ADA, token_id="t2"), TASK).met(NOON) == 0


def test_rows_without_a_key_count_each() -> None:
    _, (first, second) = ledgers(2)
    one, other = first.crowd(ADA, HOURLY), second.crowd(ADA, HOURLY)
    for account in (one, other, one):
        assert account.meet(people(0, 10, unknown=300), NOON)
    assert one.met(NOON) == 910
    assert not other.meet(people(0, 0, unknown=91), NOON)
    assert other.meet(people(0, 0, unknown=90), NOON)
    assert one.met(NOON + 80 * MINUTE) == 0


def test_no_estimate_is_made_where_it_cannot_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    estimate = module.estimate

    def counted(sketch: memoryview) -> int:
        nonlocal made
        made += 1
        return estimate(sketch)

    monkeypatch.setattr(module, "estimate", counted)
    _, (first, second) = ledgers(2)
    one, other = first.crowd(ADA, HOURLY), second.crowd(ADA, HOURLY)
    for number in range(90):
        assert one.meet(people(number, number + 10), NOON)
        assert not one.exceeded(NOON)
    assert made == 1
    other.meet(people(0, 99), NOON)  # its own first
    assert one.meet(people(0, 10), NOON)
    assert made == 3, "as the other's and its own together may have come to more"
    assert one.meet(people(0, 10), NOON)
    assert made == 3
    assert first.crowd(replace(ADA, groups=("x",)), HOURLY) is one


def test_processes_meet_one_crowd() -> None:
    _, (first, second) = ledgers(2)
    pid = os.fork()
    if pid == 0:
        try:
            second.crowd(ADA, HOURLY).meet(people(0, 500), NOON)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert abs(first.crowd(ADA, HOURLY).met(NOON) - 500) <= 10


def test_processes_that_meet_at_once_exceed_a_budget_by_no_more_than_a_piece_each() -> None:
    """What one adds while another estimates must be in the estimate, or in what was offered since."""
    workers, most, piece = 4, 400, 5
    for attempt in range(2):
        _, ledgers_of = ledgers(workers)
        budget = replace(HOURLY, most=most)
        pieces = [[people(begin, begin + piece) for begin in range(1000 * n, 1000 * n + 800, piece)] for n in range(workers)]
        begin, go = os.pipe()
        pids = []
        for number, own in enumerate(ledgers_of):
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(go)
                    os.read(begin, 1)  # until the parent lets all go
                    account = own.crowd(ADA, budget)
                    for one in pieces[number]:
                        account.exceeded(NOON)
                        account.meet(one, NOON)
                finally:
                    os._exit(0)
            pids.append(pid)
        os.close(begin)
        os.close(go)
        for pid in pids:
            os.waitpid(pid, 0)
        found = ledgers_of[0].crowd(ADA, budget).met(NOON)
        assert most - piece <= found <= most + workers * piece, attempt


def small(spans: int, span_seconds: int) -> tuple[Slab, list[CrowdLedger]]:
    """Two workers, each with room for two."""
    slab, crowds = Slab(2), Crowds(2, 2, spans, span_seconds)
    return slab, [CrowdLedger(crowds, index, slab.row(index)) for index in range(2)]


def account(ledger: CrowdLedger, key: int, budget: Budget = HOURLY, until: float = 1e12) -> CrowdAccount:
    return CrowdAccount(ledger, key, budget, until)


def test_where_there_is_no_room_newcomers_of_the_hour_get_nothing() -> None:
    slab, (ledger, other) = small(4, 1200)
    for key in (1, 2):
        assert account(ledger, key).meet(people(0, 5), NOON)
    late = account(ledger, 3)
    assert late.exceeded(NOON)
    assert not late.meet(people(0, 1), NOON)
    assert not late.meet(people(0, 1), NOON + 79 * MINUTE)
    assert slab.total(Counter.BUDGETS_FULL) == 3
    assert account(other, 3).meet(people(0, 1), NOON), "the other worker's table has room"
    assert late.meet(people(0, 7), NOON + 80 * MINUTE)
    assert account(other, 3).met(NOON + 80 * MINUTE) == 7


def test_the_task_that_was_not_used_for_longest_makes_room() -> None:
    slab, (ledger, other) = small(1, 0)
    one, two, three = (account(ledger, key, TASK) for key in (1, 2, 3))
    one.meet(people(0, 5), NOON)
    two.meet(people(0, 6), NOON + MINUTE)
    one.meet(people(0, 6), NOON + 2 * MINUTE)
    three.meet(people(0, 7), NOON + 3 * MINUTE)
    assert [each.met(NOON + 4 * MINUTE) for each in (one, two, three)] == [6, 0, 7]
    assert slab.total(Counter.BUDGETS_FULL) == 1
    two.meet(people(0, 3), NOON + 5 * MINUTE)
    assert account(other, 2, TASK).met(NOON + 5 * MINUTE) == 3
    assert one.met(NOON + 5 * MINUTE) == 0


def test_an_account_that_lost_its_entry_counts_anew() -> None:
    """What was offered to the entry before tells nothing of the one that came back."""
    _, (ledger, _) = small(1, 0)
    one = account(ledger, 1, replace(TASK, most=100))
    assert one.meet(people(0, 60), NOON)
    for key in (2, 3):
        account(ledger, key, TASK).meet(people(0, 1), NOON + key * MINUTE)
    assert one.meet(people(100, 150), NOON + 9 * MINUTE)
    assert one.met(NOON + 9 * MINUTE) == 50
    assert not one.meet(people(200, 260), NOON + 9 * MINUTE)


def test_sketches_hold_no_key_and_no_name() -> None:
    crowds, slab = Crowds(1, 4, 4, 1200), Slab(1)
    CrowdAccount(CrowdLedger(crowds, 0, slab.row(0)), 77, HOURLY, 1.0).meet(people(0, 3), NOON)
    (table,) = crowds.tables
    digest = random.Random(0).randbytes(16)
    assert digest[:4] not in bytes(table.registers)
    assert sum(1 for one in bytes(table.registers) if one) == 3
