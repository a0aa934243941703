"""Tokens back to values, where a statement compares them for equality with a column that shows such tokens.

Only there: in such a place (parser.compared) a value decides which rows are met and flows nowhere. A text is not touched
where anything in it could show the text itself (`current_query()`, a function whose code is not known, EXPLAIN).
"""

import re
from collections.abc import Callable, Sequence
from struct import Struct, error

from gateway.masking.basis import MaskBasis, only_computes
from gateway.masking.masks import TEXT_TYPES
from gateway.masking.tokens import is_token, mint
from parser.compared import Comparisons
from parser.facts import Column, Facts, Output

_INT = Struct(">i")
_ARRAY_HEAD = Struct(">iiIii")  # dimensions, NULLs, type of elements, length, first index
_KINDS = frozenset(
    (
        *("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY TO", "CREATE TABLE AS", "SELECT INTO"),
        *("DECLARE", "PREPARE", "EXECUTE"),
    )
)
_ELEMENT = re.compile(rb'\s*(?:"([^"\\{}]*)"|([^"\\{},]+))\s*')


def label_of(column: Column, basis: MaskBasis) -> str | None:
    """The label whose tokens the principal reads in this column; None where it reads none."""
    if basis.everything or not basis.key:
        return None
    sources = basis.lineage(Output(frozenset((column,)), plain=True))
    labels = {source.label for source in sources}
    if len(labels) != 1 or any(basis.visible(source) for source in sources):
        return None
    (label,) = labels
    held = [table.by_name[column.name] for table in basis.tables(column.relation) if column.name in table.by_name]
    text = bool(held) and all(one.type_oid in TEXT_TYPES for one in held)
    return label if text and basis.method_of(label) == "hash" else None


def value_of(token: bytes, columns: Sequence[Column], basis: MaskBasis) -> bytes | None:
    """What the token stands for, where every column it is compared with shows such tokens; None: it stays as it is."""
    if not columns or not is_token(token):
        return None
    labels = {label_of(column, basis) for column in columns}
    if len(labels) != 1:
        return None
    (label,) = labels
    value = mint(basis.key, label).value(token) if label is not None else None
    if value is None or b"\0" in value:
        return None
    try:
        value.decode()
    except UnicodeDecodeError:
        return None
    return value


def silent(facts: Facts, basis: MaskBasis) -> bool:
    """Whether nothing in the statement could show the text that it stands in, or another statement's of the same text."""
    return facts.complete and only_computes(basis)


def filters(facts: Facts) -> bool:
    """Whether the statement is one of those that use a value and forget it: EXPLAIN would show it, a definition keep it."""
    return facts.kinds[0] in _KINDS


def literals(sql: bytes, found: Comparisons, basis: MaskBasis) -> dict[tuple[int, int], bytes]:
    """The literals of a statement to be replaced: their bytes in the text, and what takes their place."""
    columns: dict[tuple[int, int], list[tuple[Column, bool]]] = {}
    for one in found.compared:
        if not one.parameter:
            columns.setdefault((one.start, one.end), []).append((one.column, one.many))
    values = {(one.start, one.end): one.value.encode(errors="surrogatepass") for one in found.literals}
    new: dict[tuple[int, int], bytes] = {}
    for place, compared in columns.items():
        value = replaced(values[place], compared, basis)
        written = None if value is None else quoted(value, sql[place[0] : place[1]])
        if written is not None:
            new[place] = written
    return new


def replaced(
    value: bytes, compared: Sequence[tuple[Column, bool]], basis: MaskBasis, *, binary: bool = False
) -> bytes | None:
    """What takes the place of a literal's or parameter's value; None: it stays. `compared`: the columns that it is compared
    with, and whether as an array."""
    columns = [column for column, _ in compared]
    ways = {many for _, many in compared}
    if len(ways) != 1:
        return None
    if not ways.pop():
        return value_of(value, columns, basis)

    def element(one: bytes) -> bytes | None:
        return value_of(one, columns, basis)

    return _binary_array(value, element) if binary else _text_array(value, element)


def quoted(value: bytes, instead_of: bytes) -> bytes | None:
    """The value as a plain string literal, as many characters long as the literal that it replaces: positions in errors stay
    right, and tell nothing of its length. None where it does not fit, which no value does that a token leads back to but one
    of quotes alone. Only for texts read with standard_conforming_strings on."""
    literal = b"'" + value.replace(b"'", b"''") + b"'"
    spare = len(instead_of.decode()) - len(literal.decode())
    return None if spare < 0 else literal + b" " * spare


def spliced(sql: bytes, new: dict[tuple[int, int], bytes]) -> bytes:
    """The text with these of its stretches replaced."""
    parts: list[bytes] = []
    at = 0
    for (start, end), literal in sorted(new.items()):
        parts += (sql[at:start], literal)
        at = end
    return b"".join((*parts, sql[at:]))


def _text_array(value: bytes, element: Callable[[bytes], bytes | None]) -> bytes | None:
    """An array of one dimension as text; None where nothing in it is replaced, or it has more than plain elements."""
    text = value.strip()
    if text[:1] != b"{" or text[-1:] != b"}":
        return None
    at, end = 1, len(text) - 1
    out: list[bytes] = []
    changed = False
    while at < end:
        found = _ELEMENT.match(text, at, end)
        if found is None:
            return None
        new = element((found[1] if found[1] is not None else found[2]).strip())
        changed = changed or new is not None
        out.append(found[0] if new is None else b'"' + new.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
        at = found.end()
        if at < end and (text[at : at + 1] != b"," or at + 1 == end):
            return None
        at += 1
    return b"{" + b",".join(out) + b"}" if changed else None


def _binary_array(value: bytes, element: Callable[[bytes], bytes | None]) -> bytes | None:
    """The same in binary (array_recv in the server's arrayfuncs.c)."""
    try:
        dimensions, nulls, type_oid, count, first = _ARRAY_HEAD.unpack_from(value)
        if dimensions != 1 or type_oid not in TEXT_TYPES:
            return None
        parts: list[bytes] = [_ARRAY_HEAD.pack(1, nulls, type_oid, count, first)]
        at = _ARRAY_HEAD.size
        changed = False
        while at < len(value):
            (size,) = _INT.unpack_from(value, at)
            one = value[at + 4 : at + 4 + max(size, 0)]
            at += 4 + len(one)
            new = element(one) if size >= 0 else None
            changed = changed or new is not None
            out = one if new is None else new
            parts += (_INT.pack(size if new is None else len(new)), out)
    except error:
        return None
    return b"".join(parts) if changed else None
