"""Reading queries: WITH, SELECT, VALUES, TABLE, set operations and FROM lists, with the lineage of what they return.

The FROM list is read before the select list, so the clauses are found first: their keywords are reserved and can stand
outside of brackets in no other place but behind AS or a point.
"""

from parser.expressions import condition, scan, window
from parser.facts import Output, Relation
from parser.keywords import SET_OPERATIONS, word_set
from parser.lineage import (
    FREE,
    Item,
    Scope,
    blend,
    collapsed,
    marked,
    merged,
    qualified_relation,
    qualifier,
    renamed,
    settled,
)
from parser.naming import column_name
from parser.probes import note, settle
from parser.reading import COLUMNS_MAX, Cte, Env, Reading, Unread
from parser.references import converted, row_sources, whole
from parser.rowsets import made_row, row_made
from parser.sorting import Clauses, compared, groups, key
from parser.tables import from_list, relation_source

_CLAUSES = word_set(
    """
    from where group having window union intersect except order limit offset fetch for into
    """
)
_STATEMENTS_IN_WITH = frozenset(("insert", "update", "delete", "merge"))


def query(
    r: Reading, start: int, end: int, parent: Scope | None, env: Env, own: Cte | None = None
) -> list[Item]:
    """Read the tokens from start to end as a query; its result's columns. Raises Unread.

    `own`: the WITH query whose body this is and which may refer to itself behind its first UNION.
    """
    words = r.words
    word, match = words.word, words.match
    while word[start] == "(" and match[start] == end - 1:
        start += 1
        end -= 1
    r.enter()
    r.level += 1
    r.effects.add("read")
    r.kinds.setdefault("SELECT")
    clause, r.clause = r.clause, ""
    if word[start] == "with":
        env, start = with_queries(r, start, end, parent, env)
    arms: list[list[Item]] = []
    clauses = _clauses(r, start, end)
    first = 0
    inner = any(clause[0] in SET_OPERATIONS for clause in clauses)  # each arm is a query of its own
    r.level += inner
    for at in range(len(clauses) + 1):
        if at == len(clauses) or clauses[at][0] in SET_OPERATIONS:
            stop = at == len(clauses)
            before = arms[0] if arms else None
            arms.append(_arm(r, start, end if stop else clauses[at][1] - 1, clauses[first:at], parent, env, before))
            if not stop:
                if own is not None and own.items is None and not any(item.many for item in arms[0]):
                    r.recursions += 1
                    own.items, own.marks = marked(renamed(arms[0], list(own.names)), r.recursions)
                start = clauses[at][1]
                if word[start] in ("all", "distinct"):
                    start += 1
                first = at + 1
    r.depth -= 1
    r.level -= 1 + inner
    r.clause = clause
    items = merged(arms)
    if len(arms) > 1:
        if r.implicit:
            items = [Item(item.name, converted(r, item.out), many=item.many) for item in items]
        compared(r, clauses, items)
    return items


def _clauses(r: Reading, start: int, end: int) -> Clauses:
    """The clauses outside of brackets, each up to the next one."""
    word, match = r.words.word, r.words.match
    found: list[tuple[str, int]] = []
    at = start
    while at < end:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        elif w in _CLAUSES:
            before = word[at - 1] if at > start else ""
            if not (
                before == "."
                or before == "as"
                or (w == "group" and before == "within")
                or (w == "for" and before == "collation")
                or (w == "from" and before == "rows" and found and found[-1][0] == "from")
                or (w == "from" and before == "distinct" and word[at - 2] in ("is", "not"))
            ):
                found.append((w, at))
        at += 1
    clauses = []
    for number, (w, at) in enumerate(found):
        stop = found[number + 1][1] if number + 1 < len(found) else end
        clauses.append((w, at + 1, stop))
    return clauses


def _arm(
    r: Reading, start: int, end: int, clauses: Clauses, parent: Scope | None, env: Env, before: list[Item] | None
) -> list[Item]:
    """One operand of a set operation, with the ORDER BY … FOR clauses that may follow the last one."""
    word, match = r.words.word, r.words.match
    body = clauses[0][1] - 1 if clauses else end
    first = word[start]
    if first == "select":
        return _select(r, start + 1, body, clauses, parent, env, before)
    scope = Scope(parent)
    if first == "values":
        items = _values(r, start + 1, body, scope, env)
    elif first == "table":
        at = start + 1
        source, at = relation_source(r, at, env)
        scope.add(source)
        items = source.star()
        r.columns_read |= source.whole().columns
        if at != body:
            raise Unread("TABLE with something behind the name")
    elif first == "(" and match[start] == body - 1:
        items = query(r, start, body, parent, env)
    else:
        raise Unread("a query was not understood")
    _tail(r, clauses, scope, env, items if before is None else before)
    return items


def _select(
    r: Reading, start: int, end: int, clauses: Clauses, parent: Scope | None, env: Env, before: list[Item] | None
) -> list[Item]:
    word, match = r.words.word, r.words.match
    scope = Scope(parent)
    seen = set()
    for w, at, stop in clauses:
        if w in seen and w != "for":
            raise Unread("a clause stands twice")
        seen.add(w)
        if w == "from":
            from_list(r, at, stop, scope, parent, env)
        elif w == "into":
            _into(r, at)
    for w, at, stop in clauses:
        if w == "window":
            for begin, close in r.split(at, stop):
                if word[begin + 1] != "as" or word[begin + 2] != "(" or match[begin + 2] != close - 1:
                    raise Unread("a window was not understood")
                scope.windows[r.words.text[begin]] = window(r, begin + 2, scope, env)
    opening, distinct = 0, False
    if word[start] == "all":
        start += 1
    elif word[start] == "distinct":
        start += 1
        if word[start] == "on" and word[start + 1] == "(":
            opening = start + 1
            start = match[opening] + 1
        distinct = True
    items = select_list(r, start, end, scope, env)
    if opening:
        for begin, close in r.split(opening + 1, match[opening]):
            key(r, "DISTINCT ON", begin, close, scope, env, items, result_first=True)
    elif distinct:
        for item in items:
            note(r, "DISTINCT", item.out, "group" if item.out.plain else "other")
    _tail(r, clauses, scope, env, items if before is None else before)
    return items


def select_list(r: Reading, start: int, end: int, scope: Scope, env: Env) -> list[Item]:
    """The result columns of a SELECT or RETURNING list."""
    items: list[Item] = []
    for begin, stop in r.split(start, end):
        if begin == stop:
            raise Unread("a result column was expected")
        items += _item(r, begin, stop, scope, env)
        if len(items) > COLUMNS_MAX:
            raise Unread("too many result columns")
    return items


def _item(r: Reading, begin: int, stop: int, scope: Scope, env: Env) -> list[Item]:
    words = r.words
    word, text = words.word, words.text
    while word[stop - 1] == ")" and words.match.get(begin) == stop - 1 and _is_star(r, begin + 1, stop - 1):
        begin, stop = begin + 1, stop - 1
    last = word[stop - 1]
    if last == "*" and (stop - begin == 1 or word[stop - 2] == "."):
        return _star(r, begin, stop, scope, env)
    label: str | None = None
    if stop - begin > 2 and word[stop - 2] == "as":
        if not words.named[stop - 1]:
            raise Unread("a column's name was expected")
        label = text[stop - 1]
        out = scan(r, begin, stop - 2, scope, env)
        return [Item(label, out, row=row_made(r, begin, stop - 2, scope, env))]
    out = scan(r, begin, stop, scope, env, item=True)
    label = r.label
    if words.named[begin]:
        _, behind = r.name(begin)
        if label is not None and behind == stop - 1:
            out = scan(r, begin, behind, scope, env)  # a plain column under another name
            stop = behind
        elif label is None and behind == stop:
            label = text[stop - 1]
    if label is None and r.known is not None:
        label = column_name(r, begin, stop)
    return [Item(label, out, row=row_made(r, begin, stop, scope, env))]


def _is_star(r: Reading, begin: int, stop: int) -> bool:
    """`t.*`, in brackets or not."""
    word = r.words.word
    if word[begin] == "(" and r.words.match[begin] == stop - 1:
        return _is_star(r, begin + 1, stop - 1)
    return stop - begin > 2 and word[stop - 1] == "*" and word[stop - 2] == "." and r.words.named[begin]


def _star(r: Reading, begin: int, stop: int, scope: Scope, env: Env) -> list[Item]:
    """`*`, `t.*`, `s.t.*` or `(value).*`."""
    words = r.words
    if stop - begin == 1:
        items = scope.star()
    elif words.named[begin]:
        parts, at = r.name(begin)
        if at != stop - 2:
            raise Unread("a star in an unexpected place")
        sources = (
            qualifier(scope, parts[0]) if len(parts) == 1 else qualified_relation(scope, parts[-2], parts[-1])
        )
        if not sources:
            return [Item(None, whole(r, scope, parts, begin), many=True)]
        items = [item for source in sources for item in source.star()]
        if any(source.target for source in sources):
            r.hits.add(begin)
    elif (rows := row_sources(r, scope, begin, stop - 2)):
        items = [item for source in rows for item in source.star()]
    else:
        return made_row(r, begin, stop - 2, scope, env)
    for item in items:
        r.columns_read |= item.out.columns
    return items


def _values(r: Reading, start: int, end: int, scope: Scope, env: Env) -> list[Item]:
    """VALUES lists: column1, column2 …, each with what any row puts there."""
    columns: list[list[Output]] = []
    open_ended = False
    word, match = r.words.word, r.words.match
    for begin, stop in r.split(start, end):
        if word[begin] != "(" or match[begin] != stop - 1:
            raise Unread("a VALUES row was expected")
        number = 0
        for left, right in r.split(begin + 1, stop - 1):
            outs = [FREE]
            if _is_star(r, left, right):
                items = _item(r, left, right, scope, env)
                outs = [item.out for item in items]
                open_ended = open_ended or any(item.many for item in items)
            elif right - left != 1 or r.words.named[left]:
                outs = [scan(r, left, right, scope, env)]
            for out in outs:
                if number == len(columns):
                    columns.append([])
                if out is not FREE:
                    columns[number].append(out)
                number += 1
    if len(columns) > COLUMNS_MAX:
        raise Unread("too many result columns")
    if open_ended:
        return [Item(None, blend(out for outs in columns for out in outs), many=True)]
    return [Item(f"column{number + 1}", converted(r, blend(outs))) for number, outs in enumerate(columns)]


def _tail(r: Reading, clauses: Clauses, scope: Scope, env: Env, items: list[Item]) -> None:
    """WHERE … FOR: read, but nothing of it flows into the result."""
    word = r.words.word
    for w, at, stop in clauses:
        if w == "where" or w == "having" or w == "offset" or w == "limit":
            if w == "offset" and word[stop - 1] in ("row", "rows") and stop - at > 1:
                stop -= 1
            if w != "limit" or word[at] != "all":
                condition(r, w.upper(), at, stop, scope, env)
        elif w == "group":
            if word[at] != "by":
                raise Unread("GROUP without BY")
            groups(r, at + 1 + (word[at + 1] in ("all", "distinct")), stop, scope, env, items)
        elif w == "order":
            if word[at] != "by":
                raise Unread("ORDER without BY")
            for begin, end in r.split(at + 1, stop):
                key(r, "ORDER BY", begin, end, scope, env, items, result_first=True)
        elif w == "fetch":
            stop = r.find(frozenset(("row", "rows")), at + 1, stop)
            if stop > at + 1:
                condition(r, "FETCH", at + 1, stop, scope, env)
        elif w == "for":
            _locking(r, at)


def _locking(r: Reading, at: int) -> None:
    word = r.words.word
    strength = []
    while word[at] in ("no", "key", "update", "share", "read", "only"):
        strength.append(word[at].upper())
        at += 1
    if not strength:
        raise Unread("a locking clause was not understood")
    if strength != ["READ", "ONLY"]:
        r.kinds.setdefault("SELECT FOR " + " ".join(strength))


def _into(r: Reading, at: int) -> None:
    """SELECT … INTO makes a table."""
    word = r.words.word
    temporary = False
    while word[at] in ("local", "global", "temp", "temporary", "unlogged", "table") and r.words.named[at + 1]:
        temporary = temporary or word[at] in ("temp", "temporary")
        at += 1
    made, _ = r.relation(at)
    r.creates.append(Relation("pg_temp", made.name) if temporary else made)
    r.kinds.setdefault("SELECT INTO")
    r.effects.add("ddl")


# --- WITH ---


def with_queries(r: Reading, at: int, end: int, parent: Scope | None, env: Env) -> tuple[Env, int]:
    """The WITH queries in front of a statement: the names they make, and the token behind them."""
    words = r.words
    word, match = words.word, words.match
    env = dict(env)
    at += 1
    recursive = word[at] == "recursive"
    if recursive:
        at += 1
        _declare(r, at, end, env)
    while True:
        if not words.named[at]:
            raise Unread("a WITH query was not understood")
        name = words.text[at]
        at += 1
        names: list[str] = []
        if word[at] == "(":
            names = r.names(at)
            at = match[at] + 1
        if word[at] != "as":
            raise Unread("a WITH query was not understood")
        at += 1
        while word[at] in ("not", "materialized"):
            at += 1
        if word[at] != "(":
            raise Unread("a WITH query was not understood")
        own = env[name] if recursive else None
        if own is not None:
            own.own, own.used, own.names = True, False, names
        items = _with_body(r, at + 1, match[at], parent, env, own)
        if own is not None and own.marks:
            items = settled(items, own.marks)
            r.columns_read.difference_update(own.marks)
            everything = blend(item.out for item in items)
            alike = len(items) == len(own.marks)
            settle(r, {mark: items[at].out if alike else everything for at, mark in enumerate(own.marks)})
        elif own is not None and own.used:
            items = collapsed(items)
            for item in items:
                note(r, "WITH RECURSIVE", item.out)
        at, items = _search_cycle(r, match[at] + 1, end, renamed(items, names))
        env[name] = Cte(items, r.level)
        if word[at] != ",":
            return env, at
        at += 1


def _declare(r: Reading, at: int, end: int, env: Env) -> None:
    """WITH RECURSIVE: all names are in scope from the start, unknown until they are read."""
    words = r.words
    word, match = words.word, words.match
    starts = True  # at the place where a WITH query's name stands
    while at < end:
        w = word[at]
        if starts and words.named[at]:
            behind = match[at + 1] + 1 if word[at + 1] == "(" else at + 1
            if word[behind] == "as":
                env[words.text[at]] = Cte(None)
        elif w in _STATEMENTS_IN_WITH or w in ("select", "values", "table"):
            return
        elif w == "(":
            at = match[at]
        starts = w == ","
        at += 1


def _with_body(
    r: Reading, start: int, end: int, parent: Scope | None, env: Env, own: Cte | None
) -> list[Item]:
    first = r.words.word[start]
    if first == "with":
        first = r.words.word[r.behind_with(start, end)]
    if first not in _STATEMENTS_IN_WITH:
        return query(r, start, end, parent, env, own)
    kept, unfiltered = r.outputs, r.unfiltered
    items = r.change(r, start, end, env)
    r.outputs = kept
    r.unfiltered = r.unfiltered or unfiltered
    return items


def _search_cycle(r: Reading, at: int, end: int, items: list[Item]) -> tuple[int, list[Item]]:
    """SEARCH … BY a, b SET name and CYCLE a, b SET name [TO … DEFAULT …] USING name add columns made of those listed."""
    words = r.words
    word, text = words.word, words.text
    added: list[Item] = []
    while word[at] in ("search", "cycle"):
        stop = r.find(frozenset(("set",)), at, end)
        start = at + 1 if word[at] == "cycle" else r.find(frozenset(("by",)), at, stop) + 1
        listed = {text[begin] for begin, _ in r.split(start, stop)}
        out = blend(item.out for item in items if item.name in listed or item.name is None or item.many)
        added.append(Item(text[stop + 1], out, hidden=True))
        if word[at] == "cycle":
            note(r, "CYCLE", out)
        at = stop + 2
        if word[at] == "to":
            at = r.find(frozenset(("using",)), at, end)
        if word[at] == "using":
            added.append(Item(text[at + 1], out, hidden=True))
            at += 2
    return at, items + added
