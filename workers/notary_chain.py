"""One chain as the notary reads it: as far as its writer promised, once, segment after segment; compared with what
was promised and with what was signed before.
"""

import os
from dataclasses import dataclass
from io import BufferedReader
from typing import Final, Literal

from gateway.audit import records
from gateway.audit.chain import Position
from gateway.audit.heads import Head, Seal
from gateway.audit.records import Recovered
from gateway.audit.segment import Damage, Header, read_header
from gateway.audit.walk import Walk
from workers.audit_trail import HEADER_BYTES, RECOVERY_WORKER, ChainFiles, open_segment

WINDOW: Final = 1 << 20  # bytes read at a time; more than the longest frame
VOID_TURNS: Final = 5  # a recovery that failed is taken away by its writer: until then it is not judged


class Broken(Exception):
    """The disk does not hold what was promised; `offset` is the first byte that may be wrong."""

    def __init__(self, segment: int, offset: int, why: str) -> None:
        super().__init__(why)
        self.segment, self.offset, self.why = segment, offset, why


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is kept in memory of a segment that is complete."""

    number: int
    length: int
    digest: bytes
    last_ns: int  # of its newest record


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody's word on a segment: SHA-256 over its first `length` bytes."""

    segment: int
    length: int
    digest: bytes


_WHOLE_FILE: Final = -1  # lengths of targets: to the file's end, which must be that of a record
_WHOLE_RECORDS: Final = -2  # to the last whole record there is


@dataclass(frozen=True, slots=True)
class _Target:
    length: int
    digest: bytes | None
    then: Literal["wait", "next", "closed"]


class Watched:
    """A chain. `step` reads on; what it found complete it returns. Raises Broken (and is then not to be used again)."""

    def __init__(self, files: ChainFiles) -> None:
        self.files = files
        self.id = files.id
        self.sealed: list[Sealed] = []  # those whose files are there
        self.closed = self.alarmed = False
        self.unreadable = False  # at the last try
        self.fresh = False  # read on since the checkpoint before
        self._void = 0  # turns in which it was a recovery that nobody goes on with
        self.recovered: list[Recovered] = []  # what it says of other chains, where it is a recovery's
        self.pruned_to = -1  # segments up to this one are gone, or about to go
        self._before = (bytes(32), 0)  # digest and length of the segment before
        self._marks: list[Mark] = []
        self._seq = 0  # of the last frame before this segment
        self._begin(0)

    def _begin(self, segment: int) -> None:
        self.segment = segment
        self.header: Header | None = None
        self._walk = Walk(b"", self._seq)
        self._proven = 0  # bytes compared with somebody's word

    # -- what the log said of it before this start

    def was_sealed(self, seal: Seal) -> None:
        """An earlier notary has sealed a segment."""
        head = seal.head
        self.sealed.append(Sealed(head.segment, head.length, head.digest, seal.last_ns))
        self._before = (head.digest, head.length)
        self._seq = head.seq
        self._begin(head.segment + 1)
        self._marks.clear()
        self.closed = head.closed

    def was_signed(self, head: Head) -> None:
        """An earlier notary has signed so much of a segment."""
        if head.segment >= self.segment:
            self._marks = [Mark(head.segment, head.length, head.digest)]

    def was_pruned(self, last: int) -> None:
        """Segments up to `last` are gone, or about to go."""
        self.pruned_to = last
        self.sealed = [each for each in self.sealed if each.number > last]

    # -- reading on

    def promise(self, position: Position) -> None:
        """The writer's word; remembered for when it is gone."""
        mark = Mark(position.segment, position.length, position.digest)
        if (mark.segment, mark.length) > (self.segment, self._walk.length) and mark not in self._marks:
            self._marks.append(mark)

    @property
    def promised(self) -> Mark | None:
        """The furthest word there is."""
        return max(self._marks, key=lambda each: (each.segment, each.length), default=None)

    def step(self, live: bool, explained: Recovered | None, budget: int) -> tuple[list[Seal], int]:
        """Reads at most about `budget` bytes on; the seals of segments that are complete, and how much was read.
        `explained`: what a recovery said of its end.
        """
        seals: list[Seal] = []
        read = 0
        while not self.closed and read < budget:
            if self.header is None and not self._open():
                if explained is None or live or (explained.segment, explained.length) != (self.segment, 0):
                    break
                seals.append(self._seal(closed=True))  # its writer died before it had said anything here
                break
            target = self._target(live, explained)
            if target is None:
                break
            before = self._walk.length
            reached = self._read_to(target, budget - read)
            read += self._walk.length - before
            if not reached:
                return seals, max(read, budget)  # it ends within a record: a little less was walked
            if target.then == "wait":
                break
            self.sync()
            seals.append(self._seal(closed=target.then == "closed"))
        return seals, read

    def sync(self) -> None:
        """Puts on disk what is about to be signed: a signature that outlived its records in a power loss would call an
        honest loss tampering. Raises OSError.
        """
        with open_segment(self.files.path, self.segment) as file:
            if isinstance(file, BufferedReader):  # a compressed one was synced
                os.fdatasync(file.fileno())

    @property
    def known(self) -> bool:
        """Whether anything was ever promised or signed of it."""
        return bool(self.sealed or self._marks or self._walk.frames or self._before[1])

    @property
    def spent(self) -> bool:
        """Whether nothing of it is to stay."""
        return self.closed and not self.sealed and self.pruned_to >= 0

    @property
    def speaks(self) -> bool:
        """Whether there is something new to sign: between two segments there is not."""
        return self.fresh and not self.alarmed and (self.header is not None or self.closed)

    def head(self) -> Head:
        """As far as it was read."""
        walk = self._walk
        return Head(
            self.id,
            self.segment,
            walk.length,
            walk.digest(),
            walk.seq,
            walk.frames,
            walk.root(),
            self.closed,
        )

    def _open(self) -> bool:
        """Takes up a segment by its header; False where it has none yet."""
        promised = self.promised
        try:
            with open_segment(self.files.path, self.segment) as file:
                data = file.read(HEADER_BYTES)
        except FileNotFoundError:
            data = b""
        found = read_header(data)
        if isinstance(found, Damage):
            raise Broken(self.segment, 0, found.why)
        if found is None:
            if promised is not None and promised.segment >= self.segment:
                raise Broken(self.segment, 0, "the segment is missing")
            return False
        header, length = found
        if header.chain != self.id or header.segment != self.segment:
            raise Broken(self.segment, 0, "the header belongs to another chain or segment")
        if (header.previous, header.previous_length) != self._before:
            raise Broken(self.segment, 0, "the segment before it is not the one its header names")
        self.header = header
        self._walk = Walk(data[:length], self._seq)
        self.fresh = self.fresh or promised is not None
        return True

    def _target(self, live: bool, explained: Recovered | None) -> _Target | None:
        """How far to read in this segment, and what then; None while nobody has said."""
        promised = self.promised
        beyond = promised is not None and promised.segment > self.segment
        following = self.files.header(self.segment + 1) if beyond or not live else None
        if following is not None:
            return _Target(following.previous_length, following.previous, "next")
        if beyond:
            raise Broken(self.segment + 1, 0, "the segment is missing")
        if live:
            if promised is None or promised.segment < self.segment:
                return None
            return _Target(promised.length, promised.digest, "wait")
        return self._end(explained)

    def _end(self, explained: Recovered | None) -> _Target | None:
        """The end of a chain whose writer is gone."""
        if explained is not None:
            if explained.segment == self.segment:
                return _Target(explained.length, explained.digest, "closed")
            if explained.segment != self.segment + 1 or explained.length:
                raise Broken(self.segment + 1, 0, "the segment is missing")
            return _Target(_WHOLE_RECORDS, None, "next")  # of the next one not even the header was written
        # A recovery may just have begun: then it was not yet locked when it was asked whether it lives, and is now.
        void = self.header is not None and self.header.worker == RECOVERY_WORKER and not self.files.is_live()
        if self.files.is_closed():
            return _Target(_WHOLE_FILE, None, "closed")
        self._void = self._void + 1 if void else 0
        if self._void >= VOID_TURNS:
            return _Target(_WHOLE_RECORDS, None, "closed")  # cut short; another one says the same
        return None

    def _read_to(self, target: _Target, budget: int) -> bool:
        """Reads to the target, and compares on the way; False when the budget ended before."""
        here = sorted(
            (each for each in self._marks if each.segment == self.segment), key=lambda each: each.length
        )
        for mark in here:
            if mark.length < self._walk.length:  # an old word that was passed without stopping there
                continue
            if 0 <= target.length < mark.length:
                raise Broken(self.segment, target.length, "what was promised behind it is missing")
            if not self._take(mark.length, budget):
                return False
            self._compare(mark.digest)
        if not self._take(target.length, budget):
            return False
        if target.digest is not None:
            self._compare(target.digest)
        self._marks = [
            each for each in self._marks if (each.segment, each.length) > (self.segment, self._walk.length)
        ]
        return True

    def _compare(self, digest: bytes) -> None:
        if self._walk.digest() != digest:
            raise Broken(self.segment, self._proven, "the bytes are not those that their writer promised")
        self._proven = self._walk.length

    def _take(self, length: int, budget: int) -> bool:
        """Walks the frames up to a length; False when the budget ended before."""
        walk = self._walk
        if length == walk.length:
            return True
        if 0 <= length < walk.length:
            raise Broken(self.segment, length, "less is there than was read before")
        with open_segment(self.files.path, self.segment) as file:
            file.seek(walk.length)
            rest = b""
            while length < 0 or walk.length < length:
                wanted = WINDOW if length < 0 else min(WINDOW, length - walk.length - len(rest))
                more = file.read(wanted) if wanted else b""
                rest = self._feed(rest + more)
                if length == _WHOLE_RECORDS and (walk.damage or not more):
                    return True
                if walk.damage:
                    raise Broken(self.segment, walk.length, walk.damage)
                if not more:
                    if length == _WHOLE_FILE and not rest:
                        return True
                    raise Broken(self.segment, walk.length, "bytes are missing, or are no whole record")
                budget -= len(more)
                if budget <= 0 and walk.length != length:
                    return False
        return True

    def _feed(self, data: bytes) -> bytes:
        """Walks what is whole of `data`; what is left of it."""
        walk = self._walk
        used = walk.feed(data)
        self.fresh = self.fresh or used > 0
        for frame in walk.told:
            if frame.kind == records.RECOVERED:
                self.recovered.append(records.decode(frame.kind, frame.payload))
        walk.told.clear()
        walk.wrong.clear()  # what an honest writer would not write is for `sluice audit verify` to tell
        return data[used:]

    def _seal(self, *, closed: bool) -> Seal:
        walk = self._walk
        self.closed = closed
        self.fresh = True
        head = self.head()
        began = self.header.time_ns if self.header else 0
        first, last = (walk.first_ns, walk.last_ns) if walk.frames else (began, began)
        self.sealed.append(Sealed(self.segment, walk.length, head.digest, last))
        self._before, self._seq = (head.digest, walk.length), walk.seq
        seal = Seal(head, walk.first_seq or walk.seq + 1, first, last)
        if not closed:
            self._begin(self.segment + 1)
        return seal
