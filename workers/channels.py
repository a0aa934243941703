"""Tells the channels of requests: all of a request's at once, each in a task of its own that tries until it is done or over.

Nothing here decides or releases anything. A channel that is down, slow or wrong delays its own messages alone.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import trio

from gateway.approvals.view import Approver, Change, Evidence, Outcome, View
from workers.channel_health import Health

ENTRIES_MAX: Final = 2000  # requests a channel is told of at a time
AT_ONCE_MAX: Final = 4  # messages on their way to one channel
PAUSE_SECONDS: Final = 1.0  # after a first failure; then twice as long each time …
PAUSE_SECONDS_MAX: Final = 60.0
TRIES_MAX: Final = 12  # … of telling that a request is over: by then some ten minutes
CHANGE_TRIES_MAX: Final = 3  # of telling what became of one that is open; the next change tells it, too
MESSAGE_SECONDS_MAX: Final = 30.0  # for whatever a channel does at a time
log = logging.getLogger("sluice.channels")


class NotTold(Exception):
    """A message did not get there: one line that says why, without anything secret. `again`: whether it may another time;
    `after`: not before so many seconds."""

    def __init__(self, why: str, *, again: bool, after: float | None = None) -> None:
        super().__init__(why)
        self.again = again
        self.after = after


class Channel(Protocol):
    """Where people are told. `place` is what a policy's word says behind the colon. Both may raise, NotTold or other."""

    name: str

    async def ask(self, view: View, place: str) -> str:
        """Tells of a request. The receipt is what `settled` needs to find the message again."""

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """Tells that it is over."""


@runtime_checkable
class Updating(Protocol):
    """A channel that also tells what becomes of a request while it is open: who has approved it, who may decide now. It may
    raise as the others do."""

    async def changed(self, view: View, place: str, receipt: str, change: Change) -> None:
        """Brings what was told up to date."""


class Requests(Protocol):
    """What channels that bring decisions are given. Whether somebody may decide is judged here, and nowhere else."""

    async def view(self, request_id: str) -> View | None:
        """The request as it stands; None: there is none of this id."""

    async def look(self, request_id: str, approver: Approver, evidence: Evidence) -> View | None:
        """The request with its literals, for one who may see them and about whom that is on record now; None for others."""

    async def decide(
        self, request_id: str, approver: Approver, approve: bool, words: str, evidence: Evidence
    ) -> Outcome:
        """Takes a decision."""


@dataclass(slots=True)
class _Entry:
    view: View
    place: str
    over: View | None = None
    news: tuple[View, Change] | None = None  # what the message does not say yet: the latest alone
    changed: trio.Event = field(default_factory=trio.Event)  # it is over
    woken: trio.Event = field(default_factory=trio.Event)  # … or there are news


class _Line:
    """One channel and what is to be told there."""

    def __init__(self, channel: Channel, receipts: MutableMapping[tuple[str, str], str], clock: Callable[[], float]) -> None:
        self.channel = channel
        self.health = Health(channel.name)
        self.pause = PAUSE_SECONDS
        self.entries: dict[tuple[str, str], _Entry] = {}  # by request and place
        self._receipts = receipts
        self._clock = clock
        self._limiter = trio.CapacityLimiter(AT_ONCE_MAX)
        self._not_before = 0.0  # on trio's clock: where the other house asked for patience

    def receipts(self, request_id: str) -> Iterator[str]:
        """Of the messages about a request that is open."""
        for (request, place), _ in self.entries.items():
            if request == request_id and (receipt := self._receipts.get((request, f"{self.channel.name}:{place}"))):
                yield receipt

    async def tell(self, key: tuple[str, str], entry: _Entry) -> None:
        """All that is told of one request, until it is over."""
        kept = (key[0], f"{self.channel.name}:{entry.place}")
        try:
            if kept not in self._receipts:
                receipt = await self._ask(entry)
                if receipt is None:
                    return
                self._receipts[kept] = receipt
            entry.view = entry.view.without_values()
            while entry.over is None:
                await self._follow(entry, self._receipts[kept])
            over, receipt = entry.over, self._receipts[kept]
            await self._try(lambda: self.channel.settled(over, entry.place, receipt), lambda: False, TRIES_MAX)
            self._receipts.pop(kept, None)
        except Exception as fault:  # of whoever keeps the receipts
            log.error("channel %s: a receipt could not be kept: %s", self.channel.name, type(fault).__name__)
        finally:
            del self.entries[key]

    async def _follow(self, entry: _Entry, receipt: str) -> None:
        """The next thing that becomes of it while it is open."""
        if entry.news is None:
            entry.woken = trio.Event()
            await entry.woken.wait()
            return
        (view, change), channel = entry.news, self.channel
        entry.news = None
        if isinstance(channel, Updating):
            await self._try(
                lambda: channel.changed(view, entry.place, receipt, change),
                lambda: entry.over is not None or entry.news is not None,
                CHANGE_TRIES_MAX,
                entry,
            )

    async def _ask(self, entry: _Entry) -> str | None:
        def ask() -> Awaitable[str]:
            if entry.news is not None:
                (entry.view, _), entry.news = entry.news, None
            return self.channel.ask(entry.view, entry.place)

        return await self._try(
            ask,
            lambda: entry.over is not None or self._clock() >= entry.view.until,
            None,
            entry,
        )

    async def _try(
        self,
        send: Callable[[], Awaitable[str | None]],
        ended: Callable[[], bool],
        tries_max: int | None,
        entry: _Entry | None = None,
    ) -> str | None:
        """Sends until it went well ("" where that gives nothing); None where it is given up. A message on its way is not
        cut off when the request ends meanwhile, or nobody would know whether it came."""
        pause, tries = self.pause, 0
        self.health.waiting += 1
        try:
            while not ended():
                wait = self._not_before - trio.current_time()
                if wait > 0:
                    await _rest(wait, entry)
                    continue
                failure = NotTold(f"it does not come to an end within {MESSAGE_SECONDS_MAX:.0f} s", again=True)
                async with self._limiter:
                    if ended():
                        continue
                    try:
                        with trio.move_on_after(MESSAGE_SECONDS_MAX):
                            receipt = await send()
                            self._went_well()
                            return receipt or ""
                    except NotTold as error:
                        failure = error
                    except Exception as fault:  # its words may quote what was sent
                        failure = NotTold(f"an unexpected {type(fault).__name__}", again=True)
                tries += 1
                self._failed(failure)
                if not failure.again or tries == tries_max:
                    self.health.given_up += 1
                    return None
                await _rest(pause * random.uniform(0.8, 1.2), entry)  # noqa: S311 - so that not all come at once
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            return None
        finally:
            self.health.waiting -= 1

    def _went_well(self) -> None:
        self.health.told += 1
        self.health.last_told = self._clock()
        if self.health.why:
            log.info("channel %s can be told again", self.channel.name)
        self.health.why = ""

    def _failed(self, failure: NotTold) -> None:
        self.health.failed += 1
        self.health.last_failed = self._clock()
        if self.health.why != str(failure):
            log.warning("channel %s: %s", self.channel.name, failure)
        self.health.why = str(failure)
        if failure.after is not None:
            self._not_before = max(self._not_before, trio.current_time() + failure.after)


async def _rest(seconds: float, entry: _Entry | None) -> None:
    """So long, or until the request has ended."""
    with trio.move_on_after(seconds):
        if entry is None:
            await trio.sleep_forever()
        else:
            await entry.changed.wait()


class Channels:
    """All channels of this gateway. `receipts` outlives this process where its keeper sees to it: by request and channel,
    what the channel's `ask` gave."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        route: Callable[[str], tuple[str, str] | None],
        clock: Callable[[], float],
        receipts: MutableMapping[tuple[str, str], str] | None = None,
    ) -> None:
        kept: MutableMapping[tuple[str, str], str] = {} if receipts is None else receipts
        self._lines = {name: _Line(channel, kept, clock) for name, channel in channels.items()}
        self._route = route
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever. Requests are told from then on."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def asked(self, view: View) -> None:
        """A request was made; or, after a restart, was when this ended: whoever was told of it is not told again. What was
        decided meanwhile is given to `settled` then."""
        assert self._nursery is not None, "nothing is told before run"
        for name, place in dict.fromkeys(found for word in view.channels if (found := self._route(word)) is not None):
            line = self._lines[name]
            key = (view.id, place)
            if key in line.entries:
                continue
            if len(line.entries) >= ENTRIES_MAX:
                line.health.given_up += 1
                line.health.why = f"more than {ENTRIES_MAX} requests are open"
                continue
            line.entries[key] = entry = _Entry(view, place)
            self._nursery.start_soon(line.tell, key, entry)

    def changed(self, view: View, change: Change) -> None:
        """A request is another and still open; those channels that can tell are told how it stands by now."""
        for line in self._lines.values():
            for (request, _), entry in line.entries.items():
                if request == view.id and entry.over is None:
                    entry.news = view, change
                    entry.woken.set()

    def settled(self, view: View) -> None:
        """A request is over; the channels that were told of it are told so, without literals."""
        over = view.without_values()
        for line in self._lines.values():
            for (request, _), entry in line.entries.items():
                if request == view.id and entry.over is None:
                    entry.over, entry.news = over, None
                    entry.changed.set()
                    entry.woken.set()

    def receipts(self, name: str, request_id: str) -> tuple[str, ...]:
        """Which messages of a channel are about this request, as far as that is known yet."""
        line = self._lines[name]
        return tuple(line.receipts(request_id))

    def health(self) -> tuple[Health, ...]:
        """For `sluice status`."""
        return tuple(line.health for line in self._lines.values())
