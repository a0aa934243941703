"""Where literals and parameters of a text stand alone on the other side of an equals sign from a column.

`ssn = '…'`, `'…' = ssn`, `ssn IN ('…', $1)`, `ssn = ANY ($1)` and their opposites, as a whole arm of a condition (WHERE,
HAVING, ON): there a value only decides which rows are met and flows nowhere. Any other form, a call or an operator beside
it, a cast to anything but text, is not told. This reading is made for the few texts that somebody asks it for;
`statements.read` is the one that every text gets.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from parser.changes import change
from parser.cutting import columns, cut, terms
from parser.facts import Column, Facts
from parser.keywords import NOT_A_NAME
from parser.known import Known
from parser.lineage import Scope
from parser.queries import query
from parser.reading import Reading, Unread, Words
from parser.references import resolve, type_end
from parser.statements import inside, take_in
from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind

TOKENS_MAX = 200_000
_CONDITIONS = frozenset(("where", "having", "on"))
_EQUALS = {"=": "=", "<>": "<>", "!=": "<>"}
_TEXTS = (["text"], ["varchar"], ["character", "varying"])


class Literal(NamedTuple):
    """A string literal: its bytes in the text, its value, and whether it stands in a condition."""

    start: int
    end: int
    value: str
    tested: bool


class Compared(NamedTuple):
    """A literal (`start` and `end` of it) or a parameter (its number, else 0) that is compared with the column. `many`: it
    is an array of values, as ANY takes them."""

    column: Column
    start: int
    end: int
    parameter: int
    many: bool


class Comparisons(NamedTuple):
    """One statement. `elsewhere`: parameters that also stand where they are not compared so. `arguments`: of EXECUTE, number
    and bytes (start, end) of those that are one literal each."""

    compared: tuple[Compared, ...] = ()
    literals: tuple[Literal, ...] = ()
    elsewhere: frozenset[int] = frozenset()
    arguments: tuple[tuple[int, int, int], ...] = ()


def compared(
    sql: bytes, facts: Sequence[Facts], *, standard_conforming_strings: bool = True, known: Known | None = None
) -> tuple[Comparisons, ...] | None:
    """The comparisons of each statement of the text, of which `facts` were read with the same arguments. A statement that is
    not understood has literals alone. None where the text cannot be cut, or is too long to be looked at."""
    try:
        tokens = tokenize(sql, standard_conforming_strings=standard_conforming_strings)
        if not tokens or len(tokens) > TOKENS_MAX:
            return None
        words = columns(tokens)
        places = cut(words)
    except (LexError, Unread):
        return None
    if len(places) != len(facts):
        return None
    words.known, words.sql, words.strings_conform = known, sql, standard_conforming_strings
    found = []
    for (start, end), one in zip(places, facts, strict=True):
        found.append(_Statement(words).read(start, end))
        if words.known is not None and len(places) > 1:
            words.known = words.known.after(one)
    return tuple(found)


class _Statement:
    """The reading of one statement, watched. `hits`: tokens that are compared, each with the columns and whether as an
    array; `tested`: the stretches of conditions."""

    __slots__ = ("_words", "hits", "tested")

    def __init__(self, words: Words) -> None:
        self._words = words
        self.hits: dict[int, set[tuple[Column, bool]]] = {}
        self.tested: list[tuple[int, int]] = []

    def read(self, start: int, end: int) -> Comparisons:
        words = self._words
        try:
            self._take_in(start, end, 0)
        except (Unread, IndexError, KeyError, RecursionError):
            self.hits.clear()
            self.tested.clear()
        literals, elsewhere, places = [], set(), []
        for at in range(start, end):
            kind = words.kind[at]
            if kind is Kind.PARAM:
                number = int(words.text[at][1:])
                if at not in self.hits:
                    elsewhere.add(number)
            elif kind is Kind.STRING:
                number = 0
                token = words.tokens[at]
                tested = any(begin <= at < stop for begin, stop in self.tested)
                literals.append(Literal(token.start, token.end, token.text, tested))
            else:
                continue
            token = words.tokens[at]
            places += [Compared(column, token.start, token.end, number, many) for column, many in self.hits.get(at, ())]
        return Comparisons(tuple(places), tuple(literals), frozenset(elsewhere), tuple(self._arguments(start)))

    def _arguments(self, start: int) -> Iterator[tuple[int, int, int]]:
        """EXECUTE name (…)."""
        words = self._words
        if words.word[start] != "execute" or words.word[start + 2] != "(":
            return
        reading = Reading(words, query, change, lambda *_: Facts((), frozenset()))
        for number, (begin, stop) in enumerate(reading.split(start + 3, words.match[start + 2]), 1):
            if words.kind[begin] is Kind.STRING and _cast_end(reading, begin + 1) == stop:
                token = words.tokens[begin]
                yield number, token.start, token.end

    def _take_in(self, start: int, end: int, level: int) -> None:
        def deeper(words: Words, begin: int, stop: int) -> Facts:
            if words is self._words and level < 2:
                self._take_in(begin, stop, level + 1)
            return inside(words, begin, stop, level + 1)

        reading = Reading(self._words, query, change, deeper)
        reading.tests = self._condition
        take_in(reading, start, end)

    def _condition(self, r: Reading, start: int, end: int, scope: Scope) -> None:
        """An expression that is being read: its comparisons, where it is a condition of this text."""
        if r.words is not self._words or start == 0 or r.words.word[start - 1] not in _CONDITIONS:
            return
        self.tested.append((start, end))
        waiting = [(start, end)]
        while waiting:
            for begin, stop in terms(r.words, *waiting.pop(), ("and", "or")):
                word = r.words.word
                while begin < stop and word[begin] == "not":
                    begin += 1
                if begin < stop and word[begin] == "(" and r.words.match[begin] == stop - 1:
                    if not r.words.is_query(begin):
                        waiting.append((begin + 1, stop - 1))
                else:
                    self._comparison(r, begin, stop, scope)

    def _comparison(self, r: Reading, begin: int, stop: int, scope: Scope) -> None:
        """One arm: column = value, value = column, column [NOT] IN (values), column = ANY (value)."""
        word = r.words.word
        value = _value(r, begin)
        if value is not None:
            op, behind = _EQUALS.get(word[value]), _name(r, value + 1)
            if op is not None and behind == stop and not _operator(r, op):
                self._note(r, begin, value + 1, scope, many=False)
            return
        at = _name(r, begin)
        if at is None or at >= stop:
            return
        op = _EQUALS.get(word[at])
        if op is not None and not _operator(r, op):
            if _value(r, at + 1) == stop:
                self._note(r, at + 1, begin, scope, many=False)
            elif word[at + 1] in ("any", "some", "all") and word[at + 2] == "(" and r.words.match[at + 2] == stop - 1:
                self._array(r, at + 3, stop - 1, begin, scope)
            return
        op = "<>" if word[at] == "not" else "="
        at += word[at] == "not"
        if word[at] == "in" and word[at + 1] == "(" and r.words.match[at + 1] == stop - 1 and not _operator(r, op):
            self._list(r, at + 2, stop - 1, begin, scope)

    def _array(self, r: Reading, start: int, end: int, column: int, scope: Scope) -> None:
        """What stands in ANY's brackets: one array, or ARRAY[…] of single values."""
        word, match = r.words.word, r.words.match
        if word[start] == "array" and word[start + 1] == "[":
            close = match[start + 1]
            if _cast_end(r, close + 1, array=True) == end:
                self._list(r, start + 2, close, column, scope)
        elif _value(r, start, array=True) == end:
            self._note(r, start, column, scope, many=True)

    def _list(self, r: Reading, start: int, end: int, column: int, scope: Scope) -> None:
        if not r.words.is_query(start - 1):
            for begin, stop in r.split(start, end):
                if _value(r, begin) == stop:
                    self._note(r, begin, column, scope, many=False)

    def _note(self, r: Reading, value: int, column: int, scope: Scope, *, many: bool) -> None:
        """The literal or parameter at a token, compared with the column named at another. Only a column that is handed
        through as it is counts, and only where it is certain which one is meant."""
        parts, _ = r.name(column)
        out = resolve(r, scope, parts, column)
        if out.plain and not out.opaque and len(out.columns) == 1:
            (only,) = out.columns
            self.hits.setdefault(value, set()).add((only, many))


def _name(r: Reading, at: int) -> int | None:
    """The token behind a column's name at a token, with a cast to text or without; None: there is none."""
    words = r.words
    if not words.named[at] or (words.kind[at] is Kind.IDENT and words.word[at] in NOT_A_NAME):
        return None
    _, behind = r.name(at)
    return _cast_end(r, behind)


def _value(r: Reading, at: int, *, array: bool = False) -> int | None:
    """The token behind one string literal or parameter at a token, with a cast to text or without."""
    kind = r.words.kind[at]
    return _cast_end(r, at + 1, array=array) if kind is Kind.STRING or kind is Kind.PARAM else None


def _cast_end(r: Reading, at: int, *, array: bool = False) -> int | None:
    """The token behind the casts at a token; None where one leads to something else than text of any length."""
    word = r.words.word
    while word[at] == "::":
        try:
            end = type_end(r, at + 1)
        except Unread:
            return None
        names = word[at + 1 : end]
        if array and names[-2:] == ["[", "]"]:
            names = names[:-2]
        elif array:
            return None
        if names not in _TEXTS or r.casts.get(names[0]):
            return None
        at = end
    return at


def _operator(r: Reading, symbol: str) -> bool:
    """Whether somebody else's operator of the name may be meant, which does with a value what it likes."""
    known = r.known
    return known is not None and any(
        not all(routine.computes for routine in known.routines(schema, name)) or not known.routines(schema, name)
        for schema, name in r.operators.get(symbol, ())
    )
