"""The notary as the supervisor keeps it: real processes, forked, killed and asked to end."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from workers import companion, notary_link, notary_seat, spawn
from workers.notary_link import Finish, Happened, Message, Report
from workers.notary_seat import NotarySeat

PATIENCE = 10.0


def echo(control: socket.socket, ack: bool = True) -> int:
    """Tells back which messages it heard, and ends when told to."""
    control.setblocking(True)
    heard: list[Message] = []
    while True:
        message = notary_link.receive(control)
        assert message is not None
        heard.append(message)
        texts = [each.data["what"] if isinstance(each, Happened) else type(each).__name__ for each in heard]
        control.send(notary_link.encode(Report(",".join(texts), 0, len(heard), "", 0, "", len(heard) if ack else 0)))
        if isinstance(message, Finish):
            return 0


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' libraries have left threads in this process, of which nothing that is forked here uses anything."""
    monkeypatch.setattr(spawn, "threads", lambda: 1)


@pytest.fixture
def seats() -> Iterator[Callable[[Callable[[socket.socket], int]], NotarySeat]]:
    made: list[NotarySeat] = []

    def make(main: Callable[[socket.socket], int]) -> NotarySeat:
        made.append(NotarySeat(main))
        return made[-1]

    yield make
    for seat in made:
        if seat.process.pid:
            os.kill(seat.process.pid, signal.SIGKILL)
            os.waitpid(seat.process.pid, 0)
        if seat.process.control is not None:
            seat.process.control.close()


def start(seat: NotarySeat, now: float) -> None:
    parent, _ = os.pipe()
    seat.process.start(parent, [], now)


def heard(seat: NotarySeat, text: str) -> None:
    assert seat.process.control is not None
    give_up = time.monotonic() + PATIENCE
    while seat.describe()["notary"] != text:
        assert time.monotonic() < give_up, seat.describe()
        select.select([seat.process.control], [], [], 1)
        seat.turn()


def test_it_is_told_what_happened_before_and_after_its_start(
    seats: Callable[[Callable[[socket.socket], int]], NotarySeat],
) -> None:
    seat = seats(echo)
    assert seat.describe() == {"signed_age_seconds": None, "notary": "gone", "alarms": 0, "alarm": None}
    seat.happened("system", "before", secret="x" * 100_000)
    start(seat, 100.0)
    seat.turn()
    seat.published(1, b"\1\2", None)
    seat.reread()
    heard(seat, "before,policy in force,Reread")
    assert not seat.finish(105.0)
    heard(seat, "before,policy in force,Reread,Finish")
    _, status = os.waitpid(seat.process.pid, 0)
    assert seat.buried(seat.process.pid, os.waitstatus_to_exitcode(status), 106.0)
    assert seat.finish(106.0)
    assert not seat.process.due(1000.0)


def test_what_was_not_put_on_record_is_told_to_the_successor(
    seats: Callable[[Callable[[socket.socket], int]], NotarySeat],
) -> None:
    seat = seats(lambda control: echo(control, ack=False))
    start(seat, 0.0)
    seat.happened("system", "lost with the first")
    heard(seat, "lost with the first")
    seat.happened("system", "and this")
    os.kill(seat.process.pid, signal.SIGKILL)
    os.waitpid(seat.process.pid, 0)
    assert seat.buried(seat.process.pid, -9, 1.0)
    seat.process._main = echo
    start(seat, 2.0)
    seat.turn()
    seat.happened("system", "and more")
    heard(seat, "lost with the first,and this,and more")
    os.kill(seat.process.pid, signal.SIGKILL)
    os.waitpid(seat.process.pid, 0)
    assert seat.buried(seat.process.pid, -9, 3.0)
    start(seat, 4.0)
    seat.happened("system", "the only one")
    heard(seat, "the only one")


def test_more_than_can_be_kept_loses_the_oldest(
    seats: Callable[[Callable[[socket.socket], int]], NotarySeat],
) -> None:
    seat = seats(lambda control: time.sleep(60) or 0)  # it never reads
    start(seat, 0.0)
    for number in range(3 * notary_seat.HELD):
        seat.happened("system", f"event {number}", facts="x" * 1000)
    assert len(seat._waiting) == notary_seat.HELD
    os.kill(seat.process.pid, signal.SIGKILL)
    os.waitpid(seat.process.pid, 0)
    seat.buried(seat.process.pid, -9, 1.0)
    seat.process._main = echo
    start(seat, 2.0)
    give_up = time.monotonic() + PATIENCE
    while seat._waiting:
        assert time.monotonic() < give_up
        seat.turn()


def test_one_that_does_not_end_is_ended(
    seats: Callable[[Callable[[socket.socket], int]], NotarySeat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "END_SECONDS", 0.05)
    seat = seats(lambda control: time.sleep(60) or 0)
    start(seat, 0.0)
    seat.end()
    assert seat.process.pid == 0
    quick = seats(echo)
    start(quick, 0.0)
    monkeypatch.setattr(companion, "END_SECONDS", PATIENCE)
    quick.end()
    assert quick.process.pid == 0


def test_who_wants_to_know_hears_when_something_is_on_record(
    seats: Callable[[Callable[[socket.socket], int]], NotarySeat],
) -> None:
    said: list[str] = []
    forgetful = seats(lambda control: echo(control, ack=False))
    start(forgetful, 100.0)
    forgetful.told("system", {"what": "unheard"}, lambda: said.append("unheard"))
    heard(forgetful, "unheard")
    assert said == []
    seat = seats(echo)
    start(seat, 100.0)
    seat.told("system", {"what": "a"}, lambda: said.append("a"))
    seat.happened("system", "b")
    seat.told("system", {"what": "c"}, lambda: said.append("c"))
    heard(seat, "a,b,c")
    assert said == ["a", "c"]
