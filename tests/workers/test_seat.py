"""When a worker hangs, when its successor starts, and what is said of it."""

import signal
import socket
import subprocess

import pytest

from workers import control
from workers.seat import ABORT_SECONDS, BOOT_SECONDS, STALE_SECONDS, STEADY_SECONDS, Child, Seat
from workers.slab import Counter, Slab
from workers.slot import Drain


@pytest.fixture
def seat():
    with socket.socket() as listener:
        yield Seat(0, listener, Slab(1).row(0))


def child(ready_at: float | None = None, started: float = 1000.0, pid: int = 0) -> Child:
    ours, theirs = control.pair()
    theirs.close()
    ours.close()
    return Child(pid, ours, started, ready_at)


def test_a_starting_worker_has_longer_than_a_running_one(seat: Seat) -> None:
    starting, running = child(), child(ready_at=1001.0)
    assert not seat.hangs(starting, 0, 1000 + BOOT_SECONDS)
    assert seat.hangs(starting, 0, 1000 + BOOT_SECONDS + 0.1)
    assert not seat.hangs(running, 0, 1001 + STALE_SECONDS)
    assert seat.hangs(running, 0, 1001 + STALE_SECONDS + 0.1)


def test_a_turn_of_the_relay_is_a_sign_of_life(seat: Seat) -> None:
    seat.row.set(Counter.BEAT, 2_000_000_000_000)
    assert not seat.hangs(child(ready_at=1001.0), 0, 2000 + STALE_SECONDS)


def test_time_in_which_the_supervisor_was_stopped_does_not_count(seat: Seat) -> None:
    assert not seat.hangs(child(ready_at=1001.0), 5000.0, 5000 + STALE_SECONDS)


def test_the_back_off_doubles_up_to_its_limit_and_a_steady_life_resets_it(seat: Seat) -> None:
    waits = []
    for _ in range(8):
        seat.back_off(child(ready_at=1000.0), 1000 + STEADY_SECONDS)
        waits.append(round(seat.retry_at - 1000 - STEADY_SECONDS, 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    seat.back_off(child(ready_at=1000.0), 1001 + STEADY_SECONDS)
    assert round(seat.retry_at - 1001 - STEADY_SECONDS, 3) == 0.1


def test_a_worker_that_was_never_ready_was_not_steady(seat: Seat) -> None:
    for wait in (0.1, 0.2):
        seat.back_off(child(started=1000.0), 2000.0)
        assert round(seat.retry_at - 2000, 3) == wait


def test_an_empty_seat_is_described_as_gone(seat: Seat) -> None:
    seat.row.add(Counter.STATEMENTS, 3)
    found = seat.describe(1000.0)
    assert (found["state"], found["pid"], found["statements"], found["beat_age_seconds"]) == (
        "gone",
        None,
        3,
        None,
    )
    seat.child = child(pid=77)
    assert seat.describe(1000.0)["state"] == "starting"


def test_a_worker_that_never_reads_is_killed_and_a_dead_one_is_left_to_the_reaper() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        ours, theirs = control.pair()
        deaf = Child(process.pid, ours, 0.0)
        for _ in range(100_000):
            deaf.tell(Drain(1.0))
            if process.poll() is not None:
                break
        assert process.wait(10) == -signal.SIGKILL
        theirs.close()
        deaf.tell(Drain(1.0))
        deaf.kill(signal.SIGKILL)
        ours.close()


def test_an_aborted_worker_has_a_moment_to_say_where_it_hangs() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        hanging = child(pid=process.pid)
        hanging.abort(50.0)
        assert process.wait(10) == -signal.SIGABRT
        assert hanging.abort_at == 50.0 + ABORT_SECONDS
