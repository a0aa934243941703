"""One pass over a segment's frames, for those who prove and those who sign: checksums, sequence numbers, the digest that
checkpoints state, the Merkle tree over the frames, and which intents are still without their outcome.

Made for speed and compiled (setup.py): about a microsecond a record, most of it SHA-256. Memory is bounded by the longest
list of open intents.
"""

import hashlib
from typing import Final, NamedTuple

import google_crc32c
import msgspec
from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from gateway.audit import merkle, records
from gateway.audit.segment import FRAME_HEAD, FRAME_LIMIT, Frame

_crc = google_crc32c.value
_sha256 = hashlib.sha256
_INTENT: Final = records.INTENT
_OUTCOME: Final = records.OUTCOME
_CHECKPOINT: Final = records.CHECKPOINT
_CLOSED: Final = records.CLOSED
_ABOUT: Final = (records.CARRIED, records.LOST, _CHECKPOINT, records.RECOVERED, _CLOSED, records.STATE)
_TOLD: Final = (records.LOST, records.RECOVERED, records.STATE)
_decode_intent = msgspec.msgpack.Decoder(records.Intent).decode
_decode_outcome = msgspec.msgpack.Decoder(records.Outcome).decode


class Wrong(NamedTuple):
    """A whole frame that cannot be what an honest writer wrote: its place in the file, its number, and why."""

    offset: int
    seq: int
    why: str


class Walk:
    """A segment from behind its header on. `feed` it the file's bytes in order; every field holds for what was walked so
    far. `previous` is the last sequence number before this segment, -1 where that is not known.

    `wrong` lists what cannot be honest, `told` the frames in which the writer speaks of what went wrong (lost, recovered,
    state).
    """

    def __init__(self, header: bytes, previous: int = -1, *, hash_leaves: bool = True) -> None:
        self.length = len(header)  # bytes walked, the header's included
        self.damage = ""  # why no frame can be read behind `length`; empty: only for want of bytes
        self.frames = self.intents = self.outcomes = 0
        self.first_seq = self.first_ns = self.last_ns = 0  # last_ns: of the newest frame, not of the last one
        self.seq = previous
        self.uncovered = 0  # frames behind the last checkpoint
        self.closed = False
        self.carried: set[int] = set()  # intents of earlier segments, repeated in this one
        self.open: set[int] = set()  # intents, carried or not, without their outcome
        self.strays = 0  # outcomes of intents that were not open
        self.wrong: list[Wrong] = []
        self.told: list[Frame] = []
        self._hash = _sha256(header)
        self._proven = len(header)  # where the last checkpoint, or the header, ended
        self._edited = False
        self._leaves = hash_leaves
        self._tree = merkle.Tree()
        if hash_leaves:
            self._tree.add(merkle.leaf(header))

    def digest(self) -> bytes:
        """SHA-256 over the first `length` bytes of the file."""
        return self._hash.digest()

    def root(self) -> bytes:
        """The Merkle root over the header and the frames (RFC 9162, section 2.1); only where leaves are hashed."""
        assert self._leaves
        return self._tree.root()

    def feed(self, data: bytes) -> int:
        """Walks the whole frames at the beginning of `data`, whose first byte is the file's byte `length`; returns how
        many bytes they are. What is behind them has to be fed again, with more. Nothing is read once `damage` is set.
        """
        at: i64 = 0
        hashed: i64 = 0
        size: i64 = len(data)
        seq: i64 = self.seq
        newest: i64 = self.last_ns
        count: i64 = 0
        base, leaves, opened, tree = self.length, self._leaves, self.open, self._tree
        while size - at >= FRAME_HEAD and not self.damage:
            length = i64(read_i32_le(data, at + 4))
            if length <= 0 or length > FRAME_LIMIT:
                self.damage = "zero-filled" if length == 0 else "frame length out of range"
                break
            end: i64 = at + FRAME_HEAD + length
            if end > size:
                break
            crc = i64(read_i32_le(data, at))
            if _crc(data[at + 4 : end]) != crc & 0xFFFFFFFF:
                self.damage = "frame checksum does not match"
                break
            kind: i64 = data[at + 8]
            number: i64 = read_i64_le(data, at + 9)
            payload = data[at + FRAME_HEAD : end]
            if number != seq + 1 or self.closed:
                self._odd(base + at, kind, seq, number, payload)
            try:
                if kind == _INTENT:
                    _decode_intent(payload)
                    self.intents += 1
                    opened.add(number)
                elif kind == _OUTCOME:
                    self._outcome(base + at, number, _decode_outcome(payload).intent)
                elif kind in _ABOUT:
                    self._hash.update(data[hashed:at])
                    hashed = at
                    self._tell(
                        Frame(kind, number, read_i64_le(data, at + 17), payload, base + at, base + end)
                    )
                else:
                    records.decode(kind, payload)
            except (ValueError, RecursionError):
                self.wrong.append(Wrong(base + at, number, "the record does not decode"))
            if leaves:
                tree.add(_sha256(b"\0" + data[at:end]).digest())
            newest = max(newest, read_i64_le(data, at + 17))
            self.uncovered += 1
            count += 1
            seq, at = number, end
        self._hash.update(data[hashed:at])
        if count and not self.frames:
            self.first_seq, self.first_ns = read_i64_le(data, 9), read_i64_le(data, 17)
        self.length, self.frames, self.seq, self.last_ns = base + at, self.frames + count, seq, newest
        return at

    def _outcome(self, offset: int, number: int, intent: int) -> None:
        self.outcomes += 1
        if intent in self.open:
            self.open.remove(intent)
            return
        self.strays += 1
        if self.strays == 1:
            why = f"the outcome of record {intent}, which is no intent or has its outcome already"
            self.wrong.append(Wrong(offset, number, why))

    def _odd(self, offset: int, kind: int, before: int, number: int, payload: bytes) -> None:
        """A frame that does not follow the one before it, or that nothing may precede."""
        if self.closed:
            self.wrong.append(Wrong(offset, number, "a record follows the closing one"))
        if before < 0 or number == before + 1:
            return
        if kind == records.LOST:
            try:
                lost: records.Lost = records.decode(kind, payload)
            except ValueError:
                return  # told by the caller
            if lost.first == before + 1 and lost.last == number - 1:
                return
        self.wrong.append(Wrong(offset, number, f"record numbers jump from {before} to {number}"))

    def _tell(self, frame: Frame) -> None:
        """A frame about the chain. Its own bytes are not hashed yet: a checkpoint covers what is before it."""
        said = records.decode(frame.kind, frame.payload)
        if frame.kind in _TOLD:
            self.told.append(frame)
        if isinstance(said, records.Carried):
            self.carried.add(said.intent)
            self.open.add(said.intent)
        elif isinstance(said, records.Lost):
            self.open -= {each for each in self.open if said.first <= each <= said.last}
        elif isinstance(said, (records.Checkpoint, records.Closed)):
            if self._edited:
                pass  # no later digest can be right, nor tell anything
            elif said.digest != self._hash.digest():
                self._edited = True
                why = f"the digest does not match: bytes from {self._proven} on were changed"
                self.wrong.append(Wrong(frame.offset, frame.seq, why))
            elif said.records != frame.seq - 1:
                self.wrong.append(Wrong(frame.offset, frame.seq, "the count of records is wrong"))
            self._proven, self.uncovered = frame.end, -1  # this very frame is counted after this
            self.closed = self.closed or isinstance(said, records.Closed)
