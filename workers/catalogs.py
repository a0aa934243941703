"""The current catalogue of every database in use: read on the gateway's own connection, again when DDL passed
through any worker, and looked at once a minute for changes that came another way."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

import workers.catalog as reader
from gateway.classify.catalog import Catalog
from gateway.classify.learned import Learned, bindings, merged, renames
from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.policy.rules import Classify
from gateway.settings import Database
from workers.learned import LabelBook, LabelBooks
from workers.samples import FIRST_SECONDS, MOVED_SECONDS, QUIET_SECONDS, Samples
from workers.slab import Counter, Row, Slab
from workers.upstream import Target, Upstream, connect

log = logging.getLogger("sluice.catalogs")

LOOK_SECONDS = 60.0
MORE_SECONDS = 5.0  # until the next look where not every table was sampled
RESAMPLE_SECONDS = 3600.0  # tables grow without any change of the catalogue
HOLLOW_SECONDS = 300.0  # and those that were empty are filled
TICK_SECONDS = 0.2
READ_SECONDS = 30.0  # for one reading: sessions wait for it, and the server may hang
RETRY_SECONDS = 5.0
DATABASES_MAX = 256  # kept at once; the one unused for longest is forgotten first


@dataclass(slots=True)
class _Kept:
    database: Database
    target: Target
    lock: trio.Lock = field(default_factory=trio.Lock)
    catalog: Catalog | None = None
    identity: str = ""  # of server and database: several names may mean one
    book: LabelBook | None = None
    labels: int = -1  # how many lines of `book` are in `catalog`
    heard: int = 0  # … that it did not know in another form
    connection: Upstream | None = None
    marker: object = None
    changes: int = -1  # the slab's count that `catalog` has seen
    looked: float = 0.0
    read: float = 0.0
    retry_at: float = 0.0
    stale: bool = False
    samples: Samples = field(default_factory=Samples)

    @property
    def key(self) -> str:
        """By what its changes are counted."""
        return self.identity or self.database.name


class Catalogs:
    """See the module. `renewed(database name, changes)` is called when a new catalogue took the place of an old one, or
    could not: whoever waits for one of the slab's first `changes` changes need not wait longer."""

    def __init__(self, slab: Slab, row: Row, books: LabelBooks, renewed: Callable[[str, int], None]) -> None:
        self._slab = slab
        self._books = books
        self._labels = 0  # the slab's count of labels that was looked at last
        self._row = row
        self._renewed = renewed
        self._kept: dict[str, _Kept] = {}
        self._wake = trio.Event()
        self._trio: trio.lowlevel.TrioToken | None = None
        self._versions = 0  # never the same number twice: scopes are kept by it
        self.corrections: tuple[Classify, ...] = ()

    def get(self, name: str) -> Catalog | None:
        """The catalogue in force, without waiting."""
        kept = self._kept.get(name)
        return kept.catalog if kept is not None else None

    def uses(self, name: str) -> bool:
        """Whether the catalogue is there; it counts as used now."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._kept[name] = kept
        return kept is not None and kept.catalog is not None

    async def of(self, database: Database, target: Target) -> Catalog:
        """The catalogue of a database, read now if it is not known yet. Raises Refusal when it cannot be read."""
        kept = self._kept.pop(database.name, None) or _Kept(database, target)
        self._kept[database.name] = kept
        async with kept.lock:
            if kept.catalog is None:
                await self._read(kept, FIRST_SECONDS)
        assert kept.catalog is not None
        if len(self._kept) > DATABASES_MAX:
            await self._forget(next(iter(self._kept)))
        return kept.catalog

    def moved(self, name: str) -> int:
        """DDL passed through this worker: every worker reads anew. The number of this change, for `renewed`."""
        kept = self._kept.get(name)
        key = kept.key if kept is not None else name
        self._row.bump_catalogue(key)
        self._rouse()
        return self._slab.catalogue_changes(key)

    def learn(self, name: str, learned: Iterable[Learned], *, certain: bool) -> None:
        """Labels that columns get by what is about to run, or that were seen in their rows: written down, and in force in
        all workers from their next turn on. `certain`: the session has changed no definitions that others do not see
        yet. Raises Unavailable, and then what brings them about must not run."""
        kept = self._kept.get(name)
        if kept is None or kept.book is None:
            raise Unavailable(Refused(State.AUDIT, "the database's catalogue is not known", "Send it again."))
        behind = kept.changes != self._slab.catalogue_changes(kept.key)
        if behind or not certain:
            learned = (one if _is_new(one) and not behind else one.unsure() for one in learned)
        kept.book.append(learned)
        self._take_in()

    def follow_labels(self) -> None:
        """Takes in what other workers learned. Called once a turn: a glance at the slab when there is nothing. Raises
        Unavailable."""
        labels = self._slab.total(Counter.LABELS)
        if labels != self._labels:
            for kept in self._kept.values():
                if kept.book is not None:
                    kept.book.catch_up()
            self._take_in()
            self._labels = labels

    def _take_in(self) -> None:
        """Puts labels that a catalogue has not got yet into it. What is new has it read again soon: that tells exactly."""
        for kept in self._kept.values():
            if kept.catalog is not None and kept.book is not None and kept.labels != kept.book.taken:
                kept.stale = kept.stale or kept.heard != kept.book.heard
                self._put(kept, self._with_labels(kept.catalog, kept.book))
                self._rouse()
                self._renewed(kept.database.name, kept.changes)

    def _with_labels(self, catalog: Catalog, book: LabelBook) -> Catalog:
        self._versions += 1
        return merged(catalog, book.labels, self._versions)

    def _put(self, kept: _Kept, catalog: Catalog) -> None:
        """Puts a catalogue in force. What runs under the old one is masked by the new one too."""
        assert kept.book is not None
        if kept.catalog is not None:
            kept.catalog.newer = catalog
        kept.catalog = catalog
        kept.labels, kept.heard = kept.book.taken, kept.book.heard

    def reclassify(self, corrections: tuple[Classify, ...]) -> None:
        """The policy's [[classify]] rules changed."""
        if corrections != self.corrections:
            self.corrections = corrections
            for kept in self._kept.values():
                kept.stale = True
            self._rouse()

    async def keep(self) -> None:
        """Refreshes for ever, each database by itself: one that hangs keeps no other waiting."""
        self._trio = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            while True:
                with trio.move_on_after(TICK_SECONDS):
                    await self._wake.wait()
                self._wake = trio.Event()
                for kept in self._kept.values():
                    if self._due(kept) and not kept.lock.locked():
                        nursery.start_soon(self._refresh, kept)

    def _rouse(self) -> None:
        """Has `keep` look again. A turn of the relay, which is no task of trio's, may ask for it."""
        if self._trio is not None:
            self._trio.run_sync_soon(self._woken, idempotent=True)

    def _woken(self) -> None:
        self._wake.set()

    def _moved(self, kept: _Kept) -> bool:
        return kept.stale or kept.changes != self._slab.catalogue_changes(kept.key)

    def _due(self, kept: _Kept) -> bool:
        now = trio.current_time()
        if kept.catalog is None or now < kept.retry_at:
            return False
        return self._moved(kept) or now - kept.looked >= (MORE_SECONDS if kept.samples.unfinished else LOOK_SECONDS)

    async def _refresh(self, kept: _Kept) -> None:
        async with kept.lock:
            if not self._due(kept):
                return
            moved = self._moved(kept)
            try:
                if not moved and await self._unmoved(kept):
                    return
                await self._read(kept, MOVED_SECONDS if moved else QUIET_SECONDS)
            except Refusal as refusal:
                # The old catalogue stays: columns it does not know are masked, so this fails closed.
                log.warning("the catalogue of %s could not be read: %s", kept.database.name, refusal.refused.message)
                kept.stale = moved
                kept.looked = trio.current_time()
                kept.retry_at = kept.looked + RETRY_SECONDS
                kept.changes = self._slab.catalogue_changes(kept.key)
        self._renewed(kept.database.name, kept.changes)

    async def _unmoved(self, kept: _Kept) -> bool:
        kept.looked = trio.current_time()
        lasts = HOLLOW_SECONDS if kept.samples.hollow else RESAMPLE_SECONDS
        if kept.samples.unfinished or kept.looked - kept.read >= lasts:
            return False
        with _in_time():
            return await reader.catalog_marker(await self._connection(kept)) == kept.marker

    async def _read(self, kept: _Kept, sample_seconds: float) -> None:
        corrections = self.corrections
        with _in_time():
            connection = await self._connection(kept)
            kept.identity = await reader.identity(connection) or address(kept.target)
            changes = self._slab.catalogue_changes(kept.key)
            book = kept.book = self._books.of(kept.identity)
            book.catch_up()
            labels, taken = tuple(book.labels), book.taken
            marker = await reader.catalog_marker(connection)
            self._versions += 1
            catalog = await reader.read(connection, self._versions, corrections, labels, kept.samples, sample_seconds)
        book.append(bindings(book.labels, catalog))
        if kept.catalog is not None:
            book.append(renames(kept.catalog, catalog))
        if book.taken != taken:
            catalog = self._with_labels(catalog, book)
        self._put(kept, catalog)
        kept.marker, kept.changes, kept.stale = marker, changes, corrections != self.corrections
        kept.looked = kept.read = trio.current_time()

    async def _connection(self, kept: _Kept) -> Upstream:
        if kept.connection is not None:
            try:
                await kept.connection.query("SELECT 1")
                return kept.connection
            except Refusal:
                await self._hang_up(kept)
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
        await self._hang_up(self._kept.pop(name))

    async def _hang_up(self, kept: _Kept) -> None:
        connection, kept.connection = kept.connection, None
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        """Ends the gateway's own connections."""
        for name in list(self._kept):
            await self._forget(name)
        self._books.close()


def _is_new(one: Learned) -> bool:
    """Whether the statement itself makes the table: the session's own definitions hide nothing then."""
    return not one.oid and one.sure


def address(target: Target) -> str:
    """A name for a database whose server does not tell its own."""
    hosts = ",".join(f"{host}:{port}" for host, port in target.hosts)
    return f"{hosts}/{target.dbname}"


@contextmanager
def _in_time() -> Iterator[None]:
    """Raises Unavailable when the block takes longer than READ_SECONDS."""
    try:
        with trio.fail_after(READ_SECONDS):
            yield
    except trio.TooSlowError as error:
        raise Unavailable(Refused(State.UNREACHABLE, "the database does not answer")) from error
