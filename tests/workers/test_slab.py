"""The shared counters, with real forked processes as writers."""

import os
import time

from workers.slab import AUDIT_HEALTH, Counter, Slab


def in_child(work) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_a_child_writes_its_parent_reads() -> None:
    slab = Slab(2)

    def work() -> None:
        slab.row(1).add(Counter.STATEMENTS, 7)
        slab.row(1).set(Counter.AUDIT_LAG, 2**63 + 1)

    in_child(work)
    assert slab.row(1).get(Counter.STATEMENTS) == slab.total(Counter.STATEMENTS) == 7
    assert slab.row(1).get(Counter.AUDIT_LAG) == 2**63 + 1
    assert slab.row(0).get(Counter.STATEMENTS) == 0


def test_generation_moves_for_every_process_at_once() -> None:
    slab = Slab(1)
    assert slab.generation == 0
    slab.publish(3)

    def work() -> None:
        assert slab.generation == 3
        slab.publish(4)

    in_child(work)
    assert slab.generation == 4


def test_beat_is_the_monotonic_clock() -> None:
    slab = Slab(1)
    before = time.monotonic_ns()
    slab.row(0).beat()
    assert before <= slab.row(0).get(Counter.BEAT) <= time.monotonic_ns()


def test_sessions_of_all_slots_together_stay_within_the_limit() -> None:
    slab = Slab(3)
    rows = [slab.row(index) for index in range(3)]
    assert [rows[number % 3].admit(4, 9) for number in range(6)] == [True] * 4 + [False] * 2
    assert slab.total(Counter.SESSIONS) == 4
    rows[0].leave()
    assert rows[2].admit(4, 9)


def test_a_slot_takes_no_more_sessions_than_it_has_room_for() -> None:
    slab = Slab(2)
    assert [slab.row(0).admit(9, 2) for _ in range(3)] == [True, True, False]
    assert slab.row(1).admit(9, 2), "the other slot has room"
    assert slab.total(Counter.SESSIONS) == 3


def test_a_dead_workers_gauges_are_cleared_and_its_counts_stay() -> None:
    slab = Slab(1)
    row = slab.row(0)
    assert row.admit(1, 1)
    row.beat()
    row.add(Counter.STATEMENTS, 5)
    row.bump_catalogue("shop")
    row.clear()
    assert row.get(Counter.SESSIONS) == row.get(Counter.BEAT) == 0
    assert row.get(Counter.STATEMENTS) == 5
    assert slab.catalogue_changes("shop") == 1


def test_ddl_through_any_worker_is_seen_for_its_database_alone() -> None:
    slab = Slab(2)
    slab.row(0).bump_catalogue("shop")
    slab.row(1).bump_catalogue("shop")
    assert slab.catalogue_changes("shop") == 2
    assert slab.catalogue_changes("crm") == 0


def test_health_is_the_newest_of_any_worker() -> None:
    slab = Slab(2)
    assert slab.health("shop") == (0, 0)
    before = int(time.time())
    slab.row(0).note_connect("shop", reached=True)
    slab.row(1).note_connect("shop", reached=False)
    reached, failed = slab.health("shop")
    assert before <= reached <= time.time()
    assert before <= failed <= time.time()


def test_rows_do_not_overlap() -> None:
    slab = Slab(4)
    for index in range(4):
        for counter in Counter:
            slab.row(index).set(counter, 100 * index + counter)
    for index in range(4):
        assert [slab.row(index).get(counter) for counter in Counter] == [
            100 * index + each for each in Counter
        ]
    assert [slab.catalogue_changes(name) for name in ("a", "b", "shop")] == [0, 0, 0]


def test_the_audit_fares_as_in_the_worst_of_slots_and_a_dead_worker_is_no_trouble() -> None:
    slab = Slab(3)
    slab.row(1).set(Counter.AUDIT_HEALTH, AUDIT_HEALTH.index("full"))
    slab.row(2).set(Counter.AUDIT_HEALTH, AUDIT_HEALTH.index("failed"))
    assert AUDIT_HEALTH[slab.worst(Counter.AUDIT_HEALTH)] == "failed"
    slab.row(2).clear()
    assert AUDIT_HEALTH[slab.worst(Counter.AUDIT_HEALTH)] == "full"
