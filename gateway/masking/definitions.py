"""Texts of the server that quote constants: plans, and definitions of views, checks, defaults, partitions, functions.

A constant there was typed by somebody, or folded by the planner, and may be a person's value. Its text stays readable: only
the constants go that stand beside a hidden column, or look like a value that identifies somebody.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from struct import Struct

from gateway.classify.system import SYSTEM_SCHEMAS, tells_definition, tells_definitions
from gateway.masking.basis import MaskBasis
from parser.errors import ProtocolError
from parser.messages import Field

_TEXTS = frozenset({25, 1043, 1042, 19, 114, 142, 705, 3802})  # text varchar bpchar name json xml unknown jsonb
# Types that hold no text: bool "char" int8 int2 int4 regproc oid tid xid cid, dates and times, float, numeric, uuid, reg…,
# arrays of them, and of aclitem, name and text: options and names of columns.
_TEXTLESS = frozenset(
    {16, 18, 20, 21, 23, 24, 26, 27, 28, 29, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 2202, 2203, 2204,
     2205, 2206, 3734, 3769, 4089, 4096, 4191, 22, 30, 1000, 1002, 1003, 1005, 1007, 1009, 1016, 1028, 1034, 1033, 3220,
     2278, 3361, 3402, 5017}
)  # fmt: skip
_TOKENS = re.compile(
    rb"(?P<constant>:constvalue \d+ \[[^\]]*\])"
    rb"|(?P<string>'(?:[^'\\]|''|\\.)*')(?P<cast>::reg\w+)?"
    rb"|(?P<between>\b(?i:and|or|where|select|from|join|on)\b)"
    rb"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*"
    rb"|(?<![\w=.:])(?P<number>\d[\d.]*)"
)
_NAMES = re.compile(rb"[a-z_\x80-\xff][\w$\x80-\xff]*")
_IN_CONDITIONS_MAX = 2  # characters that a constant beside a hidden column may have
_DIGITS_MAX = 4  # of a number beside a hidden column
_IDENTIFYING_DIGITS = 7
_MOMENT = re.compile(rb"'\d{4}-\d{2}-\d{2}(?:[ T][\d:.+-]*)?(?: BC)?'")
_UUID = re.compile(rb"'[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'")
_GONE = b"'[redacted]'"
_LENGTH = Struct("!i")


@dataclass(frozen=True, slots=True)
class Definitions:
    """The columns of a result that may hold such texts, and the names of the columns that are hidden from the reader."""

    columns: tuple[int, ...]
    hidden: frozenset[bytes] = field(repr=False)
    by_line: bool  # a plan: each line of it stands alone
    odd: tuple[bytes, ...] = ()  # those of the names that need quotes

    def mask(self, frames: bytes) -> bytes:
        """Whole DataRow frames in and out. Raises ProtocolError for rows that are not what they say."""
        out: list[bytes] = []
        at = 0
        while at < len(frames):
            end = at + 1 + int.from_bytes(frames[at + 1 : at + 5], "big")
            out.append(self._row(frames[at:end]))
            at = end
        return b"".join(out)

    def _row(self, frame: bytes) -> bytes:
        cells: list[bytes] = []
        at, changed = 7, False
        for index in range(int.from_bytes(frame[5:7], "big")):
            (size,) = _LENGTH.unpack_from(frame, at)
            stop = at + 4 + max(size, 0)
            if stop > len(frame):
                raise ProtocolError("a row that is not as long as it says")
            cell = frame[at:stop]
            if size > 0 and index in self.columns:
                text = self.cell(cell[4:])
                if text != cell[4:]:
                    cell, changed = _LENGTH.pack(len(text)) + text, True
            cells.append(cell)
            at = stop
        if not changed:
            return frame
        body = frame[5:7] + b"".join(cells)
        return frame[:1] + _LENGTH.pack(len(body) + 4) + body

    def cell(self, text: bytes) -> bytes:
        """A plan or a definition without its constants that tell. Total."""
        if not self.by_line:
            return self._cleaned(text)
        return b"\n".join(self._cleaned(line) for line in text.split(b"\n"))

    def _cleaned(self, text: bytes) -> bytes:
        tokens = list(_TOKENS.finditer(text))
        out: list[bytes] = []
        at = first = 0
        for n, token in enumerate(tokens):
            if token["between"]:
                at = self._condition(text, tokens[first:n], at, token.start(), out)
                first = n
        self._condition(text, tokens[first:], at, len(text), out)
        return b"".join(out)

    def _condition(self, text: bytes, tokens: list[re.Match[bytes]], start: int, end: int, out: list[bytes]) -> int:
        """Appends one condition, text from `start` to `end`, without its constants that tell; returns `end`."""
        folded = text[start:end].lower()
        beside = not self.hidden.isdisjoint(_NAMES.findall(folded)) or any(name in folded for name in self.odd)
        for token in tokens:
            out += (text[start : token.start()], _kept(token, beside))
            start = token.end()
        out.append(text[start:end])
        return end


def _kept(found: re.Match[bytes], beside: bool) -> bytes:
    whole = found[0]
    if found["constant"]:
        return b":constvalue 0 [ ]"
    if found["string"]:
        return whole if found["cast"] or not _tells(found["string"], beside) else _GONE
    if found["number"] and beside and len(whole.replace(b".", b"")) > _DIGITS_MAX:
        return b"0"
    return whole


def _tells(string: bytes, beside: bool) -> bool:
    """Whether a quoted constant may tell of somebody."""
    if beside:
        return len(string) - 2 > _IN_CONDITIONS_MAX
    if b"@" in string and b"." in string:
        return True
    digits = sum(48 <= byte < 58 for byte in string)
    return digits >= _IDENTIFYING_DIGITS and not _MOMENT.fullmatch(string) and not _UUID.fullmatch(string)


def hidden_names(basis: MaskBasis) -> frozenset[bytes]:
    """The bare names, folded, of all columns that the principal may not see, the server's own relations aside."""
    found: set[bytes] = set()
    for table in basis.catalog.tables.values():
        if table.schema in SYSTEM_SCHEMAS:
            continue
        for column in table.columns:
            source = basis.source(table, column)
            if source is not None and not basis.visible(source):
                found.add(column.name.lower().encode())
    return frozenset(found)


def definitions(fields: Sequence[Field], masked: Iterable[int], basis: MaskBasis) -> Definitions | None:
    """What to look into of a result with these columns, of which some are masked whole already. None: nothing."""
    if basis.everything or not tells_definitions(basis.facts):
        return None
    whole = set(masked)
    columns = tuple(
        index for index, one in enumerate(fields) if one.type_oid in _TEXTS and index not in whole and _may_tell(one, basis)
    )
    hidden = hidden_names(basis) if columns else frozenset()
    if not hidden:
        return None
    odd = tuple(name for name in hidden if _NAMES.fullmatch(name) is None)
    return Definitions(columns, hidden, basis.facts.kinds[:1] == ("EXPLAIN",), odd)


def beyond_definitions(one: Field, basis: MaskBasis) -> bool:
    """Whether a column in a result that tells definitions may hold one where nobody can look into it."""
    if basis.everything or one.type_oid in _TEXTS or one.type_oid in _TEXTLESS or not tells_definitions(basis.facts):
        return False
    return _may_tell(one, basis) and bool(hidden_names(basis))


def _may_tell(one: Field, basis: MaskBasis) -> bool:
    """Whether a result column may hold a definition: an expression may, a plain column by what it is."""
    if not one.table_oid:
        return True
    table = basis.catalog.tables.get(one.table_oid)
    column = table.by_number.get(one.attnum) if table is not None else None
    if table is None or column is None:
        return True
    return table.schema in SYSTEM_SCHEMAS and tells_definition(table.name, column.name)
