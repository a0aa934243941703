"""Columns put to the test: what decides which rows come, how many, in which order, or whether the statement fails.

While an expression of a condition is read (`Reading.clause` names it), each column in it is noted here with the strictest
word for its use. Only what is plainly one of the milder forms gets a milder word, told by the tokens next to the column:
a comparison for equality reveals no more than that, whatever is made of its answer, so what stands further out does not
matter. What stands next to it does: operators that bind more tightly make another value of the column first.
"""

from collections.abc import Iterable
from dataclasses import replace

from parser.facts import Column, Output, Use
from parser.keywords import CONSTANTS, NOT_A_NAME, word_set
from parser.lineage import Item, blend
from parser.reading import Reading, Unread
from parser.references import type_end
from parser.tokens import Kind

# One equal to another is all that these learn of a column.
GROUPING = frozenset(("GROUP BY", "DISTINCT", "DISTINCT ON"))
# As many rows as the value has entries; nothing else of it shows.
_EXPANDING = word_set(
    """
    unnest json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_each
    jsonb_each json_each_text jsonb_each_text json_object_keys jsonb_object_keys
    """
)
# What may stand in front of a comparison and leaves it whole.
_BEFORE = word_set("or not where on having by when then else filter") | {"(", ",", ""}
# … and behind it.
_BEHIND = word_set(
    """
    and or then else end when group order having limit offset fetch for union intersect except window returning on left
    right full inner cross natural join where set do as asc desc nulls
    """
) | {"", ")", "]", ",", ";"}
_STOPS = _BEFORE | {"[", "and", ";", "set", "select", "case", "using"}
_EQUAL = frozenset(("=", "<>", "!="))
# Types with which every value comes out as it is, and no two of them alike.
_AS_IT_IS = frozenset(("text", "varchar"))
# Calls whose result is as fixed as their arguments, one value each.
_FIXED = word_set(
    """
    lower upper initcap trim btrim ltrim rtrim replace concat date to_date to_timestamp make_date date_trunc now md5 encode
    decode sha256 convert_to substring substr left right lpad rpad round abs text
    """
)
_SIGNS = frozenset(("+", "-", "*", "/", "||"))


class _Form:
    """How a column is compared. `key`: the operator, or the bracket of a query, that joins it with another."""

    __slots__ = ("count", "how", "key", "parameter")

    def __init__(self, how: str, count: int = 0, *, key: int = -1, parameter: int = 0) -> None:
        self.how = how
        self.count = count
        self.key = key
        self.parameter = parameter


_OTHER = _Form("other")
_SHAPE = _Form("shape")  # NULL or not, or how many entries: a plain column shows that anyway


def probe(r: Reading, out: Output, at: int, clause: str, *, alone: bool = False) -> None:
    """What flows in at a token is put to the test in a clause. `alone`: the column is the whole expression."""
    if not out.columns and not out.opaque and not r.joins:
        return
    if alone and clause in GROUPING:
        note(r, clause, out, "group" if out.plain else "other")
        return
    form = _form(r, at) if r.words.named[at] else _OTHER
    if form.how == "join":
        pair(r, clause, out, form.key)
    elif not out.plain or form.how == "other":
        note(r, clause, out, "other")
    elif form.how == "shape":
        shaped(r, clause, out)
    elif form.how == "equality" and at not in r.tested:
        r.tested.add(at)
        r.use(Use("equality", clause, out.columns, parameter=form.parameter), form.count)


def uses(r: Reading) -> tuple[Use, ...]:
    """All that were noted, once the statement is read. A comparison that found no second column is none that is understood.
    """
    for clause, out in r.joins.values():
        note(r, clause, out)
    return tuple([replace(one, count=count) if count else one for one, count in r.uses.items()])


def note(r: Reading, clause: str, out: Output, how: str = "other") -> None:
    """What an expression that was read elsewhere is made of decides something."""
    if out.columns or out.opaque:
        r.use(Use("group" if how == "group" else "other", clause, out.columns, out.opaque))


def shaped(r: Reading, clause: str, out: Output) -> None:
    """Whether a column is NULL, or how many entries it has, decides something."""
    if out.columns:
        r.use(Use("shape", clause, out.columns))


def pair(r: Reading, clause: str, out: Output, key: int) -> None:
    """One side of a comparison of two columns; with the second one it is a join."""
    first = r.joins.pop(key, None)
    if first is None:
        r.joins[key] = (clause, out)
    else:
        joined(r, clause, first[1], out)


def joined(r: Reading, clause: str, left: Output, right: Output) -> None:
    """Two values are compared for equality."""
    if left.plain and right.plain:
        r.use(Use("join", clause, left.columns, against=right.columns))
        return
    note(r, clause, left)
    note(r, clause, right)


def selected(r: Reading, clause: str, items: list[Item], opening: int) -> None:
    """The result of a subquery is a value in a condition: the other side of a join where a column stands before it."""
    if opening in r.joins:
        one = items[0].out if len(items) == 1 and not items[0].many else blend(item.out for item in items)
        pair(r, clause, one, opening)
        return
    for item in items:
        note(r, clause, item.out)


def conflicting(r: Reading, columns: Iterable[Column]) -> None:
    """Values of these columns are stored unless they are there already."""
    r.use(Use("conflict", "ON CONFLICT", frozenset(columns)), 1)


def settle(r: Reading, known: dict[Column, Output]) -> None:
    """A query that refers to itself is read: what each of its own columns stood for is known now."""
    for one in [one for one in r.uses if not known.keys().isdisjoint(one.columns | one.against)]:
        del r.uses[one]
        columns = one.columns | one.against
        own = blend(known[column] for column in columns if column in known)
        rest = frozenset(column for column in columns if column not in known)
        note(r, one.clause, Output(rest | own.columns, one.opaque or own.opaque))


# --- the tokens around a column ---


def _form(r: Reading, at: int) -> _Form:
    """How the column whose name starts at a token is compared, as far as its neighbours tell."""
    words = r.words
    word, match = words.word, words.match
    _, behind = r.name(at)
    before = at - 1
    if word[before] == "(" and word[behind] == ")" and word[before - 1] in _EXPANDING:
        return _SHAPE
    behind = _past_text(r, behind)
    while word[before] == "(" and match[before] == behind and (word[before - 1] in _BEFORE or word[before - 1] == "and"):
        before -= 1
        behind = _past_text(r, behind + 1)
    if word[before] in _EQUAL:
        return _mirrored(r, before, behind)
    if word[before] == "from" and word[before - 1] == "distinct":
        first = before - 2 - (word[before - 2] == "not")
        return _Form("join", key=first) if first in r.joins and word[behind] in _BEHIND else _OTHER
    if not _opens(r, before):
        return _OTHER
    w = word[behind]
    if w in _EQUAL:
        return _compared(r, behind)
    if w == "is":
        return _is(r, behind)
    if w in ("isnull", "notnull") and word[behind + 1] in _BEHIND:
        return _SHAPE
    behind += w == "not"
    if word[behind] == "in" and word[behind + 1] == "(":
        return _listed(r, behind + 1)
    return _OTHER


def _past_text(r: Reading, at: int) -> int:
    """Behind `::text`, which keeps the value."""
    word = r.words.word
    while word[at] == "::" and word[at + 1] in _AS_IT_IS and word[at + 2] not in ("(", "[", ".") and not r.casts:
        at += 2
    return at


def _opens(r: Reading, at: int) -> bool:
    """Whether a comparison may begin behind the token: AND does not count where it belongs to a BETWEEN."""
    word = r.words.word
    if word[at] != "and":
        return word[at] in _BEFORE
    opening = _openings(r)
    at -= 1
    while at >= 0:
        w = word[at]
        if w == ")" or w == "]":
            at = opening.get(at, 0)
        elif w == "between" or w == "end":
            return False
        elif w in _STOPS:
            return True
        at -= 1
    return True


def _openings(r: Reading) -> dict[int, int]:
    """The bracket that each closing one belongs to."""
    if r.openings is None:
        r.openings = {close: at for at, close in r.words.match.items()}
    return r.openings


def _compared(r: Reading, at: int) -> _Form:
    """`column = …`; stands at the operator."""
    words = r.words
    word = words.word
    if r.operators.get("<>" if word[at] == "!=" else word[at]):
        return _OTHER
    first = word[at + 1]
    if first in ("any", "some", "all") and word[at + 2] == "(":
        return _Form("join", key=at + 2) if words.is_query(at + 2) else _entries(r, at + 2)
    if first == "(" and words.is_query(at + 1):
        return _Form("join", key=at + 1)
    return _against(r, at + 1, at)


def _against(r: Reading, start: int, key: int) -> _Form:
    """The other side of a comparison: a fixed value, or one column."""
    words = r.words
    word = words.word
    end = _fixed(r, start)
    if end > start:
        return _Form("equality", 1) if word[end] in _BEHIND else _OTHER
    if not words.named[start] or word[start] in NOT_A_NAME:
        return _OTHER
    _, end = r.name(start)
    end = _past_text(r, end)
    return _Form("join", key=key) if word[end] in _BEHIND else _OTHER


def _is(r: Reading, at: int) -> _Form:
    """IS [NOT] NULL and IS [NOT] DISTINCT FROM."""
    word = r.words.word
    behind = at + 1 + (word[at + 1] == "not")
    if word[behind] == "null":
        return _SHAPE if word[behind + 1] in _BEHIND else _OTHER
    if word[behind] == "distinct" and word[behind + 1] == "from" and not r.operators.get("="):
        return _against(r, behind + 2, at)
    return _OTHER


def _listed(r: Reading, opening: int) -> _Form:
    """`column IN (…)`."""
    words = r.words
    close = words.match[opening]
    if r.operators.get("="):
        return _OTHER
    if words.is_query(opening):
        return _Form("join", key=opening)
    if words.word[close + 1] not in _BEHIND or not _all_fixed(r, opening + 1, close):
        return _OTHER
    return _Form("equality", len(r.split(opening + 1, close)))


def _entries(r: Reading, opening: int) -> _Form:
    """`column = ANY (…)` of an array that the client sends."""
    words = r.words
    word, close = words.word, words.match[opening]
    if word[close + 1] not in _BEHIND:
        return _OTHER
    first = opening + 1
    if word[first] == "array" and word[first + 1] == "[" and _fixed(r, first) == close:
        return _Form("equality", len(r.split(first + 2, words.match[first + 1])))
    if first != close - 1 and not (word[first + 1] == "::" and _type_end(r, first + 2) == close):
        return _OTHER
    if words.kind[first] is Kind.STRING:
        r.by_value = True
        return _Form("equality", words.text[first].count(",") + 1)
    if words.kind[first] is Kind.PARAM:
        return _Form("equality", 0, parameter=int(words.text[first].lstrip("$")))
    return _OTHER


def _mirrored(r: Reading, operator: int, behind: int) -> _Form:
    """`value = column` and the second of `column = column`; `behind` is the token behind the column."""
    words = r.words
    word = words.word
    if word[behind] not in _BEHIND:
        return _OTHER
    if operator in r.joins:
        return _Form("join", key=operator)
    at = operator - 1
    if word[at - 1] == "::" and words.named[at]:
        at -= 2
    if words.kind[at] in (Kind.STRING, Kind.PARAM, Kind.INTEGER, Kind.NUMERIC) and _opens(r, at - 1):
        return _OTHER if r.operators.get("<>" if word[operator] == "!=" else word[operator]) else _Form("equality", 1)
    return _OTHER


# --- values that no row has a part in ---


def _fixed(r: Reading, at: int) -> int:
    """The token behind the longest stretch from `at` that is made of literals and parameters; `at` where there is none."""
    words = r.words
    word, match, kind = words.word, words.match, words.kind
    while True:
        w = word[at]
        if w in CONSTANTS or kind[at] in (Kind.STRING, Kind.PARAM, Kind.INTEGER, Kind.NUMERIC, Kind.BITS, Kind.HEX):
            at += 1
        elif w in _SIGNS:
            at += 1
            continue
        elif w == "(" and not words.is_query(at) and _all_fixed(r, at + 1, match[at]):
            at = match[at] + 1
        elif w == "array" and word[at + 1] == "[" and _all_fixed(r, at + 2, match[at + 1]):
            at = match[at + 1] + 1
        elif words.named[at] and kind[at + 1] is Kind.STRING and w not in NOT_A_NAME:
            at += 2
        elif words.named[at] and word[at + 1] == "(" and _fixed_call(r, at):
            at = match[at + 1] + 1
        else:
            return at
        while word[at] == "::":
            end = _type_end(r, at + 1)
            if not end:
                return at
            at = end
        if word[at] not in _SIGNS:
            return at


def _fixed_call(r: Reading, at: int) -> bool:
    words = r.words
    word, close = words.word, words.match[at + 1]
    if word[at] == "cast":
        end = _fixed(r, at + 2)
        return end > at + 2 and word[end] == "as" and _type_end(r, end + 1) == close
    return word[at] in _FIXED and not words.is_query(at + 1) and _all_fixed(r, at + 2, close)


def _all_fixed(r: Reading, start: int, end: int) -> bool:
    return all(_fixed(r, begin) == stop for begin, stop in r.split(start, end))


def _type_end(r: Reading, at: int) -> int:
    try:
        return type_end(r, at)
    except Unread:
        return 0
