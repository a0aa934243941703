"""Subqueries in a condition: whether the rows they give depend on the row outside, and whether they have all rows of its
own table anyway (`id IN (SELECT id FROM the target)`)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from parser.facts import Relation
from parser.keywords import NOT_A_NAME
from parser.operands import Operands, Range
from parser.reading import Unread
from parser.tokens import Kind

Holds = Callable[[Range, Operands], bool]

_CLAUSES = frozenset(("from", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for"))
_AGGREGATES = frozenset(("count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or", "every"))
_OUTER_JOINS = frozenset(("left", "right", "full"))


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT without set operations. `aggregate`: it gives one row whatever it reads. `cut`: LIMIT, HAVING and the like
    may take rows from it; `none`: it gives no row, for its LIMIT is zero."""

    whole: Range
    items: Range
    source: Range | None
    where: Range | None
    aggregate: bool
    cut: bool
    none: bool


def arms(o: Operands, inside: Range) -> list[Range]:
    """The operands of UNION in a query; the whole query where there is none."""
    start, end = o.bare(*inside)
    word = o.r.words.word
    found = []
    at = o.r.find(frozenset(("union",)), start, end)
    while at < end:
        found.append((start, at))
        start = at + 1 + (word[at + 1] in ("all", "distinct"))
        at = o.r.find(frozenset(("union",)), start, end)
    return [*found, (start, end)]


def query(o: Operands, inside: Range) -> Query | None:
    """A plain SELECT, behind its WITH; None for anything else."""
    start, end = _bracketless(o, inside)
    word = o.r.words.word
    if word[start] == "with":
        begin = o.r.find(frozenset(("select",)), start, end)
        if o.hit(start, begin):
            return None
        start = begin
    if word[start] != "select" or o.r.find(frozenset(("intersect", "except", "union")), start, end) < end:
        return None
    places: dict[str, Range] = {}
    last, at = "select", start + 1
    mark = at
    while mark < end:
        mark = o.r.find(_CLAUSES, mark, end)
        if mark < end and word[mark - 1] == "distinct" and word[mark - 2] in ("is", "not"):
            mark += 1
            continue
        places[last] = (at, mark)
        last, at = word[mark], mark + 1
        mark = at
    places.setdefault(last, (at, end))
    items = places["select"]
    words = o.r.words
    calls = {words.text[k] for k in range(*items) if words.named[k] and word[k + 1] == "("}
    limit = places.get("limit")
    none = limit is not None and word[limit[0]] == "0" and words.text[limit[0]] == "0"
    if limit is not None:
        o.r.by_value = True
    return Query(
        (start, end),
        items,
        places.get("from"),
        places.get("where"),
        aggregate=not calls.isdisjoint(_AGGREGATES) and "group" not in places and "having" not in places,
        cut=not places.keys().isdisjoint(("having", "limit", "offset", "fetch")),
        none=none,
    )


def _bracketless(o: Operands, inside: Range) -> Range:
    word, match = o.r.words.word, o.r.words.match
    start, end = inside
    while start < end and word[start] == "(" and match[start] == end - 1:
        start, end = start + 1, end - 1
    return start, end


def lone_value(o: Operands, inside: Range) -> Range | None:
    """What a subquery without FROM selects: `(SELECT id = id)`."""
    found = query(o, inside)
    return found.items if found is not None and found.source is None and found.where is None else None


def has_every_row(o: Operands, left: Range, inside: Range, holds: Holds) -> bool:
    """Whether `left IN (query)` holds for each row, because the query selects the same of all rows of the same table."""
    return any(_arm_has_every_row(o, left, arm, holds) for arm in arms(o, inside))


def _arm_has_every_row(o: Operands, left: Range, inside: Range, holds: Holds) -> bool:
    found = query(o, inside)
    if found is None or found.source is None or found.cut or found.aggregate:
        return False
    word, match = o.r.words.word, o.r.words.match
    begin = found.source[0]
    if word[begin] == "(" and o.r.words.is_query(begin) and found.where is None:
        close = match[begin]
        return found.source[1] - close <= 3 and _arm_has_every_row(o, left, (begin + 1, close), holds)
    inner = _same_table(o, found)
    if inner is None:
        return False
    items = _items(o, found.items)
    if [o.text(*one) for one in o.elements(*left)] != [inner.text(*item) for item in items]:
        return False
    return found.where is None or holds(found.where, inner)


def _items(o: Operands, place: Range) -> list[Range]:
    """The values that are selected, without DISTINCT and their labels."""
    words = o.r.words
    word = words.word
    start, end = place
    start += word[start] in ("distinct", "all")
    items = []
    for begin, stop in o.r.split(start, end):
        if stop - begin > 2 and word[stop - 2] == "as":
            stop -= 2
        elif stop - begin > 1 and words.named[stop - 1] and (words.named[stop - 2] or word[stop - 2] == ")"):
            stop -= 1
        items.append((begin, stop))
    return items


def _same_table(o: Operands, found: Query) -> Operands | None:
    """What names the columns when FROM has the target's own table and nothing else."""
    words = o.r.words
    word = words.word
    if found.source is None:
        return None
    at, end = found.source
    at += word[at] == "only"
    try:
        relation, at = o.r.relation(at)
    except Unread:
        return None
    at += word[at] == "*"
    alias = relation.name
    if at < end and word[at] == "as":
        at += 1
    if at < end and words.named[at] and word[at] not in NOT_A_NAME:
        alias = words.text[at]
        at += 1
    if at != end or not _same(relation, o.relation):
        return None
    hits = dict(o.hits)
    for place in range(*found.whole):
        name = _own_column(o, place, alias)
        if name is not None:
            hits.setdefault(place, name)
    return replace(o, hits=hits, alias=alias)


def _same(one: Relation, other: Relation) -> bool:
    return one.name == other.name and (one.schema is None or other.schema is None or one.schema == other.schema)


def _own_column(o: Operands, at: int, alias: str) -> str | None:
    """The column of the inner table that a token names, or its qualifier does."""
    words = o.r.words
    word = words.word
    if not words.named[at] or (words.kind[at] is Kind.IDENT and word[at] in NOT_A_NAME):
        return None
    if word[at - 1] in (".", "::", "as"):
        return None
    if word[at + 1] == "." and words.named[at + 2]:
        return words.text[at + 2] if words.text[at] == alias and word[at + 3] not in (".", "(") else None
    return None if word[at + 1] == "(" or words.kind[at + 1] is Kind.STRING else words.text[at]


def has_own_row(o: Operands, found: Query, holds: Holds) -> bool:
    """Whether the query finds at least the row itself: `EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)`."""
    if found.source is None or found.where is None or found.cut:
        return False
    inner = _same_table(o, found)
    return inner is not None and holds(found.where, inner)


def decides(o: Operands, source: Range) -> bool:
    """Whether the row outside decides which rows a FROM list gives: never by the condition of an outer join alone."""
    word = o.r.words.word
    return o.hit(*source) and not any(word[at] in _OUTER_JOINS for at in range(*source))


def reaches_all(o: Operands, left: Range, op: str, right: Range, holds: Holds) -> bool:
    """`a >= (SELECT min(a) FROM the target)`, `<= (SELECT max(a) …)`, and the table joined to itself on one column."""
    words = o.r.words
    start, end = o.bare(*right)
    if words.named[start] and words.word[start + 1] == "." and end - start == 3 and words.text[start] in o.twins:
        name = words.text[start]
        uses = sum(words.named[k] and words.text[k] == name and words.word[k + 1] == "." for k in range(*o.whole))
        return op in ("=", "<=", ">=") and o.text(*left) == words.text[end - 1] and uses == 1
    if words.word[start] != "(" or op not in ("<=", ">="):
        return False
    found = query(o, (start + 1, end - 1))
    if found is None or found.cut:
        return False
    inner = _same_table(o, found)
    begin, stop = found.items
    if inner is None or o.call(begin, stop) != ("min" if op == ">=" else "max"):
        return False
    return inner.text(begin + 2, stop - 1) == o.text(*left) and (found.where is None or holds(found.where, inner))
