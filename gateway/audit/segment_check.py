"""Checks one segment's file apart from all others, so that a chain's segments can be checked side by side; what only the
chain can tell is left to `gateway.audit.verify`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.audit import records
from gateway.audit.heads import Head
from gateway.audit.segment import Damage, Frame, Header, later, read_header
from gateway.audit.walk import Walk, Wrong

_WINDOW: Final = 1 << 20  # bytes read at a time; more than the longest frame
_TAIL_KEPT: Final = 8 * 1024 * 1024  # bytes behind damage that are searched: many checkpoints' worth
_MISSING: Final = "bytes that were signed are missing or cannot be read"
_ENDINGS: Final = (records.CHECKPOINT, records.CLOSED)
_ALL: Final = 1 << 62

Read = Callable[[int], bytes]


@dataclass(slots=True)
class SegmentFacts:
    """What one file says. Lengths and offsets are bytes; `length` is what could be read of what was promised."""

    number: int
    header: Header | None = None
    header_damage: str = ""  # why there is no header; empty: only for want of bytes
    promised: int | None = None  # by the next segment's header; None where none follows
    synced: int = -1  # of that, what was on disk when the disk failed; -1: all of it
    size: int = 0
    length: int = 0
    digest: bytes = hashlib.sha256().digest()  # over `length`
    damage: str = ""  # why nothing was read behind `length`
    broken: str = ""  # why the file could not be read on, where it is the file and not what it holds; set by who read it
    first_seq: int = 0
    seq: int = 0
    last_ns: int = 0
    frames: int = 0
    intents: int = 0
    outcomes: int = 0
    uncovered: int = 0
    closed: bool = False
    carried: frozenset[int] = frozenset()
    open: frozenset[int] = frozenset()
    wrong: list[Wrong] = field(default_factory=list)
    told: list[Frame] = field(default_factory=list)
    tail: int = 0  # bytes behind `length`
    tail_digest: bytes = b""
    tail_blank: bool = True  # nothing but zeros there
    behind: int = 0  # whole records in the tail; searched only where no segment follows
    checkpoints: int = 0  # among them
    vouching: int = 0  # the most bytes of the segment that one of those knew to be on disk
    signed: int = 0  # bytes under the furthest head that this file agrees with
    signed_frames: int = 0
    unlike: list[tuple[int, str]] = field(default_factory=list)  # (offset, why): heads it does not agree with

    @property
    def has_first_batch(self) -> bool:
        """Whether all of the segment's first append is surely there, which repeats the intents that were open: where a
        failed disk lost some of what was promised, it may be of that.
        """
        return self.length == self.promised or self.uncovered < self.frames


class _Bytes:
    """A file's bytes in order: some are looked at before they are used up."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.held = b""
        self.size = 0  # bytes read so far

    def more(self) -> bool:
        """Holds more than before; False where the file ends."""
        data = self._read(_WINDOW)
        self.size += len(data)
        self.held += data
        return bool(data)

    def use(self, count: int) -> None:
        """The first bytes held are done with."""
        self.held = self.held[count:]


def check_segment(
    number: int, read: Read, following: Header | None, heads: Sequence[Head] = ()
) -> SegmentFacts:
    """Reads a file from its beginning to its end; `read(n)` gives its next bytes, at most `n`, none at the end.

    `following` is the header of the next segment where there is one, `heads` what was signed of this one.
    """
    facts = SegmentFacts(number)
    if following is not None:
        facts.promised, facts.synced = following.previous_length, following.previous_synced
    source = _Bytes(read)
    found: tuple[Header, int] | Damage | None = None
    while found is None and source.more():
        found = read_header(source.held)
    if found is None or isinstance(found, Damage):
        facts.header_damage = "" if found is None else found.why
        facts.unlike = [(0, _MISSING) for each in heads if each.length]
    else:
        facts.header, used = found
        walk = Walk(source.held[:used], hash_leaves=bool(heads))
        source.use(used)
        for head in sorted(heads, key=lambda each: each.length):
            if head.length:  # else its writer died before it had said anything here
                _walk_to(walk, source, head.length)
                _compare(facts, walk, head)
        _walk_to(walk, source, facts.promised)
        _note(facts, walk)
    _read_tail(facts, source)
    return facts


def _walk_to(walk: Walk, source: _Bytes, length: int | None) -> None:
    """Walks on as far as there are whole frames, or to where `length` bytes are walked."""
    while not walk.damage and (length is None or walk.length < length):
        wanted = len(source.held) if length is None else length - walk.length
        source.use(walk.feed(source.held[:wanted]))
        if length is not None and (walk.length >= length or len(source.held) >= length - walk.length):
            return  # there, or a frame goes beyond
        if walk.damage or not source.more():
            return


def _compare(facts: SegmentFacts, walk: Walk, head: Head) -> None:
    if walk.length < head.length:
        facts.unlike.append((walk.length, _MISSING))
    elif walk.length > head.length or walk.digest() != head.digest:
        facts.unlike.append(
            (facts.signed, f"the bytes from {facts.signed} on are not those that were signed")
        )
    elif (walk.root(), walk.frames) != (head.root, head.frames) or (walk.frames and walk.seq != head.seq):
        facts.unlike.append((0, "the signed root is not that of these records"))
    else:
        facts.signed, facts.signed_frames = walk.length, walk.frames


def _note(facts: SegmentFacts, walk: Walk) -> None:
    facts.length, facts.digest, facts.damage = walk.length, walk.digest(), walk.damage
    facts.first_seq, facts.seq, facts.frames = walk.first_seq, walk.seq, walk.frames
    facts.intents, facts.outcomes, facts.uncovered = walk.intents, walk.outcomes, walk.uncovered
    facts.closed, facts.wrong, facts.told = walk.closed, walk.wrong, walk.told
    facts.carried, facts.open, facts.last_ns = frozenset(walk.carried), frozenset(walk.open), walk.last_ns


def _read_tail(facts: SegmentFacts, source: _Bytes) -> None:
    """What is behind the readable bytes: how much, its digest, and records in it where no segment follows."""
    proof, kept = hashlib.sha256(), b""
    while source.held or source.more():
        proof.update(source.held)
        facts.tail_blank = facts.tail_blank and not source.held.strip(b"\0")
        if facts.promised is None and len(kept) < _TAIL_KEPT:
            kept += source.held
        source.use(len(source.held))
    facts.size, facts.tail, facts.tail_digest = source.size, source.size - facts.length, proof.digest()
    for frame in later(kept, max(facts.seq, 0)):
        facts.behind += 1
        if frame.kind in _ENDINGS:
            facts.checkpoints += 1
            facts.vouching = max(facts.vouching, _vouches(frame))


def _vouches(frame: Frame) -> int:
    """How many bytes of the segment a checkpoint knew to be on disk."""
    if frame.kind == records.CLOSED:
        return _ALL
    try:
        said: records.Checkpoint = records.decode(frame.kind, frame.payload)
    except ValueError:
        return _ALL
    return said.synced
