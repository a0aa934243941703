"""Sums and averages over groups: `avg(x)` and `sum(x)` in the result of a query of so plain a form that it is known which
rows they take in.

A grammar of its own, much narrower than SQL: what does not fit it is no group, and nothing is said of it. A query of this
form can pick a group of rows, by equality with constants, and can divide the rows into groups by their columns. It cannot
leave out chosen rows (no <>, OR, IN, ranges, samples, subqueries), nor bring in rows of its own (tables alone, no VALUES,
no functions), nor compute with a value before it is summed.
"""

from dataclasses import dataclass, field

from parser.facts import Aggregate, Grouped, Joined, Place
from parser.keywords import NOT_A_NAME
from parser.known import Table
from parser.naming import column_name
from parser.reading import Reading, Unread
from parser.references import type_end
from parser.tokens import Kind

AGGREGATES = frozenset(("avg", "sum"))
_ROUNDING = frozenset(("round", "trunc", "ceil", "ceiling", "floor"))
_CLAUSES = ("from", "where", "group", "having", "order", "limit", "offset")
_OTHER_CLAUSES = frozenset(("union", "intersect", "except", "window", "fetch", "for", "into"))
_JOIN_STARTS = frozenset((",", "cross", "inner", "join", "left", "right", "full", "natural"))
_SORTING = frozenset(("asc", "desc", "nulls", "first", "last"))
_COUNTING = frozenset(("count", "(", "*", ")", ">", ">=", "<", "<=", "=", "and", "0", "$"))
_CONSTANT = frozenset(("'", "0", "$", "true", "false"))

Range = tuple[int, int]


class _Other(Exception):
    """The query is of another form."""


@dataclass(slots=True)
class _Query:
    """What was found of one query so far. `items`: the expression of each result column, and its label."""

    r: Reading
    aliases: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    merged: dict[str, Place] = field(default_factory=dict)  # columns of USING
    pinned: set[Place] = field(default_factory=set)
    divided: set[Place] = field(default_factory=set)
    ties: set[tuple[Place, Place]] = field(default_factory=set)
    items: list[tuple[Range, str | None]] = field(default_factory=list)


def grouped(r: Reading, start: int, end: int) -> Grouped | None:
    """The groups of the statement in the tokens from start to end; None where it is of another form or has no sums."""
    word = r.words.word
    if r.known is None or word[start] != "select" or AGGREGATES.isdisjoint(word[start:end]):
        return None
    if r.implicit or r.operators.get("="):
        return None  # somebody's own idea of what is equal
    query = _Query(r)
    try:
        aggregates = _read(query, start, end)
    except (_Other, Unread):
        return None
    if not aggregates:
        return None
    return Grouped(
        aggregates=aggregates,
        tables=tuple(
            Joined(alias, table.relation, kind == "left")
            for alias, table, kind in zip(query.aliases, query.tables, query.kinds, strict=True)
        ),
        pinned=frozenset(query.pinned),
        divided=frozenset(query.divided),
        ties=frozenset(query.ties),
    )


def _read(query: _Query, start: int, end: int) -> tuple[Aggregate, ...]:
    clauses = _clauses(query.r, start, end)
    _tables(query, *clauses["from"])
    _items(query, start + 1, clauses["from"][0] - 1)
    if "where" in clauses:
        before = len(query.ties)
        _condition(query, *clauses["where"])
        if len(query.ties) > before:  # then a row without a partner is left out
            query.kinds = ["inner"] * len(query.kinds)
    if "group" in clauses:
        _divisions(query, *clauses["group"])
    if "having" in clauses and not _COUNTING.issuperset(query.r.words.word[slice(*clauses["having"])]):
        raise _Other
    if "order" in clauses:
        _order(query, *clauses["order"])
    for name in ("limit", "offset"):
        if name in clauses and not _is_constant(query.r, *clauses[name]):
            raise _Other
    found = (_aggregate(query, at, *item) for at, item in enumerate(query.items))
    return tuple(one for one in found if one is not None)


def _clauses(r: Reading, start: int, end: int) -> dict[str, Range]:
    """The clauses of the query, each once and in their order, with the tokens behind the keyword."""
    word, match = r.words.word, r.words.match
    found: list[tuple[str, int]] = []
    at = start
    while at < end:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        elif w in _OTHER_CLAUSES or (w in _CLAUSES and word[at - 1] in (".", "as")):
            raise _Other
        elif w in _CLAUSES:
            found.append((w, at))
        at += 1
    names = [name for name, _ in found]
    if names[:1] != ["from"] or names != [name for name in _CLAUSES if name in names]:
        raise _Other
    stops = [*(at for _, at in found[1:]), end]
    clauses = {name: (at + 1, stop) for (name, at), stop in zip(found, stops, strict=True)}
    for name in ("group", "order"):
        if name in clauses:
            at, stop = clauses[name]
            if word[at] != "by":
                raise _Other
            clauses[name] = (at + 1, stop)
    return clauses


# --- FROM ---


def _tables(query: _Query, at: int, end: int) -> None:
    word = query.r.words.word
    at = _table(query, at, "inner")
    while at < end:
        if word[at] == ",":
            at = _table(query, at + 1, "inner")
            continue
        if word[at] == "cross" and word[at + 1] == "join":
            at = _table(query, at + 2, "inner")
            continue
        kind = "left" if word[at] == "left" else "inner"
        at += word[at] in ("left", "inner")
        at += kind == "left" and word[at] == "outer"
        if word[at] != "join":
            raise _Other
        at = _table(query, at + 1, kind)
        if word[at] == "using" and word[at + 1] == "(":
            _using(query, at + 1)
            at = query.r.words.match[at + 1] + 1
        elif word[at] == "on":
            stop = query.r.find(_JOIN_STARTS, at + 1, end)
            _condition(query, at + 1, stop)
            at = stop
        else:
            raise _Other


def _table(query: _Query, at: int, kind: str) -> int:
    """One table with its alias; the token behind it."""
    r = query.r
    words, known = r.words, r.known
    if not words.named[at] or words.word[at] in NOT_A_NAME:
        raise _Other
    relation, at = r.relation(at)
    table = known.table(relation.schema, relation.name) if known is not None else None
    if table is None:
        raise _Other
    alias = relation.name
    written = words.word[at] == "as"
    at += written
    if words.named[at] and (written or words.word[at] not in NOT_A_NAME):
        alias = words.text[at]
        at += 1
    elif written:
        raise _Other
    if alias in query.aliases:
        raise _Other
    query.aliases.append(alias)
    query.tables.append(table)
    query.kinds.append(kind)
    return at


def _using(query: _Query, opening: int) -> None:
    """The last table is joined with the one before that has a column of each name."""
    right = len(query.tables) - 1
    for name in query.r.names(opening):
        left = [at for at in range(right) if name in query.tables[at].names]
        if len(left) != 1 or name not in query.tables[right].names or name in query.merged:
            raise _Other
        query.ties.add(((left[0], name), (right, name)))
        query.merged[name] = (left[0], name)


def _column(query: _Query, at: int) -> tuple[Place | None, int]:
    """The column at a token, None where there is none for certain, and the token behind it."""
    words = query.r.words
    if not words.named[at] or words.word[at] in NOT_A_NAME:
        return None, at
    parts, behind = query.r.name(at)
    name = parts[-1]
    if len(parts) == 1:
        if name in query.merged:
            return query.merged[name], behind
        found = [one for one, table in enumerate(query.tables) if name in table.names]
    else:
        found = [
            one
            for one, (alias, table) in enumerate(zip(query.aliases, query.tables, strict=True))
            if parts == [alias, name] and name in table.names
        ]
    return ((found[0], name) if len(found) == 1 else None), behind


# --- WHERE and ON ---


def _condition(query: _Query, start: int, end: int) -> None:
    """Equalities with constants or between tables, and what says the same, with AND between them."""
    word, match = query.r.words.word, query.r.words.match
    while start < end and word[start] == "(" and match[start] == end - 1:
        start, end = start + 1, end - 1
    arms = [start]
    at = start
    while at < end:
        if word[at] == "and":
            arms.append(at + 1)
        at = match[at] + 1 if word[at] == "(" or word[at] == "[" else at + 1
    if len(arms) == 1:
        _equality(query, start, end)
        return
    for begin, stop in zip(arms, [*(arm - 1 for arm in arms[1:]), end], strict=True):
        _condition(query, begin, stop)


def _equality(query: _Query, start: int, end: int) -> None:
    word = query.r.words.word
    if word[start] == "not" and end - start > 1:
        place, behind = _column(query, start + 1)
        if place is None or behind != end:
            raise _Other
        query.pinned.add(place)  # a yes or no that is no
        return
    place, behind = _column(query, start)
    if place is None:
        equals = query.r.find(frozenset(("=",)), start, end)
        place, behind = _column(query, equals + 1) if equals < end else (None, end)
        if place is None or behind != end or not _is_constant(query.r, start, equals):
            raise _Other
        query.pinned.add(place)
        return
    if behind == end or tuple(word[behind:end]) in _SAYS:
        query.pinned.add(place)
    elif word[behind] != "=":
        raise _Other
    elif _is_constant(query.r, behind + 1, end):
        query.pinned.add(place)
    else:
        other, behind = _column(query, behind + 1)
        if other is None or behind != end or other[0] == place[0]:
            raise _Other
        query.ties.add((place, other))


_SAYS = frozenset((("is", "null"), ("is", "true"), ("is", "false"), ("is", "not", "true"), ("is", "not", "false")))


def _is_constant(r: Reading, start: int, end: int) -> bool:
    """One literal or parameter, perhaps with its type."""
    words = r.words
    word = words.word
    start += word[start] in ("-", "+")
    if words.named[start] and word[start + 1] == "'":  # date '2026-01-01'
        start += 1
    if start >= end or word[start] not in _CONSTANT:
        return False
    start += 1
    while start < end and word[start] == "::":
        start = type_end(r, start + 1)
    return start == end


# --- GROUP BY and ORDER BY ---


def _divisions(query: _Query, start: int, end: int) -> None:
    for begin, stop in query.r.split(start, end):
        place = _coarse(query, *_meant(query, begin, stop))
        if place is None:
            raise _Other
        query.divided.add(place)


def _meant(query: _Query, begin: int, stop: int) -> Range:
    """The expression that a grouping element stands for: itself, or that of a result column by number or label."""
    words = query.r.words
    if stop == begin + 1 and words.kind[begin] is Kind.INTEGER and words.text[begin].isdecimal():
        number = int(words.text[begin])
        if not 1 <= number <= len(query.items):
            raise _Other
        return query.items[number - 1][0]
    if stop == begin + 1 and words.named[begin] and _column(query, begin)[0] is None:
        found = [item for item, label in query.items if label == words.text[begin]]
        if len(found) == 1:
            return found[0]
    return begin, stop


def _coarse(query: _Query, begin: int, stop: int) -> Place | None:
    """The column that an expression is, or is a coarser form of that no value in the statement tells where to cut."""
    r = query.r
    word, match = r.words.word, r.words.match
    place, behind = _column(query, begin)
    if place is not None and (behind == stop or tuple(word[behind:stop]) == ("::", "date")):
        return place
    if word[begin + 1] != "(" or match[begin + 1] != stop - 1:
        return None
    if word[begin] == "extract":
        known = r.words.named[begin + 2] and word[begin + 3] == "from"
    else:
        known = word[begin] in ("date_trunc", "date_part") and word[begin + 2 : begin + 4] == ["'", ","]
        known = known and _is_own(r, word[begin])
    if not known:
        return None
    place, behind = _column(query, begin + 4)
    return place if behind == stop - 1 else None


def _is_own(r: Reading, name: str) -> bool:
    """Whether a call of this name can only be PostgreSQL's own."""
    routines = r.known.routines(None, name) if r.known is not None else ()
    return bool(routines) and all(one.builtin for one in routines)


def _order(query: _Query, start: int, end: int) -> None:
    """Sort keys that are result columns, plain columns or count(*)."""
    words = query.r.words
    for begin, stop in query.r.split(start, end):
        while stop - begin > 1 and words.word[stop - 1] in _SORTING:
            stop -= 1
        if stop == begin + 1 and (words.kind[begin] is Kind.INTEGER or words.named[begin]):
            continue
        if tuple(words.word[begin:stop]) == ("count", "(", "*", ")"):
            continue
        place, behind = _column(query, begin)
        if place is None or behind != stop:
            raise _Other


# --- the result's columns ---


def _items(query: _Query, start: int, end: int) -> None:
    words = query.r.words
    if words.word[start] in ("all", "distinct"):
        raise _Other
    for begin, stop in query.r.split(start, end):
        last = words.word[stop - 1]
        if begin == stop or (last == "*" and (stop == begin + 1 or words.word[stop - 2] == ".")):
            raise _Other
        label = None
        if stop - begin > 2 and words.word[stop - 2] == "as" and words.named[stop - 1]:
            label = words.text[stop - 1]
            stop -= 2
        elif (
            stop - begin > 1
            and words.named[stop - 1]
            and words.word[stop - 1] not in NOT_A_NAME
            and words.word[stop - 2] not in (".", "::")
            and _call(query, begin, stop) is None
        ):
            label = words.text[stop - 1]  # or the end of an expression of no form that matters here
            stop -= 1
        query.items.append(((begin, stop), label))


def _aggregate(query: _Query, output: int, item: Range, label: str | None) -> Aggregate | None:
    begin, stop = item
    call = _call(query, begin, stop)
    if call is None:
        return None
    name = None
    if label is None:
        name = column_name(query.r, begin, stop)
        if name is None or name.startswith("?"):
            return None
    words = query.r.words
    start, end = call
    opening = query.r.name(start)[1]
    place, _ = _column(query, opening + 1)
    assert place is not None, "the call was read"
    return Aggregate(output, start, end, stop, name, tuple(words.text[start:end]), place)


def _call(query: _Query, begin: int, stop: int) -> Range | None:
    """The tokens of the one aggregate that an expression is, but for rounding and casts around it."""
    r = query.r
    words = r.words
    word, match = words.word, words.match
    parts, opening = r.name(begin) if words.named[begin] else ([], begin)
    if word[opening] != "(":
        return None
    close = match[opening]
    if word[close + 1] == "::" and close + 1 < stop:
        return _call(query, begin, close + 1) if _casts_end(r, close + 1) == stop else None
    if not parts and close == stop - 1:
        return _call(query, begin + 1, close)
    if parts == ["cast"] and close == stop - 1:
        at = r.find(frozenset(("as",)), begin + 2, close)
        return _call(query, begin + 2, at) if at < close and type_end(r, at + 1) == close else None
    if not parts or close != stop - 1 or parts[:-1] not in ([], ["pg_catalog"]) or not _is_own(r, parts[-1]):
        return None
    if parts[-1] in _ROUNDING:
        arguments = r.split(opening + 1, close)
        if len(arguments) > 2 or (len(arguments) == 2 and not _is_constant(r, *arguments[1])):
            return None
        return _call(query, *arguments[0])
    if parts[-1] not in AGGREGATES:
        return None
    place, behind = _column(query, opening + 1)
    return (begin, stop) if place is not None and behind == close else None


def _casts_end(r: Reading, at: int) -> int:
    while r.words.word[at] == "::":
        at = type_end(r, at + 1)
    return at
