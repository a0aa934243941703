"""COPY rows whose columns nobody labelled: as `scanned`, for CopyData frames in text, csv and binary."""

from collections.abc import Iterable, Sequence
from struct import Struct, error

from gateway.masking import copy_cells
from gateway.masking.copy_cells import Dialect
from gateway.masking.forms import Form
from gateway.masking.scanned import ColumnCounts, ScannedRows, masked_cells
from gateway.masking.scanner import PIECE_BYTES, Scanner
from parser.errors import ProtocolError

_HEAD = Struct(">BI").unpack_from
_FRAME_LENGTH = Struct(">I").pack
_CELL_LENGTH = Struct(">i").pack
_NULL = _CELL_LENGTH(-1)
_COPY_DATA = 0x64


def scan_copy(
    scanner: Scanner, frames: bytes, columns: int, scans: Sequence[tuple[int, Form]], how: Dialect | None
) -> ScannedRows:
    """`frames`: whole CopyData frames, one row of `columns` cells each; `scans`: cell index (ascending) and form, at
    least one; `how`: None for binary. A header line is scanned like a row. Raises ProtocolError for what is not as
    described.

    Rows are looked at in pieces of at most `PIECE_BYTES`, or one row.
    """
    counts = tuple(ColumnCounts() for _ in scans)
    bounds = list(_rows(frames))
    parts: list[bytes] = []
    done = first = 0
    while first < len(bounds):
        last = first + 1
        while last < len(bounds) and bounds[last][1] - bounds[first][0] <= PIECE_BYTES:
            last += 1
        lines = [frames[begin:end] for begin, end in bounds[first:last]]
        if how is None:
            changed = _binary(scanner, lines, columns, scans, counts)
        else:
            changed = _written(scanner, lines, columns, scans, how, counts)
        for i, line in changed:
            begin, end = bounds[first + i]
            parts += (frames[done : begin - 4], _FRAME_LENGTH(len(line) + 4), line)
            done = end
        first = last
    if not parts:
        return ScannedRows(frames, counts)
    parts.append(frames[done:])
    return ScannedRows(b"".join(parts), counts)


def scan_lines(scanner: Scanner, frames: bytes, how: Dialect) -> ScannedRows:
    """The same for rows of text or csv of which it is not known what their cells are: every cell is looked at as text."""
    counts = ColumnCounts()
    parts: list[bytes] = []
    done = 0
    for begin, end in _rows(frames):
        cells = copy_cells.split(frames[begin:end], how)
        kept = [i for i, cell in enumerate(cells) if cell and cell != how.null]
        counts.cells += len(kept)
        changed = False
        for at, found in masked_cells(scanner, [copy_cells.plain(cells[i], how) for i in kept], Form.NESTED):
            counts.note(found.labels, found.whole)
            cells[kept[at]] = how.null if found.new is None else copy_cells.written(found.new, how)
            changed = True
        if changed:
            line = how.delimiter.join(cells) + b"\n"
            parts += (frames[done : begin - 4], _FRAME_LENGTH(len(line) + 4), line)
            done = end
    if not parts:
        return ScannedRows(frames, (counts,))
    parts.append(frames[done:])
    return ScannedRows(b"".join(parts), (counts,))


def _rows(frames: bytes) -> Iterable[tuple[int, int]]:
    """Begin and end of each frame's content."""
    at, size = 0, len(frames)
    try:
        while at < size:
            kind, length = _HEAD(frames, at)
            end = at + 1 + length
            if kind != _COPY_DATA or length < 4 or end > size:
                raise ProtocolError("COPY data is not made of whole frames")
            yield at + 5, end
            at = end
    except error:
        raise ProtocolError("COPY data is cut short") from None


def _written(
    scanner: Scanner,
    lines: Sequence[bytes],
    columns: int,
    scans: Sequence[tuple[int, Form]],
    how: Dialect,
    counts: tuple[ColumnCounts, ...],
) -> list[tuple[int, bytes]]:
    """The lines of text or csv that change, and what they become."""
    rows = [copy_cells.split(line, how) for line in lines]
    if any(len(cells) != columns for cells in rows):
        raise ProtocolError("a row of COPY data has not the expected number of cells")
    touched: set[int] = set()
    for (index, form), count in zip(scans, counts, strict=True):
        kept = [i for i, cells in enumerate(rows) if cells[index] != how.null]
        count.cells += len(kept)
        values = [copy_cells.plain(rows[i][index], how) for i in kept]
        filled = [at for at, value in enumerate(values) if value]
        for at, found in masked_cells(scanner, [values[at] for at in filled], form):
            i = kept[filled[at]]
            count.note(found.labels, found.whole)
            rows[i][index] = how.null if found.new is None else copy_cells.written(found.new, how)
            touched.add(i)
    return [(i, how.delimiter.join(rows[i]) + b"\n") for i in sorted(touched)]


def _binary(
    scanner: Scanner,
    lines: Sequence[bytes],
    columns: int,
    scans: Sequence[tuple[int, Form]],
    counts: tuple[ColumnCounts, ...],
) -> list[tuple[int, bytes]]:
    """As `_written`, for the binary format."""
    heads = [copy_cells.head_of_binary(line) for line in lines]
    rows = [
        [] if len(line) == head and head else copy_cells.split_binary(line, head)
        for line, head in zip(lines, heads, strict=True)
    ]
    if any(cells and len(cells) != columns for cells in rows):
        raise ProtocolError("a row of COPY data has not the expected number of cells")
    new: dict[int, dict[int, bytes]] = {}
    for (index, form), count in zip(scans, counts, strict=True):
        kept = [i for i, cells in enumerate(rows) if cells and cells[index][1] >= 0]
        count.cells += len(kept)
        places = [(i, (rows[i] or [])[index]) for i in kept]
        filled = [(i, begin, length) for i, (begin, length) in places if length]
        values = [lines[i][begin : begin + length] for i, begin, length in filled]
        for at, found in masked_cells(scanner, values, form):
            count.note(found.labels, found.whole)
            cell = _NULL if found.new is None else _CELL_LENGTH(len(found.new)) + found.new
            new.setdefault(filled[at][0], {})[index] = cell
    return [(i, _rebuilt(lines[i], rows[i] or [], new[i])) for i in sorted(new)]


def _rebuilt(line: bytes, cells: Sequence[tuple[int, int]], new: dict[int, bytes]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for index in sorted(new):
        begin, length = cells[index]
        parts += (line[at : begin - 4], new[index])
        at = begin + length
    parts.append(line[at:])
    return b"".join(parts)
