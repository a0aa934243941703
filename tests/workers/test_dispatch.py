"""The supervisor between the admin process and the workers."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.identity import barred
from gateway.identity.barred import Bar, Bars
from gateway.policy import compile as policy_compile
from gateway.policy.rules import Grant
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from workers import admin_link, slot
from workers.admin_link import Done, Errand, Granted, InForce, Recorded, Sent, Told, WorkerGone
from workers.admin_seat import AdminSeat
from workers.control import pair
from workers.dispatch import Dispatch
from workers.errands import AllBars, Ended, ListSessions, MoveBars
from workers.notary_seat import NotarySeat
from workers.seat import Child, Seat
from workers.shared_policy import seal, unseal
from workers.slab import Slab
from workers.slot import Barred, ErrandDone, ErrandMessage


class House:
    """A dispatch with two workers and an admin process, whose ends the test holds."""

    def __init__(self) -> None:
        slab = Slab(2)
        self.ends: list[socket.socket] = []
        self.seats = []
        self.workers: list[socket.socket] = []
        for index in range(2):
            ours, theirs = pair()
            self.workers.append(theirs)
            self.ends += [ours, theirs]
            seat = Seat(index, theirs, slab.row(index))
            seat.child = Child(0, ours, 0.0)
            self.seats.append(seat)
        admin = AdminSeat(lambda control: 0)
        admin.process.control, self.admin = pair()
        self.ends += [admin.process.control, self.admin]
        self.notary = NotarySeat(lambda control: 0)
        self.recorded: list[tuple[Any, ...]] = []
        self.notary.told = self._told  # type: ignore[method-assign]
        self.policy = policy_compile.compile([], Settings())
        self.dispatch = Dispatch(admin, self.seats, self.notary, Bars([Bar("user", "old")]), self.policy)

    def _told(self, kind: str, data: dict[str, Any], then: Any = None) -> None:
        self.recorded.append((kind, data["what"]))
        if then is not None:
            then()

    def said(self, worker: int) -> list[Any]:
        found = []
        while True:
            try:
                heard = slot.receive(self.workers[worker])
            except BlockingIOError:
                return found
            assert heard is not None
            found.append(heard)

    def told(self) -> list[Any]:
        found = []
        while True:
            try:
                heard = admin_link.receive(self.admin)
            except BlockingIOError:
                return found
            assert heard is not None
            found.append(heard[0])
            if heard[1] is not None:
                os.close(heard[1])


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    for end in made.ends:
        end.close()


def test_an_errand_goes_to_every_worker_and_their_answers_come_back(house: House) -> None:
    admin_link.send(house.admin, Errand(4, ListSessions()))
    house.dispatch.hear_admin()
    assert house.told() == [Sent(4, (0, 1))]
    assert [[message for message, _ in house.said(worker)] for worker in (0, 1)] == [[ErrandMessage(4, ListSessions())]] * 2
    read, write = os.pipe()
    house.dispatch.hear_worker(house.seats[1], ErrandDone(4, Ended(2)), read)
    os.close(write)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(read)
    house.dispatch.gone(house.seats[0])
    assert house.told() == [Done(4, 1, Ended(2)), WorkerGone(0)]


def test_a_worker_that_comes_later_learns_of_every_bar(house: House) -> None:
    admin_link.send(house.admin, Errand(1, MoveBars((Bar("actor", "bot"),), (("user", "old", "", ""),))))
    for _ in range(2):
        house.dispatch.hear_admin()
        child = house.seats[0].child
        assert child is not None
        house.said(0)
        house.dispatch.welcome(child)
        ((message, fd),) = house.said(0)
        assert isinstance(message, ErrandMessage)
        assert isinstance(message.errand, AllBars)
        assert [bar.name for bar in barred.unpack(unseal(fd, message.errand.size, message.errand.digest))] == ["bot"]
        os.close(fd)
        assert len(house.dispatch.descriptors()) == 1
    assert house.dispatch.describe() == {"barred": 1, "access": 0, "open_reviews": 0}


def test_what_a_rule_bars_is_barred_everywhere_at_once(house: House) -> None:
    bar = Bar("actor", "bot", user="ann", by="rule")
    house.dispatch.hear_worker(house.seats[0], Barred(bar), None)
    assert [[message.errand for message, _ in house.said(worker)] for worker in (0, 1)] == [[MoveBars((bar,))]] * 2
    assert house.told() == [admin_link.Barred(bar)]
    assert house.recorded == [("system", "barred")]
    assert bar in list(house.dispatch.bars)


def test_what_is_told_with_a_number_is_answered_once_it_is_on_record(house: House) -> None:
    for number in (0, 3):
        admin_link.send(house.admin, Told("system", {"what": "operation"}, number))
    house.dispatch.hear_admin()
    assert house.told() == [Recorded(3)]
    assert house.recorded == [("system", "operation")] * 2


def test_grants_on_request_go_into_the_policy_and_who_asked_hears_when_they_are_in_force(house: House) -> None:
    def grant(number: int, *names: str) -> None:
        sealed = seal(msgspec.msgpack.encode([Grant(name, ("read",), users=("ann",)) for name in names]))
        admin_link.send(house.admin, Granted(number, sealed.size, sealed.digest, 2), sealed.fd)
        sealed.close()
        house.dispatch.hear_admin()

    grant(1)
    assert (house.told(), house.dispatch.due) == ([InForce(1)], False), "nothing is another"
    grant(2, "access a")
    assert (house.told(), house.dispatch.due) == ([], True)
    assert len(PolicyTable(house.dispatch.policy(house.policy, "test"))._table.grants) == 1
    grant(3, "access a", "access b")
    house.dispatch.in_force(2, b"d")
    assert (house.told(), house.dispatch.due) == ([], True), "that is the one before"
    house.dispatch.policy(house.policy, "test")
    house.dispatch.in_force(3, b"d")
    assert house.told() == [InForce(2), InForce(3)]
    assert house.dispatch.describe() == {"barred": 1, "access": 2, "open_reviews": 2}
    assert house.recorded[-1] == ("policy", "policy published")
