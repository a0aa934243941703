"""The rows of COPY data cut into cells: text, csv and binary (manual, COPY, File Formats).

The server sends each row as one CopyData message. That is relied upon, and checked: a message that is not exactly one
row is a ProtocolError.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct, error

from parser.errors import ProtocolError

# Possessive: nothing is tried twice.
_TEXT_CELL = rb"(?:[^\\\n\r%s]++|\\[^\n])*+"
_CSV_CELL = rb'"(?:[^"]++|"")*+"|[^"\r\n%s]*+'
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_UNESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_TO_ESCAPE = re.compile(rb"[\\\b\f\n\r\t\v]")
_ESCAPES = {plain: b"\\" + letter for letter, plain in _UNESCAPED.items()} | {b"\\": b"\\\\"}

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_FIELDS = Struct(">h").unpack_from
_LENGTH = Struct(">i")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of text and csv are written. `delimiter` is one byte; `null` stands for NULL. Quotation marks are
    doubled, as csv does by itself."""

    csv: bool
    delimiter: bytes
    null: bytes
    header: bool


@lru_cache(maxsize=64)
def cell_pattern(how: Dialect) -> re.Pattern[bytes]:
    """A raw cell, as far as it goes from where it begins."""
    return re.compile((_CSV_CELL if how.csv else _TEXT_CELL) % re.escape(how.delimiter))


def split(line: bytes, how: Dialect) -> list[bytes]:
    """The raw cells of exactly one row."""
    if line[-1:] != b"\n":
        raise ProtocolError("a row of COPY data does not end its line")
    if b'"' not in line if how.csv else b"\\" not in line:
        if line.find(b"\n") != len(line) - 1 or b"\r" in line:
            raise ProtocolError("a frame of COPY data is not one row")
        return line[:-1].split(how.delimiter)
    end = len(line) - 1
    cells: list[bytes] = []
    at = 0
    pattern = cell_pattern(how)
    while True:
        found = pattern.match(line, at, end)
        assert found is not None, "an empty cell always matches"
        cells.append(found.group())
        at = found.end()
        if at == end:
            return cells
        if line[at : at + 1] != how.delimiter:
            raise ProtocolError("a frame of COPY data is not one row")
        at += 1


def plain(cell: bytes, how: Dialect) -> bytes:
    """The value that a raw cell writes."""
    if how.csv:
        return cell[1:-1].replace(b'""', b'"') if cell[:1] == b'"' else cell
    if b"\\" not in cell:
        return cell
    return _ESCAPED.sub(lambda found: _UNESCAPED.get(found[1], found[1]), cell)


def written(value: bytes, how: Dialect) -> bytes:
    """The raw cell that writes a value: the opposite of `plain`, never the mark of NULL."""
    if how.csv:
        quoted = value == how.null or any(mark in value for mark in (b'"', b"\n", b"\r", how.delimiter))
        return b'"' + value.replace(b'"', b'""') + b'"' if quoted else value
    escaped = _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], value)
    return escaped.replace(how.delimiter, b"\\" + how.delimiter) if how.delimiter != b"\t" else escaped


def head_of_binary(row: bytes) -> int:
    """The bytes of the stream's header at the begin of a row of binary COPY: the first row brings it."""
    if not row.startswith(_SIGNATURE):
        return 0
    try:
        (extension,) = _LENGTH.unpack_from(row, len(_SIGNATURE) + 4)
    except error:
        raise ProtocolError("a header of COPY data is cut short") from None
    if extension < 0 or len(_SIGNATURE) + 8 + extension > len(row):
        raise ProtocolError("a header of COPY data is cut short")
    return len(_SIGNATURE) + 8 + int(extension)


def split_binary(row: bytes, start: int) -> list[tuple[int, int]] | None:
    """(begin, length; -1 for NULL) of each cell of a row whose header ends at `start`; None for the end of the stream."""
    found: list[tuple[int, int]] = []
    try:
        (count,) = _FIELDS(row, start)
        if count == -1 and len(row) == start + 2:
            return None
        at = start + 2
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(row, at)
            if length < -1:
                raise ProtocolError("a cell of COPY data has a negative length")
            found.append((at + 4, length))
            at += 4 + max(length, 0)
    except error:
        raise ProtocolError("a row of COPY data is cut short") from None
    if count < 0 or at != len(row):
        raise ProtocolError("a row of COPY data is not as long as its cells")
    return found
