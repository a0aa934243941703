"""What the supervisor and the notary say to each other, and what operators' commands tell the notary."""

import pwd
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.audit.records import EventKind
from workers.run_folder import RunFolder

_SOCKET: Final = "notary.sock"
_BYTES_MAX: Final = 65536
_CREDENTIALS: Final = struct.Struct("iII")  # unix(7): pid, uid, gid


class Happened(msgspec.Struct, tag="happened", frozen=True):
    """Something for the record: `data` says `what`, and a few facts. Never a sensitive value."""

    kind: EventKind
    data: dict[str, Any]
    time_ns: int


class Reread(msgspec.Struct, tag="reread", frozen=True):
    """The operator wants files read again: the key may be another."""


class Finish(msgspec.Struct, tag="finish", frozen=True):
    """All workers have ended: sign the rest, and end too."""


class Report(msgspec.Struct, tag="report", frozen=True):
    """How the notary is, for `sluice status`. `unsigned`: why nothing is signed, empty where all is well."""

    unsigned: str
    signed_ns: int  # when the log was last signed, 0 for never
    entries: int
    key: str
    alarms: int
    alarm: str
    heard: int  # events that this process has put on record


Message = Happened | Reread | Finish | Report
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """A message as it travels."""
    return msgspec.msgpack.encode(message)


def receive(control: socket.socket) -> Message | None:
    """The next message; None at the end. Raises BlockingIOError when there is none yet."""
    data = control.recv(_BYTES_MAX)
    return _decoder.decode(data) if data else None


class Operators:
    """Where commands that change something on this host say so: datagrams, with the kernel's word on who sent them."""

    def __init__(self, folder: RunFolder) -> None:
        path = folder.socket_path(_SOCKET)
        Path(path).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(path)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def hear(self) -> dict[str, Any] | None:
        """What a command did and who ran it (uid, login); None when there is nothing (more)."""
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_BYTES_MAX, socket.CMSG_SPACE(_CREDENTIALS.size))
            except OSError:
                return None
            try:
                said = msgspec.msgpack.decode(data, type=dict[str, str | int])
            except ValueError:
                continue
            for level, kind, body in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    uid = _CREDENTIALS.unpack(body)[1]
                    return {**said, "what": "command", "uid": uid, "login": _login(uid)}

    def close(self) -> None:
        """Hears no more."""
        self._socket.close()


def tell(run_dir: Path, command: str, facts: Mapping[str, str | int]) -> bool:
    """Tells the running gateway what a command has done on this host; False where none runs."""
    try:
        folder = RunFolder(run_dir)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as teller:
                teller.connect(folder.socket_path(_SOCKET))
                teller.send(msgspec.msgpack.encode({"command": command, **facts}))
        finally:
            folder.close()
    except OSError:
        return False
    return True


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
