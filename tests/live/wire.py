"""The wire with bare hands: a client that sends exactly the given bytes, and a tap that keeps every byte a client got."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType

PROTOCOL_3_0 = 196608
CANCEL_CODE = 80877102
SSL_CODE = 80877103


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(parameters: Mapping[str, str], protocol: int = PROTOCOL_3_0) -> bytes:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, protocol) + body


def query(text: str) -> bytes:
    return message(b"Q", text.encode() + b"\0")


def error_fields(body: bytes) -> dict[str, str]:
    """ErrorResponse or NoticeResponse: field letter to value."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


class Wire:
    """One connection; replies are read as (type, body)."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer when the other side closed."""
        data = b""
        while len(data) < size:
            try:
                chunk = self._socket.recv(size - len(data))
            except ConnectionResetError:
                break
            if not chunk:
                break
            data += chunk
        return data

    def some(self) -> bytes:
        """What there is to read; b"" at the end of the connection."""
        try:
            return self._socket.recv(1 << 18)
        except ConnectionResetError:
            return b""

    def reply(self) -> tuple[bytes, bytes]:
        """The next message; (b"", b"") at the end of the connection."""
        head = self.read(5)
        if len(head) < 5:
            return b"", b""
        return head[:1], self.read(struct.unpack("!i", head[1:])[0] - 4)

    def replies(self, until: bytes = b"Z") -> list[tuple[bytes, bytes]]:
        """Messages up to the first of type `until`, or to the end of the connection."""
        seen = []
        while True:
            seen.append(self.reply())
            if seen[-1][0] in (until, b""):
                return seen

    def discard(self) -> int:
        """Reads an answer to its ReadyForQuery outside a transaction without looking at it; its bytes, for large ones."""
        buffer = memoryview(bytearray(1 << 20))
        total, tail = 0, b""
        while tail != b"Z\0\0\0\5I":
            size = self._socket.recv_into(buffer)
            assert size, "the answer was cut short"
            total += size
            tail = (tail + bytes(buffer[max(0, size - 6) : size]))[-6:]
        return total

    def sign_in(
        self, token: str, parameters: Mapping[str, str], protocol: int = PROTOCOL_3_0
    ) -> list[tuple[bytes, bytes]]:
        """Start-up with the token as the clear-text password; the replies up to ReadyForQuery."""
        self.send(startup(parameters, protocol))
        seen = self.replies(b"R")
        if seen[-1][0] == b"R":
            assert seen[-1][1] == struct.pack("!i", 3), (
                "the gateway asks for the token as a clear-text password"
            )
            self.send(message(b"p", token.encode() + b"\0"))
            seen += self.replies()
        return seen


class Tap:
    """A relay to `port` that keeps every byte that went to its clients."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.to_client = bytearray()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            self._sockets += [client, server]
            self._start(self._pump, client, server, None)
            self._start(self._pump, server, client, self.to_client)

    def _pump(self, source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """Wakes and ends all its threads."""
        for end in (self._listener, *self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for end in (self._listener, *self._sockets):
            end.close()


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    tap = Tap(port)
    try:
        yield tap
    finally:
        tap.close()
