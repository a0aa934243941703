"""Reading the audit's directory: chains and segments, in order, backwards from the end, and as they grow.
Takes no lock.
"""

import contextlib
import fcntl
import heapq
import os
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from gateway.audit import records
from gateway.audit.query import Entry, Joiner
from gateway.audit.records import Recovered
from gateway.audit.segment import FRAME_LIMIT, Damage, Header, SegmentReader, is_closed, later, read_header

CHUNK = 256 * 1024
_CHAIN: Final = re.compile(r"chain-[0-9a-f]{32}")
HEADER_BYTES = 8192
_TAIL_BYTES = 256
RECOVERY_WORKER: Final = -1  # the slot in the headers of recoveries' chains
SYSTEM_WORKER: Final = -2  # and of those for what happens to the gateway itself
COMPRESSED: Final = ".zst"  # stands behind the name of a segment that was compressed
DAMAGED: Final = zstandard.ZstdError  # raised by reading a compressed segment that is damaged
_ENDINGS: Final = (".seg", ".seg" + COMPRESSED)


def chain_directory(directory: Path, chain_id: bytes) -> Path:
    """Where a chain's segments are."""
    return directory / f"chain-{chain_id.hex()}"


def segment_path(chain: Path, segment: int) -> Path:
    """One segment's file."""
    return chain / f"{segment:08d}.seg"


def open_segment(chain: Path, segment: int) -> BinaryIO:
    """A segment's bytes from its beginning, whether it is compressed or not; only seeks forward. Raises
    FileNotFoundError.
    """
    path = segment_path(chain, segment)
    try:
        return path.open("rb")
    except FileNotFoundError:  # the compressed one is there before the other goes
        compressed = Path(f"{path}{COMPRESSED}").open("rb")  # noqa: SIM115 - the reader closes it
    stream: BinaryIO = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)
    return stream


def segment_content(chain: Path, segment: int) -> bytes:
    """All of a segment. Raises FileNotFoundError."""
    with open_segment(chain, segment) as file:
        return file.read()


def stored_path(chain: Path, segment: int) -> Path:
    """Where a segment's bytes lie: in the compressed file, if only that is there."""
    path = segment_path(chain, segment)
    compressed = Path(f"{path}{COMPRESSED}")
    return compressed if compressed.exists() and not path.exists() else path


@dataclass(frozen=True, slots=True)
class ChainFiles:
    """One chain's directory."""

    path: Path

    @property
    def id(self) -> bytes:
        """The chain's 16 bytes, as its directory is named."""
        return bytes.fromhex(self.path.name.removeprefix("chain-"))

    def segments(self) -> list[int]:
        """The numbers of its files, ascending."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted({int(each[:8]) for each in names if each.endswith(_ENDINGS) and each[:8].isdigit()})

    def header(self, number: int) -> Header | None:
        """A segment's header; None where it is missing, unfinished or damaged."""
        try:
            with open_segment(self.path, number) as file:
                found = read_header(file.read(HEADER_BYTES))
        except (FileNotFoundError, DAMAGED):
            return None
        return None if found is None or isinstance(found, Damage) else found[0]

    def first(self) -> Header | None:
        """The header of the oldest segment that is there (those before it may be past their time)."""
        return self.header(0) or next((self.header(each) for each in self.segments()[:1]), None)

    def first_seq(self, number: int) -> int:
        """The number of a segment's first record; beyond all numbers where it has none yet."""
        reader = SegmentReader()
        with open_segment(self.path, number) as file:
            frames = reader.feed(file.read(2 * FRAME_LIMIT))
        return frames[0].seq if frames else 1 << 64

    def is_closed(self) -> bool:
        """Whether its worker wrote the closing record."""
        numbers = self.segments()
        if not numbers:
            return False
        with open_segment(self.path, numbers[-1]) as file:
            if isinstance(file, BufferedReader):
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            tail = b""
            with contextlib.suppress(DAMAGED):  # what is damaged is not closed
                while more := file.read(CHUNK):
                    tail = (tail + more)[-_TAIL_BYTES:]
                return is_closed(tail, records.CLOSED)
        return False

    def is_live(self) -> bool:
        """Whether its writer still holds it (its lock goes with the process, however that ends)."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def modified_ns(self) -> int:
        """When its last segment was last written."""
        return next((self.written_ns(each) for each in self.segments()[-1:]), 0)

    def written_ns(self, number: int) -> int:
        """When a segment was last written; 0 where it is not there (any more)."""
        path = segment_path(self.path, number)
        for each in (path, Path(f"{path}{COMPRESSED}"), path):
            with contextlib.suppress(FileNotFoundError):
                return each.stat().st_mtime_ns
        return 0

    def is_void(self) -> bool:
        """A recovery that was itself cut short: another one says the same, so this one is not read."""
        return self.is_recovery() and not self.is_closed() and not self.is_live()

    def is_recovery(self) -> bool:
        """Whether it explains how another chain was found."""
        first = self.first()
        return first is not None and first.worker == RECOVERY_WORKER


def chains(directory: Path) -> list[ChainFiles]:
    """All chains of an audit directory. Raises OSError where it cannot be read."""
    found = [each for each in directory.iterdir() if _CHAIN.fullmatch(each.name)]
    return [ChainFiles(each) for each in sorted(found)]


def read_segment(chain: ChainFiles, number: int, joiner: Joiner) -> Iterator[Entry]:
    """One segment's entries, as far as it was promised. Raises ValueError for a record that cannot be
    understood.
    """
    reader = SegmentReader()
    seq = 0
    for data in segment_pieces(chain, number):
        begun = reader.header is not None
        frames = reader.feed(data)
        if not begun and reader.header is not None:
            joiner.begin(reader.header)
        for frame in frames:
            seq = frame.seq
            entry = joiner.read(frame)
            if entry is not None:
                yield entry
    if reader.pending:
        joiner.lenient = True  # what these records refer to may be in what cannot be read
        yield from filter(None, map(joiner.read, later(reader.rest, seq)))


def promised(chain: ChainFiles, number: int) -> int | None:
    """How many bytes of a segment were promised, as the next one's header says; None while there is no next one."""
    following = chain.header(number + 1)
    return None if following is None else following.previous_length


def segment_pieces(chain: ChainFiles, number: int, size: int = CHUNK) -> Iterator[bytes]:
    """A segment's bytes as far as it was promised, in pieces of at most `size`. Between the pieces no file is open, as many
    chains are read at a time; but a compressed one has to stay.
    """
    limit = promised(chain, number)
    at = 0
    file: BinaryIO | None = None
    try:
        while limit is None or at < limit:
            wanted = size if limit is None else min(size, limit - at)
            if file is None:
                file = open_segment(chain.path, number)
                file.seek(at)
            data = file.read(wanted)
            if isinstance(file, BufferedReader):
                file.close()
                file = None
            if not data:
                break
            at += len(data)
            yield data
    finally:
        if file is not None:
            file.close()


def read_chain(chain: ChainFiles) -> Iterator[Entry]:
    """A chain's entries from its beginning."""
    joiner = Joiner()
    for number in chain.segments():
        yield from read_segment(chain, number, joiner)


def read_all(directory: Path, since_ns: int = 0, until_ns: int = 0) -> Iterator[Entry]:
    """All chains' entries by time; chains that lie wholly outside the times are not opened (the others are
    read whole).
    """
    wanted = []
    for chain in chains(directory):
        first = chain.first()
        if first is None or chain.is_void() or chain.modified_ns() < since_ns:
            continue
        if not until_ns or first.time_ns < until_ns:
            wanted.append(read_chain(chain))
    return heapq.merge(*wanted, key=_time)


def recoveries(directory: Path) -> dict[bytes, Recovered]:
    """What later starts said of chains that ended without a closing record."""
    found: dict[bytes, Recovered] = {}
    for chain in chains(directory):
        if not chain.is_recovery() or not chain.is_closed():
            continue
        reader = SegmentReader()
        for frame in reader.feed(segment_content(chain.path, chain.segments()[0])):
            if frame.kind == records.RECOVERED:
                with contextlib.suppress(ValueError):  # a proof tells
                    said: Recovered = records.decode(frame.kind, frame.payload)
                    found[said.chain] = said
    return found


def find(directory: Path, record: str) -> list[Entry]:
    """The record of an id, and with an intent its outcome, with an outcome its intent. Empty where there is
    none. Reads from the segment that holds it, no further than it must.
    """
    label, _, digits = record.rpartition("-")
    if not (digits.isascii() and digits.isdigit()):
        return []
    everything = chains(directory)
    found: list[Entry] = []
    for chain in everything:
        if chain.id[:4].hex() == label.rpartition(".")[2] and not chain.is_void():
            found += _find_in(chain, record, int(digits))
    if [each.kind for each in found] == ["intent"]:  # its worker may have died before the outcome
        for chain in everything:
            if chain.is_recovery() and not chain.is_void():
                found += [entry for entry in read_chain(chain) if entry.intent == record]
    elif found and found[0].intent:
        found += [each for each in find(directory, found[0].intent) if each.kind == "intent"]
    return sorted(found, key=_time)


def _find_in(chain: ChainFiles, record: str, seq: int) -> list[Entry]:
    """The record, and if it is an intent its outcome too where this chain has it."""
    numbers = chain.segments()
    start = max(0, bisect_right(numbers, seq, key=chain.first_seq) - 1)
    found: list[Entry] = []
    joiner = Joiner()
    for number in numbers[start:]:
        for entry in read_segment(chain, number, joiner):
            if record in (entry.id, entry.intent):
                found.append(entry)
            if (found and (found[-1].kind != "intent" or len(found) > 1)) or (not found and entry.seq > seq):
                return found
    return found


def _time(entry: Entry) -> int:
    return entry.time_ns


@dataclass(slots=True)
class _Cursor:
    """Where following a chain has got to."""

    chain: ChainFiles
    number: int
    joiner: Joiner = field(default_factory=Joiner)
    reader: SegmentReader = field(default_factory=SegmentReader)
    at: int = 0

    def read(self) -> Iterator[Entry]:
        """What was written since the last time, over as many segments as there are."""
        while True:
            more = self.chain.header(self.number + 1) is not None  # then this one will not grow
            yield from self._rest()
            if not more:
                return
            self.number, self.reader, self.at = self.number + 1, SegmentReader(), 0

    def _rest(self) -> Iterator[Entry]:
        try:
            file = open_segment(self.chain.path, self.number)
        except FileNotFoundError:
            return
        with file:
            file.seek(self.at)
            while data := file.read(CHUNK):
                self.at += len(data)
                begun = self.reader.header is not None
                frames = self.reader.feed(data)
                if not begun and self.reader.header is not None:
                    self.joiner.begin(self.reader.header)
                for frame in frames:
                    entry = self.joiner.read(frame)
                    if entry is not None:
                        yield entry


class Follower:
    """All chains as they grow: each record once, new chains and segments included, by time within one `poll`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cursors: dict[Path, _Cursor] = {}
        self._done: set[Path] = set()

    def start(self, count: int) -> list[Entry]:
        """The last `count` records; `poll` goes on behind them. Call it first, once."""
        last: list[Entry] = []
        for chain in sorted(chains(self._directory), key=ChainFiles.modified_ns, reverse=True):
            numbers = chain.segments()
            closed = chain.is_closed()
            if closed or chain.is_void():
                self._done.add(chain.path)
            if not numbers or (chain.path in self._done and not closed):
                continue
            if closed and len(last) >= count and (not last or chain.modified_ns() < last[0].time_ns):
                continue
            cursor = _Cursor(chain, numbers[-1])
            newest = deque(cursor.read(), maxlen=count)
            if not closed:
                self._cursors[chain.path] = cursor
            for number in reversed(numbers[:-1]):
                if len(newest) >= count:
                    break
                older = deque(read_segment(chain, number, Joiner()), maxlen=count - len(newest))
                newest.extendleft(reversed(older))
            last = sorted([*last, *newest], key=_time)[-count:] if count else []
        return last

    def poll(self) -> list[Entry]:
        """What is new since `start` or the last `poll`."""
        new: list[Entry] = []
        for chain in chains(self._directory):
            if chain.path in self._done:
                continue
            cursor = self._cursors.get(chain.path)
            if cursor is None:
                cursor = self._cursors[chain.path] = _Cursor(chain, 0)
            new.extend(cursor.read())
            if cursor.joiner.closed:
                self._done.add(chain.path)
                del self._cursors[chain.path]
        return sorted(new, key=_time)


def segment_bytes(chain: ChainFiles, numbers: Iterable[int]) -> Iterator[tuple[int, bytes, Header | None]]:
    """Each segment's number, bytes and the header of the one behind it, for proofs."""
    for number in numbers:
        yield number, segment_content(chain.path, number), chain.header(number + 1)
