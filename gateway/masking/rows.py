"""Masking DataRow frames one by one: for few rows, or wide ones. `kernels` gives the same bytes for many."""

from collections.abc import Sequence
from struct import Struct, error

from gateway.masking.masks import NULL_CELL, CellMask, How
from parser.errors import ProtocolError

_HEAD = Struct(">BIH").unpack_from  # type, length, number of columns
_LENGTH = Struct(">i").unpack_from
_FRAME_LENGTH = Struct(">I").pack
_CELL_LENGTH = Struct(">i").pack
_DATA_ROW = 0x44


def mask(frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    """`frames`: whole DataRow frames of `columns` columns; `masks`: column index (ascending) and mask, at least one.

    Everything up to the last masked column is checked and raises ProtocolError; what follows it goes out as it came.
    """
    parts: list[bytes] = []
    at, size = 0, len(frames)
    try:
        while at < size:
            kind, length, count = _HEAD(frames, at)
            end = at + 1 + length
            if kind != _DATA_ROW or length < 6 or end > size or count != columns:
                raise ProtocolError("a row is not what its description says")
            at = _row(frames, at, end, columns, masks, parts)
    except error:
        raise ProtocolError("a row is cut short") from None
    return b"".join(parts)


def count(frames: bytes, start: int, end: int) -> int:
    """How many frames there are between two offsets, where whole ones begin and end."""
    at = start
    found = 0
    while at < end:
        (length,) = _LENGTH(frames, at + 1)
        at += 1 + length
        found += 1
    return found


def _row(
    frames: bytes, at: int, end: int, columns: int, masks: Sequence[tuple[int, CellMask]], parts: list[bytes]
) -> int:
    """Appends one masked row to `parts`; gives `end`."""
    cell, kept, column, grown = at + 7, at + 5, 0, 0
    first = len(parts)
    parts += (b"D", b"")
    for index, mask in masks:
        for _ in range(index - column):
            (length,) = _LENGTH(frames, cell)
            if length < -1:
                raise ProtocolError("a cell has a negative length")
            cell += 4 + length if length > 0 else 4
        column = index + 1
        (length,) = _LENGTH(frames, cell)
        value = cell + 4
        after = value + length if length > 0 else value
        if length < -1 or after > end:
            raise ProtocolError("a cell does not fit its row")
        if length < 0 and mask.nulls:
            cell = after
            continue
        new = mask.packed if mask.how is How.FIXED else _packed(mask.cell(frames[value:after]))
        parts += (frames[kept:cell], new)
        grown += len(new) - (after - cell)
        cell = kept = after
    if column == columns and cell != end:
        raise ProtocolError("a row is longer than its cells")
    parts[first + 1] = _FRAME_LENGTH(end - at - 1 + grown)
    parts.append(frames[kept:end])
    return end


def _packed(cell: bytes | None) -> bytes:
    return NULL_CELL if cell is None else _CELL_LENGTH(len(cell)) + cell
