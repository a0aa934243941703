"""What the supervisor and the admin process say to each other."""

import socket
from typing import Any

import msgspec

from gateway.audit.records import EventKind
from workers import control


class Reread(msgspec.Struct, tag="reread", frozen=True):
    """The operator wants files read again; the supervisor has taken them over."""


class Told(msgspec.Struct, tag="told", frozen=True):
    """Something for the record of the gateway itself: `data` says `what`, and a few facts. Never a sensitive value."""

    kind: EventKind
    data: dict[str, Any]


ToAdmin = Reread
ToSupervisor = Told
Message = ToAdmin | ToSupervisor
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def send(to: socket.socket, message: Message, fd: int | None = None) -> None:
    """Send one message, as `workers.control.send`."""
    control.send(to, msgspec.msgpack.encode(message), fd)


def receive(to: socket.socket) -> tuple[Message, int | None] | None:
    """The next message and its descriptor, as `workers.control.receive`."""
    heard = control.receive(to)
    return None if heard is None else (_decoder.decode(heard[0]), heard[1])
