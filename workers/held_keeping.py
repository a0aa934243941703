"""Where statements that wait are kept: on the disk, or with the other gateways of a fleet. The work over it is done in its
own thread, one after another."""

import functools
import logging
import math
import sqlite3
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

import trio

from gateway.approvals.statements import Held
from workers.admin_calls import Turned
from workers.admin_process import Desk
from workers.approvals_fleet import Fleet
from workers.held_store import HeldStore
from workers.shared_approvals import SharedHeld

PAGE: Final = 500  # requests that are read at a time
T = TypeVar("T")
log = logging.getLogger("sluice.admin")


class Keeping:
    """See the module. Whatever is done with the store raises Turned where that cannot be used."""

    def __init__(self, desk: Desk, fleet: Fleet | None) -> None:
        self._desk = desk
        self._fleet = fleet
        self._store: HeldStore | None = None
        self._one = trio.CapacityLimiter(1)  # the store's thread

    async def do(self, work: Callable[[HeldStore], T]) -> T:
        """In the store's thread."""
        if self._fleet is not None:
            key = self._fleet.key
            return await self._fleet.do(lambda connection: work(SharedHeld(connection, key)))

        def run() -> T:
            self._store = self._store or HeldStore(self._desk.loaded.state_dir)
            return work(self._store)

        try:
            return await trio.to_thread.run_sync(run, limiter=self._one)
        except (OSError, sqlite3.Error) as error:
            log.critical("held statements cannot be kept: %s", type(error).__name__)
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, "held statements cannot be kept", "Look at var/state.") from None

    async def history(self, since: float, count: int) -> list[Held]:
        """The latest made since then, newest first, as the store has them for counting."""
        found: list[Held] = []
        before = math.inf, ""
        while len(found) < count:  # page by page, so that nobody waits long for the store
            wanted = min(PAGE, count - len(found))
            read = functools.partial(HeldStore.page, since=since, before=before, count=wanted)
            page = await self.do(read)
            found += page
            if len(page) < wanted:
                break
            before = page[-1].since, page[-1].id
        return found

    async def close(self) -> None:
        """Lets go of the file, after what its thread does."""
        if self._store is not None:
            await trio.to_thread.run_sync(self._store.close, limiter=self._one)
