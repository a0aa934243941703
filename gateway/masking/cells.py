"""One cell of any form, with the personal data in it masked: the value keeps its type, and a client's decoder stays content.

Composite values are taken apart, each part masked by the same rules, and put together again with the lengths that
they have then. A value that cannot be taken apart, and in which personal data stands, becomes NULL.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, error

from gateway.masking import documents
from gateway.masking.forms import REDACTED_HEX, Form, form_of
from gateway.masking.masks import REDACTED
from gateway.masking.numbers import Span
from gateway.masking.scanner import Places, Scanner

_DEPTH_MAX = 16  # values inside values
_Reader = Callable[[bytes, Sequence[Span], frozenset[str]], documents.Masked | None]
_INT = Struct(">i")
_COUNT = Struct(">I").unpack_from
_LENGTH = Struct(">i").unpack_from
_SHORT = Struct(">H").unpack_from
_NULL = _INT.pack(-1)

# Control bytes part what is text in a string of any bytes.
_TEXTUAL = bytes(byte if byte in b"\t\n\r" or 32 <= byte != 127 else 10 for byte in range(256))
_ASCII = bytes(byte if byte < 128 else 10 for byte in _TEXTUAL)
_HEX = re.compile(rb"\\x(?:[0-9a-fA-F]{2}){6,}")
_PIECE = re.compile(rb'"((?:[^"\\]|\\.|"")*)"|[^"{}(),\[\]]+', re.DOTALL)
_LEXEME = re.compile(rb"'((?:[^'\\]|\\.|'')*)'", re.DOTALL)
_ESCAPED = re.compile(rb'\\(.)|"(")', re.DOTALL)
_TO_ESCAPE = re.compile(rb'(["\\])')


@dataclass(frozen=True, slots=True)
class MaskedCell:
    """What goes out instead of a cell: `new` (None: NULL), the labels of what was found, and whether that was all of
    the cell."""

    new: bytes | None
    labels: tuple[str, ...]
    whole: bool


def view(cell: bytes, form: Form) -> bytes:
    """The bytes of a cell that the scanner is shown."""
    if form is Form.BYTEA_TEXT:
        return _readable(_decoded(cell))
    return _readable(cell) if form is Form.BYTEA else cell


def mask(
    scanner: Scanner, cell: bytes, form: Form, places: Places | None = None, depth: int = 0
) -> MaskedCell | None:
    """The masked cell, None where it may go out as it is. `places`: those in its view, where the gates have been
    passed already.

    Raises nothing, whatever the bytes.
    """
    if depth > _DEPTH_MAX:
        return MaskedCell(None, ("derived",), False)
    if form is Form.NESTED:
        return _nested(scanner, cell, depth)
    if form is Form.NESTED_BINARY:
        return _nested_binary(scanner, cell, depth)
    if form is Form.TSVECTOR_BINARY:
        return _tsvector(scanner, cell)
    seen = view(cell, form)
    spans = scanner.find(seen) if places is None else scanner.spans(seen, places)
    if form is Form.JSON:
        return _document(scanner, cell, spans, documents.mask_json, documents.REDACTED_STRING)
    if form is Form.JSONB_BINARY:
        inside = _document(
            scanner,
            cell[1:],
            [(max(0, a - 1), b - 1, label) for a, b, label in spans if b > 1],
            documents.mask_json,
            documents.REDACTED_STRING,
        )
        return inside and MaskedCell(cell[:1] + (inside.new or b""), inside.labels, inside.whole)
    if form is Form.XML:
        return _document(scanner, cell, spans, documents.mask_xml, REDACTED)
    if form is Form.TEXT:
        return _text(scanner, cell, spans)
    labels = tuple(label for _, _, label in spans)
    return (
        MaskedCell(REDACTED if form is Form.BYTEA else REDACTED_HEX, labels, _whole(seen, spans))
        if spans
        else None
    )


def _whole(text: bytes, spans: list[Span]) -> bool:
    """Whether one span is all of a text but for the blanks around it."""
    if len(spans) != 1:
        return False
    begin, end, _ = spans[0]
    return not text[:begin].strip() and not text[end:].strip()


def _document(
    scanner: Scanner, cell: bytes, spans: list[Span], read: _Reader, instead: bytes
) -> MaskedCell | None:
    try:
        masked = read(cell, spans, scanner.shown)
    except ValueError:
        unread = not spans and read is documents.mask_json and not documents.telling_keys(cell)
        if cell == instead or unread:
            return None
        return MaskedCell(instead, tuple(label for *_, label in spans) or ("unknown",), False)
    return masked and MaskedCell(masked[0], tuple(masked[1]), False)


def _text(scanner: Scanner, cell: bytes, spans: list[Span]) -> MaskedCell | None:
    if cell[:1] in (b"{", b"[") and cell[-1:] in (b"}", b"]"):
        try:
            masked = documents.mask_json(cell, spans, scanner.shown)
        except ValueError:
            pass
        else:
            return masked and MaskedCell(masked[0], tuple(masked[1]), False)
    elif cell[:2] == b"\\x" and _HEX.fullmatch(cell):
        hidden = scanner.find(_readable(_decoded(cell)))
        if hidden:
            return MaskedCell(REDACTED_HEX, tuple(label for _, _, label in hidden), False)
    if not spans:
        return None
    parts: list[bytes] = []
    at = 0
    for begin, end, _ in spans:
        parts += (cell[at:begin], REDACTED)
        at = end
    parts.append(cell[at:])
    return MaskedCell(b"".join(parts), tuple(label for _, _, label in spans), _whole(cell, spans))


def _decoded(cell: bytes) -> bytes:
    """The bytes that bytea's text form writes: hexadecimal, or else escapes, which leave text readable."""
    if cell[:2] == b"\\x":
        try:
            return bytes.fromhex(cell[2:].decode("ascii"))
        except ValueError:
            return cell
    return cell


def _readable(value: bytes) -> bytes:
    """What is text in a string of bytes, the rest blanked out, offset for offset."""
    if value.isascii():
        return value.translate(_TEXTUAL)
    try:
        value.decode()
    except ValueError:
        return value.translate(_ASCII)
    return value.translate(_TEXTUAL)


def _nested(scanner: Scanner, cell: bytes, depth: int) -> MaskedCell | None:
    """Arrays, records, ranges, tsvector and hstore as text, and types that are not known, which may be any of these
    or none."""
    if b'"=>' in cell:
        try:
            masked = documents.mask_hstore(cell, scanner.find(cell), scanner.shown)
        except ValueError:
            pass
        else:
            return masked and MaskedCell(masked[0], tuple(masked[1]), False)
    if cell[:1] == b"'" and _LEXEME.match(cell):
        return _in_pieces(scanner, cell, depth, _LEXEME, b"'")
    if cell[:1] in (b"{", b"(", b"[") and cell[-1:] in (b"}", b")", b"]"):
        return _in_pieces(scanner, cell, depth, _PIECE, b'"')
    return mask(scanner, cell, Form.TEXT, None, depth + 1)


def _in_pieces(
    scanner: Scanner, cell: bytes, depth: int, pattern: re.Pattern[bytes], quote: bytes
) -> MaskedCell | None:
    parts: list[bytes] = []
    labels: list[str] = []
    at = 0
    for piece in pattern.finditer(cell):
        if at and not piece.group().strip():
            continue
        quoted = piece[1]
        value = piece.group() if quoted is None else _ESCAPED.sub(rb"\1\2", quoted).replace(b"''", b"'")
        form = Form.NESTED if value[:1] in (b"{", b"(") and not value.startswith(b'{"') else Form.TEXT
        found = mask(scanner, value, form, None, depth + 1)
        if found is not None:
            new = REDACTED if found.new is None else found.new
            escaped = (
                new.replace(b"'", b"''").replace(b"\\", b"\\\\")
                if quote == b"'"
                else _TO_ESCAPE.sub(rb"\\\1", new)
            )
            parts += (cell[at : piece.start()], quote, escaped, quote)
            labels += found.labels
            at = piece.end()
    if not labels:
        return None
    parts.append(cell[at:])
    return MaskedCell(b"".join(parts), tuple(labels), False)


def _tsvector(scanner: Scanner, cell: bytes) -> MaskedCell | None:
    """Int32 number of lexemes; each a string that a zero byte ends, Int16 number of positions, the positions."""
    labels: list[str] = []
    parts = [cell[:4]]
    try:
        (count,) = _COUNT(cell)
        at = 4
        for _ in range(count):
            end = cell.index(b"\0", at)
            (positions,) = _SHORT(cell, end + 1)
            after = end + 3 + 2 * positions
            found = mask(scanner, cell[at:end], Form.TEXT)
            if found is not None:
                labels += found.labels
            parts += (cell[at:end] if found is None else found.new or REDACTED, cell[end:after])
            at = after
        if at != len(cell):
            return _opaque(scanner, cell)
    except (error, ValueError):
        return _opaque(scanner, cell)
    return MaskedCell(b"".join(parts), tuple(labels), False) if labels else None


def _opaque(scanner: Scanner, cell: bytes) -> MaskedCell | None:
    spans = scanner.find(_readable(cell))
    return MaskedCell(None, tuple(label for _, _, label in spans), False) if spans else None


def _nested_binary(scanner: Scanner, cell: bytes, depth: int) -> MaskedCell | None:
    """Binary values of types with parts, or of types that are not known. Text holds no zero byte; every structure does."""
    if b"\0" not in cell:
        return mask(
            scanner,
            cell,
            Form.JSONB_BINARY if cell[:1] == b"\1" and cell[1:2] in (b"{", b"[", b'"') else Form.TEXT,
            None,
            depth + 1,
        )
    for read in (_array_parts, _record_parts, _hstore_parts, _range_parts):
        try:
            parts = list(read(cell))
        except (error, ValueError):
            continue
        return _of_parts(scanner, parts, depth)
    return _opaque(scanner, cell)


# A part is bytes that stay, or (bytes of a value without its length, how it is read, the key it stands under).
_Part = bytes | tuple[bytes, Form | None, bytes]


def _of_parts(scanner: Scanner, parts: list[_Part], depth: int) -> MaskedCell | None:
    new: list[bytes] = []
    labels: list[str] = []
    for part in parts:
        if isinstance(part, bytes):
            new.append(part)
            continue
        value, form, key = part
        label = documents.key_label(key, b"", scanner.shown) if key else None
        if label is not None and value != REDACTED:
            found: MaskedCell | None = MaskedCell(REDACTED, (label,), False)
        else:
            found = mask(scanner, value, form, None, depth + 1) if form is not None else None
        if found is not None:
            labels += found.labels
        masked = value if found is None else found.new
        new += (_NULL,) if masked is None else (_INT.pack(len(masked)), masked)
    return MaskedCell(b"".join(new), tuple(labels), False) if labels else None


def _value_at(cell: bytes, at: int) -> tuple[bytes | None, int]:
    """The value whose length stands at an offset (None: NULL), and the offset behind it."""
    (length,) = _LENGTH(cell, at)
    end = at + 4 + max(length, 0)
    if length < -1 or end > len(cell):
        raise ValueError("a value does not fit")
    return (None if length < 0 else cell[at + 4 : end]), end


def _array_parts(cell: bytes) -> Iterator[_Part]:
    """Dimensions, flags, the element type's oid, (size, lower bound) of each dimension, the elements."""
    dimensions, flags, oid = _COUNT(cell)[0], _COUNT(cell, 4)[0], _COUNT(cell, 8)[0]
    if dimensions > 6 or flags > 1:
        raise ValueError("no array")
    at = 12 + 8 * dimensions
    count = 1 if dimensions else 0
    for place in range(dimensions):
        count *= _COUNT(cell, 12 + 8 * place)[0]
    if count > len(cell) // 4:
        raise ValueError("more elements than bytes")
    yield cell[:at]
    form = form_of(oid, 1)
    for _ in range(count):
        value, at = _value_at(cell, at)
        yield _NULL if value is None else (value, form, b"")
    if at != len(cell):
        raise ValueError("no array")


def _record_parts(cell: bytes) -> Iterator[_Part]:
    """The number of fields, then each one's type oid and value."""
    (count,) = _COUNT(cell)
    if count > 1664:
        raise ValueError("no record")
    yield cell[:4]
    at = 4
    for _ in range(count):
        (oid,) = _COUNT(cell, at)
        value, end = _value_at(cell, at + 4)
        yield cell[at : at + 4]
        yield _NULL if value is None else (value, form_of(oid, 1), b"")
        at = end
    if at != len(cell):
        raise ValueError("no record")


def _hstore_parts(cell: bytes) -> Iterator[_Part]:
    """The number of pairs, then key and value of each."""
    (count,) = _COUNT(cell)
    if count > len(cell) // 8:
        raise ValueError("no hstore")
    yield cell[:4]
    at = 4
    for _ in range(count):
        key, at = _value_at(cell, at)
        if key is None:
            raise ValueError("no hstore")
        yield key, Form.TEXT, b""
        value, at = _value_at(cell, at)
        yield _NULL if value is None else (value, Form.TEXT, key)
    if at != len(cell):
        raise ValueError("no hstore")


def _range_parts(cell: bytes) -> Iterator[_Part]:
    """A byte of flags, then the bounds that are neither absent nor infinite."""
    flags = cell[0]
    yield cell[:1]
    at = 1
    if not flags & 0x01:
        for absent in (0x08 | 0x20, 0x10 | 0x40):
            if not flags & absent:
                value, at = _value_at(cell, at)
                yield _NULL if value is None else (value, Form.NESTED_BINARY, b"")
    if at != len(cell):
        raise ValueError("no range")
