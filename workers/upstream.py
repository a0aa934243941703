"""The gateway's side of a database connection: reach the server, log in, ask, cancel (manual, section 55.2).

Nothing is taken from PG* variables or from files of a home folder: a Target says all.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import trio

from gateway.errors import Refusal, Refused, State, Unavailable
from parser import messages
from parser.errors import ProtocolError
from parser.startup import PACKET_BYTES_MAX
from workers import tls
from workers.sharing import shared
from workers.sockets import Closed, Wire, tune
from workers.upstream_login import LOGIN_FRAME_BYTES_MAX, METHODS, Login, Rejected

RESULT_FRAME_BYTES_MAX = 64 << 20
GOODBYE_SECONDS = 1.0

_TRIES = {  # whether with TLS, in this order
    "disable": (False,),
    "allow": (False, True),
    "prefer": (True, False),
    "require": (True,),
    "verify-ca": (True,),
    "verify-full": (True,),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A database as sluice.toml names it. `hosts` are tried in order; one that starts with / is the folder
    of a Unix socket. `require_auth`: how the server may ask for the password (libpq's words; "none": not at
    all)."""

    hosts: tuple[tuple[str, int], ...]
    dbname: str
    user: str
    password: str | None = field(default=None, repr=False)
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    connect_timeout: float = 10.0  # seconds, for each address
    require_auth: frozenset[str] = METHODS


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server was reached, so that a cancel goes to the very same one in the same way."""

    family: int
    sockaddr: Any  # as the socket module takes it for this family
    host: str  # the configuration's name: what verify-full compares
    sslmode: str
    sslrootcert: str | None
    connect_timeout: float

    @property
    def local(self) -> bool:
        """The bytes never leave this machine."""
        if self.family == socket.AF_UNIX:
            return True
        return str(self.sockaddr[0]).startswith("127.") or self.sockaddr[0] == "::1"

    def __str__(self) -> str:
        return f"{self.host}:{self.sockaddr[1]}" if self.family != socket.AF_UNIX else str(self.sockaddr)


@dataclass(slots=True)
class Upstream:
    """A logged-in connection. `pid` is 0 and `secret` empty where the server gave none; `parameters` are in
    the server's order and spelling, `notices` whole frames of the login, `status` I, T or E."""

    wire: Wire
    address: Address
    pid: int
    secret: bytes = field(repr=False)
    minor: int
    status: bytes
    parameters: tuple[tuple[str, str], ...]
    notices: tuple[bytes, ...]
    began: float = field(default_factory=time.monotonic)
    cancels: int = 0  # under way to it, or never known to have arrived: one may still hit whatever it runs next

    def greeting(self, secret: bytes) -> bytes:
        """What a client reads whose session this is: the server's words in its order, but a cancel key of our own."""
        key = messages.backend_key_data(self.pid, secret) if self.secret else b""
        ready = messages.ready_for_query(self.status)
        return b"".join((_told(self.parameters), key, *self.notices, ready))

    @property
    def sock(self) -> socket.socket:
        """A socket.socket or ssl.SSLSocket, non-blocking."""
        return self.wire.sock

    @property
    def buffer(self) -> bytearray:
        """Bytes received behind the last message that was read here."""
        return self.wire.buffer

    @property
    def tls(self) -> bool:
        return self.wire.tls

    async def query(self, sql: str) -> list[list[bytes | None]]:
        """The rows of all statements of `sql`, in text format. For the gateway's own connection only.

        Raises Unavailable; the connection stays usable where the server itself said no.
        """
        rows: list[list[bytes | None]] = []
        failed = ""
        try:
            await self.wire.write_all(messages.query(sql))
            while True:
                kind, body = await self.wire.read_frame(RESULT_FRAME_BYTES_MAX)
                if kind == b"D":
                    rows.append(messages.data_row(body))
                elif kind == b"E":
                    failed = messages.read_error_fields(body).get("C", "none")
                elif kind == b"Z":
                    self.status = messages.read_ready_for_query(body)
                    break
                elif kind not in (b"T", b"C", b"I", b"N", b"S", b"A"):
                    raise ProtocolError("a message has no place in a query's answer")
        except (Closed, ProtocolError) as error:
            self.wire.close()
            raise _unavailable("the connection to the database broke") from error
        except trio.Cancelled:
            self.wire.close()  # the rest of the answer would be taken for the next one's
            raise
        if failed:
            raise _unavailable(f"the database refused the gateway's own query (SQLSTATE {failed})")
        return rows

    async def close(self) -> None:
        """Says Terminate and closes, even where the task was cancelled: the server's session must not
        linger."""
        try:
            with trio.CancelScope(deadline=trio.current_time() + GOODBYE_SECONDS, shield=True):
                await self.wire.write_all(messages.TERMINATE)
        except Closed:
            pass
        self.wire.close()


@lru_cache(maxsize=256)
def _told(parameters: tuple[tuple[str, str], ...]) -> bytes:
    told = [messages.parameter_status(name, value) for name, value in parameters]
    return b"".join((messages.authentication_ok(), *told))


def _unavailable(message: str) -> Unavailable:
    return Unavailable(Refused(State.UNREACHABLE, message))


async def connect(target: Target, params: Sequence[tuple[str, str]], *, minor: int = 0) -> Upstream:
    """Logs in, with `params` (no user, no database) in the start-up packet, so that the server applies them.

    Raises Refusal with the server's words for what the client's parameters or the server's condition caused,
    Unavailable (08006) for all else.
    """
    assert not {"user", "database"} & {name for name, _ in params}, "the target says who and where"
    pairs = (("user", target.user), ("database", target.dbname), *params)
    packet = messages.startup_message(pairs, minor)
    if len(packet) - 4 > PACKET_BYTES_MAX:
        raise Refusal(Refused(State.PROTOCOL, "the startup parameters are too long", "Send fewer of them."))
    last: Refusal = _unavailable(f"database {target.dbname} not reachable: its host is not known")
    for host, port in target.hosts:
        for address in await _addresses(target, host, port):
            try:
                return await _reach(target, address, packet, minor)
            except Rejected as rejected:
                last = rejected.refusal
                if rejected.sqlstate != State.STARTING:  # another server would say the same
                    raise last from None
            except Unavailable as unavailable:
                last = unavailable
    raise last


async def _addresses(target: Target, host: str, port: int) -> list[Address]:
    """Every address of a host, none where its name is not known."""
    found: list[tuple[int, Any]]
    if host.startswith("/"):
        found = [(socket.AF_UNIX, f"{host}/.s.PGSQL.{port}")]
    else:
        try:
            with trio.fail_after(target.connect_timeout):
                infos = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, trio.TooSlowError):
            return []
        found = [(info[0], info[4]) for info in infos]
    return [
        shared(Address(family, sockaddr, host, target.sslmode, target.sslrootcert, target.connect_timeout))
        for family, sockaddr in found
    ]


class _NoTls(Exception):
    """The server does not do TLS, or the handshake failed."""


async def _reach(target: Target, address: Address, packet: bytes, minor: int) -> Upstream:
    """Tries one address, with and without TLS as sslmode says."""
    tries = _TRIES[target.sslmode] if address.family != socket.AF_UNIX else (False,)
    for number, with_tls in enumerate(tries, 1):
        is_last = number == len(tries)
        try:
            with trio.fail_after(target.connect_timeout):
                return await _attempt(target, address, packet, minor, with_tls)
        except _NoTls as error:
            if is_last:
                raise _unavailable(f"database {target.dbname} not reachable: TLS is not possible") from error
        except Rejected as rejected:
            # pg_hba.conf may want the other way; an error after the authentication would come again.
            if is_last or rejected.authenticated or not rejected.sqlstate.startswith("28"):
                raise
        except trio.TooSlowError as error:
            raise _unavailable(f"database {target.dbname} not reachable: it does not answer") from error
        except (Closed, OSError) as error:
            raise _unavailable(f"database {target.dbname} not reachable") from error
        except ProtocolError as error:
            raise _unavailable(f"database {target.dbname} does not speak PostgreSQL's protocol") from error
    raise AssertionError("the last try returns or raises")


async def _attempt(target: Target, address: Address, packet: bytes, minor: int, with_tls: bool) -> Upstream:
    wire = await _open(address)
    try:
        if with_tls and not await _encrypt(wire, address) and address.sslmode != "prefer":
            raise _NoTls
        endpoint = tls.endpoint(wire.sock) if isinstance(wire.sock, ssl.SSLSocket) else None
        private = wire.tls or address.local
        login = Login(target.user, target.password, minor, endpoint, private, target.require_auth)
        await wire.write_all(packet)
        while not login.ready:
            answer = login.take(await wire.read_frame(LOGIN_FRAME_BYTES_MAX))
            if answer:
                await wire.write_all(answer)
        tune(wire.sock)
    except BaseException:
        wire.close()
        raise
    return Upstream(
        wire,
        address,
        login.pid,
        login.secret,
        login.minor,
        login.status,
        shared(tuple(login.parameters)),
        tuple(login.notices),
    )


async def _open(address: Address) -> Wire:
    """A connected wire. Raises OSError."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        tune(sock, address.connect_timeout)
        try:
            sock.connect(address.sockaddr)
        except BlockingIOError:
            if address.family == socket.AF_UNIX:
                raise  # its queue is full; unlike TCP the kernel does not go on trying
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "the connection was not made") from None
        return Wire(sock)
    except BaseException:
        sock.close()
        raise


async def _encrypt(wire: Wire, address: Address) -> bool:
    """Asks for TLS; False where the server has none. Raises _NoTls where the handshake fails, Unavailable
    where the answer is none, or bytes follow it that anybody may have added."""
    context = tls.upstream_context(address.sslmode, address.sslrootcert)
    await wire.write_all(messages.SSL_REQUEST)
    answer = await wire.read_exactly(1)
    if wire.buffer:
        raise _unavailable("the database sent unencrypted data after the SSL answer")
    if answer == b"N":
        return False
    if answer != b"S":
        raise _unavailable("the database gave no answer to the SSL request")
    try:
        await wire.start_tls(context, server_side=False, server_hostname=address.host)
    except Closed as error:
        raise _NoTls from error
    return True


async def send_cancel(address: Address, pid: int, secret: bytes, *, encrypted: bool) -> None:
    """Asks the server at `address` to cancel what `pid` runs, and waits until it has seen that: its end of
    file.

    `encrypted`: the session runs over TLS, so its key does not travel in clear. Raises Unavailable.
    """
    try:
        with trio.fail_after(address.connect_timeout):
            wire = await _open(address)
            try:
                if encrypted and not await _encrypt(wire, address):
                    raise _NoTls
                await wire.write_all(messages.cancel_request(pid, secret))
                while await wire.receive():
                    wire.buffer.clear()
            finally:
                wire.close()
    except (Closed, OSError, _NoTls, trio.TooSlowError) as error:
        raise _unavailable("the cancel request did not reach the database") from error
