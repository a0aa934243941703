"""Searching the trails of many hosts: which segments may hold what is asked, their matches, and all of them by time.

A segment is opened when the times of those before it have been reached, so memory holds a piece of each segment that was
written at the same time, and no more.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.filters import Filter
from gateway.audit.query import Entry, Joiner
from gateway.audit.scan import Scan
from gateway.audit.segment import beyond
from gateway.audit.sidecar import Needs
from workers import audit_index
from workers.audit_trail import ChainFiles, chains, promised, read_segment, segment_pieces

_PIECE = 1024 * 1024
_LATEST = 1 << 63


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment that may match; times of its first and last record as far as they are known."""

    chain: ChainFiles
    number: int
    first_ns: int
    last_ns: int = _LATEST


def _length(chain: ChainFiles, number: int) -> int:
    """Bytes of a segment that may be read."""
    return sum(map(len, segment_pieces(chain, number, _PIECE)))


class Search:
    """Records of some directories that `asked` matches, by time. `told` hears, in words, of what could not be read;
    `seen` of each segment: how many there are and how many were dealt with.
    """

    def __init__(
        self,
        directories: list[Path],
        asked: Filter,
        *,
        told: Callable[[str], None],
        seen: Callable[[int, int], None] = lambda total, done: None,
        indexed: bool = True,
    ) -> None:
        self.total = 0  # segments there are
        self.opened = 0  # segments that were searched
        self.frames = 0  # frames in them
        self._asked, self._told, self._seen, self._indexed = asked, told, seen, indexed
        self._done = 0
        self._parts = self._choose(directories)

    def entries(self) -> Iterator[Entry]:
        """Oldest first."""
        parts = [(part.first_ns, part) for part in self._parts]
        return self._merged(parts, lambda part: self._matches(part), lambda entry: entry.time_ns)

    def newest(self, limit: int | None = None) -> Iterator[Entry]:
        """Newest first, at most `limit`. Keeps the matches of one segment a chain in memory, never more than `limit`."""
        parts = [(-part.last_ns, part) for part in self._parts]
        found = self._merged(parts, lambda part: self._reversed(part, limit), lambda entry: -entry.time_ns)
        return found if limit is None else (each for each, _ in zip(found, range(limit), strict=False))

    def _choose(self, directories: list[Path]) -> list[_Part]:
        needs, parts = Needs(self._asked), []
        found: dict[tuple[bytes, int], ChainFiles] = {}
        for directory in directories:
            for chain in chains(directory):
                if not chain.is_void():
                    for number in chain.segments():
                        known = found.setdefault((chain.id, number), chain)
                        if known is not chain and _length(known, number) < _length(chain, number):
                            found[chain.id, number] = chain  # a copy that goes on further
        self.total = len(found)
        for (_, number), chain in found.items():
            part = None
            with suppress(FileNotFoundError):  # its time was up, just now
                part = self._part(chain, number, needs)
            if part is None:
                self._done += 1
                self._seen(self.total, self._done)
            else:
                parts.append(part)
        return parts

    def _part(self, chain: ChainFiles, number: int, needs: Needs) -> _Part | None:
        if self._asked.since and chain.written_ns(number) < self._asked.since:
            return None
        if self._indexed:
            summary = audit_index.load(chain, number)
            if summary is None and audit_index.is_complete(chain, number):
                summary = audit_index.build(chain, number)
            if summary is not None:
                return _Part(chain, number, summary.first_ns, summary.last_ns) if needs.may_match(summary) else None
        header = chain.header(number)
        if header is None:
            return _Part(chain, number, 0)  # the search will tell why
        return None if self._asked.until and header.time_ns >= self._asked.until else _Part(chain, number, header.time_ns)

    def _matches(self, part: _Part) -> Iterator[Entry]:
        scan, length = Scan(self._asked), 0
        try:
            for data in segment_pieces(part.chain, part.number, _PIECE):
                length += len(data)
                yield from scan.feed(data)
                if scan.damage is not None:
                    break
            if self._is_broken(part, scan, length):
                for entry in read_segment(part.chain, part.number, Joiner()):  # and what it can tell beyond
                    if entry.seq > scan.seq and self._asked.matches(entry):
                        yield entry
        except FileNotFoundError:
            self._told(f"{self._place(part)} was deleted meanwhile")
        self.opened += 1
        self.frames += scan.frames
        self._done += 1
        self._seen(self.total, self._done)

    def _reversed(self, part: _Part, limit: int | None) -> Iterator[Entry]:
        return reversed(deque(self._matches(part), maxlen=limit))

    def _is_broken(self, part: _Part, scan: Scan, length: int) -> bool:
        """Whether a segment is damaged, which is told. A last segment may have a torn end, which recovery has explained."""
        limit, damage = promised(part.chain, part.number), scan.damage
        if damage is not None:
            if limit is None and self._is_torn_end(part, damage.offset, scan.seq):
                return False
            self._told(f"{self._place(part)} is damaged at byte {damage.offset}: {damage.why}; run `sluice audit verify`")
            return True
        if limit is not None and length < limit:
            self._told(f"{self._place(part)} ends at byte {length} of {limit}; run `sluice audit verify`")
        return False

    @staticmethod
    def _is_torn_end(part: _Part, offset: int, seq: int) -> bool:
        """Whether no whole record stands behind the damage."""
        rest, at = b"", 0
        for data in segment_pieces(part.chain, part.number, _PIECE):
            rest += data[max(0, offset - at) :]
            at += len(data)
            if len(rest) > _PIECE:
                break
        return offset > 0 and beyond(rest, 1, seq) is None

    @staticmethod
    def _place(part: _Part) -> str:
        return f"{part.chain.path.name}/{part.number:08d}.seg"

    @staticmethod
    def _merged(
        parts: list[tuple[int, _Part]], read: Callable[[_Part], Iterator[Entry]], key: Callable[[Entry], int]
    ) -> Iterator[Entry]:
        """All parts' entries in the order of `key`; a part is opened when its own lowest key is reached."""
        waiting = deque(sorted(parts, key=lambda each: each[0]))
        heap: list[tuple[int, int, Entry, Iterator[Entry]]] = []
        opened = 0
        while waiting or heap:
            while waiting and (not heap or waiting[0][0] <= heap[0][0]):
                source = read(waiting.popleft()[1])
                opened += 1
                first = next(source, None)
                if first is not None:
                    heapq.heappush(heap, (key(first), opened, first, source))
            if not heap:
                return
            _, order, entry, source = heap[0]
            yield entry
            following = next(source, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (key(following), order, following, source))
