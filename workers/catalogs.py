"""The current catalogue of every database in use: read on the gateway's own connection, again when DDL passed
through any worker, and looked at once a minute for changes that came another way."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

import workers.catalog as reader
from gateway.classify.catalog import Catalog
from gateway.errors import Refusal
from gateway.policy.rules import Classify
from gateway.settings import Database
from workers.slab import Row, Slab
from workers.upstream import Target, Upstream, connect

log = logging.getLogger("sluice.catalogs")

LOOK_SECONDS = 60.0
TICK_SECONDS = 0.2
DATABASES_MAX = 256  # kept at once; the one unused for longest is forgotten first


@dataclass(slots=True)
class _Kept:
    database: Database
    target: Target
    lock: trio.Lock = field(default_factory=trio.Lock)
    catalog: Catalog | None = None
    connection: Upstream | None = None
    marker: object = None
    changes: int = -1  # the slab's count that `catalog` has seen
    looked: float = 0.0
    stale: bool = False


class Catalogs:
    """See the module. `renewed(database name)` is called after a new catalogue took the place of an old one."""

    def __init__(self, slab: Slab, row: Row, renewed: Callable[[str], None]) -> None:
        self._slab = slab
        self._row = row
        self._renewed = renewed
        self._kept: dict[str, _Kept] = {}
        self._wake = trio.Event()
        self.corrections: tuple[Classify, ...] = ()

    def get(self, name: str) -> Catalog | None:
        """The catalogue in force, without waiting."""
        kept = self._kept.get(name)
        return kept.catalog if kept is not None else None

    async def of(self, database: Database, target: Target) -> Catalog:
        """The catalogue of a database, read now if it is not known yet. Raises Refusal when it cannot be read."""
        kept = self._kept.pop(database.name, None) or _Kept(database, target)
        self._kept[database.name] = kept
        async with kept.lock:
            if kept.catalog is None:
                await self._read(kept)
        assert kept.catalog is not None
        if len(self._kept) > DATABASES_MAX:
            await self._forget(next(iter(self._kept)))
        return kept.catalog

    def moved(self, name: str) -> None:
        """DDL passed through this worker: every worker reads anew."""
        self._row.bump_catalogue(name)
        self._wake.set()

    def reclassify(self, corrections: tuple[Classify, ...]) -> None:
        """The policy's [[classify]] rules changed."""
        if corrections != self.corrections:
            self.corrections = corrections
            for kept in self._kept.values():
                kept.stale = True
            self._wake.set()

    async def keep(self) -> None:
        """Refreshes for ever."""
        while True:
            with trio.move_on_after(TICK_SECONDS):
                await self._wake.wait()
            self._wake = trio.Event()
            for kept in list(self._kept.values()):
                await self._refresh(kept)

    async def _refresh(self, kept: _Kept) -> None:
        if kept.catalog is None:
            return
        moved = kept.stale or kept.changes != self._slab.catalogue_changes(kept.database.name)
        if not moved and trio.current_time() - kept.looked < LOOK_SECONDS:
            return
        async with kept.lock:
            try:
                if not moved:
                    kept.looked = trio.current_time()
                    if await reader.catalog_marker(await self._connection(kept)) == kept.marker:
                        return
                await self._read(kept)
            except Refusal as refusal:
                # The old catalogue stays: columns it does not know are masked, so this fails closed.
                log.warning("the catalogue of %s could not be read: %s", kept.database.name, refusal.refused.message)
                kept.looked = trio.current_time()
                kept.changes = self._slab.catalogue_changes(kept.database.name)
        self._renewed(kept.database.name)

    async def _read(self, kept: _Kept) -> None:
        changes = self._slab.catalogue_changes(kept.database.name)
        connection = await self._connection(kept)
        version = kept.catalog.version + 1 if kept.catalog is not None else 1
        marker = await reader.catalog_marker(connection)
        kept.catalog = await reader.read(connection, version, self.corrections)
        kept.marker, kept.changes, kept.stale = marker, changes, False
        kept.looked = trio.current_time()

    async def _connection(self, kept: _Kept) -> Upstream:
        if kept.connection is not None:
            try:
                await kept.connection.query("SELECT 1")
                return kept.connection
            except Refusal:
                kept.connection = None
        try:
            kept.connection = await connect(
                kept.target, [("application_name", "sluice"), ("search_path", ""), ("client_encoding", "UTF8")]
            )
        except Refusal:
            self._row.note_connect(kept.database.name, reached=False)
            raise
        self._row.note_connect(kept.database.name, reached=True)
        return kept.connection

    async def _forget(self, name: str) -> None:
        kept = self._kept.pop(name)
        if kept.connection is not None:
            await kept.connection.close()

    async def close(self) -> None:
        """Ends the gateway's own connections."""
        for name in list(self._kept):
            await self._forget(name)
