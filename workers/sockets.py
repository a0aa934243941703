"""Sockets outside the relay's turn: byte-exact reads and writes with trio, TLS, and the accept loop.

A Wire waits with trio but owns an ordinary non-blocking socket, so that the relay can take the very same
object over into its epoll when sign-in is done.
"""

import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

import trio

from parser.frames import Frame, cut

RECEIVE_BYTES = 16_384
SIGNING_IN_MAX = 512  # of a worker
LINGER_SECONDS = 0.5
LINGER_BYTES_MAX = 1 << 20
KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 6

# The process or the machine is out of something: new connections wait in the kernel's queue until it is
# there again.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

log = logging.getLogger("sluice.sockets")


class Closed(Exception):
    """The peer is gone, or its TLS is broken: nothing more can be read or written."""


class BadCertificate(Closed):
    """The peer's certificate was refused, which TLS has told it; `why` in OpenSSL's words."""

    def __init__(self, why: str) -> None:
        super().__init__(f"TLS handshake: {why}")
        self.why = why


def tune(sock: socket.socket, user_timeout_seconds: float = 0.0) -> None:
    """No Nagle, dead peers found by keepalive. `user_timeout_seconds` bounds how long sent bytes may stay
    unacknowledged; 0 is the system's own bound.

    It is for sign-in and cancels. On a running session it would also cut off a client whose window stays
    closed while its user reads a page of the result.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_seconds * 1000))


def untimed(sock: socket.socket) -> None:
    """Takes the bound on unacknowledged bytes away, which is for sign-in alone."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)


class Wire:
    """One connection. `sock` is a socket.socket or ssl.SSLSocket, non-blocking; `buffer` holds what was
    received and not yet consumed; `address` is the peer as `host:port`, or `unix`.

    All methods raise Closed when the peer is gone; reading also raises it at the end of the stream.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.buffer = bytearray()
        self.address = _address(sock)

    @property
    def tls(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket)

    def fileno(self) -> int:
        return self.sock.fileno()

    async def peek(self) -> bytes:
        """The next byte, left where it is, or nothing at the end. Only before TLS and before any read."""
        assert not self.tls, "TLS bytes cannot be peeked at"
        assert not self.buffer, "bytes were already read"
        while True:
            try:
                return self.sock.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                await self._wait(trio.lowlevel.wait_readable)
            except OSError as error:
                raise Closed(f"receive: {error.strerror}") from error

    async def receive(self) -> bool:
        """Adds what has arrived, at least a byte, to `buffer`. False at the end of the stream."""
        while True:
            try:
                chunk = self.sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as error:
                raise Closed(f"receive: {error.strerror}") from error
            else:
                self.buffer += chunk
                return bool(chunk)

    async def read(self, n_max: int) -> bytes:
        """Between one and `n_max` bytes, or nothing at the end of the stream."""
        if not self.buffer:
            await self.receive()
        taken = bytes(self.buffer[:n_max])
        del self.buffer[:n_max]
        return taken

    async def read_exactly(self, n: int) -> bytes:
        """Exactly `n` bytes. Memory grows with what arrives, not with `n`."""
        while len(self.buffer) < n:
            if not await self.receive():
                raise Closed("the stream ended")
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    async def read_frame(self, body_bytes_max: int) -> Frame:
        """The next typed message. Raises ProtocolError on a length out of range."""
        while (found := cut(self.buffer, body_bytes_max)) is None:
            if not await self.receive():
                raise Closed("the stream ended")
        return found

    async def write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await self._wait(trio.lowlevel.wait_writable)
            except ssl.SSLWantReadError:
                await self._wait(trio.lowlevel.wait_readable)
            except OSError as error:
                raise Closed(f"send: {error.strerror}") from error

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None
    ) -> None:
        """Shakes hands; everything after it is encrypted. Raises Closed where the handshake fails.

        Bytes that came before the handshake were written by anybody: whoever calls refuses them first.
        """
        assert not self.buffer, "bytes received in clear would be taken for encrypted ones"
        try:
            secure = context.wrap_socket(
                self.sock,
                server_side=server_side,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
            )
        except OSError as error:
            raise Closed("TLS could not start") from error
        self.sock = secure
        while True:
            try:
                secure.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except ssl.SSLCertVerificationError as error:
                raise BadCertificate(error.verify_message) from error
            except OSError as error:
                raise Closed(f"TLS handshake: {getattr(error, 'reason', None) or error.strerror}") from error

    async def finish(self) -> None:
        """Closes so that the peer can still read what was sent last: closing over unread bytes resets the
        connection, and the reset may overtake an ErrorResponse. Waits LINGER_SECONDS at most."""
        try:
            with trio.move_on_after(LINGER_SECONDS):
                if isinstance(self.sock, ssl.SSLSocket):
                    self._say_goodbye(self.sock)
                self.sock.shutdown(socket.SHUT_WR)
                for _ in range(LINGER_BYTES_MAX // RECEIVE_BYTES):
                    self.buffer.clear()
                    if not await self.receive():
                        break
        except (Closed, OSError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Closes at once. Closing twice does nothing."""
        if self.sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self.sock)
            self.drop()

    def drop(self) -> None:
        """As `close`, where no task waits for this socket: a turn of the relay is outside of trio."""
        if isinstance(self.sock, ssl.SSLSocket):
            self._say_goodbye(self.sock)
        self.sock.close()
        self.buffer.clear()

    @staticmethod
    def _say_goodbye(sock: ssl.SSLSocket) -> None:
        """Sends close_notify if that is possible now, so that the peer knows the end from a cut."""
        try:
            sock.unwrap()
        except (OSError, ValueError):
            return  # waiting for the peer's own close_notify, or it is gone already

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await wait(self.sock)
        except trio.ClosedResourceError:
            raise Closed("closed here") from None


def _address(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return "unknown"
    if sock.family == socket.AF_INET6:
        return f"[{name[0]}]:{name[1]}"
    return f"{name[0]}:{name[1]}" if sock.family == socket.AF_INET else "unix"


async def attend(
    arrivals: trio.MemoryReceiveChannel[Wire], handler: Callable[[Wire], Awaitable[None]], *, signing_in_max: int
) -> None:
    """Runs `handler` for each connection that arrives in a task of its own, for ever.

    `handler` signs a client in, hands it to the relay, and *returns*: whoever is still in it counts as
    signing in. Beyond `signing_in_max` of them the oldest is cut off, since honest clients are through in
    milliseconds and those that hold on are the ones that want to starve the others. An exception ends its
    own connection only.
    """
    waiting: dict[int, trio.CancelScope] = {}  # in the order of arrival
    count = 0

    async def run(wire: Wire, number: int, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await handler(wire)
            if scope.cancelled_caught:
                wire.close()
        except Exception:
            log.exception("a connection ended on an unexpected error")
            wire.close()
        except BaseException:
            wire.close()
            raise
        finally:
            waiting.pop(number, None)

    async with trio.open_nursery() as nursery:
        async for wire in arrivals:
            if len(waiting) >= signing_in_max:
                waiting.pop(next(iter(waiting))).cancel()
            count += 1
            waiting[count] = scope = trio.CancelScope()
            nursery.start_soon(run, wire, count, scope)


class Exhausted(Exception):
    """No descriptor or no memory is left for a new connection."""


def accept(listener: socket.socket) -> socket.socket | None:
    """The next connection, None where none waits. Raises Exhausted."""
    while True:
        try:
            return listener.accept()[0]
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _EXHAUSTED:
                log.warning("no new connections for the moment: %s", error.strerror)
                raise Exhausted from error
            if error.errno == errno.EBADF:
                raise
            # Else that connection broke while it waited in the queue.
