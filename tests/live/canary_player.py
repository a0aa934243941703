"""Sessions that try the doors of tests/corpus/canaries and tests/corpus/useful, many in one session, and keep every byte."""

import struct
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.live.canary_forms import Received
from tests.live.wire import Wire, error_fields, message, query

CORPUS = Path(__file__).parents[1] / "corpus"
DATABASE = CORPUS / "canaries" / "database.sql"
SYNC = message(b"S")
KEYS = {"about", "as", "rollback", "lasting", "pending", "expect", "server", "setup", "doors"}
# Messages that differ between two sessions that do the same.
_OF_THE_SESSION = (b"S", b"K", b"R")


@dataclass(frozen=True, slots=True)
class Door:
    """One attempt: texts sent one after the other.

    `rollback`: in a transaction that is undone. `expect`: "" or "refused", where no answer will do. `pending`: what has to
    be there before it can hold.
    """

    file: str
    reason: str
    texts: tuple[str, ...]
    rollback: bool
    expect: str
    pending: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}: {' ⏎ '.join(self.texts)[:160]}"


@dataclass(frozen=True, slots=True)
class DoorFile:
    """One file of doors: who tries them (`groups`), on which server, after which `setup`."""

    doors: tuple[Door, ...]
    groups: tuple[str, ...]
    server: str
    setup: str
    rollback: bool
    lasting: bool  # what is defined there is committed
    pending: str


def door_files(folder: str) -> dict[str, DoorFile]:
    """The files of tests/corpus/<folder> by name."""
    files: dict[str, DoorFile] = {}
    for path in sorted((CORPUS / folder).glob("*.toml")):
        content = tomllib.loads(path.read_text())
        assert set(content) <= KEYS, f"{path}: {set(content) - KEYS}"
        assert content["about"], path
        doors = tuple(
            Door(
                path.stem,
                reason,
                (texts,) if isinstance(texts, str) else tuple(texts),
                content.get("rollback", False),
                content.get("expect", ""),
                content.get("pending", ""),
            )
            for reason, texts in content["doors"].items()
        )
        files[path.stem] = DoorFile(
            doors,
            tuple(content["as"]),
            content.get("server", "18"),
            content.get("setup", ""),
            content.get("rollback", False),
            content.get("lasting", False),
            content.get("pending", ""),
        )
    return files


class Visitor:
    """One session that tries doors, `way` being "simple" or "binary" (the extended protocol with binary results)."""

    def __init__(self, port: int, database: str, user: str, secret: str, role: str = "") -> None:
        self._wire = Wire(port)
        self._buffer = b""
        self._status = b"I"
        self.received = Received()
        self.said: list[tuple[bytes, bytes]] = []  # by the server, since the door was opened
        parameters = {"user": user, "database": database, "client_encoding": "UTF8", "application_name": "visitor"}
        if role:
            parameters["options"] = f"-c role={role}"
        seen = self._wire.sign_in(secret, parameters)
        assert seen[-1][0] == b"Z", seen

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._wire.send(message(b"X"))
        self._wire.close()

    def attempt(self, door: Door, way: str) -> list[tuple[bytes, bytes]]:
        """Tries the door; what the server said. Afterwards the session is as it was."""
        self.said, self.received = [], Received()
        if door.rollback:
            self.send(query("BEGIN"))
        for text in door.texts:
            self.send(query(text) if way == "simple" else extended(text))
        said = self.said
        if self._status != b"I":
            self.send(query("ROLLBACK"))
        if len(door.texts) > 1 or "set_config" in door.texts[0] or "keeping" in door.texts[0]:
            self.send(query("DISCARD ALL"))
        return said

    def send(self, frames: bytes) -> list[tuple[bytes, bytes]]:
        """Sends frames that end in something which ReadyForQuery answers; what came until then."""
        self._wire.send(frames)
        start = len(self.said)
        while True:
            kind, body = self._message()
            self.said.append((kind, body))
            self.received.take(kind, body)
            if kind in (b"G", b"W"):
                self._wire.send(message(b"f", b"no\0") + (b"" if frames[:1] == b"Q" else SYNC))
            elif kind == b"Z":
                self._status = body
                return self.said[start:]
            assert kind, f"the session ended: {self.said[start - 3:]}"

    def _message(self) -> tuple[bytes, bytes]:
        while True:
            if len(self._buffer) >= 5:
                size = struct.unpack_from("!i", self._buffer, 1)[0] + 1
                if len(self._buffer) >= size:
                    kind, body = self._buffer[:1], self._buffer[5:size]
                    self._buffer = self._buffer[size:]
                    return kind, body
            more = self._wire.some()
            if not more:
                return b"", b""
            self._buffer += more


def extended(text: str) -> bytes:
    """Parse, Bind with every result in binary, Describe, Execute and Sync, all unnamed."""
    return (
        message(b"P", b"\0" + text.encode() + b"\0\0\0")
        + message(b"B", b"\0\0\0\0\0\0\0\1\0\1")
        + message(b"D", b"P\0")
        + message(b"E", b"\0\0\0\0\0")
        + SYNC
    )


def stream(said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What was said, without what differs between two sessions."""
    return [(kind, body[4:] if kind == b"A" else body) for kind, body in said if kind not in _OF_THE_SESSION]


def refused(said: list[tuple[bytes, bytes]]) -> bool:
    """Whether the gateway refused something: it alone names a record of its audit."""
    errors = [error_fields(body) for kind, body in said if kind == b"E"]
    return any(one.get("D", "").startswith("Audit record") for one in errors)
