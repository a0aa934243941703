"""A connection to the PostgreSQL that the gateways of a fleet share, from the admin process.

psycopg is called in a thread: its asynchronous side speaks asyncio alone. What does not answer in time is cut off, and a
call after that connects anew. NOTIFY is a hint: it carries a name, rows are read, and all of them again whenever the
connection that listens had to be made anew.
"""

import contextlib
import math
import os
import select
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from gateway.errors import ConfigError
from gateway.store_settings import Address, Shared, address
from workers import tls

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]
else:
    Connection = Any  # only who connects needs psycopg

CONNECT_SECONDS: Final = 3
STATEMENT_SECONDS: Final = 3.0  # for the server
CALL_SECONDS: Final = 8.0  # for whatever is called, with the connecting, where the server says nothing at all
PAUSE_SECONDS: Final = 0.2  # after a first failure to connect; then twice as long each time …
PAUSE_SECONDS_MAX: Final = 2.0
CLOCK_SECONDS_MAX: Final = 2.0  # that the clocks of this host and of the store may differ
_SILENT: Final = {  # how long a connection may be dead before that is noticed
    "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 6000,
}  # fmt: skip
T = TypeVar("T")


class Away(Exception):
    """The store cannot be used now: one line that says why, without anything secret."""


@dataclass(frozen=True, slots=True, repr=False)
class StoreTarget:
    """Where, and as whom."""

    address: Address
    password: str | None
    sslmode: str
    sslrootcert: str | None

    def parameters(self, application: str) -> dict[str, Any]:
        """For libpq, which is to look at no file or variable that nobody named."""
        where = self.address
        rootcert = self.sslrootcert
        if rootcert is None and self.sslmode.startswith("verify"):
            rootcert = ssl.get_default_verify_paths().cafile or tls.SYSTEM_ROOTS
        return {
            "host": ",".join(host for host, _ in where.hosts),
            "port": ",".join(str(port) for _, port in where.hosts),
            "dbname": where.dbname,
            "user": where.user,
            "password": self.password or "",
            "passfile": os.devnull,
            "sslmode": self.sslmode,
            "sslrootcert": rootcert or os.devnull,
            "sslcertmode": "disable",
            "gssencmode": "disable",
            "target_session_attrs": "read-write",
            "connect_timeout": CONNECT_SECONDS,
            "application_name": application,
            "client_encoding": "UTF8",
            "options": f"-c statement_timeout={STATEMENT_SECONDS * 1000:.0f} -c search_path=sluice",
            **_SILENT,
        }


def target(table: Shared, password: str | None, folder: str) -> StoreTarget:
    """Of a table of sluice.toml, which is in `folder`."""
    rootcert = os.path.join(folder, table.sslrootcert) if table.sslrootcert else None
    return StoreTarget(address(table.store), password, table.sslmode, rootcert)


class StoreConnection:
    """One connection for calls, one after the other, and one for each `listen`. `where` is asked for every new one, so that
    a password may change; it raises ConfigError where it cannot say. `prepare` is called in the thread with every new one
    of the first kind; what it raises (Away) is as if there were none."""

    def __init__(
        self,
        where: Callable[[], StoreTarget],
        application: str,
        prepare: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        self._where = where
        self._application = application
        self._prepare = prepare
        self._turn = trio.Lock()
        self._thread = trio.CapacityLimiter(1)
        self._connection: Connection | None = None
        self._pause = PAUSE_SECONDS
        self._not_before = 0.0  # on trio's clock
        self.why = ""  # it cannot be used
        self.since = time.time()  # it is, or is not
        self.clock_off = 0.0  # seconds that this host's clock is before the store's

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` gives: it is called with the connection, which is in autocommit mode. Raises Away; then nobody knows
        whether its last statement was done."""
        async with self._turn:
            if trio.current_time() < self._not_before:
                raise Away(self.why)
            try:
                with trio.fail_after(CALL_SECONDS):
                    done = await trio.to_thread.run_sync(self._call, work, abandon_on_cancel=True, limiter=self._thread)
            except trio.TooSlowError:
                self._cut()
                self._failed("it does not answer", lost=True)
                raise Away(self.why) from None
            except trio.Cancelled:
                self._cut()
                raise
            except Away as away:
                self._failed(str(away), lost=self._connection is None)
                raise
            if self.why:
                self.why, self.since = "", time.time()
            self._pause = PAUSE_SECONDS
            return done

    async def listen(
        self, channels: Sequence[str], heard: Callable[[str, str], None], begun: Callable[[], Awaitable[None]]
    ) -> None:
        """For ever: `heard` is called with the channel and payload of each notification, `begun` awaited each time that it
        listens anew: what was said before that is not known."""
        pause = PAUSE_SECONDS
        while True:
            with contextlib.suppress(Away):
                async with _opened(self._parameters) as connection:
                    await trio.to_thread.run_sync(_listen, connection, channels, abandon_on_cancel=True)
                    self._not_before = 0.0  # it is there again: whoever calls need not wait
                    pause = PAUSE_SECONDS
                    await begun()
                    while True:
                        await trio.lowlevel.wait_readable(connection.fileno())
                        for channel, payload in _told(connection):
                            heard(channel, payload)
            await trio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    async def close(self) -> None:
        """Ends the connection for calls, for good."""
        async with self._turn:
            self.why, self._not_before = "it was closed", math.inf
            await trio.to_thread.run_sync(self._close, limiter=self._thread)

    # -- within

    def _call(self, work: Callable[[Connection], T]) -> T:
        """In the thread."""
        import psycopg

        connection = self._connection
        try:
            if connection is None or _ended(connection):
                self._connection = None
                connection = self._made()
            return work(connection)
        except psycopg.Error as error:
            raise Away(_words(error)) from None
        finally:
            if connection is not None and connection.closed:
                self._connection = None

    def _made(self) -> Connection:
        connection = _connect(self._parameters())
        self._connection = connection
        try:
            before = time.time()
            row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
            assert row is not None
            self.clock_off = (before + time.time()) / 2 - row[0]
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _parameters(self) -> dict[str, Any]:
        try:
            return self._where().parameters(self._application)
        except ConfigError as error:
            raise Away(str(error)) from None

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _failed(self, why: str, *, lost: bool) -> None:
        if not self.why:
            self.since = time.time()
        self.why = why
        if lost:
            self._not_before = trio.current_time() + self._pause
            self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)

    def _cut(self) -> None:
        """Nobody waits for its thread any more, which ends as soon as its socket does; who is next makes another."""
        if self._connection is not None:
            _shut(self._connection)


@contextlib.asynccontextmanager
async def _opened(parameters: Callable[[], dict[str, Any]]) -> AsyncIterator[Connection]:
    """A connection of its own, cut off where the task is cancelled. Raises Away, for what happens within, too."""
    import psycopg

    made: list[Connection] = []
    wanted = True

    def connect() -> Connection:
        made.append(_connect(parameters()))
        if not wanted:
            made[0].close()
        return made[0]

    try:
        yield await trio.to_thread.run_sync(connect, abandon_on_cancel=True)
    except psycopg.Error as error:
        raise Away(_words(error)) from None
    finally:
        wanted = False
        for connection in made:
            _shut(connection)
            connection.close()


def _connect(parameters: dict[str, Any]) -> Connection:
    import psycopg

    return psycopg.connect("", autocommit=True, prepare_threshold=None, **parameters)


def _listen(connection: Connection, channels: Sequence[str]) -> None:
    from psycopg import sql

    for channel in channels:
        connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))


def _told(connection: Connection) -> Iterator[tuple[str, str]]:
    """What is there now. Raises psycopg.Error where the connection has ended."""
    connection.pgconn.consume_input()
    while (one := connection.pgconn.notifies()) is not None:
        yield one.relname.decode(), one.extra.decode()


def _ended(connection: Connection) -> bool:
    """Whether the server has hung up, though nothing was asked of it."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    if poll.poll(0):
        connection.close()
        return True
    return False


def _shut(connection: Connection) -> None:
    """Ends its socket under whoever waits for it."""
    import psycopg

    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def _words(error: "psycopg.Error") -> str:
    """The error without what it may quote: the server's code; or, where it did not get so far, libpq's first line."""
    if error.sqlstate is not None:
        return f"the store refused ({type(error).__name__}, SQLSTATE {error.sqlstate})"
    first = str(error).strip().partition("\n")[0]
    return "".join(char if char.isprintable() else " " for char in first)[:200] or type(error).__name__
