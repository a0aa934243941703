"""Budgets over the hosts of a fleet: a service of the admin process, where `[fleet] store` names a PostgreSQL that they
share.

Four times a second it tells the store what this host's workers have used since, and writes what other hosts say beside the
workers' own tables (`workers.fleet_exchange`). No statement waits for the store. While it is away, this host can use its
share of what was left of each budget (docs/decisions/0036).
"""

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from workers import configuration, fleet_store
from workers.admin_link import StoreFares
from workers.admin_process import Desk
from workers.fleet_exchange import Exchange
from workers.fleet_rows import Row
from workers.fleet_store import Heard
from workers.store_connection import CLOCK_SECONDS_MAX, Away, Connection, StoreConnection, StoreTarget

NAME: Final = "fleet"
EXCHANGE_SECONDS: Final = 0.25
WORK_SHARE: Final = 0.2  # of a processor, at most: where there is very much to tell, it is told less often
PRESENT_SECONDS: Final = 1.0  # a host says at least so often that it is there
ALONE_SECONDS: Final = 2.0  # without a word of the store
ALIVE_SECONDS: Final = 10.0  # a host that was heard within them uses its share
CLEAN_SECONDS: Final = 60.0
log = logging.getLogger("sluice.admin")


async def keep(desk: Desk) -> None:
    """For ever, where there is a fleet."""
    loaded = desk.loaded
    table = loaded.settings.fleet
    if not table.shared or desk.budgets is None:
        return

    def where() -> StoreTarget:
        target = configuration.store_target(loaded.file, NAME, table, desk.environ)
        assert target is not None
        return target

    await Member(desk, Exchange(desk.budgets), where).keep()


class Member:
    """This host among the others."""

    def __init__(self, desk: Desk, exchange: Exchange, where: Callable[[], StoreTarget]) -> None:
        self._desk = desk
        self._exchange = exchange
        self._name = socket.gethostname()
        self._digest = desk.loaded.secrets.fleet_digest
        self._store = StoreConnection(where, "sluice fleet", self._begin)
        self._number = 0  # of what was told last
        self._begun = False  # a new connection has: the store may have lost what it knew
        self._known: dict[bytes, int] = {}  # numbers, by host
        self._others = 0  # that are alive
        self._present = self._cleaned = float("-inf")
        self._heard_at = time.monotonic()
        self._together: bool | None = None  # as it was put on record
        self._fares = self._told = StoreFares(NAME, False, "it was not reached yet", time.time())

    async def keep(self) -> None:
        """For ever."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                while True:
                    await trio.sleep(max(EXCHANGE_SECONDS, await self._turn() / WORK_SHARE))
        finally:
            with trio.CancelScope(shield=True):
                await self._store.close()

    async def _turn(self) -> float:
        """Tells and hears once; how long this process has worked for that, in seconds."""
        began = time.thread_time()
        rows = self._exchange.moved(time.time_ns())
        took = time.thread_time() - began
        with contextlib.suppress(Away):
            heard = await self._store.run(partial(self._call, rows))
            began = time.thread_time()
            self._take(heard)
            took += time.thread_time() - began
        return took

    # -- in the store's thread

    def _begin(self, connection: Connection) -> None:
        self._number = max(self._number, fleet_store.begin(connection, self._exchange.host, self._digest))
        self._begun = True

    def _call(self, rows: Sequence[Row], connection: Connection) -> Heard:
        now = time.monotonic()
        if rows or now - self._present >= PRESENT_SECONDS:
            self._number += 1
            fleet_store.tell(connection, self._exchange.host, self._name, self._number, rows)
            self._present = now
        if now - self._cleaned >= CLEAN_SECONDS:
            fleet_store.clean(connection)
        return fleet_store.hear(connection, self._exchange.host, self._known)

    # -- in the loop

    def _take(self, heard: Heard) -> None:
        """The store has what was told, and said this."""
        exchange, now = self._exchange, time.time_ns()
        exchange.taken()
        if self._begun:
            self._begun = False
            exchange.forget()
        for host, rows in heard.rows:
            exchange.hear(host.host, rows, now)
        exchange.show(now)
        if time.monotonic() - self._cleaned >= CLEAN_SECONDS:
            self._cleaned = time.monotonic()
            exchange.prune(now)
        others = [one for one in heard.hosts if one.host != exchange.host]
        self._known = {one.host: one.number for one in others}
        self._others = sum(one.age <= ALIVE_SECONDS for one in others)
        self._heard_at = time.monotonic()
        alive = sorted({one.name for one in heard.hosts if one.age <= ALIVE_SECONDS})
        self._found(True, self._amiss(heard.clock_off), tuple(alive))

    def _amiss(self, clock_off: float) -> str:
        if abs(clock_off) > CLOCK_SECONDS_MAX:
            return f"this host's clock is {clock_off:+.0f} s off the store's"
        return "there is no room for all that other hosts use" if self._exchange.full else ""

    async def _watch(self) -> None:
        """Has this host use its share alone while the store is away, and tells how it is."""
        while True:
            if time.monotonic() - self._heard_at > ALONE_SECONDS:
                self._exchange.assume(self._others, time.time_ns())
                self._found(False, self._store.why or "it does not answer", self._fares.hosts)
            await self._tell()
            await trio.sleep(EXCHANGE_SECONDS)

    def _found(self, reached: bool, why: str, hosts: tuple[str, ...]) -> None:
        since = self._fares.since if reached == self._fares.reached else time.time()
        self._fares = StoreFares(NAME, reached, why, since, hosts)

    async def _tell(self) -> None:
        """What somebody must know: for `sluice status`, in the log, and on record."""
        before, now = self._told, self._fares
        if now == before:
            return
        self._told = now
        await self._desk.tell(now)
        if now.reached and self._together is not True:
            self._together = True
            log.info("fleet: budgets are counted over %s", ", ".join(now.hosts))
            await self._desk.happened("system", "fleet: together", hosts=now.hosts)
        elif not now.reached and self._together is not False:
            self._together = False
            log.critical("fleet: alone: %s; of each budget this host can use its share of what was left", now.why)
            await self._desk.happened("system", "fleet: alone", why=now.why, hosts=now.hosts)
        elif now.reached and now.why and not before.why:
            log.warning("fleet: %s", now.why)
            await self._desk.happened("system", "fleet: amiss", why=now.why)
