"""A task's budget is one over all workers, for as long as its tokens live."""

from dataclasses import replace

from gateway.policy.decision import Budget
from tests.workers.test_budgets import ADA, HOUR, NOON, SECOND, ledgers
from workers.slab import Counter, Slab
from workers.tasks import TaskAccount, TaskLedger, Tasks

ROWS = Budget("agents", "rows", 1000, 0)
AGENT = replace(ADA, actors=("agent-7",), run="run-1", expires=(NOON + HOUR) / SECOND)


def test_what_one_worker_spends_is_left_to_none() -> None:
    _, (first, second) = ledgers(2)
    watcher = second.purse(AGENT, ROWS)
    assert watcher.left(NOON) == 1000
    first.purse(AGENT, ROWS).spend(400, NOON)
    assert watcher.left(NOON + 30 * HOUR) == 600, "time alone gives nothing back"
    watcher.spend(700, NOON)
    assert first.purse(AGENT, ROWS).left(NOON) == 0


def test_a_task_is_a_run_or_else_a_token() -> None:
    _, (ledger,) = ledgers(1)
    same = [AGENT, replace(AGENT, token_id="t2"), replace(AGENT, expires=AGENT.expires + 7)]
    tokens = [replace(AGENT, run=""), replace(AGENT, run="", token_id="t2"), replace(AGENT, run="t1")]
    others = [replace(AGENT, run="run-2"), replace(AGENT, user="bob"), replace(AGENT, actors=("x",))]
    ledger.purse(AGENT, ROWS).spend(1, NOON)
    assert [ledger.purse(one, ROWS).left(NOON) for one in same] == [999] * 3
    assert [ledger.purse(one, ROWS).left(NOON) for one in (*tokens, *others)] == [1000] * 6
    for spent, one in enumerate(tokens, 1):
        ledger.purse(one, ROWS).spend(spent, NOON)
    assert [ledger.purse(one, ROWS).left(NOON) for one in tokens] == [999, 998, 997]


def test_a_budget_of_the_persons_is_one_for_all_of_his_agents() -> None:
    _, (ledger,) = ledgers(1)
    for budget in (replace(ROWS, personal=True), Budget("people", "rows", 1000, 3600, personal=True)):
        ledger.purse(replace(AGENT, actors=("x",)), budget).spend(400, NOON)
        ledger.purse(replace(AGENT, actors=()), budget).spend(1, NOON)
        assert ledger.purse(AGENT, budget).left(NOON) == 599


def account(ledger: TaskLedger, key: int, until: int = 1 << 40) -> TaskAccount:
    return TaskAccount(ledger, key, ROWS, until)


def full(entries: int) -> tuple[Slab, TaskLedger, TaskLedger, list[TaskAccount]]:
    """Two workers, the first of whose tables is full of tasks, used one minute after the other."""
    slab, tasks = Slab(2), Tasks(2, entries)
    first, second = (TaskLedger(tasks.tables, index, slab.row(index)) for index in range(2))
    accounts = [account(first, key) for key in range(1, entries + 1)]
    for minute, one in enumerate(accounts):
        one.spend(5, NOON + 60 * minute * SECOND)
    return slab, first, second, accounts


def test_the_task_that_was_not_used_for_longest_makes_room() -> None:
    slab, first, second, accounts = full(8)
    accounts[0].spend(1, NOON + HOUR)
    account(first, 100).spend(9, NOON + HOUR)
    assert [one.used() for one in accounts] == [6, 0, 5, 5, 5, 5, 5, 5]
    assert account(second, 100).used() == 9
    assert slab.total(Counter.BUDGETS_FULL) == 1
    accounts[1].spend(2, NOON + HOUR)
    assert accounts[1].used() == 2
    assert account(second, 3).used() == 0, "and pushes out another"


def test_a_task_whose_tokens_have_ended_makes_room_first() -> None:
    slab, first, _, accounts = full(8)
    TaskAccount(first, 8, ROWS, 0.0).spend(1, NOON + HOUR)  # another token of a task that has one for long
    assert accounts[7].used() == 6
    slab, tasks = Slab(1), Tasks(1, 2)
    ledger = TaskLedger(tasks.tables, 0, slab.row(0))
    account(ledger, 1).spend(1, NOON)
    account(ledger, 2, NOON // SECOND + 60).spend(1, NOON + HOUR)
    account(ledger, 3).spend(1, NOON + HOUR)
    assert [account(ledger, key).used() for key in (1, 2, 3)] == [1, 0, 1]
    assert slab.total(Counter.BUDGETS_FULL) == 0


def test_counts_stay_words() -> None:
    _, first, _, _ = full(1)
    one = account(first, 1)
    one.spend(1 << 63, NOON)
    one.spend(1 << 63, NOON)
    assert one.used() == (1 << 62) - 1
