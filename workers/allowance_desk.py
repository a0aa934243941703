"""Allowances in the admin process: who may pass under one, what is left of it, and when it is over.

One use at a time has all rows that are left in its hands, as the limit that the server-side guard holds it to; what it did
not change comes back when its outcome is told. Who comes meanwhile waits for that, for a moment; then people are asked. A
use whose outcome nobody tells has used up everything.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import trio

from gateway.approvals import allowances
from gateway.approvals.statements import Held
from workers.allowance_store import Left
from workers.holds_link import Counted, Leave, ToWorker, Used, Using, Waits
from workers.ticket_desk import Keeps

BUSY_SECONDS: Final = 2.0  # for the outcome of another use
Line = trio.MemorySendChannel[ToWorker]
Record = Callable[[Held, dict[str, Any]], Awaitable[bool]]


class Busy(Exception):
    """Somebody else has it in his hands."""

    def __init__(self, allowance: str) -> None:
        super().__init__(allowance)
        self.allowance = allowance


class Queued(NamedTuple):
    """A worker's question that waits for the outcome of another use."""

    waits: Waits
    line: Line


class Allowances:
    """`again` hears a question that was put off. Whatever looks at the store raises Turned where that cannot be used."""

    def __init__(self, do: Keeps, host: str, record: Record, again: Callable[[Waits, Line], Awaitable[None]]) -> None:
        self._do = do
        self._host = host
        self._record = record
        self._again = again
        self._queues: dict[str, deque[Queued]] = {}
        self._since: dict[str, float] = {}  # when who waits began to
        self._leaves: dict[str, Leave] = {}  # what is in whose hands,
        self._lines: dict[str, Line] = {}  # over which connection,
        self._lost: dict[str, float] = {}  # or since when over none
        self._known = False

    # -- what passes

    async def passes(self, held: Held) -> Held | None:
        """The statement as it passes under an allowance, which it has in its hands from now on. Raises Busy."""
        if not held.repeatable:
            return None
        use = await self._do(lambda store: store.allowances.using(held.id))
        if use is not None:  # the process before this one took it
            self._leaves[held.id] = Leave(use.allowance, use.rows)
            under = await self._do(lambda store: store.get(use.allowance))
            return allowances.passed(held, under) if under is not None else None
        keys = allowances.key(held, "task"), allowances.key(held, "person")
        now = time.time()
        for left in await self._do(lambda store: store.allowances.fitting(*keys, held.binding, now)):
            if (passed := await self._under(left, held)) is not None:
                return passed
        self._since.pop(held.id, None)
        return None

    async def _under(self, left: Left, held: Held) -> Held | None:
        under = await self._do(lambda store: store.get(left.id))
        if under is None or not allowances.covers(under, held, left.times, left.until) or not await self._take(left, held):
            return None
        passed = allowances.passed(held, under)
        told = {"allowance": left.id, "by": list(passed.givers), "times_left": left.times - 1, "rows_left": left.rows}
        if await self._record(passed, told):
            return passed
        await self._do(lambda store: store.allowances.give_back(held.id))
        self._leaves.pop(held.id)
        return None

    async def _take(self, left: Left, held: Held) -> bool:
        if left.rows <= 0:
            since = self._since.setdefault(held.id, time.monotonic())
            if time.monotonic() - since < BUSY_SECONDS:
                raise Busy(left.id)
            return False
        if not await self._do(lambda store: store.allowances.take(left, held.id, held.binding, self._host)):
            return False
        self._since.pop(held.id, None)
        self._leaves[held.id] = Leave(left.id, left.rows)
        return True

    async def recall(self, held: Held) -> None:
        """What a statement that is let go has in its hands. One that waits is the first to use the allowance that it was
        approved with."""
        if held.state != "approved" or (held.allowance is None and not held.under):
            return
        if held.allowance is not None:
            given = held.allowance
            left = Left(held.id, given.times, given.rows, given.until)
            first = held.binding if held.on_hold == "wait" else None
            key = allowances.key(held, given.scope)
            await self._do(lambda store: store.allowances.open(left, key, first, self._host))
        use = await self._do(lambda store: store.allowances.using(held.id))
        if use is not None:
            self._leaves[held.id] = Leave(use.allowance, use.rows)

    def hands(self, held: Held, line: Line) -> tuple[bool, Leave | None]:
        """Whether the worker may be told to let it go, and with what."""
        if held.allowance is None and not held.under:
            return True, None
        leave = self._leaves.get(held.id)
        if leave is not None:
            self._lines[held.id] = line
            self._lost.pop(held.id, None)
        return leave is not None, leave

    async def told(self, held: Held) -> dict[str, Any]:
        """What is said of that."""
        left = await self.left(held)
        return {} if left is None else {"left": left._asdict()}

    async def left(self, held: Held) -> Left | None:
        """What is left of the allowance that was given with it."""
        return await self._do(lambda store: store.allowances.left(held.id)) if held.allowance is not None else None

    async def end(self, held: Held, now: float) -> bool:
        """At once; whether it was worth something."""
        return await self._do(lambda store: store.allowances.end(held.id, now))

    # -- what the workers say

    def put_off(self, busy: Busy, waits: Waits, line: Line) -> None:
        """A question waits for the outcome of the other use."""
        self._queues.setdefault(busy.allowance, deque()).append(Queued(waits, line))

    async def heard(self, message: Used | Using, line: Line) -> None:
        """Of what a worker has in its hands."""
        if isinstance(message, Using):
            use = await self._do(lambda store: store.allowances.using(message.id))
            if use is not None:
                self._leaves[message.id] = Leave(use.allowance, use.rows)
                self._lines[message.id] = line
                self._lost.pop(message.id, None)
            return
        await self._count(message.id, message.rows, exceeded=message.exceeded)
        line.send_nowait(Counted(message.id))

    async def over(self, held_id: str, *, unused: bool) -> None:
        """It does not wait any more, as its worker says; or nobody is there who would say anything."""
        self._since.pop(held_id, None)
        for allowance, queue in self._queues.items():
            self._queues[allowance] = deque(one for one in queue if one.waits.id != held_id)
        if unused or held_id not in self._lines:
            await self._count(held_id, 0 if unused else None)

    async def _count(self, held_id: str, rows: int | None, *, exceeded: bool = False) -> None:
        await self._do(lambda store: store.allowances.count(held_id, rows, exceeded=exceeded))
        for known in (self._lines, self._lost):
            known.pop(held_id, None)
        leave = self._leaves.pop(held_id, None)
        if leave is not None:
            await self._next(leave.allowance)

    async def _next(self, allowance: str) -> None:
        """Those who waited for it are heard, until one of them has it."""
        while self._queues.get(allowance) and not await self._do(lambda store: store.allowances.busy(allowance)):
            one = self._queues[allowance].popleft()
            await self._again(one.waits, one.line)

    def gone(self, line: Line) -> None:
        """A worker's connection has ended."""
        for allowance, queue in self._queues.items():
            for one in queue:
                if one.line is line:
                    self._since.pop(one.waits.id, None)
            self._queues[allowance] = deque(one for one in queue if one.line is not line)
        for held_id in [held_id for held_id, its in self._lines.items() if its is line]:
            del self._lines[held_id]
            self._lost[held_id] = time.monotonic()

    async def tidy(self, lost_seconds: float) -> None:
        """Who has waited for long enough goes to people, and what nobody tells the outcome of is used up."""
        now, late = time.time(), time.monotonic() - BUSY_SECONDS
        if not self._known:
            before = await self._do(lambda store: store.allowances.in_hand(self._host))
            self._lost = {one: time.monotonic() for one in before if one not in self._lines} | self._lost
            self._known = True
        await self._do(lambda store: store.allowances.tidy(now))
        for allowance in list(self._queues):
            await self._next(allowance)  # another gateway may have had it in its hands
            while (queue := self._queues[allowance]) and self._since.get(queue[0].waits.id, 0.0) <= late:
                one = queue.popleft()
                await self._again(one.waits, one.line)
        self._queues = {allowance: queue for allowance, queue in self._queues.items() if queue}
        for held_id, since in list(self._lost.items()):
            if since <= time.monotonic() - lost_seconds:
                await self._count(held_id, None)
