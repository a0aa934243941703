"""Connections to servers that outlive their session: reset, kept for a while, and handed to the next session that would have
been given the same.

A connection is kept for sessions of the same server, login and start-up packet, so that what a client finds does not depend
on whether its connection is new. The reset is sent when the session ends and its answer is read when the connection is
wanted, which also shows whether the server is still there. Whatever is in doubt is closed: a new connection costs a moment,
a wrong one costs trust.
"""

import contextlib
import ssl
import time
from collections.abc import Mapping

import trio

from gateway.settings import Database
from parser import messages
from parser.errors import ProtocolError
from parser.frames import cut
from workers.sockets import RECEIVE_BYTES, Closed
from workers.upstream import GOODBYE_SECONDS, Target, Upstream
from workers.upstream_reset import RESET_FRAME_BYTES_MAX, Reset

RESET_SECONDS = 2.0  # dropping many temporary tables takes its time
KEPT_MAX = 128  # in a worker, over all databases

Shape = tuple[Target, tuple[tuple[str, str], ...]]  # all that shaped a connection: where, as whom, and the start-up packet


class _Broken(Exception):
    """The connection is not to be used any more."""


class _Kept:
    """A connection between two sessions."""

    __slots__ = ("_reset", "database", "shape", "since", "upstream")

    def __init__(self, database: Database, shape: Shape, upstream: Upstream, reset: Reset, since: float) -> None:
        self.database = database
        self.shape = shape
        self.upstream = upstream
        self.since = since
        self._reset = reset

    def look(self) -> bool:
        """Reads what has arrived; whether the connection is as good as new. Raises _Broken."""
        sock = self.upstream.sock
        while True:
            try:
                chunk = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return self._reset.done
            except OSError as error:
                raise _Broken from error
            if not chunk:
                raise _Broken
            self._take(chunk)
            if self._reset.done and not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return True

    async def settle(self) -> None:
        """Waits for the server's answer to the reset. Raises _Broken."""
        try:
            while not self._reset.done:
                if not await self.upstream.wire.receive():
                    raise _Broken
                self._take(b"")
        except Closed as closed:
            raise _Broken from closed

    def _take(self, chunk: bytes) -> None:
        buffer = self.upstream.buffer
        buffer += chunk
        try:
            while (frame := cut(buffer, RESET_FRAME_BYTES_MAX)) is not None:
                self._reset.take(frame)
        except ProtocolError as error:
            raise _Broken from error

    def overdue(self, now: float) -> bool:
        """Whether it has been kept, or has waited for its reset, for long enough."""
        unused = now - self.since
        return (
            unused >= self.database.server_idle_timeout
            or now - self.upstream.began >= self.database.server_lifetime
            or (unused >= RESET_SECONDS and not self._reset.done)
        )


class WarmServers:
    """The kept connections of one worker; its share of each database's `pool_size` is 1/`workers`, but at least one."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._kept: dict[_Kept, None] = {}  # the one unused for longest comes first
        self._idle: dict[Shape, list[_Kept]] = {}  # … last
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def share(self, database: Database) -> int:
        """How many connections of a database are kept here."""
        return max(1, database.pool_size // self._workers) if database.pool_size else 0

    def give(self, database: Database, shape: Shape, upstream: Upstream, reported: Mapping[str, str]) -> None:
        """Takes over the connection of a session that ended cleanly. `reported`: what the server reported to it."""
        now = time.monotonic()
        share = self.share(database)
        upstream.buffer.clear()
        reset = Reset(upstream.parameters, reported, dict(shape[1]).get("role"))
        fit = share and not self._closed and not upstream.cancels and now - upstream.began < database.server_lifetime
        if not fit or not _sent(upstream, reset.request):
            end(upstream)
            return
        self._make_room(database, share)
        kept = _Kept(database, shape, upstream, reset, now)
        self._kept[kept] = None
        self._idle.setdefault(shape, []).append(kept)

    def _make_room(self, database: Database, share: int) -> None:
        same = self._of(database)
        if len(same) >= share:
            self._drop(same[0])
        elif len(self._kept) >= KEPT_MAX:
            self._drop(next(iter(self._kept)))

    def ready(self, shape: Shape) -> Upstream | None:
        """A connection of this shape that is as good as new, the one used last if it is. None where there is none."""
        for kept in tuple(reversed(self._idle.get(shape, ()))):
            try:
                if kept.look():
                    self._forget(kept)
                    return kept.upstream
            except _Broken:
                self._drop(kept)
        return None

    def _of(self, database: Database) -> list[_Kept]:
        return [kept for kept in self._kept if kept.database.name == database.name]

    async def take(self, shape: Shape) -> Upstream | None:
        """As `ready`. Where all are being reset and there may be more, none: one more connection will be there next time.
        Else the one whose reset began first, once the server has answered."""
        found = self.ready(shape)
        if found is not None or shape not in self._idle:
            return found
        kept = self._idle[shape][0]
        if len(self._of(kept.database)) < self.share(kept.database):
            return None
        self._forget(kept)
        try:
            with trio.fail_after(RESET_SECONDS):
                await kept.settle()
        except (_Broken, trio.TooSlowError):
            end(kept.upstream)
            return None
        except BaseException:
            end(kept.upstream)
            raise
        return kept.upstream

    async def make_place(self, target: Target) -> bool:
        """Ends a kept connection to these servers, which take no more, and waits until its place there is free. False where
        none is kept."""
        kept = next((one for one in self._kept if one.shape[0].hosts == target.hosts), None)
        if kept is None:
            return False
        self._forget(kept)
        with contextlib.suppress(Closed), trio.move_on_after(GOODBYE_SECONDS):
            await kept.upstream.wire.write_all(messages.TERMINATE)
            while await kept.upstream.wire.receive():
                kept.upstream.buffer.clear()
        kept.upstream.wire.close()
        return True

    def tidy(self) -> None:
        """Ends what was kept for long enough and what its server has ended. Called about twice a second."""
        now = time.monotonic()
        for kept in list(self._kept):
            try:
                kept.look()
                if kept.overdue(now):
                    self._drop(kept)
            except _Broken:
                self._drop(kept)

    def close(self) -> None:
        """Ends all of them; from now on none is kept."""
        self._closed = True
        for kept in list(self._kept):
            self._drop(kept)

    def _forget(self, kept: _Kept) -> None:
        del self._kept[kept]
        same = self._idle[kept.shape]
        same.remove(kept)
        if not same:
            del self._idle[kept.shape]

    def _drop(self, kept: _Kept) -> None:
        self._forget(kept)
        end(kept.upstream)


def _sent(upstream: Upstream, data: bytes) -> bool:
    """Whether all of it went out at once, as so little does on a connection that works."""
    try:
        return upstream.sock.send(data) == len(data)
    except OSError:
        return False


def end(upstream: Upstream) -> None:
    """Says Terminate if that is possible now, and closes."""
    _sent(upstream, messages.TERMINATE)
    upstream.wire.drop()
