"""What the supervisor and the admin process say to each other."""

import socket
from typing import Any

import msgspec

from gateway.audit.records import EventKind
from gateway.identity.barred import Bar
from workers import control
from workers.channel_health import Health
from workers.errands import Answer, EndSession, ListSessions, MoveBars


class Reread(msgspec.Struct, tag="reread", frozen=True):
    """The operator wants files read again; the supervisor has taken them over."""


class Recorded(msgspec.Struct, tag="recorded", frozen=True):
    """What was told with this number is on record."""

    number: int


class Sent(msgspec.Struct, tag="sent", frozen=True):
    """These workers were given the errand; from each comes Done, or WorkerGone."""

    number: int
    workers: tuple[int, ...]


class Done(msgspec.Struct, tag="done", frozen=True):
    """A worker's answer to an errand; a descriptor travels along where the answer says so."""

    number: int
    worker: int
    answer: Answer


class WorkerGone(msgspec.Struct, tag="worker gone", frozen=True):
    """A worker has ended, and its sessions with it: it answers nothing more."""

    worker: int


class Barred(msgspec.Struct, tag="barred", frozen=True):
    """A rule of the policy has somebody kept out; the workers know it, and it is to be kept."""

    bar: Bar


class Told(msgspec.Struct, tag="told", frozen=True):
    """Something for the record of the gateway itself: `data` says `what`, and a few facts. Never a sensitive value. With a
    number it is answered with Recorded."""

    kind: EventKind
    data: dict[str, Any]
    number: int = 0


class KeysWanted(msgspec.Struct, tag="keys_wanted", frozen=True):
    """A token names a key of this issuer that is not there."""

    issuer: str


class KeysFetched(msgspec.Struct, tag="keys_fetched", frozen=True):
    """Issuers' keys as they came over the network, sealed in the descriptor that travels along: `FetchedSet`s by issuer's
    name."""

    size: int
    digest: bytes


class KeysFailed(msgspec.Struct, tag="keys_failed", frozen=True):
    """An issuer's keys did not come: why in words, and when (POSIX seconds)."""

    issuer: str
    why: str
    at: float


class Granted(msgspec.Struct, tag="granted", frozen=True):
    """All grants that were given on request and are in force, sealed in the descriptor beside it; they go into the policy.
    Answered with InForce. `reviews`: how many that were broken open wait for their review."""

    number: int
    size: int
    digest: bytes
    reviews: int = 0


class ChannelsFare(msgspec.Struct, tag="channels fare", frozen=True):
    """How the channels of approvals fare now."""

    channels: tuple[Health, ...]


class StoreFares(msgspec.Struct, tag="store fares", frozen=True):
    """How a store that several gateways share fares: whether it is reached, since when that is so (POSIX seconds), what is
    amiss, and which hosts have been there lately."""

    name: str
    reached: bool
    why: str
    since: float
    hosts: tuple[str, ...] = ()


class InForce(msgspec.Struct, tag="in force", frozen=True):
    """Every worker decides by these grants from now on."""

    number: int


class Errand(msgspec.Struct, tag="errand", frozen=True):
    """Something that every worker is to do. Answered with Sent."""

    number: int
    errand: ListSessions | EndSession | MoveBars


ToAdmin = Reread | Recorded | Sent | Done | WorkerGone | Barred | InForce | KeysWanted
ToSupervisor = Told | Errand | Granted | KeysFetched | KeysFailed | ChannelsFare | StoreFares
Message = ToAdmin | ToSupervisor
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def send(to: socket.socket, message: Message, fd: int | None = None) -> None:
    """Send one message, as `workers.control.send`."""
    control.send(to, msgspec.msgpack.encode(message), fd)


def receive(to: socket.socket) -> tuple[Message, int | None] | None:
    """The next message and its descriptor, as `workers.control.receive`."""
    heard = control.receive(to)
    return None if heard is None else (_decoder.decode(heard[0]), heard[1])
