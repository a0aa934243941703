"""A policy version is in force when every worker has it, and not before. The workers here are socket pairs."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from workers import slot
from workers.control import pair
from workers.publication import ACK_SECONDS, Publisher, tell_all
from workers.seat import Child, Seat
from workers.shared_policy import PolicyShelf, unseal
from workers.slab import Slab
from workers.slot import DoorsMessage, PolicyMessage


class Crew:
    def __init__(self, count: int) -> None:
        self.slab = Slab(count)
        self.publisher = Publisher(self.slab, b"one")
        self.seats: list[Seat] = []
        self.ends: list[socket.socket] = []
        self.shelves = [PolicyShelf(bytes) for _ in range(count)]
        for index in range(count):
            ours, theirs = pair()
            seat = Seat(index, ours, self.slab.row(index), child=Child(2**22 + 1, ours, 0.0))
            self.seats.append(seat)
            self.ends.append(theirs)

    def hear(self, index: int) -> int:
        """The worker takes its next message and acknowledges it."""
        heard = slot.receive(self.ends[index])
        assert heard is not None
        message, fd = heard
        assert isinstance(message, PolicyMessage)
        assert fd is not None
        shelf = self.shelves[index]
        shelf.put(message.version, shelf.read(fd, message.size, message.digest))
        child = self.seats[index].child
        assert child is not None
        child.acked = message.version
        return message.version


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(2)
    yield made
    for end in (*made.ends, *(seat.listener for seat in made.seats)):
        end.close()


def test_the_first_version_is_in_force_before_anybody_starts(crew: Crew) -> None:
    assert crew.slab.generation == 1
    child = crew.seats[0].child
    assert child is not None
    crew.publisher.welcome(child)
    assert crew.hear(0) == 1
    assert crew.shelves[0].current(crew.slab.generation) == b"one"


def test_the_word_flips_after_the_last_acknowledgement(crew: Crew) -> None:
    crew.publisher.begin(b"two", crew.seats)
    assert crew.publisher.busy
    for index in range(2):
        assert not crew.publisher.settle(crew.seats, 0.0)
        assert crew.slab.generation == 1
        assert crew.hear(index) == 2
    assert crew.publisher.settle(crew.seats, 0.0)
    assert crew.slab.generation == 2
    assert not crew.publisher.busy
    assert not crew.publisher.settle(crew.seats, 0.0)
    assert [shelf.current(2) for shelf in crew.shelves] == [b"two", b"two"]


def test_a_dead_worker_is_not_waited_for_and_its_successor_gets_both_versions(crew: Crew) -> None:
    crew.publisher.begin(b"two", crew.seats)
    crew.hear(0)
    successor, crew.seats[1].child = crew.seats[1].child, None
    assert successor is not None
    assert slot.receive(crew.ends[1]) is not None
    crew.publisher.welcome(successor)
    crew.seats[1].child = successor
    assert crew.hear(1) == 1
    assert not crew.publisher.settle(crew.seats, 0.0)
    assert crew.hear(1) == 2
    assert crew.publisher.settle(crew.seats, 0.0)


def test_without_any_worker_a_version_is_in_force_at_once(crew: Crew) -> None:
    for seat in crew.seats:
        seat.child = None
    crew.publisher.begin(b"two", crew.seats)
    assert crew.publisher.settle(crew.seats, 0.0)


def test_a_given_up_version_leaves_the_old_one_and_its_number_is_never_used_again(crew: Crew) -> None:
    crew.publisher.begin(b"bad", crew.seats)
    assert not crew.publisher.give_up(1)
    assert crew.publisher.give_up(2)
    assert not crew.publisher.give_up(2)
    assert crew.slab.generation == 1
    assert crew.publisher.sealed.size == len(b"one")
    crew.publisher.begin(b"three", crew.seats)
    for index in range(2):
        assert [crew.hear(index), crew.hear(index)] == [2, 3]
    assert crew.publisher.settle(crew.seats, 0.0)
    assert crew.slab.generation == 3
    assert [shelf.current(3) for shelf in crew.shelves] == [b"three", b"three"]


def test_who_does_not_acknowledge_in_time_is_killed(crew: Crew) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        child = crew.seats[1].child
        assert child is not None
        child.pid = process.pid
        crew.publisher.begin(b"two", crew.seats)
        crew.hear(0)
        assert not crew.publisher.settle(crew.seats, time.monotonic())
        assert process.poll() is None
        assert not crew.publisher.settle(crew.seats, time.monotonic() + ACK_SECONDS)
        assert process.wait(10) == -signal.SIGKILL


def test_what_needs_no_moment_is_handed_to_all_there_are(crew: Crew) -> None:
    crew.seats[0].child = None
    tell_all(crew.seats, DoorsMessage, b"files")
    heard = slot.receive(crew.ends[1])
    assert heard is not None
    message, fd = heard
    assert isinstance(message, DoorsMessage)
    assert fd is not None
    assert unseal(fd, message.size, message.digest) == b"files"
    os.close(fd)
    with pytest.raises(BlockingIOError):
        slot.receive(crew.ends[0])


def test_publishing_leaks_no_descriptors(crew: Crew) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        crew.publisher.begin(b"%d" % number, crew.seats)
        if number % 2:
            crew.hear(0), crew.hear(1)
            assert crew.publisher.settle(crew.seats, 0.0)
        else:
            assert crew.publisher.give_up(number + 2)
            crew.hear(0), crew.hear(1)
    assert len(os.listdir("/proc/self/fd")) == before
