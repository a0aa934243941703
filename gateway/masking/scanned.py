"""DataRow frames whose columns nobody labelled: what personal data stands in their cells is masked as they pass.

The cells of a block of rows are joined by line breaks and shown to the scanner at once; only those in which a gate matched, or which
are documents with telling keys, are looked at one by one, and only the frames that change are built anew. Nothing found costs one pass.
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
BULK_ROWS_MIN = 24

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


@dataclass(slots=True)
class ColumnCounts:
    """What was seen of one column. Counts only, never a value.

    `cells`: those that were not NULL; `hits`: by label the cells in which it was found; `wholes`: by label the cells that were
    nothing else.
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
    """`frames`: what goes out, the very object that came in where nothing was found. `counts`: one for each scanned column."""

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
    for starts, at, lengths in _blocks(frames, columns, [index for index, _ in scans]):
        for edit in _edits(scanner, frames, scans, starts, at, lengths, counts):
            row_start, row_length, changes = edit
            parts += (frames[done : row_start + 1], _FRAME_LENGTH(row_length))
            done = row_start + 5
            for begin, end, new in changes:
                parts += (frames[done:begin], new)
                done = end
    if not parts:
        return ScannedRows(frames, counts)
    parts.append(frames[done:])
    return ScannedRows(b"".join(parts), counts)


_Located = tuple[
    list[int], list[int], list[int]
]  # frames' begins, cells' length fields row by row, cells' lengths
_Change = tuple[int, int, bytes]  # a cell's length field, the cell's end, the new cell with its length


def _blocks(frames: bytes, columns: int, wanted: Sequence[int]) -> Iterable[_Located]:
    """Where the wanted cells are, in blocks of rows."""
    if len(frames) < BULK_ROWS_MIN * 7:
        yield _located(frames, columns, wanted)
        return
    (_, length, _) = _ROW_HEAD(frames, 0)
    if len(frames) < BULK_ROWS_MIN * (length + 1):
        yield _located(frames, columns, wanted)
        return
    bounds = kernels.bounds_of(frames, columns)
    count = len(bounds) - 1
    step = max(16, PIECE_BYTES * count // len(frames))
    for at in range(0, count, step):
        starts, ends = bounds[at : at + step + 1][:-1], bounds[at : at + step + 1][1:]
        found = kernels.cells_of(frames, starts, ends, columns, wanted)
        yield (
            starts.tolist(),
            kernels.row_by_row([cell for cell, _ in found]),
            kernels.row_by_row([size for _, size in found]),
        )


def _located(frames: bytes, columns: int, wanted: Sequence[int]) -> _Located:
    """As a block, for few rows or wide ones."""
    starts: list[int] = []
    cells_at: list[int] = []
    lengths: list[int] = []
    at, size = 0, len(frames)
    try:
        while at < size:
            kind, length, count = _ROW_HEAD(frames, at)
            end = at + 1 + length
            if kind != _DATA_ROW or length < 6 or end > size or count != columns:
                raise ProtocolError("a row is not what its description says")
            starts.append(at)
            cell, column = at + 7, 0
            for index in wanted:
                for _ in range(index - column + 1):
                    (length,) = _LENGTH(frames, cell)
                    place, cell = cell, cell + 4 + max(length, 0)
                    if length < -1 or cell > end:
                        raise ProtocolError("a cell does not fit its row")
                column = index + 1
                cells_at.append(place)
                lengths.append(length)
            if column == columns and cell != end:
                raise ProtocolError("a row is longer than its cells")
            at = end
    except error:
        raise ProtocolError("a row is cut short") from None
    return starts, cells_at, lengths


def _edits(
    scanner: Scanner,
    frames: bytes,
    scans: Sequence[tuple[int, Form]],
    starts: list[int],
    at: list[int],
    lengths: list[int],
    counts: tuple[ColumnCounts, ...],
) -> list[tuple[int, int, list[_Change]]]:
    """(frame's begin, its new length field, changes) of the rows of a block that change."""
    width = len(scans)
    forms = [form for _, form in scans]
    kept = [i for i, length in enumerate(lengths) if length > 0]
    values = [frames[at[i] + 4 : at[i] + 4 + lengths[i]] for i in kept]
    for j, count in enumerate(counts):
        own = lengths[j::width] if width > 1 else lengths
        count.cells += len(own) - own.count(-1)
    rows: dict[int, list[_Change]] = {}
    for i, found in masked_cells(
        scanner, values, [forms[i % width] for i in kept] if width > 1 else forms * len(kept)
    ):
        place = kept[i]
        counts[place % width].note(found.labels, found.whole)
        new = NULL_CELL if found.new is None else _CELL_LENGTH(len(found.new)) + found.new
        rows.setdefault(place // width, []).append((at[place], at[place] + 4 + lengths[place], new))
    edits: list[tuple[int, int, list[_Change]]] = []
    for row, changes in rows.items():
        (length,) = _LENGTH(frames, starts[row] + 1)
        grown = sum(len(new) - (end - begin) for begin, end, new in changes)
        edits.append((starts[row], length + grown, changes))
    return edits


def masked_cells(
    scanner: Scanner, values: Sequence[bytes], forms: Sequence[Form]
) -> Iterable[tuple[int, cells.MaskedCell]]:
    """(index, masked cell) of those of many cells in which something was found, ascending. No cell is NULL or empty."""
    if not values:
        return
    kinds = set(forms)
    views = values
    if kinds & _SEEN_OTHERWISE:
        views = [cells.view(value, form) for value, form in zip(values, forms, strict=True)]
    begins = list(accumulate((len(view) + 1 for view in views), initial=1))
    candidates = _matched(scanner, views, begins)
    for i in _documents(values, forms, kinds):
        candidates.setdefault(i, [])
    for i in sorted(candidates):
        form = forms[i]
        found = cells.mask(scanner, values[i], form, candidates[i])
        if found is not None:
            yield i, found


def _matched(scanner: Scanner, views: Sequence[bytes], begins: Sequence[int]) -> dict[int, Places]:
    """The cells in which gates matched, and where in them."""
    found: dict[int, Places] = {}
    first = 0
    while first < len(views):
        last = max(first + 1, bisect_right(begins, begins[first] + PIECE_BYTES) - 1)
        if last == first + 1 and len(views[first]) > PIECE_BYTES:
            found[first] = scanner.places_of_long(views[first])
            first = last
            continue
        shift = begins[first] - 1
        for end, gate in scanner.places(b"\n" + b"\n".join(views[first:last]) + b"\n"):
            i = bisect_right(begins, end - 1 + shift) - 1
            found.setdefault(i, []).append((end + shift - begins[i], gate))
        first = last
    return found


def _documents(values: Sequence[bytes], forms: Sequence[Form], kinds: set[Form]) -> Iterable[int]:
    """The cells that must be taken apart whatever the gates say."""
    if kinds <= _SEEN_OTHERWISE:
        return []
    found: list[int] = []
    keyed: list[int] = []
    for i, (value, form) in enumerate(zip(values, forms, strict=True)):
        if form is Form.TEXT:
            first = value[0]
            if first in b"{[":
                keyed.append(i)
            elif first == 0x5C and value[:2] == b"\\x":
                found.append(i)
        elif form is Form.JSON or form is Form.JSONB_BINARY:
            keyed.append(i)
        elif form in _SURELY or (
            form is Form.NESTED and (b'":' in value or b'"=>' in value or b"\\x" in value or b'""' in value)
        ):
            found.append(i)
    if keyed and documents.telling_keys(b"\n".join([values[i] for i in keyed])):
        found += [i for i in keyed if documents.telling_keys(values[i])]
    return found


__all__ = ["ColumnCounts", "ScannedRows", "masked_cells", "scan_rows", "scan_text", "verdict"]
