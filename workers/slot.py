"""What the supervisor gives a worker, and the words they exchange over the control socket afterwards."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.identity.barred import Bar
from gateway.identity.keys import IssuerKeys
from gateway.settings import Settings
from workers import control as control_socket
from workers.budgets import Budgets
from workers.configuration import Secrets
from workers.door_files import DoorFiles
from workers.errands import Answer, Errand
from workers.positions import Positions
from workers.slab import Row, Slab

BOOT_FAILED = 3  # exit code of a worker that cannot start: it would fail again, so the supervisor stops


class PolicyMessage(msgspec.Struct, tag="policy", frozen=True):
    """A new policy version, sealed in the descriptor that travels along. Answered with PolicyAck or
    Failed."""

    version: int
    size: int
    digest: bytes


class KeysMessage(msgspec.Struct, tag="keys", frozen=True):
    """New issuer keys, sealed in the descriptor that travels along: `workers.configuration.unpack_keys`
    reads them. Not answered."""

    size: int
    digest: bytes


class DoorsMessage(msgspec.Struct, tag="doors", frozen=True):
    """New files of the doors (workers.door_files), sealed in the descriptor that travels along. Not answered."""

    size: int
    digest: bytes


class ErrandMessage(msgspec.Struct, tag="errand", frozen=True):
    """Something that an operator wants done. Answered with ErrandDone, where it says so."""

    number: int
    errand: Errand


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Stop accepting, let statements end for `limit_seconds`, then cancel them and exit 0."""

    limit_seconds: float


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """The worker has its policy, its audit is open and it accepts."""


class PolicyAck(msgspec.Struct, tag="policy_ack", frozen=True):
    """The version is checked, decoded and on the shelf."""

    version: int


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """One line for the operator: why the worker cannot start (it exits with BOOT_FAILED next) or cannot use
    policy `version`."""

    text: str
    version: int = 0


class KeysWanted(msgspec.Struct, tag="keys_wanted", frozen=True):
    """A token names a key of this issuer that is not there; at most once a minute."""

    issuer: str


class ErrandDone(msgspec.Struct, tag="done", frozen=True):
    """What came of an errand; a descriptor travels along where the answer says so."""

    number: int
    answer: Answer


class Barred(msgspec.Struct, tag="barred", frozen=True):
    """A rule of the policy has somebody kept out: by every worker from now on."""

    bar: Bar


ToWorker = PolicyMessage | KeysMessage | DoorsMessage | ErrandMessage | Drain
ToSupervisor = Ready | PolicyAck | Failed | ErrandDone | Barred | KeysWanted
Message = ToWorker | ToSupervisor
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class BootFailed(Exception):
    """Raised by a worker's main before it is ready: the text goes to the operator and the start stops."""


@dataclass
class Slot:
    """Everything one worker incarnation was born with."""

    index: int  # 0-based
    slots: int  # how many there are
    incarnation: int  # 1 for the first worker of the slot
    listener: socket.socket  # listening, SO_REUSEPORT, non-blocking; outlives the worker
    control: socket.socket  # SOCK_SEQPACKET to the supervisor, non-blocking
    parent_fd: int  # readable (end of file) when the supervisor is gone: exit at once
    slab: Slab
    budgets: Budgets
    positions: Positions
    settings: Settings
    secrets: Secrets
    keys: IssuerKeys
    folder: Path  # of sluice.toml: relative paths in the settings start here
    run_dir: Path
    audit_dir: Path
    host: str
    door_files: DoorFiles = field(default_factory=dict)
    row: Row = field(init=False)

    def __post_init__(self) -> None:
        self.row = self.slab.row(self.index)

    def path(self, name: str) -> Path:
        """The file a setting names."""
        return self.folder / name


def send(control: socket.socket, message: Message, fd: int | None = None) -> None:
    """Send one message, with a descriptor beside it if given. Raises OSError (BlockingIOError when the peer
    does not read)."""
    control_socket.send(control, msgspec.msgpack.encode(message), fd)


def receive(control: socket.socket) -> tuple[Message, int | None] | None:
    """The next message and its descriptor, as `workers.control.receive`."""
    heard = control_socket.receive(control)
    return None if heard is None else (_decoder.decode(heard[0]), heard[1])
