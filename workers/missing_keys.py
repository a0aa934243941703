"""Sign-ins whose token names a key that its issuer may just have published: they wait a moment while it is asked for.

Anybody can name any key. So an issuer is asked for at most once a minute, only so many wait, and a key that did not come is
not waited for again for a while.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import trio

ASK_SECONDS: Final = 60.0  # between two questions about one issuer
PATIENCE_SECONDS: Final = 3.0  # for the answer to one
WAITING_MAX: Final = 64
UNKNOWN_MAX: Final = 128  # keys that did not come, remembered for UNKNOWN_SECONDS
UNKNOWN_SECONDS: Final = 300.0


class MissingKeys:
    """`ask` tells the supervisor which issuer's keys are wanted."""

    def __init__(self, ask: Callable[[str], object]) -> None:
        self._ask = ask
        self._asked: dict[str, float] = {}
        self._until: dict[str, float] = {}  # when waiting for the answer ends
        self._unknown: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._waiting = 0
        self._moved = trio.Event()

    def moved(self) -> None:
        """New keys are there; what did not come before may have come with them."""
        self._unknown.clear()
        self._until.clear()
        moved, self._moved = self._moved, trio.Event()
        moved.set()

    async def wait(self, issuer: str, kid: str) -> None:
        """Returns when new keys have come, or there is no use in waiting."""
        now = trio.current_time()
        if self._unknown.get((issuer, kid), 0.0) > now:
            return
        asked = self._asked.get(issuer)
        if asked is None or now >= asked + ASK_SECONDS:
            self._asked[issuer] = now
            self._until[issuer] = now + PATIENCE_SECONDS
            self._ask(issuer)
        until = self._until.get(issuer, 0.0)
        if now >= until or self._waiting >= WAITING_MAX:
            return
        self._waiting += 1
        try:
            with trio.move_on_at(until):
                await self._moved.wait()
        finally:
            self._waiting -= 1

    def did_not_come(self, issuer: str, kid: str) -> None:
        """The key is not among those that are there."""
        self._unknown[(issuer, kid)] = trio.current_time() + UNKNOWN_SECONDS
        self._unknown.move_to_end((issuer, kid))
        if len(self._unknown) > UNKNOWN_MAX:
            self._unknown.popitem(last=False)
