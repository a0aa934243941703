"""COPY … TO STDOUT in the text and csv formats: cells masked by their place in the row (manual, COPY, File Formats).

The server sends each row as one CopyData message (`CopySendEndOfRow` in its copyto.c), csv cells with line breaks included.
That is relied upon, and checked: a message that is not exactly one row of the expected cells is a ProtocolError. Every byte
is looked at once, by compiled code (setup.py), or by a regular expression where nothing is compiled; what is not masked is
copied in stretches, as in `rows`.
"""

from dataclasses import dataclass
from typing import Final, final

from librt.strings import BytesWriter, read_i32_be
from mypy_extensions import i64

from gateway.masking.copy_cells import Dialect, cell_pattern, plain, written
from gateway.masking.masks import CellMask, How
from gateway.masking.rows import COMPILED, set_length
from parser.errors import ProtocolError

_COPY_DATA: Final = 0x64
_LINE_FEED: Final = 0x0A
_RETURN: Final = 0x0D
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C


@dataclass(frozen=True, slots=True)
class Place:
    """A masked cell's place in the row. `name` is what a header line would call it, None where it is not known."""

    index: int
    mask: CellMask
    name: bytes | None


def mask(frames: bytes, columns: int, places: tuple[Place, ...], dialect: Dialect) -> bytes:
    """Whole CopyData frames in, whole CopyData frames out; `places` by index, at least one. Raises ProtocolError for what is
    not one row of `columns` cells a frame."""
    return _Run(frames, columns, places, dialect).whole()


def _constant(mask: CellMask, dialect: Dialect) -> bytes:
    return dialect.null if mask.value is None else written(mask.value, dialect)


@final
class _Run:
    """One pass over a run of frames: what is not yet written of them begins at `kept`."""

    def __init__(self, frames: bytes, columns: int, places: tuple[Place, ...], dialect: Dialect) -> None:
        self.frames = frames
        self.out = BytesWriter()
        self.kept: i64 = 0
        self.columns: i64 = columns
        self.places = places
        self.dialect = dialect
        self.csv = dialect.csv
        self.cell = None if COMPILED else cell_pattern(dialect)
        self.delimiter: i64 = dialect.delimiter[0]
        self.null = dialect.null
        self.header = dialect.header
        self.indexes = [place.index for place in places]
        self.indexes.append(-1)
        # A constant as it is written; None where the cell must be made.
        self.constants = [
            _constant(place.mask, dialect) if place.mask.how is How.FIXED else None for place in places
        ]
        self.nulls = [place.mask.nulls for place in places]

    def whole(self) -> bytes:
        frames, out = self.frames, self.out
        size: i64 = len(frames)
        at: i64 = 0
        while at < size:
            if size - at < 5:
                raise ProtocolError("COPY data is cut short")
            length = i64(read_i32_be(frames, at + 1))
            end = at + 1 + length
            if i64(frames[at]) != _COPY_DATA or length < 4 or end > size:
                raise ProtocolError("COPY data is not made of whole frames")
            if length < 5 or frames[end - 1] != _LINE_FEED:
                raise ProtocolError("a row of COPY data does not end its line")
            head = len(out) + at + 1 - self.kept
            grown = self.line(at + 5, end - 1)
            if grown != 0:
                set_length(out, head, length + grown)
            at = end
        if self.kept < size:
            out.write(frames[self.kept : size])
        return out.getvalue()

    def line(self, begin: i64, stop: i64) -> i64:
        """Writes one row, which ends its line at `stop`, up to its last masked cell. Gives by how many bytes it grew."""
        frames, out = self.frames, self.out
        start = begin
        column: i64 = 0
        grown: i64 = 0
        place = 0
        wanted: i64 = self.indexes[0]
        while True:
            end = self.cell_end(begin, stop)
            if column == wanted:
                if place == 0 and self.header and self.is_header(start, stop, begin, end):
                    wanted = -1
                else:
                    new = self.replaced(place, begin, end)
                    if new is not None:
                        out.write(frames[self.kept : begin])
                        out.write(new)
                        grown += len(new) - (end - begin)
                        self.kept = end
                    place += 1
                    wanted = self.indexes[place]
            column += 1
            if end == stop:
                break
            begin = end + 1
        if column != self.columns:
            raise ProtocolError("a row of COPY data has not the expected number of cells")
        return grown

    def cell_end(self, at: i64, stop: i64) -> i64:
        """Where the cell ends that begins here: before a delimiter, or at the end of the row."""
        if self.cell is None:
            return self.quoted(at, stop) if self.csv else self.escaped(at, stop)
        found = self.cell.match(self.frames, at, stop)
        end: i64 = found.end() if found is not None else at
        if end < stop and i64(self.frames[end]) != self.delimiter:
            raise ProtocolError("a frame of COPY data is not one row")
        return end

    def escaped(self, at: i64, stop: i64) -> i64:
        """Where the cell of the text format ends that begins here. The server writes control characters with backslashes."""
        frames, delimiter = self.frames, self.delimiter
        while at < stop:
            byte = i64(frames[at])
            if byte == delimiter:
                break
            if byte == _BACKSLASH:
                at += 1
                if at >= stop or frames[at] == _LINE_FEED:
                    raise ProtocolError("a frame of COPY data is not one row")
            elif byte in (_LINE_FEED, _RETURN):
                raise ProtocolError("a frame of COPY data is not one row")
            at += 1
        return at

    def quoted(self, at: i64, stop: i64) -> i64:
        """Where the cell of the csv format ends that begins here."""
        frames, delimiter = self.frames, self.delimiter
        if at < stop and frames[at] == _QUOTE:
            at += 1
            while at < stop and (frames[at] != _QUOTE or (at + 1 < stop and frames[at + 1] == _QUOTE)):
                at += 2 if frames[at] == _QUOTE else 1
            at += 1
            if at > stop or (at < stop and i64(frames[at]) != delimiter):
                raise ProtocolError("a frame of COPY data is not one row")
            return at
        while at < stop:
            byte = i64(frames[at])
            if byte == delimiter:
                break
            if byte in (_QUOTE, _LINE_FEED, _RETURN):
                raise ProtocolError("a frame of COPY data is not one row")
            at += 1
        return at

    def replaced(self, place: int, begin: i64, end: i64) -> bytes | None:
        """What is written instead of the cell. None: it is a NULL that stays."""
        null = end - begin == len(self.null) and self.frames[begin:end] == self.null
        if null and self.nulls[place]:
            return None
        constant = self.constants[place]
        if constant is not None:
            return constant
        value = None if null else plain(self.frames[begin:end], self.dialect)
        made: bytes | None = self.places[place].mask.cell(value)
        return self.null if made is None else written(made, self.dialect)

    def is_header(self, start: i64, stop: i64, begin: i64, end: i64) -> bool:
        """Whether the row is the header, or tells no more than it: the first masked cell and all others are their names."""
        if plain(self.frames[begin:end], self.dialect) != self.places[0].name:
            return False
        cells: list[bytes] = []
        at = start
        while True:
            behind = self.cell_end(at, stop)
            cells.append(self.frames[at:behind])
            if behind == stop:
                break
            at = behind + 1
        return all(
            place.index < len(cells) and plain(cells[place.index], self.dialect) == place.name for place in self.places
        )
