"""Proves a chain: every checksum, every sequence number, every digest, every link between segments, that each intent has
one outcome, how it ended, and that it is what was signed.

Findings name the segment, the byte and the record. A chain by itself proves edits; a cut tail of a chain that nothing else
vouches for looks like a crash and is reported as such, and a chain that is gone as a whole is not missed. The signed log
(`gateway.audit.heads`) vouches for both.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.audit import records
from gateway.audit.records import Recovered
from gateway.audit.segment import Frame, Header
from gateway.audit.segment_check import SegmentFacts, check_segment
from gateway.audit.signed import SignedChain

Grade = Literal["tampered", "gap", "unreadable", "note"]  # a note says what happened where nothing is missing
_EMPTY: Final = SignedChain()
_NAMED: Final = 20  # findings of one kind in one segment


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
    """One chain's proof: `add` what each file says, in order, and `end` once; then `findings` and the counts.

    `signed`: what the signed log says of the chain; None where there is no such log.
    """

    chain: bytes
    signed: SignedChain | None = None
    findings: list[Finding] = field(default_factory=list)
    count: int = 0  # frames
    intents: int = 0
    outcomes: int = 0
    uncovered: int = 0  # frames after the last proven checkpoint
    unsigned: int = 0  # frames after what was signed last
    last_ns: int = 0  # of the newest frame
    closed: bool = False
    header: Header | None = None  # of the last segment that has one
    _number: int = -1
    _seq: int = 0  # -1: what should follow is not known
    _facts: SegmentFacts | None = None  # of the last segment
    _before: tuple[bytes, int] | None = None  # digest and length of the last segment, where they are known
    _open: frozenset[int] = frozenset()
    _unsynced: dict[int, int] = field(default_factory=dict)  # segment: from this byte on its disk failed
    _holes: dict[int, int] = field(
        default_factory=dict
    )  # segment: which finding tells of promised bytes missing

    @property
    def open_intents(self) -> int:
        """Intents without an outcome in this chain."""
        return len(self._open)

    def segment(self, number: int, data: bytes, following: Header | None) -> None:
        """Checks one file's bytes, and adds what they say; `following` is the next file's header, None for the last."""
        rest = [data]
        heads = (self.signed or _EMPTY).heads(number)
        self.add(check_segment(number, lambda _: rest.pop() if rest else b"", following, heads))

    def add(self, facts: SegmentFacts) -> None:
        """The next file of the chain."""
        number = facts.number
        if number != self._number + 1:
            self._missing(self._number + 1, number - 1, facts.header)
        self._number, self._facts = number, facts
        before, self._before = self._before, (facts.digest, facts.length)
        if facts.header is None:
            self._bad_header(facts)
        else:
            self.header = facts.header
            self._check_header(number, facts.header, before)
            self._check_frames(facts)
            if facts.promised is not None:
                self._settle(facts, facts.promised)
        if facts.broken:
            self._found("tampered", number, facts.length, facts.broken)
        for offset, why in facts.unlike:
            self._found("tampered", number, offset, why, facts.seq + 1)
        self.unsigned += max(0, facts.frames - facts.signed_frames)

    def end(self, live: bool, recovered: Recovered | None, boot: str = "") -> None:
        """How the chain ends. `live`: its writer still holds it. `recovered`: what a later start said. `boot`: this boot of
        this host, where that is known.
        """
        signed, facts = self.signed or _EMPTY, self._facts
        if signed.last() > self._number:
            self._missing(self._number + 1, signed.last(), None)
            return
        if facts is None:
            return
        at, number = facts.length, self._number
        same_boot = live or bool(boot and self.header and boot == self.header.boot)
        if recovered is not None:
            self._check_recovered(recovered, facts)
        elif self.closed:
            if facts.tail:
                self._found("tampered", number, at, "bytes follow the chain's closing record")
            elif self._open:
                why = f"{len(self._open)} intents have no outcome, and the chain is closed"
                self._found("tampered", number, at, why, min(self._open))
        elif signed.is_closed() and facts.signed == facts.length:
            if facts.tail:
                self._found("note", number, at, f"{facts.tail} bytes behind what was signed as its end")
        elif self._judge_tail(facts, same_boot=same_boot) or live:
            return
        elif facts.tail:
            self._found("gap", number, at, f"torn: the last {facts.tail} bytes are no whole record")
        else:
            self._found("gap", number, at, "unclean end: no closing record, not recovered yet")

    def _found(self, grade: Grade, segment: int, offset: int, why: str, seq: int = 0) -> None:
        record = f"{self.header.label}-{seq}" if seq > 0 and self.header is not None else ""
        self.findings.append(Finding(grade, segment, offset, record, why))

    def _forget(self) -> None:
        """What comes next follows something that is not known."""
        self._seq, self._before, self._open = -1, None, frozenset()

    def _missing(self, first: int, last: int, following: Header | None) -> None:
        """Segments that are not there: because their time was up, where the log says so and what follows fits."""
        self._forget()
        signed = self.signed or _EMPTY
        pruned = signed.pruned
        kept = max(first, 0 if pruned is None else pruned.last + 1)
        if pruned is not None and kept > first:
            end = min(last, pruned.last)
            sealed = signed.seals.get(end)
            word = (pruned.digest, pruned.length) if sealed is None else (sealed.digest, sealed.length)
            if end == last and following and (following.previous, following.previous_length) != word:
                why = "the segments before it, which were pruned, are not those that its header names"
                self._found("tampered", last + 1, 0, why)
            why = f"segments {first} to {end} were deleted after {pruned.retention_days} days"
            self._found("note", first, 0, why)
        if kept <= last:
            why = f"segment {kept} is missing" if kept == last else f"segments {kept} to {last} are missing"
            self._found("tampered", kept, 0, why)

    def _bad_header(self, facts: SegmentFacts) -> None:
        if (
            facts.header_damage and not facts.tail_blank
        ):  # a file's name may get to the disk without its bytes
            grade: Grade = "unreadable" if facts.header_damage == "not an audit segment" else "tampered"
            self._found(grade, facts.number, 0, facts.header_damage)

    def _check_header(self, number: int, header: Header, before: tuple[bytes, int] | None) -> None:
        if header.version != 1:
            self._found("unreadable", number, 0, f"format version {header.version} is not known")
        if header.chain != self.chain or header.segment != number:
            self._found("tampered", number, 0, "the header belongs to another chain or segment")
        elif number == 0:
            if header.previous != bytes(32) or header.previous_length != 0:
                self._found("tampered", number, 0, "the first segment names one before it")
        elif before is not None and (header.previous, header.previous_length) != before:
            self._found("tampered", number, 0, "the segment before it is not the one its header names")

    def _check_frames(self, facts: SegmentFacts) -> None:
        number = facts.number
        if facts.frames:
            self._check_first(facts)
            lost = self._open - facts.carried
            if lost and facts.has_first_batch:
                why = f"{len(lost)} intents of the segment before have no outcome, and are not repeated here"
                self._found("tampered", number, 0, why, min(lost))
            self._open, self._seq = facts.open, facts.seq
        if self.closed:
            self._found("tampered", number, 0, "a segment follows the chain's closing record")
        for wrong in facts.wrong[:_NAMED]:
            self._found("tampered", number, wrong.offset, wrong.why, wrong.seq)
        for frame in facts.told:
            self._hear(number, frame)
        self.count += facts.frames
        self.intents += facts.intents
        self.outcomes += facts.outcomes
        self.uncovered = facts.uncovered + (self.uncovered if facts.uncovered == facts.frames else 0)
        self.closed = self.closed or facts.closed
        self.last_ns = max(self.last_ns, facts.last_ns)

    def _check_first(self, facts: SegmentFacts) -> None:
        """Numbers go on from the segment before, but for those of a write that failed."""
        expected = self._seq + 1
        if self._seq < 0 or facts.first_seq == expected:
            return
        lost = [
            records.decode(each.kind, each.payload) for each in facts.told[:1] if each.kind == records.LOST
        ]
        if not any((each.first, each.last) == (expected, facts.first_seq - 1) for each in lost):
            why = f"record numbers jump from {self._seq} to {facts.first_seq}"
            self._found("tampered", facts.number, 0, why, facts.first_seq)

    def _hear(self, number: int, frame: Frame) -> None:
        """What the writer says of its own failures."""
        said = records.decode(frame.kind, frame.payload)
        if isinstance(said, records.State) and said.state == "unsynced":
            why = f"a disk failed: bytes from {said.offset} on may be lost"
            self._found("note", said.segment, said.offset, why, frame.seq)
        elif isinstance(said, records.Lost) and said.continued and said.intents:
            why = f"{said.intents} statements ran unrecorded while the audit failed ({said.sqlstate})"
            self._found("gap", number, frame.offset, why, frame.seq)

    def _settle(self, facts: SegmentFacts, promised: int) -> None:
        """A segment that another follows: it must be exactly what that one's header vouches for."""
        number = facts.number
        if facts.length != promised:
            why = facts.damage or "a frame does not end where the next segment says"
            if promised > facts.size:
                why = f"{promised - facts.size} bytes are missing at the end"
            excused = 0 <= facts.synced <= facts.length  # the disk failed, and the writer said so
            if excused:
                why += ": the disk failed, as is on record"
            self._found("gap" if excused else "tampered", number, facts.length, why, max(self._seq, 0) + 1)
            self._forget()
        elif facts.tail:
            why = f"a failed write left {facts.tail} bytes that were never promised"
            self._found("note", number, facts.length, why)

    def _judge_tail(self, facts: SegmentFacts, *, same_boot: bool) -> bool:
        """Whether the bytes that could not be read are more than a torn end: damage, or whole records behind
        them (a changed length makes all that follows look like one unfinished record).

        When the power goes, pages that were not on disk may be missing before others that are. A checkpoint says up to
        which byte that cannot be.
        """
        at, number, seq = facts.length, facts.number, max(self._seq, 0) + 1
        damage = facts.damage or "a record's length was changed"
        if facts.checkpoints and (same_boot or facts.vouching > at):
            self._found("tampered", number, at, f"{damage}, before a checkpoint", seq)
        elif facts.behind:
            why = f"{damage}; {facts.behind} whole records behind it that were not known to be on disk (power loss)"
            self._found("gap", number, at, why, seq)
        elif facts.damage:
            self._found("gap", number, at, f"torn: {damage}, nothing readable behind it")
        return bool(facts.behind or facts.damage)

    def _check_recovered(self, said: Recovered, facts: SegmentFacts) -> None:
        number, at = self._number, facts.length
        changed: Grade = "tampered" if said.synced else "gap"
        if (said.segment, said.length, said.digest) != (number, at, facts.digest):
            self._found(changed, number, at, "the chain is not as it was found when it was recovered")
        elif (said.tail, said.tail_digest) != (facts.tail, facts.tail_digest):
            self._found(changed, number, at, "the torn end is not as it was found when it was recovered")
        elif self._judge_tail(facts, same_boot=said.same_boot):
            return
        elif not said.same_boot and at:
            why = f"the host went down: what was not on disk is missing ({facts.tail} torn bytes)"
            self._found("gap", number, at, why)
        else:
            self.uncovered = 0
            if facts.tail:
                why = f"killed while writing: the last {facts.tail} bytes were never promised"
                self._found("note", number, at, why)
