"""What workers and the admin process say to each other of statements that wait for people: over a Unix socket, each message
with its length before it. A worker says again what still waits whenever it has to connect anew.
"""

import socket
import struct
from typing import Final, Literal

import msgspec
import trio

from gateway.approvals.outcomes import Preview, Sample
from gateway.approvals.risk import Signs
from gateway.approvals.statements import OnHold
from workers.run_folder import RunFolder

SOCKET: Final = "holds.sock"
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024  # more than the longest statement with its values
_LENGTH: Final = struct.Struct("!I")


class Waits(msgspec.Struct, tag="waits", frozen=True):
    """A statement waits. `text`, `types` and `values` (as in the protocol's messages) hold literals: they are shown to those
    who decide alone, and forgotten with the decision. `statement` is the same without them. Times are POSIX seconds."""

    id: str
    binding: bytes
    session: str
    user: str
    issuer: str
    groups: tuple[str, ...]
    actors: tuple[str, ...]
    account: str
    token_id: str
    model: str
    run: str
    address: str
    application: str
    database: str
    environment: str
    role: str
    text: bytes
    types: bytes | None
    values: bytes | None
    statement: str
    by_text: bool  # its literals may be code, or say what it does: no other text is the same shape
    kinds: tuple[str, ...]
    tables: tuple[str, ...]
    labels: tuple[str, ...]
    rules: tuple[str, ...]
    words: str
    approvals: tuple[str, ...]  # approval rules, each of which must be satisfied
    policy: str
    in_transaction: bool
    reason: str
    ticket: str
    since: float
    until: float
    signs: Signs = Signs()
    on_hold: OnHold = "wait"
    repeatable: bool = False  # what it changes is counted, so that an allowance can be given
    previews: bool = False  # Previewed follows


class Previewed(msgspec.Struct, tag="previewed", frozen=True):
    """What it would do. `samples` are for those who decide alone, as `text` is."""

    id: str
    preview: Preview
    samples: tuple[Sample, ...] = ()


class Withdrawn(msgspec.Struct, tag="withdrawn", frozen=True):
    """It does not wait any more, and did not run: `why` is cancelled, client gone, too late, shutdown, or what came
    of its preview."""

    id: str
    why: str


class Ran(msgspec.Struct, tag="ran", frozen=True):
    """It was let go, as was decided."""

    id: str


class Leave(msgspec.Struct, frozen=True):
    """What is let go under an allowance may change so many rows."""

    allowance: str
    rows: int


class Using(msgspec.Struct, tag="using", frozen=True):
    """To an admin process that has begun anew: the worker has something of an allowance in its hands."""

    id: str


class Used(msgspec.Struct, tag="used", frozen=True):
    """What came of a use: so many rows were changed, None where nobody knows. `exceeded`: they were too many, and were taken
    back. It is said again until it was counted."""

    id: str
    rows: int | None
    exceeded: bool = False


class Counted(msgspec.Struct, tag="counted", frozen=True):
    """What came of it is known."""

    id: str


class Ticketed(msgspec.Struct, tag="ticketed", frozen=True):
    """Of what does not wait: how its ticket stands. `id`: of the question; `ticket`: of the request. Approved, it is used
    with this answer. `until` is when it ends; `words` are of who denied it."""

    id: str
    ticket: str
    state: Literal["pending", "approved", "denied", "full"]
    until: float = 0.0
    by: str = ""
    words: str = ""
    use: Leave | None = None


class Decided(msgspec.Struct, tag="decided", frozen=True):
    """What people have decided, and in which words."""

    id: str
    approve: bool
    by: str
    words: str = ""
    use: Leave | None = None


class Noted(msgspec.Struct, tag="noted", frozen=True):
    """Something that its client should know while it waits."""

    id: str
    words: str


FromWorker = Waits | Previewed | Withdrawn | Ran | Using | Used
ToWorker = Decided | Noted | Ticketed | Counted
Message = FromWorker | ToWorker
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


async def send(stream: trio.SocketStream, message: Message) -> None:
    """Raises trio.BrokenResourceError and trio.ClosedResourceError."""
    data = msgspec.msgpack.encode(message)
    await stream.send_all(_LENGTH.pack(len(data)) + data)


async def receive(stream: trio.SocketStream) -> Message | None:
    """The next message; None at the end. Raises trio.BrokenResourceError, trio.ClosedResourceError and ValueError for what
    is no message."""
    head = await _exactly(stream, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MESSAGE_BYTES_MAX:
        raise ValueError("a message is longer than any")
    data = await _exactly(stream, length)
    return None if data is None else _decoder.decode(data)


async def connect(folder: RunFolder) -> trio.SocketStream:
    """The way to the admin process. Raises OSError where it is not there."""
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await sock.connect(folder.socket_path(SOCKET))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


async def _exactly(stream: trio.SocketStream, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = await stream.receive_some(min(count - len(parts), 65536))
        if not part:
            return None
        parts += part
    return bytes(parts)
