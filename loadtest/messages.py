"""PostgreSQL's messages as bytes: what a client sends, and a reader of what comes, in any pieces. No socket in here."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

PROTOCOL_3_0 = 196608
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
SYNC = b"S\0\0\0\4"
TERMINATE = b"X\0\0\0\4"
COPY_DONE = b"c\0\0\0\4"
HEADER_BYTES = 5
MESSAGE_BYTES_MAX = 1 << 30  # PostgreSQL sends nothing longer: a length above it is a stream out of step

_length_at = struct.Struct("!i").unpack_from
_short_at = struct.Struct("!h").unpack_from


class WireError(Exception):
    """The server's ErrorResponse, or what broke the connection; its text starts with the SQLSTATE where there is one."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(f"{sqlstate} {message}" if sqlstate else message)
        self.sqlstate = sqlstate
        self.message = message


class Reader:
    """Cuts a stream into messages, however the pieces fall. Iterating gives type and body of those that are whole."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        self._later: list[
            bytes
        ] = []  # joined only once they hold the end of a message: a long one is copied once
        self._missing = 0
        self.received = 0

    def feed(self, data: bytes) -> None:
        self._later.append(data)
        self.received += len(data)
        self._missing -= len(data)

    def _join(self) -> None:
        rest = self._buffer[self._at :]
        self._buffer = b"".join((rest, *self._later)) if rest or len(self._later) > 1 else self._later[0]
        self._later.clear()
        self._at = 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        if self._missing > 0:
            return
        if self._later:
            self._join()
        buffer, at = self._buffer, self._at
        while (end := self._end(buffer, at)) <= len(buffer):
            self._at = end
            yield buffer[at : at + 1], buffer[at + HEADER_BYTES : end]
            at = end
        self._missing = end - len(buffer)

    @staticmethod
    def _end(buffer: bytes, at: int) -> int:
        """Where the message at this place ends; the least that it takes to know, where that has not come."""
        if len(buffer) - at < HEADER_BYTES:
            return at + HEADER_BYTES
        length = _length_at(buffer, at + 1)[0]
        if not 4 <= length <= MESSAGE_BYTES_MAX:
            raise WireError(f"a message of {length} bytes: the stream is out of step")
        return int(at + 1 + length)


@dataclass(slots=True)
class Answer:
    """What one statement gave. Rows stay as they came until somebody looks: a large answer is mostly counted."""

    kind: bytes = b""  # b"D" rows, b"d" COPY data
    raw: list[bytes] = field(default_factory=list)
    tag: str = ""
    error: WireError | None = None

    @property
    def rows(self) -> list[list[bytes | None]]:
        return [cells(body) for body in self.raw]


class Answers:
    """Puts messages together to answers, one for each statement of the message or the pipeline, until ReadyForQuery."""

    def __init__(self) -> None:
        self.done: list[Answer] = []
        self.status = b""
        self._open = Answer()

    def take(self, kind: bytes, body: bytes) -> bool:
        """True when this was the last message."""
        if kind in (b"D", b"d"):
            self._open.kind = kind
            self._open.raw.append(body)
        elif kind in (b"C", b"I", b"s"):
            self._close(tag=body[:-1].decode() if kind == b"C" else "")
        elif kind == b"E":
            self._close(error=error(body))
        elif kind == b"Z":
            self.status = body
            return True
        return False

    def _close(self, tag: str = "", error: WireError | None = None) -> None:
        self._open.tag, self._open.error = tag, error
        self.done.append(self._open)
        self._open = Answer()


def cells(body: bytes) -> list[bytes | None]:
    """The columns of a DataRow."""
    found: list[bytes | None] = []
    at = 2
    for _ in range(_short_at(body, 0)[0]):
        size = _length_at(body, at)[0]
        at += 4
        if size < 0:
            found.append(None)
        else:
            found.append(body[at : at + size])
            at += size
    if at != len(body):
        raise WireError("a row whose columns do not fill it")
    return found


def error(body: bytes) -> WireError:
    """An ErrorResponse as an exception."""
    parts = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return WireError(parts.get(b"M", ""), parts.get(b"C", ""))


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(parameters: Mapping[str, str]) -> bytes:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, PROTOCOL_3_0) + body


def password(secret: str) -> bytes:
    return message(b"p", secret.encode() + b"\0")


def sasl_first(first: bytes) -> bytes:
    """SASLInitialResponse: SCRAM-SHA-256 is chosen."""
    return message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)


def sasl(response: bytes) -> bytes:
    return message(b"p", response)


def query(sql: str) -> bytes:
    return message(b"Q", sql.encode() + b"\0")


def parse(name: str, sql: str) -> bytes:
    """A prepared statement whose parameters' types are the server's to find."""
    return message(b"P", name.encode() + b"\0" + sql.encode() + b"\0\0\0")


def execution(name: str, values: Sequence[str | None]) -> bytes:
    """Bind to the unnamed portal, in text both ways, and Execute to its end."""
    parts = [b"\0", name.encode(), b"\0\0\0", struct.pack("!h", len(values))]
    for value in values:
        data = None if value is None else value.encode()
        parts.append(struct.pack("!i", -1) if data is None else struct.pack("!i", len(data)) + data)
    parts.append(b"\0\0")
    return message(b"B", b"".join(parts)) + message(b"E", b"\0\0\0\0\0")


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)
