"""The tickets of all workers, in the admin process: one request for one statement, used once after its approval.

The store says first that it is used, and then the worker hears so: whatever dies in between, it is never used twice. A
worker that asks again under the same name gets the same answer.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

from gateway.approvals import statements, tickets
from gateway.approvals.statements import Held
from workers.held_store import HeldStore
from workers.holds_link import Leave, Ticketed, ToWorker, Waits

T = TypeVar("T")
Line = trio.MemorySendChannel[ToWorker]


class Keeps(Protocol):
    """Runs work over the store. Raises Turned."""

    def __call__(self, work: Callable[[HeldStore], T]) -> Awaitable[T]: ...


class Hands(Protocol):
    """Whoever knows what passes under an allowance."""

    async def recall(self, held: Held) -> None: ...
    def hands(self, held: Held, line: Line) -> tuple[bool, Leave | None]: ...


class Tickets:
    """`opened` and `ended` tell others of what waits, and of its end; `released` is what passes unasked."""

    def __init__(
        self,
        do: Keeps,
        released: Callable[[Held], Awaitable[Held]],
        hands: Hands,
        opened: Callable[[Held], None],
        ended: Callable[[Held], None],
    ) -> None:
        self._do = do
        self._released = released
        self._hands = hands
        self._opened = opened
        self._ended = ended
        self._one = trio.Lock()  # two who ask for the same are given the same

    async def ask(self, waits: Waits, made: Held, line: Line) -> None:
        """A worker asks for what its client does not wait for. Raises Busy and Turned."""
        async with self._one:
            key, now = tickets.key(waits.binding, waits.run), time.time()
            held = await self._do(lambda store: store.tickets.latest(key, waits.id))
            if held is not None and (held.binding, held.run) != (waits.binding, waits.run):
                held = None  # whoever can write to a store that is shared makes no ticket for something else
            state = tickets.standing(held, waits.id, now) if held is not None else None
            if held is not None and state == "approved":
                state = "approved" if await self._use(held, waits.id) else None
            if held is None or state is None:
                held = await self._new(waits, made, key)
                state = tickets.standing(held, waits.id, now) if held is not None else None
        if held is None:
            line.send_nowait(Ticketed(waits.id, waits.id, "full"))
        elif state is not None:
            await self._say(waits.id, held, state, line)

    async def _say(self, asks: str, held: Held, state: tickets.State, line: Line) -> None:
        use = None
        if state == "approved":
            await self._hands.recall(held)
            may, use = self._hands.hands(held, line)
            if not may:
                return
        by = held.denied_by if state == "denied" else ", ".join(held.givers)
        line.send_nowait(Ticketed(asks, held.id, state, held.until, by, held.decision, use))

    async def _use(self, held: Held, asks: str) -> bool:
        if held.used_by == asks:
            return True

        def use(store: HeldStore) -> bool:
            store.tickets.about(held.id, asks)
            return store.move(held, tickets.used(held, asks))

        return await self._do(use)

    async def _new(self, waits: Waits, made: Held, key: bytes) -> Held | None:
        owner = tickets.owner(made)
        if await self._do(lambda store: store.tickets.pending(owner)) >= tickets.PENDING_MAX:
            return None
        held = await self._released(made)
        if held.state == "approved":
            held = tickets.used(held, waits.id)

        def add(store: HeldStore) -> None:
            store.tickets.add(held, key, owner)
            store.add(held)

        await self._do(add)
        if held.state == "pending":
            self._opened(held)
        return held

    async def tidy(self) -> None:
        """What nobody decided about in time is over, and so is what was not used. Raises Turned."""
        now = time.time()
        for ticket in await self._do(lambda store: store.tickets.due(now)):
            await self._look(ticket, now)

    async def _look(self, ticket: str, now: float) -> None:
        held = await self._do(lambda store: store.get(ticket))
        if held is not None and now < held.until:  # it was approved, and is to be used by then
            await self._do(lambda store: store.tickets.again(ticket, held.until))
            return
        if held is not None and held.state == "pending":
            after = statements.ended(held, "expired", now, "nobody decided in time")
            if not await self._do(lambda store: store.move(held, after)):
                return  # somebody has decided meanwhile
            self._ended(after)
        await self._do(lambda store: store.tickets.forget(ticket))

