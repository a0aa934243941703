"""Callers of the operators' interface whose token was none: on record in bulk, so that nobody can fill the trail."""

from typing import Final

import trio

from workers.admin_process import Desk

BULK_SECONDS: Final = 1.0


class Strangers:
    """See the module."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._count, self._last = 0, ("", "")
        self._came = trio.Event()

    def note(self, address: str, why: str) -> None:
        """One more."""
        self._count, self._last = self._count + 1, (address, why)
        self._came.set()

    async def tell(self) -> None:
        """For ever: one record a second at most."""
        while True:
            await self._came.wait()
            await trio.sleep(BULK_SECONDS)
            count, self._count, self._came = self._count, 0, trio.Event()
            address, why = self._last
            await self._desk.happened("system", "operators turned away", count=count, address=address, why=why)
