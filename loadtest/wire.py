"""A PostgreSQL client of plain sockets for load: it sends simple queries and throws the answers away after counting."""

import socket
import struct
import time


class WireError(Exception):
    """The server's ErrorResponse, with its SQLSTATE first."""


class Client:
    """One signed-in session. With a token or a password the server may ask for it in clear text only."""

    def __init__(self, port: int, user: str, database: str, password: str, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""
        body = b"".join(f"{part}\0".encode() for part in ("user", user, "database", database)) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, 196608) + body)
        while (kind := (message := self._message())[0]) != b"Z":
            if kind == b"E":
                raise WireError(fields(message[1]))
            if kind == b"R" and message[1] == b"\0\0\0\3":
                secret = password.encode() + b"\0"
                self._socket.sendall(b"p" + struct.pack("!i", len(secret) + 4) + secret)

    def close(self) -> None:
        self._socket.close()

    def _message(self) -> tuple[bytes, bytes]:
        while len(self._left) < 5 or len(self._left) < 1 + struct.unpack_from("!i", self._left, 1)[0]:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise WireError("closed")
            self._left += chunk
        length = struct.unpack_from("!i", self._left, 1)[0]
        message, self._left = self._left[: length + 1], self._left[length + 1 :]
        return message[:1], message[5:]

    def query(self, sql: str) -> int:
        """Runs it and reads every message; the bytes that came. WireError when the server said no."""
        body = sql.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        total = 0
        error = ""
        while True:
            kind, body = self._message()
            total += len(body) + 5
            if kind == b"E":
                error = fields(body)
            if kind == b"Z":
                if error:
                    raise WireError(error)
                return total

    def bulk(self, sql: str) -> int:
        """Like `query` for one large answer: only looks for its end, so that the client costs next to nothing."""
        body = sql.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
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
        body = sql.encode() + b"\0"
        started = time.perf_counter()
        self._socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        while self._message()[0] != b"D":
            pass
        return time.perf_counter() - started


def fields(body: bytes) -> str:
    parts = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"{parts.get(b'C', '')} {parts.get(b'M', '')}"
