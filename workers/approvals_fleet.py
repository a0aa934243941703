"""The gateways that keep their approvals in one PostgreSQL: this one's place among them, and what it hears of the others."""

import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import trio

from gateway.store_settings import Shared
from workers import configuration, shared_approvals, store_schema
from workers.admin_calls import Turned
from workers.admin_link import StoreFares
from workers.admin_process import Desk
from workers.shared_approvals import DELEGATION, HELD, PART, REQUEST, STEPS
from workers.store_connection import CLOCK_SECONDS_MAX, Away, Connection, StoreConnection, StoreTarget

SIGN_SECONDS: Final = 1.0  # between signs of life
NAME: Final = "approvals"
_FILE: Final = "host"
T = TypeVar("T")
log = logging.getLogger("sluice.admin")


@dataclass(frozen=True, slots=True)
class Changed:
    """Something was made, or is in another state. A hint: the row says what is so."""

    id: str
    state: str
    host: str


class Fleet:
    """See the module. Who wants to hear of changes says so before `keep`."""

    def __init__(self, desk: Desk, table: Shared) -> None:
        self._desk = desk
        self._table = table
        self._digest = desk.loaded.secrets.fleet_digest
        self._ears: dict[str, list[trio.MemorySendChannel[Changed]]] = {}
        self._handlers: list[tuple[trio.MemoryReceiveChannel[Changed], Callable[[Changed], Awaitable[None]]]] = []
        self._begun: list[Callable[[], Awaitable[None]]] = []
        self._said: StoreFares | None = None
        self.key = desk.loaded.secrets.rows_key
        self.host = _host(desk.loaded.state_dir)
        self.connection = StoreConnection(self._where, "sluice approvals", self._prepare)

    async def do(self, work: Callable[[Connection], T]) -> T:
        """As the connection's `run`. Raises Turned where the store cannot be used."""
        try:
            return await self.connection.run(work)
        except Away:
            why = "approvals cannot be kept: their store cannot be used"
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, why, "Look at `sluice status`.") from None

    async def alive(self, host: str) -> bool:
        """Whether another gateway is there. Raises Turned."""
        return await self.do(lambda connection: shared_approvals.alive(connection, host))

    def hears(self, channel: str, handler: Callable[[Changed], Awaitable[None]]) -> None:
        """Of changes, one after the other. `handler` may raise Turned: it is told by `begins` when it can be done again."""
        ear, heard = trio.open_memory_channel[Changed](math.inf)
        self._ears.setdefault(channel, []).append(ear)
        self._handlers.append((heard, handler))

    def begins(self, call: Callable[[], Awaitable[None]]) -> None:
        """`call` is awaited each time that changes may have been missed. It may raise Turned."""
        self._begun.append(call)

    async def keep(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            for heard, handler in self._handlers:
                nursery.start_soon(_handle, heard, handler)
            nursery.start_soon(self._stay)
            await self.connection.listen((HELD, REQUEST, DELEGATION), self._hear, self._begin)

    # -- within

    def _where(self) -> StoreTarget:
        found = configuration.store_target(self._desk.loaded.file, NAME, self._table, self._desk.environ)
        assert found is not None, "there is a fleet where there is a store"
        return found

    def _prepare(self, connection: Connection) -> None:
        store_schema.prepare(connection, PART, STEPS, self._digest)
        shared_approvals.here(connection, self.host, socket.gethostname())

    def _hear(self, channel: str, payload: str) -> None:
        found = payload.split(" ")
        if len(found) == 3:
            for ear in self._ears.get(channel, ()):
                ear.send_nowait(Changed(*found))

    async def _begin(self) -> None:
        for call in self._begun:
            with suppress(Turned):  # it is called again
                await call()

    async def _stay(self) -> None:
        """Gives signs of life, and says how the store fares."""

        def sign(connection: Connection) -> list[str]:
            shared_approvals.here(connection, self.host, socket.gethostname())
            return shared_approvals.hosts(connection)

        while True:
            hosts: list[str] = []
            with suppress(Away):
                hosts = await self.connection.run(sign)
            await self._say(tuple(hosts))
            await trio.sleep(SIGN_SECONDS)

    async def _say(self, hosts: tuple[str, ...]) -> None:
        store, before = self.connection, self._said
        why = "" if hosts else store.why
        if hosts and abs(store.clock_off) > CLOCK_SECONDS_MAX:
            why = f"this host's clock is {store.clock_off:+.1f} s off the store's"
        now = StoreFares(NAME, bool(hosts), why, store.since, hosts)
        if now == before:
            return
        self._said = now
        await self._desk.tell(now)
        was = before is None or before.reached
        if was and not now.reached:
            log.critical("the store of approvals cannot be used, nobody can be asked: %s", why)
            await self._desk.happened("system", "approvals store away", why=why)
        elif before is not None and not was and now.reached:
            log.warning("the store of approvals can be used again")
            await self._desk.happened("system", "approvals store back", away_since=before.since, now=time.time())
        if now.reached and why and (before is None or not before.why):
            log.warning("%s: requests may end too early or too late", why)


def of(desk: Desk) -> Fleet | None:
    """As sluice.toml says."""
    table = desk.loaded.settings.approvals
    return Fleet(desk, table) if table.shared else None


async def _handle(heard: trio.MemoryReceiveChannel[Changed], handler: Callable[[Changed], Awaitable[None]]) -> None:
    async for changed in heard:
        with suppress(Turned):
            await handler(changed)


def _host(state_dir: Path) -> str:
    """What this gateway is called in the store, for as long as it has its state."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state_dir / _FILE
    with suppress(FileExistsError), open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_hex(8))
    return path.read_text().strip()
