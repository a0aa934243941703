"""What the admin process asks of the supervisor and of the workers, and what comes back."""

import itertools
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import trio

from gateway.audit.records import EventKind
from gateway.policy.rules import Grant
from workers.admin_link import Done, Errand, Granted, InForce, Message, Recorded, Sent, Told, WorkerGone
from workers.errands import ANSWER_SECONDS, Answered, EndSession, Listed, ListSessions, MoveBars
from workers.shared_policy import NotSealed, seal, unseal

RECORD_SECONDS: Final = 1.0  # for something to be on record
GRANT_SECONDS: Final = 6.0  # for a policy to be in force
AT_ONCE_MAX: Final = 8  # errands under way


@dataclass
class Replies:
    """The answers of an errand. `missing` are workers that did not answer in time."""

    answers: list[Answered] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    sent: bool = False
    complete: trio.Event = field(default_factory=trio.Event)

    @property
    def workers(self) -> int:
        """How many have answered."""
        return len(self.answers)

    def settle(self) -> None:
        """Nobody is waited for any more?"""
        if self.sent and not self.missing:
            self.complete.set()


class Post:
    """See the module; `tell` reaches the supervisor."""

    def __init__(self, tell: Callable[[Message, int | None], Awaitable[None]]) -> None:
        self._tell = tell
        self._numbers = itertools.count(1)
        self._asked: dict[int, Replies] = {}
        self._records: dict[int, trio.Event] = {}  # of what is to be on record, or in force
        self._room = trio.CapacityLimiter(AT_ONCE_MAX)

    async def ask(self, errand: ListSessions | EndSession | MoveBars) -> Replies:
        """Has every worker do it; what they answer within the time. Raises nothing."""
        async with self._room:
            number, replies = next(self._numbers), Replies()
            self._asked[number] = replies
            try:
                with trio.move_on_after(ANSWER_SECONDS):
                    await self._tell(Errand(number, errand), None)
                    await replies.complete.wait()
            finally:
                del self._asked[number]
            return replies

    async def record(self, kind: EventKind, what: str, /, **facts: Any) -> bool:
        """Puts it on record; whether it is there. Where it is not yet, it will be as soon as the record can be written."""
        number, written = next(self._numbers), trio.Event()
        self._records[number] = written
        try:
            with trio.move_on_after(RECORD_SECONDS):
                await self._tell(Told(kind, {"what": what, **facts}, number), None)
                await written.wait()
        finally:
            del self._records[number]
        return written.is_set()

    async def grant(self, grants: Sequence[Grant], reviews: int) -> bool:
        """Has these grants, and no others, in the policy beside those of the files; whether they are in force."""
        number, in_force = next(self._numbers), trio.Event()
        sealed = seal(msgspec.msgpack.encode(grants), "sluice-grants")
        self._records[number] = in_force
        try:
            with trio.move_on_after(GRANT_SECONDS):
                await self._tell(Granted(number, sealed.size, sealed.digest, reviews), sealed.fd)
                await in_force.wait()
        finally:
            sealed.close()
            del self._records[number]
        return in_force.is_set()

    def hear(self, message: Message, fd: int | None) -> None:
        """An answer; closes the descriptor."""
        try:
            match message:
                case (Recorded(number) | InForce(number)) if number in self._records:
                    self._records[number].set()
                case Sent(number, workers) if number in self._asked:
                    replies = self._asked[number]
                    replies.sent, replies.missing = True, set(workers)
                    replies.settle()
                case Done(number, worker, answer) if number in self._asked:
                    self._answered(self._asked[number], Answered(worker, answer, _content(message, fd)))
                case WorkerGone(worker):
                    for replies in self._asked.values():
                        replies.missing.discard(worker)
                        replies.settle()
        except NotSealed:  # no answer
            return
        finally:
            if fd is not None:
                os.close(fd)

    def _answered(self, replies: Replies, answered: Answered) -> None:
        if answered.worker in replies.missing:
            replies.missing.discard(answered.worker)
            replies.answers.append(answered)
        replies.settle()


def _content(message: Done, fd: int | None) -> bytes:
    answer = message.answer
    return unseal(fd, answer.size, answer.digest) if isinstance(answer, Listed) and fd is not None else b""
