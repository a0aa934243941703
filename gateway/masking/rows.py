"""Masking rows in one pass: DataRow frames, and the CopyData frames of COPY in the binary format, whose tuples look alike.

Written for the compiler (setup.py): integers of fixed width, big-endian reads straight from the buffer, one growing output.
What is not masked is copied in stretches that reach from one masked cell to the next, over the ends of rows; the length of a
row is put right afterwards in the output. Compiled, it is faster than numpy for any number of rows (decision 3);
interpreted it says the same, and `kernels` takes large blocks.
"""

from collections.abc import Sequence
from typing import Final, final

from librt.strings import BytesWriter, read_i16_be, read_i32_be
from mypy_extensions import i64, u8

from gateway.masking.masks import STARS, TAIL, CellMask, How
from parser.errors import ProtocolError

_DATA_ROW: Final = 0x44
_COPY_DATA: Final = 0x64
COMPILED: Final = not __file__.endswith(".py")
_MINUS: Final = 0xFF  # the first byte of a length of -1, which means NULL; no other negative length passes
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"  # of COPY BINARY, then flags (Int32) and an extension (Int32 length, bytes)
_SIGNATURE_BYTES: Final = 11
_TRAILER: Final = -1  # in place of a tuple's number of cells


def mask(frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    """`frames`: whole DataRow frames of `columns` columns; `masks`: column index (ascending) and mask, at least one.

    Everything up to the last masked column is checked and raises ProtocolError; what follows it goes out as it came.
    """
    return _Run(frames, columns, masks).whole(_DATA_ROW)


def mask_tuples(frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> bytes:
    """As `mask`, for whole CopyData frames of COPY … TO STDOUT (FORMAT binary): one tuple each, the signature before the
    first (`CopySendEndOfRow` in PostgreSQL's copyto.c), the trailer alone or behind it."""
    run = _Run(frames, columns, masks)
    run.entire = True
    return run.whole(_COPY_DATA)


def run_end(buffer: bytes, start: int, kind: int, least: int) -> int:
    """The offset behind the last whole frame of the unbroken run of frames of this type that begins at `start`.
    ProtocolError for a length below `least`."""
    at: i64 = start
    last: i64 = len(buffer) - 5
    wanted: i64 = kind
    shortest: i64 = least
    while at <= last and i64(buffer[at]) == wanted:
        length = i64(read_i32_be(buffer, at + 1))
        if length < shortest:
            raise ProtocolError("a frame is shorter than its own head")
        if at + length > last + 4:
            break
        at += 1 + length
    return at


def count(frames: bytes, start: int, end: int) -> int:
    """How many frames there are between two offsets, where whole ones begin and end."""
    at: i64 = start
    stop: i64 = end
    found: i64 = 0
    while at < stop:
        at += 1 + i64(read_i32_be(frames, at + 1))
        found += 1
    return found


def set_length(out: BytesWriter, at: i64, length: i64) -> None:
    """Overwrites the Int32 at this offset of the output."""
    out[at] = u8((length >> 24) & 255)
    out[at + 1] = u8((length >> 16) & 255)
    out[at + 2] = u8((length >> 8) & 255)
    out[at + 3] = u8(length & 255)


@final
class _Run:
    """One pass over a run of frames: what is not yet written of them begins at `kept`."""

    def __init__(self, frames: bytes, columns: int, masks: Sequence[tuple[int, CellMask]]) -> None:
        self.frames = frames
        self.out = BytesWriter()
        self.kept: i64 = 0
        self.columns: i64 = columns
        self.entire = False  # whether rows are checked to their ends, since what follows could be another
        self.indexes = [index for index, _ in masks]
        self.masks = [mask for _, mask in masks]
        # A constant's cell with its length field; None where it must be made.
        self.packed = [mask.packed if mask.how is How.FIXED else None for mask in self.masks]
        self.nulls = [mask.nulls for mask in self.masks]
        self.keeps = [mask.keep if mask.how is How.PARTIAL else -1 for mask in self.masks]
        self.tail = TAIL

    def whole(self, kind: i64) -> bytes:
        frames, out = self.frames, self.out
        size: i64 = len(frames)
        at: i64 = 0
        while at < size:
            if size - at < 5:
                raise ProtocolError("a row is cut short")
            length = i64(read_i32_be(frames, at + 1))
            end = at + 1 + length
            if i64(frames[at]) != kind or length < 6 or end > size:
                raise ProtocolError("a row is not what its description says")
            row = at + 5
            if kind == _COPY_DATA:
                row = tuple_begin(frames, row, end)
            if row < end:
                if end - row < 2 or i64(read_i16_be(frames, row)) & 0xFFFF != self.columns:
                    raise ProtocolError("a row has not the expected number of cells")
                head = len(out) + at + 1 - self.kept
                grown = self.row(row + 2, end)
                if grown != 0:
                    set_length(out, head, length + grown)
            at = end
        if self.kept < size:
            out.write(frames[self.kept : size])
        return out.getvalue()

    def row(self, cell: i64, end: i64) -> i64:
        """Writes one row, whose first cell is here, up to its last masked cell. Gives by how many bytes it grew."""
        frames, out = self.frames, self.out
        kept = self.kept
        grown: i64 = 0
        column: i64 = 0
        for place in range(len(self.indexes)):
            index: i64 = self.indexes[place]
            while column < index:
                cell = behind(frames, cell, end)
                column += 1
            column += 1
            after = behind(frames, cell, end)
            null = frames[cell] == _MINUS
            if null and self.nulls[place]:
                cell = after
                continue
            out.write(frames[kept:cell])
            grown += self.write(place, cell + 4, after) - (after - cell)
            cell = kept = after
        while self.entire and column < self.columns:
            cell = behind(frames, cell, end)
            column += 1
        if column == self.columns and cell != end:
            raise ProtocolError("a row is longer than its cells")
        self.kept = kept
        return grown

    def write(self, place: int, begin: i64, end: i64) -> i64:
        """Writes what takes the place of a cell, with its length field. Gives their bytes."""
        out = self.out
        constant = self.packed[place]
        if constant is not None:
            out.write(constant)
            return len(constant)
        head = i64(len(out))
        out.write(b"\0\0\0\0")
        keep: i64 = self.keeps[place]
        if keep < 0:
            token = self.masks[place].cell(self.frames[begin:end])
            assert token is not None, "a value's token"
            out.write(token)
        else:
            out.write(STARS)
            for at in range(end - min(keep, (end - begin) // 2), end):
                out.append(self.tail[self.frames[at]])
        length = i64(len(out)) - head - 4
        set_length(out, head, length)
        return length + 4


def behind(frames: bytes, cell: i64, end: i64) -> i64:
    """Where the cell ends whose length field is here."""
    if cell + 4 > end:
        raise ProtocolError("a cell does not fit its row")
    length = i64(read_i32_be(frames, cell))
    if length < 0:
        if length != -1:
            raise ProtocolError("a cell has a negative length")
        return cell + 4
    if cell + 4 + length > end:
        raise ProtocolError("a cell does not fit its row")
    return cell + 4 + length


def tuple_begin(frames: bytes, at: i64, end: i64) -> i64:
    """Where the tuple of a binary CopyData message begins, `end` if there is none in it."""
    if at < end and frames[at] == _SIGNATURE[0] and frames[at : at + _SIGNATURE_BYTES] == _SIGNATURE:
        extension = at + _SIGNATURE_BYTES + 4
        if extension + 4 > end or read_i32_be(frames, extension - 4) != 0:
            raise ProtocolError("COPY data in a binary format that is not known")
        length = i64(read_i32_be(frames, extension))
        at = extension + 4 + length
        if length < 0 or at > end:
            raise ProtocolError("COPY data in a binary format that is not known")
    if end - at == 2 and read_i16_be(frames, at) == _TRAILER:
        return end
    return at
