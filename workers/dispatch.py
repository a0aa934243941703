"""The supervisor between the admin process and the workers: it hands errands and answers on, and remembers what every worker
must know that comes later, also while there is no admin process."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.identity import barred
from gateway.identity.barred import Bar, Bars, Full
from gateway.policy.compile import with_grants
from gateway.policy.difference import difference
from gateway.policy.rules import Grant
from workers.admin_link import (
    Barred,
    Done,
    Errand,
    Granted,
    InForce,
    KeysFailed,
    KeysFetched,
    Recorded,
    Sent,
    Told,
    WorkerGone,
)
from workers.admin_seat import AdminSeat
from workers.errands import NOBODY_ASKS, AllBars, MoveBars
from workers.errands import Errand as Wanted
from workers.notary_seat import NotarySeat
from workers.seat import Child, Seat
from workers.shared_policy import Sealed, seal, unseal
from workers.slot import Barred as BarredThere
from workers.slot import ErrandDone, ErrandMessage

log = logging.getLogger("sluice")


class Dispatch:
    """See the module. `bars` are those that were kept, `policy` is the one that the gateway begins with."""

    def __init__(
        self, admin: AdminSeat, seats: Sequence[Seat], notary: NotarySeat, bars: Bars, policy: bytes
    ) -> None:
        self._admin = admin
        self._seats = seats
        self._notary = notary
        self._sealed: Sealed | None = None  # all bars, until one moves
        self._grants: tuple[Grant, ...] = ()  # given on request
        self._reviews = 0
        self._asked: list[int] = []  # who wants to know when the grants are in force
        self._published = True
        self._policy = policy  # the last that was to be in force,
        self._changes: dict[str, Any] = {}  # … how it differs from the one before,
        self._by = ""  # … and for what reason
        self.bars = bars
        self.keys_came: Callable[[KeysFailed | KeysFetched, int | None], None]

    @property
    def due(self) -> bool:
        """Whether the policy in force is another than `policy` makes."""
        return not self._published

    def policy(self, files: bytes, by: str) -> bytes:
        """The policy of the files with the grants of now, which is about to be published; `by` says for what reason."""
        policy = with_grants(files, self._grants) if self._grants else files
        self._changes, self._by = difference(self._policy, policy), by
        self._policy, self._published = policy, True
        return policy

    def in_force(self, generation: int, digest: bytes) -> None:
        """What `policy` made last is."""
        self._notary.published(generation, digest, self._changes, self._by)
        if self._published:
            self._say_in_force()

    def _say_in_force(self) -> None:
        for number in self._asked:
            self._admin.tell(InForce(number))
        self._asked.clear()

    def descriptors(self) -> list[int]:
        """The memory files held here, which a forked process must not keep."""
        return [self._sealed.fd] if self._sealed is not None else []

    def welcome(self, child: Child) -> None:
        """A new worker knows who is kept out before it lets anybody in."""
        if self._sealed is None:
            self._sealed = seal(barred.pack(self.bars), "sluice-bars")
        errand = AllBars(self._sealed.size, self._sealed.digest)
        child.tell(ErrandMessage(NOBODY_ASKS, errand), self._sealed.fd)

    def hear_admin(self) -> None:
        """What the admin process wants."""
        for message, fd in self._admin.hear():
            match message:
                case Granted() if fd is not None:
                    self._granted(message, fd)
                case Told(kind, data, number):
                    self._notary.told(kind, data, partial(self._admin.tell, Recorded(number)) if number else None)
                case Errand(number, errand):
                    self._send(number, errand)
                case KeysFailed() | KeysFetched():
                    self.keys_came(message, fd)
            if fd is not None:
                os.close(fd)

    def hear_worker(self, seat: Seat, message: object, fd: int | None) -> None:
        """What a worker says of errands, or has found. Closes the descriptor."""
        match message:
            case ErrandDone(number, answer) if number != NOBODY_ASKS:
                self._admin.tell(Done(number, seat.index, answer), fd)
            case BarredThere(bar):
                self._bar(bar)
        if fd is not None:
            os.close(fd)

    def gone(self, seat: Seat) -> None:
        """A worker has ended."""
        self._admin.tell(WorkerGone(seat.index))

    def describe(self) -> dict[str, Any]:
        """For `sluice status`."""
        return {"barred": len(self.bars), "access": len(self._grants), "open_reviews": self._reviews}

    def _granted(self, message: Granted, fd: int) -> None:
        content = unseal(fd, message.size, message.digest)
        grants = msgspec.msgpack.decode(content, type=tuple[Grant, ...])
        self._reviews = message.reviews
        self._asked.append(message.number)
        if grants != self._grants:
            self._grants, self._published = grants, False
        elif self._published:
            self._say_in_force()

    def _send(self, number: int, errand: Wanted) -> None:
        if isinstance(errand, MoveBars):
            self._move(errand)
        children = [(seat, seat.child) for seat in self._seats if seat.child]
        self._admin.tell(Sent(number, tuple(seat.index for seat, _ in children)))
        for _, child in children:
            child.tell(ErrandMessage(number, errand))

    def _move(self, errand: MoveBars) -> None:
        with contextlib.suppress(Full):  # the admin process has looked
            self.bars.move(errand.put, errand.lift, time.time())
        if self._sealed is not None:
            self._sealed.close()
            self._sealed = None

    def _bar(self, bar: Bar) -> None:
        """What a rule wants does not wait for anybody: the admin process keeps it, now or when it is back."""
        log.warning("%s %s is kept out: %s", bar.kind, bar.name, bar.by)
        facts = {"kind": bar.kind, "name": bar.name, "of": bar.user, "why": bar.reason, "until": bar.until}
        self._notary.told("system", {"what": "barred", **facts, "by": bar.by})
        errand = MoveBars((bar,))
        self._move(errand)
        for seat in self._seats:
            if seat.child:
                seat.child.tell(ErrandMessage(NOBODY_ASKS, errand))
        self._admin.tell(Barred(bar))
