"""The primary keys that stand in rows on their way out: their cells, in one form for text and binary, ready to be digested.

Written for the compiler (setup.py), as `rows` is: a run of frames is walked once, and of each row only the cells of the key
are touched. A key's canonical form is that of its column's family, so that the same key is the same bytes from every door:

    i  integers, oid           decimal digits                  u  uuid        its 16 bytes
    t  text, varchar, name     the bytes                       c  char(n)     without the blanks at its end
    b  boolean                 t or f                          n  numeric     decimal, without zeros at the end of a fraction
    d  date, s timestamp       ISO 8601, as DateStyle ISO      z  timestamptz ISO 8601 in UTC

Keys of several columns are their forms one after the other, each behind its length (two bytes, big-endian). NULL in any of
them (an outer join's) is no key.
"""

from binascii import Error, unhexlify
from collections.abc import Sequence
from typing import Final, final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from gateway.masking.copy_cells import Dialect, plain
from gateway.masking.key_forms import (
    AS_IT_IS,
    BLANK_PADDED,
    BOOL_BINARY,
    INT2_BINARY,
    INT4_BINARY,
    INT8_BINARY,
    UUID_TEXT,
    slow,
)
from gateway.masking.rows import behind, tuple_begin
from parser.errors import ProtocolError

_COPY_DATA: Final = 0x64
_MINUS: Final = 0xFF
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_LINE_FEED: Final = 0x0A
BLOCK: Final = 16  # bytes of a block, of which one holds a short key
_ZEROS: Final = [bytes(15 - n) for n in range(16)]


@final
class Keys:
    """The keys of one table found in a run of rows. `short`: blocks of a length and a key of up to 15 bytes, filled up with
    zeros; `exact`: keys of 16 bytes; `long`: the others. `unread`: rows whose key was not in a form that is known."""

    def __init__(self, indexes: Sequence[int], forms: Sequence[int], families: str) -> None:
        """`indexes`: the key's columns in the result, in the key's order; `forms`: of key_forms; `families`: letters."""
        self.short = BytesWriter()
        self.exact = BytesWriter()
        self.long: list[bytes] = []
        self.unread = 0
        self.forms = list(forms)
        self.families = list(families)
        self.order = sorted(range(len(indexes)), key=list(indexes).__getitem__)  # of the stream
        self.indexes = [indexes[place] for place in self.order]
        self.csv = False  # of COPY: how its lines are written
        self.null = b""
        self.delimiter: i64 = 0
        self.escaped = False  # the cell at hand is not written as it is
        self.cells: list[bytes] = [b""] * len(indexes)  # of the row at hand, in the key's order

    def rows(self, frames: bytes, start: int, end: int) -> None:
        """Whole DataRow frames, or CopyData frames of COPY in the binary format. Raises ProtocolError."""
        at: i64 = start
        stop: i64 = end
        while at < stop:
            if stop - at < 5:
                raise ProtocolError("a row is cut short")
            after = at + 1 + i64(read_i32_be(frames, at + 1))
            row = at + 5
            if after < row or after > stop:
                raise ProtocolError("a row is not what its description says")
            if i64(frames[at]) == _COPY_DATA:
                row = tuple_begin(frames, row, after)
            if row < after:
                self.row(frames, row, after)
            at = after

    def row(self, frames: bytes, at: i64, end: i64) -> None:
        """One row, whose number of cells is here."""
        if end - at < 2:
            raise ProtocolError("a row has not the expected number of cells")
        columns = i64(read_i16_be(frames, at)) & 0xFFFF
        cell = at + 2
        column: i64 = 0
        for place in range(len(self.indexes)):
            index: i64 = self.indexes[place]
            if index >= columns:
                raise ProtocolError("a row has not the expected number of cells")
            while column < index:
                cell = behind(frames, cell, end)
                column += 1
            after = behind(frames, cell, end)
            if frames[cell] == _MINUS:
                return
            self.cells[self.order[place]] = frames[cell + 4 : after]
            cell = after
            column += 1
        self.put()

    def lines(self, frames: bytes, start: int, end: int, dialect: Dialect) -> None:
        """Whole CopyData frames of COPY in the text or csv format, without the header line. Raises ProtocolError."""
        self.csv, self.null, self.delimiter = dialect.csv, dialect.null, dialect.delimiter[0]
        at: i64 = start
        stop: i64 = end
        while at < stop:
            if stop - at < 5:
                raise ProtocolError("COPY data is cut short")
            after = at + 1 + i64(read_i32_be(frames, at + 1))
            if after <= at + 5 or after > stop or frames[after - 1] != _LINE_FEED:
                raise ProtocolError("a row of COPY data does not end its line")
            self.line(frames, at + 5, after - 1, dialect)
            at = after

    def line(self, frames: bytes, at: i64, stop: i64, dialect: Dialect) -> None:
        """One row, which ends its line at `stop`."""
        csv, null = self.csv, self.null
        delimiter = self.delimiter
        column: i64 = 0
        place = 0
        wanted: i64 = self.indexes[0]
        while True:
            begin = at
            self.escaped = False
            at = self.cell_end(frames, at, stop, delimiter, csv)
            if column == wanted:
                cell = frames[begin:at]
                if len(cell) == len(null) and cell == null:
                    return
                if self.escaped:
                    cell = plain(cell, dialect)
                self.cells[self.order[place]] = cell
                place += 1
                if place == len(self.indexes):
                    break
                wanted = self.indexes[place]
            if at >= stop:
                raise ProtocolError("a row of COPY data has not the expected number of cells")
            at += 1
            column += 1
        self.put()

    def is_ascii(self) -> bool:
        """Whether all keys are plain letters, the same bytes in every encoding that a session may have."""
        known = (self.short.getvalue(), self.exact.getvalue())
        return all(part.isascii() for part in known) and all(key.isascii() for key in self.long)

    def cell_end(self, frames: bytes, at: i64, stop: i64, delimiter: i64, csv: bool) -> i64:
        """Where the cell ends that begins here: before a delimiter, or at the end of the row."""
        if csv and at < stop and frames[at] == _QUOTE:
            self.escaped = True
            at += 1
            while at < stop:
                if frames[at] != _QUOTE:
                    at += 1
                elif at + 1 < stop and frames[at + 1] == _QUOTE:
                    at += 2
                else:
                    return at + 1
            raise ProtocolError("a cell of COPY data does not end")
        while at < stop:
            byte = i64(frames[at])
            if byte == delimiter:
                return at
            if byte == _BACKSLASH and not csv:
                self.escaped = True
                at += 1
            at += 1
        if at > stop:
            raise ProtocolError("a cell of COPY data does not end")
        return at

    def put(self) -> None:
        """Takes the key whose cells are here."""
        if len(self.cells) == 1:
            form = self.forms[0]
            key = self.cells[0] if form == AS_IT_IS else canonical(self.cells[0], form, self.families[0])
            if key is None:
                self.unread += 1
                return
            self.add(key)
            return
        parts: list[bytes] = []
        for place in range(len(self.cells)):
            part = canonical(self.cells[place], self.forms[place], self.families[place])
            if part is None or len(part) > 65535:
                self.unread += 1
                return
            parts.append(len(part).to_bytes(2, "big"))
            parts.append(part)
        self.add(b"".join(parts))

    def add(self, key: bytes) -> None:
        """Takes a canonical key."""
        size = len(key)
        if size < BLOCK:
            self.short.append(size)
            self.short.write(key)
            self.short.write(_ZEROS[size])
        elif size == BLOCK:
            self.exact.write(key)
        else:
            self.long.append(key)


def canonical(cell: bytes, form: int, family: str) -> bytes | None:
    """A cell in the form of its family; None where it is none of that family, or in no form that is known."""
    if form == AS_IT_IS:
        return cell
    if form == BLANK_PADDED:
        return cell.rstrip(b" ")
    size = len(cell)
    if form == INT4_BINARY:
        return str(int(read_i32_be(cell, 0))).encode() if size == 4 else None
    if form == INT8_BINARY:
        return str(int(read_i64_be(cell, 0))).encode() if size == 8 else None
    if form == INT2_BINARY:
        return str(int(read_i16_be(cell, 0))).encode() if size == 2 else None
    if form == UUID_TEXT:
        try:
            raw = unhexlify(cell.replace(b"-", b""))
        except (Error, ValueError):
            return None
        return raw if len(raw) == BLOCK else None
    if form == BOOL_BINARY:
        return (b"t" if cell[0] else b"f") if size == 1 else None
    return slow(cell, form, family)
