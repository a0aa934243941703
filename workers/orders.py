"""A worker does what operators want: tells its sessions, ends one, lets nobody in or stay who is barred."""

import contextlib
import os
import time
from collections.abc import Callable

import trio

from gateway.identity import barred
from gateway.identity.barred import Bar, Full
from workers.errands import AllBars, Answer, Ended, EndSession, Listed, ListSessions, MoveBars
from workers.links import Link
from workers.sessions_shown import pack, shown
from workers.shared_policy import Sealed, seal, unseal
from workers.slot import Barred, ErrandDone, ErrandMessage, Slot, send
from workers.standing import BY_AN_OPERATOR, Standing

GONE_SECONDS = 0.8  # for sessions to be gone before the answer: the one who asks waits for it
_LOOK_SECONDS = 0.005


class Orders:
    """The errands of one worker."""

    def __init__(self, slot: Slot, standing: Standing) -> None:
        self._slot = slot
        self._standing = standing
        self.begin_task: Callable[..., None] = lambda work, *arguments: None
        standing.keep_out = self.keep_out

    def begin(self, message: ErrandMessage, fd: int | None) -> list[Link] | None:
        """Does what must be done in the order in which it was said. The sessions whose end the answer waits for; None:
        there is nothing to be answered."""
        match message.errand:
            case AllBars(size, digest):
                assert fd is not None, "the supervisor sends it"
                try:
                    self._standing.bars = barred.unpack(unseal(fd, size, digest))
                finally:
                    os.close(fd)
                return None
            case MoveBars(put, lift):
                now = time.time()
                self._standing.bars.move(put, lift, now)
                return self._standing.put_out(now)
            case EndSession(session, by, reason):
                link = self._standing.of_id(session)
                if link is None:
                    return []
                self._standing.expel(link, BY_AN_OPERATOR, by, reason)
                return [link]
            case ListSessions():
                return []

    async def finish(self, message: ErrandMessage, links: list[Link]) -> None:
        """Answers."""
        if isinstance(message.errand, ListSessions):
            sealed = self._listed()
            await self._say(message.number, Listed(sealed.size, sealed.digest), sealed)
            return
        with trio.move_on_after(GONE_SECONDS):
            while any(self._standing.lives(link) for link in links):
                await trio.sleep(_LOOK_SECONDS)
        left = sum(self._standing.lives(link) for link in links)
        await self._say(message.number, Ended(len(links), left))

    def _listed(self) -> Sealed:
        index = self._slot.index
        return seal(pack(shown(link.session, since, index) for link, since in self._standing.all()), "sluice-sessions")

    def keep_out(self, bar: Bar) -> None:
        """What a rule wants: known here at once, and told to the supervisor, which tells all workers. A turn may call it."""
        with contextlib.suppress(Full):
            self._standing.bars.move((bar,), (), time.time())
        try:
            send(self._slot.control, Barred(bar))
        except BlockingIOError:
            self.begin_task(self._tell, bar)

    async def _tell(self, bar: Bar) -> None:
        while True:
            await trio.lowlevel.wait_writable(self._slot.control)
            with contextlib.suppress(BlockingIOError):
                return send(self._slot.control, Barred(bar))

    async def _say(self, number: int, answer: Answer, sealed: Sealed | None = None) -> None:
        """Waits where the supervisor does not read at once."""
        try:
            while True:
                try:
                    return send(self._slot.control, ErrandDone(number, answer), sealed.fd if sealed else None)
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._slot.control)
        finally:
            if sealed is not None:
                sealed.close()
