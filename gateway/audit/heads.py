"""The log of heads: what the notary found each chain to be, minute by minute, as one append-only Merkle tree (RFC 9162)
whose root it signs (Ed25519, RFC 8032). Whoever kept one signed root can later tell that nothing before it was changed.

A file is `SLUICEH1 | u32 CRC-32C of what follows | u32 length | MessagePack of LogHeader`, then frames as in
`gateway.audit.segment`. Frames of the types KEY to ALARM are the tree's entries, in the order of their sequence
numbers, which begin at 0 and are the entries' indexes; what is hashed of one is `entry_bytes`. A TREE_HEAD frame is
no entry: it signs the tree of all entries before it, and its sequence number is that tree's size. Files are only ever
appended to; what stands behind a file's last tree head (a notary was killed while writing) is no part of the log, and
the next file goes on from there.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.audit import merkle
from gateway.audit.segment import BODY, CRC, Damage, Frame, encode_beginning, frame, read_beginning

MAGIC: Final = b"SLUICEH1"
KEY: Final = 1
CHECKPOINT: Final = 2
SEAL: Final = 3
PRUNED: Final = 4
ALARM: Final = 5
TREE_HEAD: Final = 16
_SIGNED: Final = b"sluice audit tree head 1\0"
_ENDORSED: Final = b"sluice audit key 1\0"

Sign = Callable[[bytes], bytes]  # of an Ed25519 private key: a message to its 64 bytes
Verify = Callable[[bytes, bytes, bytes], bool]  # raw public key, signature, message


class LogHeader(msgspec.Struct, array_like=True, frozen=True):
    """A file's first bytes. Files of one log have its id and follow each other by number."""

    version: int
    log: bytes  # 16 random bytes, the same in all files of the log
    host: str
    number: int
    first: int  # entries in the files before it
    time_ns: int


class Key(msgspec.Struct, array_like=True, frozen=True):
    """From here on tree heads are signed by this key: its raw 32 public bytes, and the signature of the key before it
    over `endorsement`; empty for the log's first key, and where nobody had the old one any more.
    """

    public: bytes
    endorsed: bytes = b""


class Head(msgspec.Struct, array_like=True, frozen=True):
    """One chain as far as the notary has read it: SHA-256 over the first `length` bytes of `segment` (whose header names
    the segment before it), and the Merkle root over the header's bytes and each frame's (its checksum included): a tree of
    `frames` + 1 leaves.
    """

    chain: bytes
    segment: int
    length: int
    digest: bytes
    seq: int  # of the last frame
    frames: int  # of this segment so far
    root: bytes
    closed: bool = False  # its writer has ended, orderly or not: nothing follows


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """All chains that were written since the checkpoint before, in the order of their ids; `root` is the Merkle tree
    hash over the MessagePack of each. Written each minute, also when nothing happened.
    """

    root: bytes
    heads: tuple[Head, ...]


class Seal(msgspec.Struct, array_like=True, frozen=True):
    """A segment that is complete: nothing is ever appended to it again."""

    head: Head
    first_seq: int
    first_ns: int  # of its first frame
    last_ns: int


class Pruned(msgspec.Struct, array_like=True, frozen=True):
    """Segments of a chain that were deleted because their time was up; written before the files go. Their seals
    stay."""

    chain: bytes
    first: int
    last: int
    length: int  # of the last of them
    digest: bytes  # of the last of them: what the next segment's header names
    retention_days: int


class Alarm(msgspec.Struct, array_like=True, frozen=True):
    """The disk does not hold what the writer of a chain promised, or a chain is gone. `offset` is the first byte that
    may be wrong.
    """

    chain: bytes
    segment: int
    offset: int
    why: str


class TreeHead(msgspec.Struct, array_like=True, frozen=True):
    """The signed root of the log's first `size` entries at a time (nanoseconds since the epoch)."""

    size: int
    root: bytes
    time_ns: int
    key: bytes  # raw public key
    signature: bytes


Entry = Key | Checkpoint | Seal | Pruned | Alarm
_TYPES: Final[dict[int, Any]] = {
    KEY: Key,
    CHECKPOINT: Checkpoint,
    SEAL: Seal,
    PRUNED: Pruned,
    ALARM: Alarm,
    TREE_HEAD: TreeHead,
}
_KINDS: Final = {of: kind for kind, of in _TYPES.items()}
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[Any]]] = {
    kind: msgspec.msgpack.Decoder(of) for kind, of in _TYPES.items()
}
_header_decoder: Final = msgspec.msgpack.Decoder(LogHeader)
_encode = msgspec.msgpack.Encoder().encode


def encode_header(header: LogHeader) -> bytes:
    """A file's first bytes."""
    return encode_beginning(MAGIC, header)


def read_header(data: bytes) -> tuple[LogHeader, int] | Damage | None:
    """The header and its length, None while it is incomplete, or Damage."""
    return read_beginning(data, MAGIC, "a log of heads", _header_decoder)


def decode(frame: Frame) -> Any:
    """The Struct of a frame. Raises ValueError when it is of no known type, or not of the type it says."""
    decoder = _DECODERS.get(frame.kind)
    if decoder is None:
        raise ValueError(f"entry type {frame.kind} is unknown")
    return decoder.decode(frame.payload)


def entry_bytes(frame: Frame) -> bytes:
    """What of an entry is a leaf of the tree: type, index, time and content, as they stand in the file."""
    return BODY.pack(len(frame.payload), frame.kind, frame.seq, frame.time_ns)[CRC.size :] + frame.payload


def heads_root(heads: tuple[Head, ...]) -> bytes:
    """The root that a checkpoint states over its heads."""
    return merkle.root([merkle.leaf(_encode(each)) for each in heads])


def head_bytes(head: Head) -> bytes:
    """A head as the leaf of its checkpoint's tree."""
    return _encode(head)


def endorsement(log: bytes, public: bytes) -> bytes:
    """What the old key signs of a new one."""
    return _ENDORSED + log + public


def signed_bytes(log: bytes, size: int, root: bytes, time_ns: int) -> bytes:
    """What a tree head's signature is over."""
    return _SIGNED + _encode((log, size, root, time_ns))


def is_signed(log: bytes, head: TreeHead, verify: Verify) -> bool:
    """Whether the tree head's own key signed it."""
    return verify(head.key, head.signature, signed_bytes(log, head.size, head.root, head.time_ns))


class LogWriter:
    """Entries become bytes to append. `tree` is that of all entries before; the notary rebuilds it from the files."""

    def __init__(self, log: bytes, tree: merkle.Tree, public: bytes, sign: Sign) -> None:
        self._log, self._tree, self._public, self._sign = log, tree, public, sign
        self._parts: list[bytes] = []

    def append(self, time_ns: int, entry: Entry) -> int:
        """Adds an entry; returns its index."""
        index, payload = self._tree.size, _encode(entry)
        made = Frame(_KINDS[type(entry)], index, time_ns, payload, 0, 0)
        self._tree.add(merkle.leaf(entry_bytes(made)))
        self._parts.append(frame(made.kind, index, time_ns, payload))
        return index

    def take(self, time_ns: int) -> bytes:
        """What was added, and the signature over the tree with it; to be appended in one piece."""
        size, root = self._tree.size, self._tree.root()
        signature = self._sign(signed_bytes(self._log, size, root, time_ns))
        head = TreeHead(size, root, time_ns, self._public, signature)
        self._parts.append(frame(TREE_HEAD, size, time_ns, _encode(head)))
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
