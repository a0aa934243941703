"""Proves a chain: every checksum, every sequence number, every digest, every link between segments, and how
it ended.

Findings name the segment, the byte and the record. A chain proves edits; a cut tail of a chain that nothing
else vouches for looks like a crash and is reported as such.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.audit import records
from gateway.audit.records import Closed, Recovered
from gateway.audit.segment import Damage, Frame, Header, cut, later, read_header

Grade = Literal["tampered", "gap", "unreadable", "note"]  # a note says what happened where nothing is missing
_WINDOW: Final = 1 << 20  # bytes cut at a time; more than the longest frame
_ENDINGS: Final = (records.CHECKPOINT, records.CLOSED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `record` is an id, or empty."""

    grade: Grade
    segment: int
    offset: int
    record: str
    why: str


@dataclass(slots=True)
class ChainCheck:
    """One chain's proof: `segment` for each file in order, `end` once, then `findings` and the counts."""

    chain: bytes
    findings: list[Finding] = field(default_factory=list)
    count: int = 0  # frames
    intents: int = 0
    outcomes: int = 0
    uncovered: int = 0  # frames after the last proven checkpoint
    closed: bool = False
    _number: int = -1
    _seq: int = 0
    _label: str = ""
    _boot: str = ""
    _length: int = 0  # readable bytes of the last segment
    _digest: bytes = b""
    _tail: bytes = b""
    _damage: str = ""
    _open: set[int] = field(default_factory=set)

    @property
    def open_intents(self) -> int:
        """Intents without an outcome in this chain."""
        return len(self._open)

    def segment(self, number: int, data: bytes, following: Header | None) -> None:
        """Checks one file's bytes; `following` is the next file's header, None for the last file."""
        if number != self._number + 1:
            self._found("tampered", number, 0, f"segments {self._number + 1} to {number - 1} are missing")
            self._seq = -1  # what should follow is not known
        before, self._number = (self._digest, self._length), number
        found = read_header(data)
        if found is None or isinstance(found, Damage):
            self._bad_header(number, data, found)
            return
        header, start = found
        self._label, self._boot = header.label, header.boot
        self._check_header(number, header, *before)
        promised = len(data) if following is None else following.previous_length
        self._digest = self._frames(data, start, promised)
        self._tail = data[self._length :]
        if following is not None:
            self._settle(number, data, following)

    def end(self, live: bool, recovered: Recovered | None, boot: str = "") -> None:
        """How the chain ends. `live`: its writer still holds it. `recovered`: what a later start said. `boot`: this boot of
        this host, where that is known.
        """
        at, number = self._length, self._number
        if recovered is not None:
            self._check_recovered(recovered)
        elif self.closed:
            if self._tail:
                self._found("tampered", number, at, "bytes follow the chain's closing record")
        elif self._judge_tail(number, at, same_boot=live or bool(boot and boot == self._boot)) or live:
            return
        elif self._tail:
            self._found("gap", number, at, f"torn: the last {len(self._tail)} bytes are no whole record")
        else:
            self._found("gap", number, at, "unclean end: no closing record, not recovered yet")

    def _found(self, grade: Grade, segment: int, offset: int, why: str, seq: int = 0) -> None:
        record = f"{self._label}-{seq}" if seq and self._label else ""
        self.findings.append(Finding(grade, segment, offset, record, why))

    def _bad_header(self, number: int, data: bytes, found: Damage | None) -> None:
        self._damage = ""
        if found is not None and data.strip(b"\0"):  # a file's name may get to the disk without its bytes
            grade: Grade = "unreadable" if found.why == "not an audit segment" else "tampered"
            self._found(grade, number, 0, found.why)
        self._length, self._digest, self._tail = 0, hashlib.sha256().digest(), data

    def _check_header(self, number: int, header: Header, digest: bytes, length: int) -> None:
        if header.version != 1:
            self._found("unreadable", number, 0, f"format version {header.version} is not known")
        if header.chain != self.chain or header.segment != number:
            self._found("tampered", number, 0, "the header belongs to another chain or segment")
        elif number == 0:
            if header.previous != bytes(32) or header.previous_length != 0:
                self._found("tampered", number, 0, "the first segment names one before it")
        elif digest and (header.previous, header.previous_length) != (digest, length):
            self._found("tampered", number, 0, "the segment before it is not the one its header names")

    def _frames(self, data: bytes, start: int, promised: int) -> bytes:
        """Reads what is promised; returns the digest of what could be read."""
        self._damage, self._length = "", start
        proof, hashed, promised = hashlib.sha256(), 0, min(promised, len(data))
        while self._length < promised and not self._damage:
            at = self._length
            frames, used, self._damage = cut(data[at : min(at + _WINDOW, promised)], 0, at)
            for frame in frames:
                self._step(frame)
                if frame.kind in _ENDINGS:
                    proof.update(memoryview(data)[hashed : frame.offset])
                    self._prove(frame, proof.digest(), hashed)
                    hashed = frame.offset
            self._length += used
            if not used:
                break
        proof.update(memoryview(data)[hashed : self._length])
        return proof.digest()

    def _step(self, frame: Frame) -> None:
        try:
            said = records.decode(frame.kind, frame.payload)
        except ValueError:
            self._found("tampered", self._number, frame.offset, "the record does not decode", frame.seq)
            said = None
        expected = self._seq + 1
        if self.closed:
            self._found("tampered", self._number, frame.offset, "a record follows the closing one", frame.seq)
        if frame.seq != expected and self._seq >= 0:
            explained = (
                isinstance(said, records.Lost) and said.first == expected and said.last == frame.seq - 1
            )
            if not explained:
                why = f"record numbers jump from {self._seq} to {frame.seq}"
                self._found("tampered", self._number, frame.offset, why, frame.seq)
        self._seq = frame.seq
        self.count += 1
        self.uncovered += 1
        if isinstance(said, records.Intent):
            self.intents += 1
            self._open.add(frame.seq)
        elif isinstance(said, records.Outcome):
            self.outcomes += 1
            self._open.discard(said.intent)
        elif isinstance(said, records.State) and said.state == "unsynced":
            why = f"a disk failed: bytes from {said.offset} on may be lost"
            self._found("note", said.segment, said.offset, why, frame.seq)
        elif isinstance(said, records.Lost) and said.continued and said.intents:
            why = f"{said.intents} statements ran unrecorded while the audit failed ({said.sqlstate})"
            self._found("gap", self._number, frame.offset, why, frame.seq)

    def _prove(self, frame: Frame, digest: bytes, hashed: int) -> None:
        try:
            said: Closed | records.Checkpoint = records.decode(frame.kind, frame.payload)
        except ValueError:
            return  # found already
        if said.digest != digest:
            why = f"the digest does not match: bytes from {hashed} on were changed"
            self._found("tampered", self._number, frame.offset, why, frame.seq)
        elif said.records != frame.seq - 1:
            self._found("tampered", self._number, frame.offset, "the count of records is wrong", frame.seq)
        self.uncovered = 0
        self.closed = self.closed or isinstance(said, Closed)

    def _settle(self, number: int, data: bytes, following: Header) -> None:
        """A segment that another follows: it must be exactly what that one's header vouches for."""
        if self._length != following.previous_length:
            missing = following.previous_length - len(data)
            why = self._damage or "a frame does not end where the next segment says"
            if missing > 0:
                why = f"{missing} bytes are missing at the end"
            excused = 0 <= following.previous_synced <= self._length  # the disk failed, and the writer said so
            if excused:
                why += ": the disk failed, as is on record"
            self._found("gap" if excused else "tampered", number, self._length, why, self._seq + 1)
            self._length, self._tail, self._digest = 0, b"", b""
            self._seq = -1  # what should follow is not known
            return
        if self._tail:
            why = f"a failed write left {len(self._tail)} bytes that were never promised"
            self._found("note", number, self._length, why)
        self._length, self._tail = following.previous_length, b""
        self._digest = hashlib.sha256(data[: self._length]).digest()

    def _judge_tail(self, number: int, at: int, *, same_boot: bool) -> bool:
        """Whether the bytes that could not be read are more than a torn end: damage, or whole records behind
        them (a changed length makes all that follows look like one unfinished record).

        When the power goes, pages that were not on disk may be missing before others that are. A checkpoint says up to
        which byte that cannot be.
        """
        behind = list(later(self._tail, self._seq))
        damage = self._damage or "a record's length was changed"
        if any(_covers(each, at, same_boot) for each in behind):
            self._found("tampered", number, at, f"{damage}, before a checkpoint", self._seq + 1)
        elif behind:
            why = f"{damage}; {len(behind)} whole records behind it that were not known to be on disk (power loss)"
            self._found("gap", number, at, why, self._seq + 1)
        elif self._damage:
            self._found("gap", number, at, f"torn: {damage}, nothing readable behind it")
        return bool(behind or self._damage)

    def _check_recovered(self, said: Recovered) -> None:
        number, at = self._number, self._length
        changed: Grade = "tampered" if said.synced else "gap"
        if (said.segment, said.length, said.digest) != (number, at, self._digest):
            self._found(changed, number, at, "the chain is not as it was found when it was recovered")
        elif (said.tail, said.tail_digest) != (len(self._tail), hashlib.sha256(self._tail).digest()):
            self._found(changed, number, at, "the torn end is not as it was found when it was recovered")
        elif self._judge_tail(number, at, same_boot=said.same_boot):
            return
        elif not said.same_boot and at:
            why = f"the host went down: what was not on disk is missing ({len(self._tail)} torn bytes)"
            self._found("gap", number, at, why)
        else:
            self.uncovered = 0
            if self._tail:
                why = f"killed while writing: the last {len(self._tail)} bytes were never promised"
                self._found("note", number, at, why)


def _covers(frame: Frame, at: int, same_boot: bool) -> bool:
    """Whether a record behind damage vouches for the bytes at `at`."""
    if frame.kind not in _ENDINGS:
        return False
    if same_boot or frame.kind == records.CLOSED:
        return True
    try:
        said: records.Checkpoint = records.decode(frame.kind, frame.payload)
    except ValueError:
        return True
    return said.synced > at
