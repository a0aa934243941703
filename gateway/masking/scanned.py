"""DataRow frames whose columns nobody labelled: what personal data stands in their cells is masked as they pass.

The cells of a block of rows are laid one below the other and shown to the scanner at once; only those in which a gate
matched, or which are documents with telling keys, are looked at one by one, and only the frames that change are built
anew. Nothing found costs one pass. Written for the compiler (setup.py), as `rows` is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, read_i64_le, write_i64_le
from mypy_extensions import i64

from gateway.masking import cells
from gateway.masking.forms import Form
from gateway.masking.masks import NULL_CELL
from gateway.masking.scanner import Scanner
from gateway.masking.sheet import Sheet
from parser.errors import ProtocolError

# A column is taken for what its cells are after so many of them, if so large a part (in hundredths) is that as a whole.
VERDICT_CELLS_MIN = 20
VERDICT_PERCENT_MIN = 50

_DATA_ROW: Final = 0x44
_PLACE_BYTES: Final = 32  # of a cell: begin of its row, its own begin and end, its column's place; Int64 each
_CELL_LENGTH = Struct(">i").pack
_FRAME_LENGTH = Struct(">I").pack


@dataclass(slots=True)
class ColumnCounts:
    """What was seen of one column. Counts only, never a value.

    `cells`: those that were not NULL; `hits`: by label the cells in which it was found; `wholes`: by label the cells
    that were nothing else.
    """

    cells: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    wholes: dict[str, int] = field(default_factory=dict)

    def note(self, labels: Iterable[str], whole: bool) -> None:
        for label in dict.fromkeys(labels):
            self.hits[label] = self.hits.get(label, 0) + 1
            if whole:
                self.wholes[label] = self.wholes.get(label, 0) + 1

    def add(self, other: "ColumnCounts") -> None:
        """Takes in what was seen of the same column elsewhere."""
        self.cells += other.cells
        for label, count in other.hits.items():
            self.hits[label] = self.hits.get(label, 0) + count
        for label, count in other.wholes.items():
            self.wholes[label] = self.wholes.get(label, 0) + count


@dataclass(frozen=True, slots=True)
class ScannedRows:
    """`frames`: what goes out, the very object that came in where nothing was found. `counts`: one for each scanned
    column."""

    frames: bytes
    counts: tuple[ColumnCounts, ...]


def verdict(counts: ColumnCounts) -> str | None:
    """The label that a column with these counts deserves as a whole; None: go on scanning."""
    if counts.cells < VERDICT_CELLS_MIN or not counts.wholes:
        return None
    label = max(counts.wholes, key=lambda one: (counts.wholes[one], one))
    return label if counts.wholes[label] * 100 >= counts.cells * VERDICT_PERCENT_MIN else None


def scan_text(scanner: Scanner, text: bytes) -> bytes:
    """A single text (a notification's payload, a notice's words), masked; the same object where nothing was found."""
    found = cells.mask(scanner, text, Form.TEXT)
    return text if found is None else found.new or b""


def scan_rows(
    scanner: Scanner, frames: bytes, columns: int, scans: Sequence[tuple[int, Form]]
) -> ScannedRows:
    """`frames`: whole DataRow frames of `columns` columns; `scans`: column index (ascending) and form, at least one.

    Raises ProtocolError for rows that are not as described.
    """
    run = _Run(scanner, frames, columns, scans)
    at: i64 = 0
    size: i64 = len(frames)
    while at < size:
        at = run.lay(at)
        run.look()
    return ScannedRows(run.whole(), run.counts)


@final
class _Run:
    """One pass over rows: what is not yet written of them begins at `kept`."""

    def __init__(
        self, scanner: Scanner, frames: bytes, columns: int, scans: Sequence[tuple[int, Form]]
    ) -> None:
        self.scanner = scanner
        self.frames = frames
        self.columns: i64 = columns
        self.indexes = [index for index, _ in scans]
        self.forms = [form for _, form in scans]
        self.counts = tuple([ColumnCounts() for _ in scans])
        self.sheet = Sheet()
        self.places = BytesWriter()
        self.parts: list[bytes] = []
        self.kept: i64 = 0

    def lay(self, at: i64) -> i64:
        """Lays out the cells of the rows from here on until they are enough. Gives the offset behind the last one."""
        self.sheet = Sheet()
        self.places = BytesWriter()
        frames = self.frames
        size: i64 = len(frames)
        while at < size and not self.sheet.full():
            if size - at < 7:
                raise ProtocolError("a row is cut short")
            end = at + 1 + i64(read_i32_be(frames, at + 1))
            if frames[at] != _DATA_ROW or end < at + 7 or end > size:
                raise ProtocolError("a row is not what its description says")
            if i64(read_i16_be(frames, at + 5)) & 0xFFFF != self.columns:
                raise ProtocolError("a row has not the expected number of cells")
            self._row(at, end)
            at = end
        return at

    def _row(self, row: i64, end: i64) -> None:
        frames, places = self.frames, self.places
        cell = row + 7
        column: i64 = 0
        for place in range(len(self.indexes)):
            index: i64 = self.indexes[place]
            while column < index:
                cell = _behind(frames, cell, end)
                column += 1
            column += 1
            begin = cell + 4
            cell = _behind(frames, cell, end)
            if cell == begin and read_i32_be(frames, begin - 4) < 0:
                continue
            self.counts[place].cells += 1
            if cell > begin:
                self.sheet.add(frames[begin:cell], self.forms[place])
                write_i64_le(places, row)
                write_i64_le(places, begin)
                write_i64_le(places, cell)
                write_i64_le(places, place)
        if column == self.columns and cell != end:
            raise ProtocolError("a row is longer than its cells")

    def look(self) -> None:
        """Looks at the cells that something may be in, and writes what comes before and in place of them."""
        frames, parts = self.frames, self.parts
        candidates = self.sheet.candidates(self.scanner)
        if not candidates:
            return
        places = self.places.getvalue()
        current: i64 = -1  # the row that is being written, the part in which its length goes, and by how much it grew
        slot = 0
        grown: i64 = 0
        for number, seen in candidates:
            at: i64 = number * _PLACE_BYTES
            begin = read_i64_le(places, at + 8)
            end = read_i64_le(places, at + 16)
            place = read_i64_le(places, at + 24)
            found = cells.mask(self.scanner, frames[begin:end], self.forms[place], seen)
            if found is None:
                continue
            self.counts[place].note(found.labels, found.whole)
            row = read_i64_le(places, at)
            if row != current:
                if current >= 0:
                    parts[slot] = self._length(current, grown)
                parts.append(frames[self.kept : row + 1])
                slot = len(parts)
                parts.append(b"")
                self.kept = row + 5
                current, grown = row, 0
            new = NULL_CELL if found.new is None else _CELL_LENGTH(len(found.new)) + found.new
            parts.append(frames[self.kept : begin - 4])
            parts.append(new)
            self.kept = end
            grown += len(new) - (end - begin + 4)
        if current >= 0:
            parts[slot] = self._length(current, grown)

    def _length(self, row: i64, grown: i64) -> bytes:
        return _FRAME_LENGTH(i64(read_i32_be(self.frames, row + 1)) + grown)

    def whole(self) -> bytes:
        """All rows as they go out."""
        if not self.parts:
            return self.frames
        self.parts.append(self.frames[self.kept :])
        return b"".join(self.parts)


def _behind(frames: bytes, cell: i64, end: i64) -> i64:
    """Where the cell ends whose length field is here."""
    if cell + 4 > end:
        raise ProtocolError("a cell does not fit its row")
    length = i64(read_i32_be(frames, cell))
    if length < -1:
        raise ProtocolError("a cell has a negative length")
    after = cell + 4 + (length if length > 0 else 0)
    if after > end:
        raise ProtocolError("a cell does not fit its row")
    return after


def masked_cells(
    scanner: Scanner, values: Sequence[bytes], form: Form
) -> Iterator[tuple[int, cells.MaskedCell]]:
    """(index, masked cell) of those of many cells in which something was found, ascending. No cell is NULL."""
    first = 0
    while first < len(values):
        sheet = Sheet()
        last = first
        while last < len(values) and not sheet.full():
            sheet.add(values[last], form)
            last += 1
        for number, places in sheet.candidates(scanner):
            found = cells.mask(scanner, values[first + number], form, places)
            if found is not None:
                yield first + number, found
        first = last
