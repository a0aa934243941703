"""Budgets are counted over all workers, with real processes as writers, and against a plain model."""

import os
import signal
from collections import Counter as Counts
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.principal import Principal
from gateway.policy.decision import Budget
from workers.budgets import Account, Budgets, Ledger
from workers.probing import PROBES
from workers.slab import Counter, Slab

SECOND = 10**9
HOUR = 3600 * SECOND
NOON = 500_000 * HOUR  # a window of every length begins here
ADA = Principal("ada", "local", (), (), 0.0, "t1")
ROWS = Budget("analysts read", "rows", 1000, 3600)
STATEMENTS = Budget("analysts read", "statements", 10, 60)


def ledgers(slots: int, entries: int = 256) -> tuple[Slab, list[Ledger]]:
    slab, budgets = Slab(slots), Budgets(slots, entries)
    return slab, [budgets.ledger(index, slab.row(index)) for index in range(slots)]


def in_child(work: Callable[[], object], *, killed: bool = False) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            if killed:
                os.kill(os.getpid(), signal.SIGKILL)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == (-signal.SIGKILL if killed else 0)


def people(count: int) -> list[Principal]:
    return [replace(ADA, user=f"user {number}") for number in range(count)]


def test_what_is_spent_is_no_longer_left() -> None:
    _, (ledger,) = ledgers(1)
    purse = ledger.purse(ADA, ROWS)
    assert purse.left(NOON) == 1000
    purse.spend(400, NOON)
    assert purse.left(NOON + SECOND) == 600
    purse.spend(700, NOON + SECOND)
    assert (purse.left(NOON + SECOND), purse.used(NOON + SECOND)) == (0, 1100)


def test_two_processes_spend_from_one_budget() -> None:
    _, (first, second) = ledgers(2)

    def work(ledger: Ledger) -> Callable[[], None]:
        def spend() -> None:
            purse = ledger.purse(ADA, ROWS)
            for _ in range(2000):
                purse.spend(1, NOON)

        return spend

    one, two = os.fork(), 0
    if one == 0:
        try:
            work(first)()
        finally:
            os._exit(0)
    two = os.fork()
    if two == 0:
        try:
            work(second)()
        finally:
            os._exit(0)
    for pid in (one, two):
        os.waitpid(pid, 0)
    assert first.purse(ADA, ROWS).used(NOON) == second.purse(ADA, ROWS).used(NOON) == 4000


def test_a_reader_sees_counts_only_grow_while_another_process_writes() -> None:
    """Each word is read whole: half a write would show as a count that never was."""
    _, (reader, writer) = ledgers(2)
    purse = reader.purse(ADA, ROWS)

    def work() -> None:
        theirs = writer.purse(ADA, ROWS)
        for _ in range(20_000):
            theirs.spend(0xFFFF, NOON)  # carries from byte to byte all the time

    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    seen = 0
    while not os.waitpid(pid, os.WNOHANG)[0]:
        for _ in range(100):
            used = purse.used(NOON)
            assert used >= seen
            assert used % 0xFFFF == 0
            seen = used
    assert purse.used(NOON) == 20_000 * 0xFFFF


def test_a_killed_writer_loses_nothing_and_its_successor_goes_on() -> None:
    _, (first, second) = ledgers(2)
    in_child(lambda: second.purse(ADA, ROWS).spend(300, NOON), killed=True)
    watcher = first.purse(ADA, ROWS)
    assert watcher.left(NOON) == 700
    in_child(lambda: second.purse(ADA, ROWS).spend(300, NOON))
    assert watcher.left(NOON) == 400


def test_an_account_that_looked_first_sees_what_another_worker_spends_later() -> None:
    _, (first, second) = ledgers(2)
    watcher = first.purse(ADA, ROWS)
    assert watcher.left(NOON) == 1000
    second.purse(ADA, ROWS).spend(1, NOON)
    assert watcher.left(NOON) == 999


def test_principals_grants_and_sorts_are_counted_apart() -> None:
    _, (ledger,) = ledgers(1)
    keys = [
        (ADA, ROWS),
        (replace(ADA, user="ad", issuer="alocal"), ROWS),
        (replace(ADA, issuer="okta"), ROWS),
        (replace(ADA, actors=("agent-7",)), ROWS),
        (replace(ADA, actors=("agent-7", "agent-8")), ROWS),
        (ADA, replace(ROWS, grant="another")),
        (ADA, replace(ROWS, what="bytes")),
    ]
    for spent, (principal, budget) in enumerate(keys, 1):
        ledger.purse(principal, budget).spend(spent, NOON)
    assert [ledger.purse(*key).used(NOON) for key in keys] == [1, 2, 3, 4, 5, 6, 7]


def test_sessions_groups_and_tokens_of_one_principal_share_its_budget() -> None:
    _, (ledger,) = ledgers(1)
    ledger.purse(ADA, ROWS).spend(5, NOON)
    again = replace(ADA, groups=("analysts",), expires=9.0, token_id="t2")
    assert ledger.purse(again, ROWS).used(NOON) == 5


def test_a_policy_that_changes_the_amount_goes_on_with_what_was_counted() -> None:
    _, (ledger,) = ledgers(1)
    ledger.purse(ADA, ROWS).spend(900, NOON)
    assert ledger.purse(ADA, replace(ROWS, most=500)).left(NOON) == 0
    assert ledger.purse(ADA, replace(ROWS, most=2000)).left(NOON) == 1100


def test_the_window_before_fades_with_the_time() -> None:
    _, (ledger,) = ledgers(1)
    purse = ledger.purse(ADA, ROWS)
    purse.spend(1000, NOON + HOUR - 1)
    assert purse.left(NOON + HOUR - 1) == purse.left(NOON + HOUR) == 0
    assert purse.left(NOON + HOUR + HOUR // 4) == 250
    assert purse.left(NOON + HOUR + HOUR // 2) == 500
    assert purse.left(NOON + 2 * HOUR - 1) == 999, "what is left of it counts as a whole row"
    assert purse.left(NOON + 2 * HOUR) == 1000


def test_a_used_up_budget_comes_back_with_the_minute() -> None:
    _, (first, second) = ledgers(2)
    mine, theirs = first.purse(ADA, STATEMENTS), second.purse(ADA, STATEMENTS)
    for second_of_minute in range(10):
        mine.spend(1, NOON + second_of_minute * SECOND)
    assert theirs.left(NOON + 59 * SECOND) == 0
    assert theirs.left(NOON + 90 * SECOND) == 5
    assert theirs.left(NOON + 120 * SECOND) == 10


def test_windows_go_on_where_the_minute_begins_anew_from_nothing() -> None:
    turn = (1 << 24) * 60 * SECOND * 2  # minutes are kept modulo 2^24
    for budget in (ROWS, STATEMENTS):
        window = budget.window_seconds * SECOND
        last = (turn - 1) // window * window  # the window in which, or at the end of which, they begin anew
        _, (first, second) = ledgers(2)
        mine, theirs = first.purse(ADA, budget), second.purse(ADA, budget)
        mine.spend(4, last)
        assert theirs.used(last + window - 1) == 4
        assert theirs.used(last + window + window // 2) == 2
        mine.spend(3, last + window)
        assert theirs.used(last + window + window // 2) == 5
        assert theirs.used(last + 2 * window) == 3
        assert theirs.used(last + 3 * window) == 0


def test_what_is_too_old_or_yet_to_come_counts_as_nothing() -> None:
    _, (ledger,) = ledgers(1)
    purse = ledger.purse(ADA, ROWS)
    purse.spend(7, NOON)
    assert purse.used(NOON + 10 * HOUR) == 0
    assert purse.used(NOON - 10 * HOUR) == 0


def test_a_clock_that_is_set_back_a_little_counts_in_the_window_of_then() -> None:
    _, (ledger,) = ledgers(1)
    purse = ledger.purse(ADA, ROWS)
    purse.spend(100, NOON)
    purse.spend(10, NOON - 1)
    assert purse.used(NOON - 1) == 10
    assert purse.used(NOON) == 110
    assert purse.used(NOON + HOUR) == 100


def test_a_full_table_leaves_nothing_to_newcomers_and_is_counted() -> None:
    slab, (ledger, other) = ledgers(2, entries=8)
    known = [ledger.purse(person, ROWS) for person in people(8)]
    for purse in known:
        purse.spend(1, NOON)
    late = ledger.purse(ADA, ROWS)
    assert slab.total(Counter.BUDGETS_FULL) == 0
    assert late.left(NOON) == 0
    assert slab.row(0).get(Counter.BUDGETS_FULL) == 1
    late.spend(1, NOON)
    assert other.purse(ADA, ROWS).left(NOON) == 1000, "the other worker's table has room"
    assert [purse.left(NOON) for purse in known] == [999] * 8, "those that are in go on"


def test_entries_that_no_window_counts_any_more_are_used_again() -> None:
    _, (ledger, other) = ledgers(2, entries=8)
    old = [ledger.purse(person, ROWS) for person in people(8)]
    watchers = [other.purse(person, ROWS) for person in people(8)]
    for purse, watcher in zip(old, watchers, strict=True):
        purse.spend(5, NOON)
        assert watcher.used(NOON) == 5
    late = ledger.purse(ADA, ROWS)
    assert late.left(NOON + 2 * HOUR - SECOND) == 0
    assert late.left(NOON + 2 * HOUR + 61 * SECOND) == 1000
    late.spend(9, NOON + 2 * HOUR + 61 * SECOND)
    now = NOON + 2 * HOUR + 62 * SECOND
    assert late.used(now) == 9
    assert [watcher.used(now) for watcher in watchers] == [0] * 8
    for purse in old[:6]:
        purse.spend(2, now)
    assert [purse.used(now) for purse in old[:6]] == [2] * 6, "one whose entry was taken gets another"
    assert late.used(now) == 9


def test_an_entry_of_a_time_to_come_is_not_taken_for_an_old_one() -> None:
    _, (ledger,) = ledgers(1, entries=1)
    ahead = ledger.purse(people(1)[0], ROWS)
    ahead.spend(5, NOON + 5 * HOUR)
    assert ledger.purse(ADA, ROWS).left(NOON) == 0
    assert ahead.used(NOON + 5 * HOUR) == 5


def test_entries_are_found_across_the_end_of_the_table() -> None:
    _, (ledger, other) = ledgers(2, entries=PROBES + 6)
    purses = [ledger.purse(person, ROWS) for person in people(PROBES + 2)]
    for spent, purse in enumerate(purses):
        purse.spend(spent, NOON)
    watchers = [other.purse(person, ROWS) for person in people(len(purses))]
    assert [watcher.used(NOON) for watcher in watchers] == list(range(len(purses)))


def test_the_highest_count_uses_every_budget_up() -> None:
    _, (ledger,) = ledgers(1)
    purse = ledger.purse(ADA, replace(ROWS, what="bytes", most=1 << 50))
    assert purse.left(NOON) == (1 << 40) - 1
    purse.spend((1 << 40) - 2, NOON)
    assert purse.left(NOON) == 1
    purse.spend(1 << 60, NOON)
    assert purse.left(NOON) == 0
    assert ledger.purse(ADA, ROWS).used(NOON) == 0, "and spills into nobody else's"


def test_names_cannot_be_found_in_the_shared_memory() -> None:
    budgets, slab = Budgets(1, 64), Slab(1)
    budgets.ledger(0, slab.row(0)).purse(replace(ADA, user="ada lovelace"), ROWS).spend(1, NOON)
    assert b"lovelace" not in bytes(budgets.tables[0])
    elsewhere = Budgets(1, 64)
    elsewhere.ledger(0, slab.row(0)).purse(replace(ADA, user="ada lovelace"), ROWS).spend(1, NOON)
    assert bytes(budgets.tables[0]) != bytes(elsewhere.tables[0]), "and nobody can compute the keys"


PURSES = [(person, budget) for person in people(3) for budget in (ROWS, STATEMENTS)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),  # the worker
            st.integers(0, len(PURSES) - 1),
            st.integers(0, 600),  # spent
            st.sampled_from((0, 1, 7, 29, 60, 61, 600, 3599, 3600, 7300)),  # seconds that pass before
        ),
        max_size=40,
    )
)
def test_counts_are_those_of_a_plain_model(steps: list[tuple[int, int, int, int]]) -> None:
    _, workers = ledgers(3, entries=16)
    accounts: list[list[Account]] = [[ledger.purse(*purse) for purse in PURSES] for ledger in workers]
    model: Counts[tuple[int, int]] = Counts()  # (purse, window) -> spent
    now = NOON + 17 * SECOND
    for worker, which, spent, passed in steps:
        now += passed * SECOND
        seconds = PURSES[which][1].window_seconds
        window, elapsed = divmod(now, seconds * SECOND)
        accounts[worker][which].spend(spent, now)
        model[which, window] += spent
        before = model[which, window - 1] * (seconds * SECOND - elapsed)
        expected = model[which, window] + -(-before // (seconds * SECOND))
        assert [each[which].used(now) for each in accounts] == [expected] * 3
        assert accounts[0][which].left(now) == max(0, PURSES[which][1].most - expected)
