"""The bytes of an audit segment: a header, then frames; and a reader that needs no lock.

Header: `SLUICEA1 | u32 CRC-32C of what follows | u32 length | MessagePack`. Frame: `u32 CRC-32C of what
follows | u32 length | u8 type | u64 sequence | u64 nanoseconds | MessagePack`, little-endian, length the
MessagePack's, never 0 and at most 256 KiB (CRC-32C: RFC 3720, appendix B.4). A file is only ever appended to.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import google_crc32c
import msgspec

MAGIC: Final = b"SLUICEA1"
FRAME_LIMIT: Final = 256 * 1024
CRC: Final = struct.Struct("<I")
BODY: Final = struct.Struct("<IBQQ")
_FRAME: Final = struct.Struct("<IIBQQ")
_PREFIX: Final = struct.Struct("<II")
FRAME_HEAD: Final = _FRAME.size
_HEADER_LIMIT: Final = 4096
_SEARCHED: Final = 1 << 20  # bytes; more than the longest frame
_SLOTS: Final = {-1: "r", -2: "s"}
_crc = google_crc32c.value
T = TypeVar("T")


class Header(msgspec.Struct, array_like=True, frozen=True):
    """A segment's first bytes. `previous` and `previous_length` are the SHA-256 and count of the promised
    bytes of the segment before it (zeros for segment 0): what stands behind that length there was never
    promised.
    """

    version: int
    chain: bytes  # 16 random bytes
    segment: int
    previous: bytes
    previous_length: int
    host: str
    boot: str
    worker: int  # slot, -1 for the supervisor's recovery chains, -2 for the notary's own
    mode: str  # process | power
    time_ns: int
    previous_synced: int = -1  # of `previous_length`, bytes known to be on disk; -1: all. The others a failed disk may lose

    @property
    def label(self) -> str:
        """The prefix of every record id of this chain."""
        return label(self.host, self.worker, self.chain)


class Frame(NamedTuple):
    """One whole, CRC-proven frame; `offset` and `end` are positions in the file."""

    kind: int
    seq: int
    time_ns: int
    payload: bytes
    offset: int
    end: int


_header_decoder: Final = msgspec.msgpack.Decoder(Header)


class Damage(NamedTuple):
    """Where reading had to stop for good: a byte position and the reason."""

    offset: int
    why: str


def label(host: str, worker: int, chain: bytes) -> str:
    """`host-worker.chain8`, where the recovery chains' worker is `r` and that of the gateway's own chains `s`."""
    slot = _SLOTS.get(worker) or str(worker)
    return f"{host}-{slot}.{chain[:4].hex()}"


def frame(kind: int, seq: int, time_ns: int, payload: bytes) -> bytes:
    """One frame's bytes."""
    body = BODY.pack(len(payload), kind, seq, time_ns) + payload
    return CRC.pack(_crc(body)) + body


def encode_header(header: Header) -> bytes:
    """A segment's first bytes."""
    return encode_beginning(MAGIC, header)


def read_header(data: bytes) -> tuple[Header, int] | Damage | None:
    """The header and its length, None while it is incomplete, or Damage."""
    return read_beginning(data, MAGIC, "an audit segment", _header_decoder)


def encode_beginning(magic: bytes, header: msgspec.Struct) -> bytes:
    """A file's first bytes: what it is, a checksum, a length, and the header itself."""
    payload = msgspec.msgpack.encode(header)
    body = CRC.pack(len(payload)) + payload
    return magic + CRC.pack(_crc(body)) + body


def read_beginning(
    data: bytes, magic: bytes, what: str, decoder: msgspec.msgpack.Decoder[T]
) -> tuple[T, int] | Damage | None:
    """The header of a file that begins with `magic`, and its length; None while it is incomplete, or Damage."""
    if not magic.startswith(data[: len(magic)]):
        return Damage(0, f"not {what}")
    start = len(magic) + _PREFIX.size
    if len(data) < start:
        return None
    crc, length = _PREFIX.unpack_from(data, len(magic))
    if not 0 < length <= _HEADER_LIMIT:
        return Damage(0, "header length out of range")
    if len(data) < start + length:
        return None
    if _crc(data[len(magic) + 4 : start + length]) != crc:
        return Damage(0, "header checksum does not match")
    try:
        return decoder.decode(data[start : start + length]), start + length
    except ValueError:
        return Damage(0, "header cannot be decoded")


class SegmentReader:
    """Cuts a growing segment into frames, in pieces of any size.

    `offset` is the end of the last whole frame. Bytes behind it are an unfinished frame (`pending`) while
    `damage` is None; once `damage` is set nothing more is read.
    """

    __slots__ = ("_rest", "damage", "header", "offset")

    def __init__(self) -> None:
        self.header: Header | None = None
        self.damage: Damage | None = None
        self.offset = 0
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What was fed behind `offset`."""
        return self._rest

    @property
    def pending(self) -> int:
        """Bytes fed that belong to no whole frame."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`, the file's next bytes."""
        if self.damage is not None:
            self._rest += data
            return []
        data = self._rest + data if self._rest else data
        start = 0
        if self.header is None:
            found = read_header(data)
            if not isinstance(found, tuple) or isinstance(found, Damage):
                self.damage, self._rest = found, data
                return []
            self.header, start = found
        frames, used, why = cut(data, start, self.offset)
        self.offset += used
        self._rest = data[used:]
        if why:
            self.damage = Damage(self.offset, why)
        return frames


def cut(data: bytes, start: int, base: int) -> tuple[list[Frame], int, str]:
    """Frames of `data` from `start` on, where `data[0]` is the file's byte `base`; how many bytes of `data`
    were used; and why it stopped, when it was not for want of bytes.
    """
    frames: list[Frame] = []
    at, size, unpack = start, len(data), _FRAME.unpack_from
    while size - at >= FRAME_HEAD:
        crc, length, kind, seq, time_ns = unpack(data, at)
        if length == 0 or length > FRAME_LIMIT:
            return frames, at, "zero-filled" if length == 0 else "frame length out of range"
        end = at + FRAME_HEAD + length
        if end > size:
            break
        if _crc(data[at + 4 : end]) != crc:
            return frames, at, "frame checksum does not match"
        frames.append(Frame(kind, seq, time_ns, data[at + FRAME_HEAD : end], base + at, base + end))
        at = end
    return frames, at, ""


def beyond(data: bytes, start: int, after: int) -> Frame | None:
    """The first whole frame in `data` at or behind `start` with a sequence number above `after`: tells damage
    in the middle from a torn end. Offsets are positions in `data`.
    """
    for at in range(start, len(data) - FRAME_HEAD):
        crc, length, kind, seq, time_ns = _FRAME.unpack_from(data, at)
        if not 0 < length <= FRAME_LIMIT or not 0 < kind < 32 or not after < seq < after + (1 << 32):
            continue
        end = at + FRAME_HEAD + length
        if end <= len(data) and _crc(data[at + 4 : end]) == crc:
            return Frame(kind, seq, time_ns, data[at + FRAME_HEAD : end], at, end)
    return None


def later(tail: bytes, after: int) -> Iterator[Frame]:
    """Whole frames behind damage at the beginning of `tail`, searched for in the first MiB of it and of what follows
    each other damage; `after` is the sequence number of the last frame before. Offsets are positions in `tail`.
    """
    at = beyond(tail[:_SEARCHED], 1, after)
    while at is not None:
        frames, used, _ = cut(tail, at.offset, 0)
        yield from frames
        at = beyond(tail[: used + _SEARCHED], used + 1, frames[-1].seq if frames else after)


def is_closed(tail: bytes, closing: int) -> bool:
    """Whether a file whose last bytes are `tail` ends in a whole frame of type `closing`."""
    for at in range(max(0, len(tail) - 128), len(tail) - FRAME_HEAD):
        crc, length, kind, _, _ = _FRAME.unpack_from(tail, at)
        if kind == closing and at + FRAME_HEAD + length == len(tail) and _crc(tail[at + 4 :]) == crc:
            return True
    return False
