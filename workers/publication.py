"""Bringing one policy version to all workers at once: hand it to each, wait for every acknowledgement, then
flip one word. And handing them, sealed likewise, what needs no such moment."""

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass

from workers.seat import Child, Seat
from workers.shared_policy import Sealed, seal
from workers.slab import Slab
from workers.slot import DoorsMessage, KeysMessage, PolicyMessage

ACK_SECONDS = 5.0


@dataclass
class _Pending:
    version: int
    sealed: Sealed
    deadline: float


class Publisher:
    """The policy in force and, while a new one is on its way, that one too."""

    def __init__(self, slab: Slab, policy: bytes) -> None:
        self._slab = slab
        self._newest = 1
        self.sealed = seal(policy)
        self._pending: _Pending | None = None
        slab.publish(self._newest)  # nobody reads yet

    @property
    def busy(self) -> bool:
        """Whether a version is on its way."""
        return self._pending is not None

    def descriptors(self) -> list[int]:
        """The memory files held here, which a forked worker must not keep."""
        return [self.sealed.fd] + ([self._pending.sealed.fd] if self._pending else [])

    def welcome(self, child: Child) -> None:
        """Give a new worker the version in force, and the one on its way."""
        _tell(child, self._slab.generation, self.sealed)
        if self._pending:
            _tell(child, self._pending.version, self._pending.sealed)

    def begin(self, policy: bytes, seats: Iterable[Seat]) -> None:
        """Send a new version to every worker. A number is never used twice, also when its version was given
        up."""
        assert self._pending is None
        self._newest += 1
        self._pending = _Pending(self._newest, seal(policy), time.monotonic() + ACK_SECONDS)
        for seat in seats:
            if seat.child:
                _tell(seat.child, self._newest, self._pending.sealed)

    def settle(self, seats: Iterable[Seat], now: float) -> bool:
        """Put the version in force once every living worker has it; True when that happened now. Kills whom
        it waits for too long."""
        if self._pending is None:
            return False
        waiting = [seat.child for seat in seats if seat.child and seat.child.acked < self._pending.version]
        if waiting:
            if now > self._pending.deadline:
                for child in waiting:
                    child.kill(signal.SIGKILL)
            return False
        self._slab.publish(self._pending.version)
        self.sealed.close()
        self.sealed = self._pending.sealed
        self._pending = None
        return True

    def give_up(self, version: int) -> bool:
        """A worker cannot use `version`: the old one stays in force. False when that version is not on its
        way."""
        if self._pending is None or self._pending.version != version:
            return False
        self._pending.sealed.close()
        self._pending = None
        return True


def _tell(child: Child, version: int, sealed: Sealed) -> None:
    child.tell(PolicyMessage(version, sealed.size, sealed.digest), sealed.fd)


def tell_all(seats: Iterable[Seat], kind: type[KeysMessage] | type[DoorsMessage], content: bytes) -> None:
    """Hands the content, sealed, to every worker there is; later ones are born with it."""
    sealed = seal(content, f"sluice-{kind.__name__}")
    for seat in seats:
        if seat.child:
            seat.child.tell(kind(sealed.size, sealed.digest), sealed.fd)
    sealed.close()
