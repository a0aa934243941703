"""Masks that the client sends: tokens become values again where they only filter, and nothing masked is written back.

Every frame with a text or values is looked at for the few bytes that all masks have (`written_back.suspicious`); only those
that have them are read a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refused
from gateway.masking import substitution, written_back
from gateway.masking.written_back import Masks, masks_of, refusal
from parser.compared import Comparisons
from parser.messages import Bind, bind, frame, query, read_bind

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.inflight import Statement
    from gateway.session.session import Session

_BINARY = 1
Places = dict[tuple[int, int], bytes]


def masks(s: Session) -> Masks:
    """What masks look like to the session's principal."""
    rights = s.scope.rights
    return masks_of("*" in rights.unmask, tuple(rights.masks.values()))


def in_query(
    s: Session, data: bytes, sql: bytes, rulings: tuple[Ruling, ...]
) -> tuple[bytes, bytes, Refused | None]:
    """A Query and its text as they go to the server, or why they do not: for frames that `suspicious` points at."""
    sent, refused = _text(s, sql, rulings)
    return (data, sql, refused) if sent is sql else (query(sent), sent, refused)


def in_parse(
    s: Session, data: bytes, sql: bytes, rulings: tuple[Ruling, ...]
) -> tuple[bytes, Refused | None]:
    """The same of a Parse."""
    sent, refused = _text(s, sql, rulings)
    if sent is sql:
        return data, refused
    begin = data.index(0, 5) + 1
    return frame(b"P", data[5:begin] + sent + data[begin + len(sql) :]), None


def _text(s: Session, sql: bytes, rulings: tuple[Ruling, ...]) -> tuple[bytes, Refused | None]:
    known = masks(s)
    if not rulings or not known.in_text(sql):
        return sql, None
    scope = s.scope
    found = scope.comparisons(sql, tuple(ruling.facts for ruling in rulings))
    writing = [written_back.writes(ruling.facts, scope.rights, scope.catalog) for ruling in rulings]
    if found is None:  # too long to be looked at closely, or no text that can be read
        return sql, refusal("the statement") if any(writing) else None
    new: Places = {}
    if scope.strings_conform and all(substitution.silent(ruling.facts, ruling.basis) for ruling in rulings):
        for ruling, one in zip(rulings, found, strict=True):
            if substitution.filters(ruling.facts):
                new.update(substitution.literals(sql, one, ruling.basis))
                new.update(_arguments(s, sql, ruling, one))
    for one, stores in zip(found, writing, strict=True):
        refused = _stored(one, known, new) if stores else None
        if refused is not None:
            return sql, refused
    return substitution.spliced(sql, new) if new else sql, None


def _stored(found: Comparisons, known: Masks, replaced: Places) -> Refused | None:
    """The refusal of a statement that changes something for a mask among its literals. In a condition a constant finds what
    was written so; a token that cannot be replaced would find nothing, or with <> everything."""
    for one in found.literals:
        value = one.value.encode(errors="surrogatepass")
        value = replaced.get((one.start, one.end), value)  # of an array some may be left
        if known.in_value(value) and (not one.tested or known.has_token(value)):
            return refusal("a literal of the statement")
    return None


def _arguments(s: Session, sql: bytes, ruling: Ruling, found: Comparisons) -> Places:
    """The literals to be replaced among the arguments of EXECUTE."""
    facts = ruling.facts
    known = bool(found.arguments and facts.text) and facts.strings_conform
    inner = s.scope.comparisons(facts.text, (facts,)) if known else None
    new: Places = {}
    values = {(one.start, one.end): one.value.encode(errors="surrogatepass") for one in found.literals}
    for number, start, end in found.arguments if inner else ():
        assert inner is not None, "there is nothing to go through else"
        value = _replaced(inner[0], number, values[start, end], ruling)
        written = substitution.quoted(value, sql[start:end]) if value is not None else None
        if written is not None:
            new[start, end] = written
    return new


def _replaced(found: Comparisons, number: int, value: bytes, ruling: Ruling, *, binary: bool = False) -> bytes | None:
    """What takes the place of a parameter's value; None: it stays. It must stand nowhere but in comparisons."""
    if number in found.elsewhere:
        return None
    compared = [(one.column, one.many) for one in found.compared if one.parameter == number]
    return substitution.replaced(value, compared, ruling.basis, binary=binary) if compared else None


def in_values(s: Session, data: bytes, statement: Statement) -> tuple[bytes, Refused | None]:
    """A Bind as it goes to the server, or why it does not. Raises ProtocolError."""
    known = masks(s)
    said = read_bind(data[5:])
    if not any(value is not None and written_back.suspicious(value) and known.in_value(value) for value in said.values):
        return data, None
    rulings = statement.script.rulings
    ruling = rulings[0] if len(rulings) == 1 else None
    found = _compared(s, statement, ruling)
    stores = any(written_back.writes(one.facts, s.scope.rights, s.scope.catalog) for one in rulings)
    values = list(said.values)
    for at, value in enumerate(said.values):
        if value is None or not known.in_value(value):
            continue
        new = None
        if found is not None and ruling is not None and substitution.filters(ruling.facts):
            new = _replaced(found, at + 1, value, ruling, binary=_format(said, at) == _BINARY)
        values[at] = left = value if new is None else new  # of an array some may be left
        if stores and known.in_value(left) and (known.has_token(left) or not _only_tested(found, at + 1)):
            return data, refusal(f"parameter {at + 1}")
    if values == list(said.values):
        return data, None
    return bind(said.portal, said.statement, values, said.formats, said.result_formats), None


def _only_tested(found: Comparisons | None, number: int) -> bool:
    """Whether a parameter stands in comparisons alone."""
    return (
        found is not None
        and number not in found.elsewhere
        and any(one.parameter == number for one in found.compared)
    )


def _format(said: Bind, at: int) -> int:
    formats = said.formats
    return (formats[0] if len(formats) == 1 else formats[at] if at < len(formats) else 0) if formats else 0


def _compared(s: Session, statement: Statement, ruling: Ruling | None) -> Comparisons | None:
    """What the statement's parameters are compared with, in the scope of now. None where that is not known: the server has
    read its text, and where that was under another reading of string literals it is not to be read again."""
    conform = s.scope.strings_conform
    if ruling is None or (statement.reading if statement.sql else ruling.facts.strings_conform) is not conform:
        return None
    if statement.compared is None or statement.compared[0] is not s.scope:
        sql = statement.sql or ruling.facts.text
        found = s.scope.comparisons(sql, (ruling.facts,)) if sql else None
        statement.compared = (s.scope, found[0] if found else None)
    return statement.compared[1]


def in_call(s: Session, data: bytes) -> Refused | None:
    """The refusal of a FunctionCall, whose function may store its arguments."""
    return refusal("an argument") if masks(s).in_value(data[5:]) else None
