"""DataRow frames whose columns nobody labelled: what personal data stands in their cells is masked as they pass.

The cells of a block of rows are joined by line breaks and shown to the scanner at once; only those in which a gate
matched, or which are documents with telling keys, are looked at one by one, and only the frames that change are built
anew. Nothing found costs one pass.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from struct import Struct, error

from gateway.masking import cells, documents, kernels
from gateway.masking.forms import Form
from gateway.masking.masks import NULL_CELL
from gateway.masking.scanner import PIECE_BYTES, Places, Scanner
from parser.errors import ProtocolError

# Measured (python tests/gateway/masking/speed_scan.py): below so many rows finding their cells one by one is faster.
BULK_ROWS_MIN = 20

# A column is taken for what its cells are after so many of them, if so large a part (in hundredths) is that as a whole.
VERDICT_CELLS_MIN = 20
VERDICT_PERCENT_MIN = 50

_DATA_ROW = 0x44
_ROW_HEAD = Struct(">BIH").unpack_from
_LENGTH = Struct(">i").unpack_from
_CELL_LENGTH = Struct(">i").pack
_FRAME_LENGTH = Struct(">I").pack
_SURELY = frozenset({Form.XML, Form.NESTED_BINARY, Form.TSVECTOR_BINARY})  # always taken apart
_SEEN_OTHERWISE = frozenset({Form.BYTEA, Form.BYTEA_TEXT})
_NESTED_MARKS = (b'":', b'"=>', b"\\x", b'""')


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
    counts = tuple(ColumnCounts() for _ in scans)
    parts: list[bytes] = []
    done = 0
    for block in _blocks(frames, columns, [index for index, _ in scans]):
        for row_start, row_length, changes in _edits(scanner, frames, scans, block, counts):
            parts += (frames[done : row_start + 1], _FRAME_LENGTH(row_length))
            done = row_start + 5
            for begin, end, new in changes:
                parts += (frames[done:begin], new)
                done = end
    if not parts:
        return ScannedRows(frames, counts)
    parts.append(frames[done:])
    return ScannedRows(b"".join(parts), counts)


_Cells = tuple[
    list[int], list[int], list[int]
]  # of one column: where cells begin, where they end, the rows they are in
_Change = tuple[int, int, bytes]  # a cell's length field, the cell's end, the new cell with its length


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows: the begins of their frames, and of each wanted column the cells that are neither NULL nor empty, and
    how many are empty."""

    starts: list[int]
    columns: list[_Cells]
    empty: list[int]


def _blocks(frames: bytes, columns: int, wanted: Sequence[int]) -> Iterable[_Block]:
    """Where the wanted cells are, in blocks of rows."""
    if len(frames) < BULK_ROWS_MIN * 7 or len(frames) < BULK_ROWS_MIN * (_ROW_HEAD(frames, 0)[1] + 1):
        yield _located(frames, columns, wanted)
        return
    bounds = kernels.bounds_of(frames, columns)
    count = len(bounds) - 1
    step = max(16, PIECE_BYTES * count // len(frames))
    for at in range(0, count, step):
        block = bounds[at : at + step + 1]
        found = kernels.cells_of(frames, block[:-1], block[1:], columns, wanted)
        filled = [kernels.filled(cell, length) for cell, length in found]
        yield _Block(block[:-1].tolist(), [one for one, _ in filled], [empty for _, empty in filled])


def _located(frames: bytes, columns: int, wanted: Sequence[int]) -> _Block:
    """As a block, for few rows or wide ones."""
    block = _Block([], [([], [], []) for _ in wanted], [0 for _ in wanted])
    at, size = 0, len(frames)
    try:
        while at < size:
            kind, length, count = _ROW_HEAD(frames, at)
            end = at + 1 + length
            if kind != _DATA_ROW or length < 6 or end > size or count != columns:
                raise ProtocolError("a row is not what its description says")
            cell, column = at + 7, 0
            for j, index in enumerate(wanted):
                begin = cell
                for _ in range(index - column + 1):
                    (length,) = _LENGTH(frames, cell)
                    begin, cell = cell + 4, cell + 4 + max(length, 0)
                    if length < -1 or cell > end:
                        raise ProtocolError("a cell does not fit its row")
                column = index + 1
                if length > 0:
                    for found, value in zip(block.columns[j], (begin, cell, len(block.starts)), strict=True):
                        found.append(value)
                elif length == 0:
                    block.empty[j] += 1
            if column == columns and cell != end:
                raise ProtocolError("a row is longer than its cells")
            block.starts.append(at)
            at = end
    except error:
        raise ProtocolError("a row is cut short") from None
    return block


def _edits(
    scanner: Scanner,
    frames: bytes,
    scans: Sequence[tuple[int, Form]],
    block: _Block,
    counts: tuple[ColumnCounts, ...],
) -> list[tuple[int, int, list[_Change]]]:
    """(frame's begin, its new length field, changes) of the rows of a block that change."""
    rows: dict[int, list[_Change]] = {}
    for (begins, ends, of_rows), empty, (_, form), count in zip(
        block.columns, block.empty, scans, counts, strict=True
    ):
        count.cells += len(begins) + empty
        values = [frames[begin:end] for begin, end in zip(begins, ends, strict=True)]
        for i, found in masked_cells(scanner, values, form):
            count.note(found.labels, found.whole)
            new = NULL_CELL if found.new is None else _CELL_LENGTH(len(found.new)) + found.new
            rows.setdefault(of_rows[i], []).append((begins[i] - 4, ends[i], new))
    edits: list[tuple[int, int, list[_Change]]] = []
    for row in sorted(rows):
        changes = sorted(rows[row])
        (length,) = _LENGTH(frames, block.starts[row] + 1)
        grown = sum(len(new) - (end - begin) for begin, end, new in changes)
        edits.append((block.starts[row], length + grown, changes))
    return edits


def masked_cells(
    scanner: Scanner, values: Sequence[bytes], form: Form
) -> Iterable[tuple[int, cells.MaskedCell]]:
    """(index, masked cell) of those of many cells in which something was found, ascending. No cell is NULL or empty."""
    if not values:
        return
    views = [cells.view(value, form) for value in values] if form in _SEEN_OTHERWISE else values
    candidates: dict[int, Places] = {}
    begins = list(accumulate(map((1).__add__, map(len, views)), initial=1))
    first = 0
    while first < len(views):
        last = max(first + 1, bisect_right(begins, begins[first] + PIECE_BYTES) - 1)
        if last == first + 1 and len(views[first]) > PIECE_BYTES:
            candidates[first] = scanner.places_of_long(views[first])
        else:
            _matched(scanner, views[first:last], begins, first, candidates)
        first = last
    for i in _documents(values, form):
        candidates.setdefault(i, [])
    for i in sorted(candidates):
        found = cells.mask(scanner, values[i], form, candidates[i])
        if found is not None:
            yield i, found


def _matched(
    scanner: Scanner, views: Sequence[bytes], begins: Sequence[int], first: int, found: dict[int, Places]
) -> None:
    """Adds the cells in which gates matched, and where in them. `begins` counts from the first cell of all, `first`
    is this one's index."""
    shift = begins[first] - 1
    for end, gate in scanner.places(b"\n".join([b"", *views, b""])):
        i = bisect_right(begins, end - 1 + shift) - 1
        found.setdefault(i, []).append((end + shift - begins[i], gate))


def _documents(values: Sequence[bytes], form: Form) -> Iterable[int]:
    """The cells that must be taken apart whatever the gates say."""
    if form in _SURELY:
        return range(len(values))
    if form is Form.NESTED:
        return [i for i, value in enumerate(values) if any(mark in value for mark in _NESTED_MARKS)]
    if form in _SEEN_OTHERWISE:
        return []
    found: list[int] = []
    keyed: Sequence[int] = range(len(values))
    if form is Form.TEXT:
        firsts = {value[0] for value in values}
        if 0x5C in firsts:
            found = [i for i, value in enumerate(values) if value.startswith(b"\\x")]
        if firsts.isdisjoint(b"{["):
            return found
        keyed = [i for i, value in enumerate(values) if value[0] in b"{["]
    chosen = [values[i] for i in keyed]
    ends, keys = kernels.keys_in(b"\n".join(chosen))
    telling = set(filter(documents.telling, set(keys)))
    if telling:
        begins = list(accumulate(map((1).__add__, map(len, chosen)), initial=0))
        at = {bisect_right(begins, end) - 1 for end, key in zip(ends, keys, strict=True) if key in telling}
        found += [keyed[i] for i in at]
    return found
