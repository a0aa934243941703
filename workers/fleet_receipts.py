"""Which messages in channels are about which request, where several gateways share that: each looks after its own, and after
those of one that is gone.

A receipt is used at once and kept a moment later: what a crash in between costs is a message that is told again.
"""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Final

import trio

from workers.admin_access import AccessDesk
from workers.admin_calls import Turned
from workers.approvals_fleet import Fleet
from workers.shared_approvals import SharedReceipts
from workers.store_connection import Connection

AGAIN_SECONDS: Final = 1.0
TAKE_SECONDS: Final = 3.0  # between looks for what others have left
Key = tuple[str, str]  # request and channel


class FleetReceipts(MutableMapping[Key, str]):
    """See the module. `told`: of requests there are receipts here that may have ended meanwhile."""

    def __init__(self, fleet: Fleet, access: AccessDesk, told: Callable[[set[str]], Awaitable[None]]) -> None:
        self._fleet = fleet
        self._access = access
        self._told = told
        self._known: dict[Key, str] = {}
        self._unkept: dict[Key, str | None] = {}
        self._more = trio.Event()

    def __getitem__(self, key: Key) -> str:
        return self._known[key]

    def __setitem__(self, key: Key, receipt: str) -> None:
        self._known[key] = receipt
        self._put(key, receipt)

    def __delitem__(self, key: Key) -> None:
        del self._known[key]
        self._put(key, None)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def load(self) -> None:
        """Its own, which the process before this one may have left. Raises Turned."""
        host = self._fleet.host
        await self._add(await self._fleet.do(lambda connection: SharedReceipts(connection).of(host)))

    async def keep(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            while True:
                await trio.sleep(TAKE_SECONDS)
                with suppress(Turned):  # it is in the log already
                    await self._take()

    def _put(self, key: Key, receipt: str | None) -> None:
        self._unkept[key] = receipt
        self._more.set()

    async def _write(self) -> None:
        while True:
            await self._more.wait()
            self._more = trio.Event()
            while self._unkept:
                key, receipt = next(iter(self._unkept.items()))
                try:
                    await self._fleet.do(partial(_put, self._fleet.host, key, receipt))
                except Turned:
                    await trio.sleep(AGAIN_SECONDS)
                    continue
                if self._unkept.get(key, "") == receipt:
                    del self._unkept[key]

    async def _take(self) -> None:
        """Raises Turned."""
        host = self._fleet.host
        taken = await self._fleet.do(lambda connection: SharedReceipts(connection).take(host))
        if taken:
            await self._add(taken)
        await self._access.take()

    async def _add(self, found: dict[Key, str]) -> None:
        self._known |= {key: receipt for key, receipt in found.items() if key not in self._unkept}
        await self._told({request for request, _ in self._known})


def _put(host: str, key: Key, receipt: str | None, connection: Connection) -> None:
    SharedReceipts(connection).put(host, *key, receipt)
