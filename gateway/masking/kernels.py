"""Masking many DataRow frames at once with numpy, and the walk over a run of them: the way of an interpreted installation,
and the second opinion of the tests. Where `rows` is compiled it is faster for any number of rows, and is taken alone.

A block of rows becomes one gather: the output is described as segments of the input (the bytes between two masked cells), an
index array is built from them with one `repeat`, and one `take` copies all. The places of masked cells are segments' first
bytes and are overwritten afterwards by one scatter a column. Nothing loops over rows, but for hash tokens: they are made
first, each of its cell, because their lengths differ.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.masking import rows
from gateway.masking.masks import NULL_CELL, STARS, TAIL, CellMask, How
from parser.errors import ProtocolError

# Measured (python tests/gateway/masking/speed.py; 2 cores, Python 3.11, numpy 2.4) with all interpreted: below so many rows,
# or with rows wider than so many bytes, row by row is faster; larger blocks gain nothing (smaller ones cost calls).
BULK_ROWS_MIN = 24
BULK_ROW_BYTES = (1000, 400)  # a base, and more for each masked column
BLOCK_BYTES = 262144
WALK_BYTES_MIN = 16384  # shorter buffers are walked by a loop

NATIVE = rows.COMPILED  # measured there: 60 ns a row of 88 bytes with two constants, 230 to 700 here
_DATA_ROW = 0x44
_ROW_HEAD = Struct(">BIH").unpack_from

Bytes: TypeAlias = NDArray[np.uint8]
Offsets: TypeAlias = NDArray[np.int64]

_FOUR = np.arange(4)
_TAIL = np.frombuffer(TAIL, np.uint8)
_NULL = np.frombuffer(NULL_CELL, np.uint8)
_STARS = np.frombuffer(STARS, np.uint8)


def data_rows_end(buffer: bytes, start: int) -> int:
    """The offset behind the last whole DataRow frame of the unbroken run of them that begins at `start`."""
    at, size = start, len(buffer)
    if not NATIVE and size - at >= WALK_BYTES_MIN and buffer[at] == _DATA_ROW:
        found, proven, _ = _chain(buffer, at, buffer[at + 5 : at + 7])
        at = int(found[proven - 1]) if proven else at
    return rows.run_end(buffer, at, _DATA_ROW, 6)


def mask(frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    """As `rows.mask`, byte for byte, whichever of the two ways it takes."""
    if not masks:
        return frames
    size = len(frames)
    if NATIVE or size < BULK_ROWS_MIN * 7:
        return rows.mask(frames, columns, masks)
    (_, length, _) = _ROW_HEAD(frames, 0)
    if size < BULK_ROWS_MIN * (length + 1) or length > BULK_ROW_BYTES[0] + BULK_ROW_BYTES[1] * len(masks):
        return rows.mask(frames, columns, masks)
    return bulk(frames, columns, masks)


def bulk(frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    """The numpy way of `mask`, for any number of rows; at least one mask."""
    bounds = bounds_of(frames, columns)
    count = len(bounds) - 1
    if count <= 0:
        return b""
    step = max(64, BLOCK_BYTES * count // len(frames))
    return b"".join(
        _block(frames, bounds[at : at + step + 1], columns, masks) for at in range(0, count, step)
    )


def _chain(buffer: bytes, start: int, count: bytes) -> tuple[Offsets, int, int]:
    """(offsets of what looks like DataRow frames with this column count from `start` on; how many of the first of them are
    proven, each by the end of the one before; where the last proven one says that it ends)."""
    view = np.frombuffer(buffer, np.uint8, offset=start)
    found = np.flatnonzero(view[:-6] == _DATA_ROW)
    found = found[(view[found + 6] == count[1]) & (view[found + 5] == count[0])] + start
    if not len(found) or found[0] != start:
        return found, 0, start
    lengths = _int32(buffer)[found + 1]
    ends = found + 1 + lengths
    wrong = np.flatnonzero((ends[:-1] != found[1:]) | (lengths[:-1] < 6))
    proven = int(wrong[0]) + 1 if len(wrong) else len(found)
    return found, proven, int(ends[proven - 1])


def bounds_of(frames: bytes, columns: int) -> Offsets:
    """The offset of each frame and, last, the end. ProtocolError unless all are whole DataRows with `columns` cells."""
    size = len(frames)
    if size >= WALK_BYTES_MIN:
        found, proven, end = _chain(frames, 0, columns.to_bytes(2, "big"))
        if proven == len(found) and end == size and size - int(found[-1]) >= 7:
            return np.append(found, size)
    at, walked = 0, []
    while at < size:
        if size - at < 7:
            raise ProtocolError("a row is cut short")
        kind, length, count = _ROW_HEAD(frames, at)
        if kind != _DATA_ROW or length < 6 or at + 1 + length > size or count != columns:
            raise ProtocolError("a row is not what its description says")
        walked.append(at)
        at += 1 + length
    return np.array([*walked, size], np.int64)


def _int32(buffer: bytes) -> NDArray[np.int32]:
    """A view of the buffer that has the big-endian Int32 at byte i as its element i."""
    return np.ndarray((len(buffer) - 3,), dtype=">i4", buffer=buffer, strides=(1,))


def cells_of(
    frames: bytes, starts: Offsets, ends: Offsets, columns: int, wanted: Sequence[int]
) -> list[tuple[Offsets, Offsets]]:
    """For each wanted column (ascending): where each row's length field is, and the lengths (-1: NULL)."""
    lengths_at, limit = _int32(frames), ends - 4
    cell = starts + 7
    found: list[tuple[Offsets, Offsets]] = []
    for column in range(wanted[-1] + 1):
        if bool((cell > limit).any()):
            raise ProtocolError("a cell does not fit its row")
        length = lengths_at[cell].astype(np.int64)
        if int(length.min()) < -1:
            raise ProtocolError("a cell has a negative length")
        if column == wanted[len(found)]:
            found.append((cell, length))
        cell = cell + np.maximum(length, 0) + 4
    if bool((cell > ends).any()) or (wanted[-1] == columns - 1 and bool((cell != ends).any())):
        raise ProtocolError("a row's length and its cells disagree")
    return found


def _block(frames: bytes, bounds: Offsets, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    starts, ends = bounds[:-1], bounds[1:]
    cells = cells_of(frames, starts, ends, columns, [index for index, _ in masks])
    source = np.empty((len(starts), len(masks) + 1), np.int64)
    length = np.empty_like(source)
    begin = source[:, 0] = starts
    made: list[tuple[bytes, Offsets]] = []
    for j, ((cell, old), (_, mask)) in enumerate(zip(cells, masks, strict=True)):
        made.append(_tokens(frames, cell, old, mask) if mask.how is How.HASH else (b"", _new_lengths(mask, old)))
        length[:, j] = cell + 4 - begin
        begin = cell + 4 + np.maximum(old, 0) - made[j][1]
        source[:, j + 1] = begin
    length[:, -1] = ends - begin
    out, placed = _gather(frames, source, length)
    for j, ((_, old), (_, mask)) in enumerate(zip(cells, masks, strict=True)):
        _overwrite(out, placed[:, j + 1], old, mask, made[j])
    row_bytes = length.sum(axis=1) - 1
    _pieces(out, ">u4")[placed[:, 0] + 1] = row_bytes
    return out.tobytes()


def _gather(frames: bytes, source: Offsets, length: Offsets) -> tuple[Bytes, Offsets]:
    """The segments in order as one array, and where each begins in it. A segment may begin before the buffer: such bytes are
    all overwritten, so `clip` is harmless."""
    flat = length.ravel()
    ends = np.cumsum(flat)
    placed = ends - flat
    index = np.repeat(source.ravel() - placed, flat)
    index += np.arange(int(ends[-1]))
    view = np.frombuffer(frames, np.uint8)
    return view.take(index, mode="clip"), placed.reshape(length.shape)


def _new_lengths(mask: CellMask, old: Offsets) -> Offsets:
    """Bytes of each cell that goes out, 0 for NULL."""
    if mask.how is How.FIXED:
        size = len(mask.value or b"")
        return np.where(old < 0, 0, size) if mask.nulls else np.full_like(old, size)
    return np.where(old < 0, 0, len(STARS) + np.minimum(old // 2, mask.keep))


def _tokens(frames: bytes, cell: Offsets, old: Offsets, mask: CellMask) -> tuple[bytes, Offsets]:
    """The tokens of one column, joined, and the bytes of each (0 for NULL)."""
    spans = zip((cell + 4).tolist(), old.tolist(), strict=True)
    tokens = mask.tokens([frames[begin : begin + size] for begin, size in spans if size >= 0])
    lengths = np.zeros_like(old)
    lengths[old >= 0] = list(map(len, tokens))
    return b"".join(tokens), lengths


def _overwrite(out: Bytes, at: Offsets, old: Offsets, mask: CellMask, made: tuple[bytes, Offsets]) -> None:
    """Writes the masked cells of one column over their places `at` in `out`, and their length fields before them. `made`:
    the tokens of HASH, and the bytes of each new cell."""
    new = made[1]
    if mask.nulls:
        chosen = np.flatnonzero(old >= 0)
        at, old, new = at[chosen], old[chosen], new[chosen]
        if not len(at):
            return
    if mask.how is How.FIXED:
        _pieces(out, f"V{len(mask.packed)}")[at - 4] = np.void(mask.packed)
        return
    _pieces(out, ">u4")[at - 4] = new
    if mask.how is How.HASH:
        index = np.repeat(at - (np.cumsum(new) - new), new)
        index += np.arange(len(index))
        out[index] = np.frombuffer(made[0], np.uint8)
        return
    out[at[:, None] + _FOUR] = _STARS
    kept = np.minimum(old // 2, mask.keep)
    for j in range(int(kept.max())):
        tail = at[kept > j] + (len(STARS) + j)
        out[tail] = _TAIL[out[tail]]


def _pieces(out: Bytes, dtype: str) -> NDArray[Any]:
    """A view of the array that has the piece of this type at byte i as its element i: one store a cell, not one a byte."""
    size = np.dtype(dtype).itemsize
    return np.ndarray((len(out) - size + 1,), dtype=dtype, buffer=out.data, strides=(1,))
