"""A PostgreSQL client of plain sockets for load: it costs the machine that it shares with the gateway little."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence

import messages
from messages import Answer, Answers, Reader, WireError
from scram import Proof

__all__ = ["Client", "WireError"]

TIMEOUT_SECONDS = 60
RECEIVE_BYTES = 1 << 16
CLEAR_TEXT = b"\0\0\0\3"
SASL = b"\0\0\0\n"
SASL_FINAL = b"\0\0\0\x0c"
SIGNED_IN = b"\0\0\0\0"


class Client:
    """One signed-in session. The server may ask for a token or a password in clear text, or for a proof (SCRAM).

    `tls` wraps the connection after SSLRequest; with `tls_optional` a server without TLS is spoken to in clear.
    """

    def __init__(
        self,
        port: int,
        user: str,
        database: str,
        password: str,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        tls_optional: bool = False,
        parameters: Mapping[str, str] | None = None,
        receive_buffer: int = 0,
    ) -> None:
        self._reader = Reader()
        self._socket = _connected(host, port, receive_buffer)
        try:
            if tls:
                self._socket = _wrapped(self._socket, tls, host, tls_optional)
            named = {"user": user, "database": database, **(parameters or {})}
            self._socket.sendall(messages.startup(named))
            self._sign_in(password)
        except BaseException:
            self._socket.close()
            raise

    def _sign_in(self, password: str) -> None:
        while (message := self._message())[0] != b"Z":
            kind, body = message
            if kind == b"E":
                raise messages.error(body)
            if kind == b"R" and body == CLEAR_TEXT:
                self._socket.sendall(messages.password(password))
            elif kind == b"R" and body[:4] == SASL:
                self._prove(password)
            elif kind == b"R" and body[:4] not in (SASL_FINAL, SIGNED_IN):
                raise WireError("the server asks for a password in a form that is not spoken here")

    def _prove(self, password: str) -> None:
        proof = Proof(password)
        self._socket.sendall(messages.sasl_first(proof.first))
        kind, body = self._message()
        if kind == b"E":
            raise messages.error(body)
        self._socket.sendall(messages.sasl(proof.final(body[4:])))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(messages.TERMINATE)
        self._socket.close()

    def _message(self) -> tuple[bytes, bytes]:
        while True:
            for message in self._reader:
                return message
            self.pull(RECEIVE_BYTES)

    def pull(self, most: int) -> int:
        """Takes what has come, at most so many bytes, for a later answer; how many it were."""
        chunk = self._socket.recv(most)
        if not chunk:
            raise WireError("closed")
        self._reader.feed(chunk)
        return len(chunk)

    @property
    def received(self) -> int:
        """Bytes that came so far."""
        return self._reader.received

    def begin(self, sql: str) -> None:
        """Sends a simple query whose answer `rest` reads."""
        self._socket.sendall(messages.query(sql))

    def rest(self) -> list[Answer]:
        """Everything until ReadyForQuery, errors in their places."""
        answers = Answers()
        while True:
            for kind, body in self._reader:
                if answers.take(kind, body):
                    return answers.done
            self.pull(RECEIVE_BYTES)

    def ask(self, sql: str) -> Answer:
        """The answer of one statement. WireError when the server said no."""
        self.begin(sql)
        return only(self.rest())

    def query(self, sql: str) -> int:
        """Runs it and reads every message; the bytes that came. WireError when the server said no."""
        before = self._reader.received
        self.ask(sql)
        return self._reader.received - before

    def prepare(self, name: str, sql: str) -> None:
        """A named prepared statement."""
        self._socket.sendall(messages.parse(name, sql) + messages.SYNC)
        for answer in self.rest():
            if answer.error:
                raise answer.error

    def pipeline(self, steps: Iterable[tuple[str, Sequence[str | None]]]) -> list[Answer]:
        """Executions of prepared statements in one go before one Sync; after an error the server skips the rest."""
        sent = b"".join(messages.execution(name, values) for name, values in steps)
        self._socket.sendall(sent + messages.SYNC)
        return self.rest()

    def copy_in(self, sql: str, blocks: Iterable[bytes]) -> Answer:
        """COPY … FROM STDIN: sends the blocks once the server asks for them."""
        self.begin(sql)
        kind, body = self._message()
        if kind == b"E":
            self.rest()
            raise messages.error(body)
        if kind != b"G":
            raise WireError(f"{kind!r} came instead of CopyInResponse")
        for block in blocks:
            self._socket.sendall(messages.copy_data(block))
        self._socket.sendall(messages.COPY_DONE)
        return only(self.rest())

    def bulk(self, sql: str) -> int:
        """Like `query` for one large answer: only looks for its end, so that the client costs next to nothing."""
        self.begin(sql)
        buffer = memoryview(bytearray(1 << 20))
        total, tail = 0, b""
        while not (tail[:-1].endswith(b"Z\0\0\0\5") and tail[-1:] in b"ITE"):
            size = self._socket.recv_into(buffer)
            if not size:
                raise WireError("closed")
            total += size
            tail = (tail + bytes(buffer[max(0, size - 16) : size]))[-16:]
        return total

    def first(self, sql: str) -> float:
        """Seconds until the first row has come; the rest of the answer is not read."""
        started = time.perf_counter()
        self.begin(sql)
        while self._message()[0] != b"D":
            pass
        return time.perf_counter() - started


def only(answers: list[Answer]) -> Answer:
    """The one answer; its error is raised."""
    for answer in answers:
        if answer.error:
            raise answer.error
    if len(answers) != 1:
        raise WireError(f"{len(answers)} answers came for one statement")
    return answers[0]


def _connected(host: str, port: int, receive_buffer: int) -> socket.socket:
    """TCP without delay. A small receive buffer makes the other side feel a reader who does not read."""
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(TIMEOUT_SECONDS)
            if receive_buffer:  # before connect: the window is agreed on there
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


def _wrapped(plain: socket.socket, tls: ssl.SSLContext, host: str, optional: bool) -> socket.socket:
    plain.sendall(messages.SSL_REQUEST)
    said = plain.recv(1)
    if said == b"S":
        return tls.wrap_socket(plain, server_hostname=host)
    if said == b"N" and optional:
        return plain
    raise WireError("the server has no TLS" if said == b"N" else "closed")
