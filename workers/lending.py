"""Connections to servers that are lent to a session for one transaction at a time (`pool = "transaction"`).

A session signs in with what such a connection has told before. When its client says something it is given one, the one used
last where several are free, and gives it back as soon as the server has answered everything and is in no transaction. With
none free one more is opened, up to the worker's share of `pool_size`; else the session waits in a queue. Connections are
lent to sessions of the same shape alone (workers.warm). Nothing is reset in between, since what could stay behind is refused
(gateway.policy.pooled); whatever is in doubt is closed.
"""

import dataclasses
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable

import trio

from gateway.errors import Refusal, Refused, State
from gateway.session.leaving import clean
from gateway.session.lent import Lent
from gateway.session.session import Session
from gateway.settings import Database
from workers.links import Link, Side
from workers.relay import Relay
from workers.upstream import Upstream, connect
from workers.warm import Shape, end

log = logging.getLogger("sluice.lending")

WAIT_SECONDS = 30.0
PATIENCE_SECONDS = 0.25  # of one who waits, with connections of other shapes
GREETINGS_MAX = 256

_TERMINATE = ord("X")
_PIDS = 1 << 22  # no process has such a number on Linux: a cancel key names the session, not its connection of the moment
_MOVED = Refused(State.SHUTDOWN, "the database's settings have changed since this session began", "Connect again.")

_REPLICATES = Refused(
    State.FEATURE,
    "a replication session needs a connection of its own; here each transaction has one",
    "Connect to a database that is pooled by session.",
)


class Lendable:
    """A connection, and what is known of it."""

    __slots__ = ("lent", "shape", "since", "upstream")

    def __init__(self, shape: Shape, upstream: Upstream) -> None:
        self.shape = shape
        self.upstream = upstream
        self.lent = Lent()
        self.since = time.monotonic()  # it is free


@dataclasses.dataclass(slots=True, eq=False)
class Borrower:
    """A session that has a connection for a transaction at a time."""

    database: Database
    shape: Shape
    parameters: tuple[tuple[str, str], ...]  # as it was told
    has: Lendable | None = None
    since: float = 0.0  # it waits


class _Pool:
    """The connections to one database."""

    __slots__ = ("database", "free", "lent", "opening", "waiting")

    def __init__(self, database: Database) -> None:
        self.database = database
        self.free: list[Lendable] = []  # the one used last is last
        self.lent: Counter[Shape] = Counter()
        self.opening: Counter[Shape] = Counter()
        self.waiting: dict[Link, Borrower] = {}

    @property
    def count(self) -> int:
        return len(self.free) + self.lent.total() + self.opening.total()


class _Greeting(Upstream):
    """What a connection said at its login, for a session that is given one when it needs it."""

    async def close(self) -> None:
        """Nothing is its own."""


class Lending:
    """The lendable connections of one worker; its share of each database's `pool_size` is 1/`workers`, at least one."""

    def __init__(self, relay: Relay, workers: int) -> None:
        self._relay = relay
        self._workers = workers
        self._pools: dict[str, _Pool] = {}
        self._greetings: dict[Shape, Upstream] = {}
        self._first = trio.Lock()  # of a crowd of one shape only one asks the server
        self._pids = itertools.count(_PIDS)
        self._closed = False
        self.begin: Callable[[Database, Shape], None] = lambda database, shape: None  # has `open` run
        relay.lend, relay.settle = self.lend, self.settle

    def _pool(self, database: Database) -> _Pool:
        return self._pools.setdefault(database.name, _Pool(database))

    def _share(self, database: Database) -> int:
        return max(1, database.pool_size // self._workers)

    async def greeting(self, database: Database, shape: Shape) -> Upstream:
        """What a session of this shape is told at its sign-in. Raises Refusal."""
        if any(name.lower() == "replication" for name, _ in shape[1]):
            raise Refusal(_REPLICATES)
        async with self._first:
            if shape not in self._greetings:
                self._take_in(database, shape, await connect(*shape))
        known = self._greetings[shape]
        return dataclasses.replace(known, pid=next(self._pids) if known.pid else 0)

    def _take_in(self, database: Database, shape: Shape, upstream: Upstream) -> None:
        """A new connection."""
        self._greetings.pop(shape, None)
        while len(self._greetings) >= GREETINGS_MAX:
            del self._greetings[next(iter(self._greetings))]
        said = {one.name: getattr(upstream, one.name) for one in dataclasses.fields(Upstream)}
        self._greetings[shape] = _Greeting(**said)
        upstream.buffer.clear()
        upstream.sock.setblocking(False)
        pool = self._pool(database)
        if pool.count < self._share(database) and not self._closed:
            pool.free.append(Lendable(shape, upstream))
            self._serve(pool)
        else:
            end(upstream)

    async def open(self, database: Database, shape: Shape) -> None:
        """One more connection, for the one who has waited longest."""
        pool = self._pool(database)
        try:
            upstream = await connect(*shape)
        except Refusal as refusal:
            self._less(pool.opening, shape)
            log.warning("no connection to lend to %s: %s", database.name, refusal.refused.message)
            if not pool.count:
                self._give_up(pool, refusal.refused)
            return
        except BaseException:
            self._less(pool.opening, shape)
            raise
        self._less(pool.opening, shape)
        self._take_in(database, shape, upstream)

    @staticmethod
    def _less(number: Counter[Shape], shape: Shape) -> None:
        number[shape] -= 1
        if not number[shape]:
            del number[shape]

    def lend(self, link: Link, data: bytes) -> bool:
        """Whether the session can take these bytes of its client now; if not, they wait with it."""
        borrower, session = link.borrower, link.session
        assert borrower is not None, "the relay asks for no other"
        if borrower.has is not None or session.held or session.ending or session.wanted is not None:
            return True
        said = session.client_rest or data
        if not said or said[0] == _TERMINATE:
            return True
        pool = self._pool(borrower.database)
        if link not in pool.waiting:
            borrower.since = time.monotonic()
            pool.waiting[link] = borrower
            self._serve(pool)
            if borrower.has is not None or session.ending:
                return True
        session.client_rest += data
        session.waiting = True
        return False

    def _serve(self, pool: _Pool) -> None:
        """Lends what is free to those who wait, in their order; for others more are opened."""
        share = self._share(pool.database)
        if not pool.waiting or (not pool.free and pool.count >= share):
            return
        wanted: Counter[Shape] = Counter()
        for link, borrower in list(pool.waiting.items()):
            if not pool.free and pool.count >= share:
                return
            found = self._take(pool, borrower.shape)
            if found is not None:
                del pool.waiting[link]
                self._hand(link, borrower, found, pool)
                continue
            wanted[borrower.shape] += 1
            if pool.opening[borrower.shape] < wanted[borrower.shape] and self._room(pool, borrower, share):
                pool.opening[borrower.shape] += 1
                self.begin(pool.database, borrower.shape)

    def _take(self, pool: _Pool, shape: Shape) -> Lendable | None:
        for lendable in [one for one in reversed(pool.free) if one.shape == shape]:
            pool.free.remove(lendable)
            if self._silent(lendable):
                return lendable
            end(lendable.upstream)
        return None

    @staticmethod
    def _silent(lendable: Lendable) -> bool:
        """Whether the server has neither ended the connection nor said anything: its settings may have changed."""
        return Side(lendable.upstream.sock, server=True).receive() is None

    @staticmethod
    def _room(pool: _Pool, borrower: Borrower, share: int) -> bool:
        """Whether one more may be opened. A free one of another shape makes room for a shape that has none, and for one who
        has waited: two shapes in turn would otherwise open a connection for each transaction."""
        if pool.count < share:
            return True
        own = pool.lent[borrower.shape] + pool.opening[borrower.shape]
        if not pool.free or (own and time.monotonic() - borrower.since < PATIENCE_SECONDS):
            return False
        end(pool.free.pop(0).upstream)
        return True

    def _hand(self, link: Link, borrower: Borrower, lendable: Lendable, pool: _Pool) -> None:
        session = link.session
        if lendable.upstream.parameters != borrower.parameters:
            pool.free.append(lendable)
            session.end(_MOVED)
            self._relay.look_again(link)
            return
        pool.lent[borrower.shape] += 1
        borrower.has = lendable
        lent = session.lent = lendable.lent
        lent.begin()
        if session.path_reported is None:
            session.search_path, session.path_doubt = lent.path, lent.path is None
        self._relay.attach(link, Side(lendable.upstream.sock, server=True))
        if session.waiting:
            link.resumes = True
            self._relay.look_again(link)

    def settle(self, link: Link) -> None:
        """Takes the connection back where the session's transaction is over."""
        borrower = link.borrower
        if borrower is None or borrower.has is None or link.resumes or link.fate is not None or link.session.ending:
            return
        if not link.server.ended and not link.server.backlog and clean(link.session):
            self._relay.detach(link)
            self._back(link.session, borrower)

    def _back(self, session: Session, borrower: Borrower) -> None:
        lendable, borrower.has = borrower.has, None
        assert lendable is not None, "it was lent"
        pool = self._pool(borrower.database)
        self._less(pool.lent, borrower.shape)
        lendable.since = time.monotonic()
        if self._sound(session, lendable, borrower.database):
            lendable.lent.path = None if session.path_doubt else session.search_path
            pool.free.append(lendable)
        else:
            end(lendable.upstream)
        session.reported.clear()
        self._serve(pool)

    def _sound(self, session: Session, lendable: Lendable, database: Database) -> bool:
        upstream = lendable.upstream
        if upstream.cancels or session.temporaries.own.names or session.path_moved:
            return False
        if session.reported and {**dict(upstream.parameters), **session.reported} != dict(upstream.parameters):
            return False
        return not self._overdue(lendable, database) and (not self._closed or bool(self._pool(database).waiting))

    @staticmethod
    def _overdue(lendable: Lendable, database: Database) -> bool:
        now = time.monotonic()
        unused, age = now - lendable.since, now - lendable.upstream.began
        return unused >= database.server_idle_timeout or age >= database.server_lifetime

    def gone(self, link: Link) -> None:
        """The session is over; where `link.kept`, its connection is as it should be."""
        borrower = link.borrower
        if borrower is None:
            return
        pool = self._pool(borrower.database)
        pool.waiting.pop(link, None)
        if borrower.has is not None and link.kept:
            self._back(link.session, borrower)
        elif borrower.has is not None:
            borrower.has = None
            self._less(pool.lent, borrower.shape)
            self._serve(pool)

    def _give_up(self, pool: _Pool, refused: Refused) -> None:
        for link in list(pool.waiting):
            self._turn_away(pool, link, refused)

    def _turn_away(self, pool: _Pool, link: Link, refused: Refused) -> None:
        del pool.waiting[link]
        link.session.now = time.time_ns()
        link.session.end(refused)
        self._relay.look_again(link)

    def tidy(self) -> None:
        """Ends what was unused for long enough, and the patience of those who wait. Called about twice a second."""
        now = time.monotonic()
        for pool in self._pools.values():
            for lendable in list(pool.free):
                if self._overdue(lendable, pool.database) or not self._silent(lendable):
                    pool.free.remove(lendable)
                    end(lendable.upstream)
            for link, borrower in list(pool.waiting.items()):
                waited = now - borrower.since
                if waited >= WAIT_SECONDS:
                    why = f"no connection to the database became free within {waited:.0f} seconds"
                    mend = "Try again, and keep transactions short: each has a connection to itself."
                    self._turn_away(pool, link, Refused(State.TOO_MANY, why, mend))
            self._serve(pool)

    def close(self) -> None:
        """Ends those that are free; what is given back is kept only for those who wait."""
        self._closed = True
        for pool in self._pools.values():
            for lendable in pool.free:
                end(lendable.upstream)
            pool.free.clear()
