"""Reading INSERT, UPDATE, DELETE and MERGE: what they write, read and return."""

from parser.expressions import condition, scan
from parser.facts import Changing, Column, Output
from parser.lineage import FREE, Item, Scope, Source, blend, outputs
from parser.pins import pinned
from parser.probes import conflicting
from parser.queries import query, select_list, with_queries
from parser.reading import Env, Reading, Unread
from parser.references import converted
from parser.selective import excludes_nothing
from parser.tables import base_source, from_list

CHANGES = frozenset(("insert", "update", "delete", "merge"))
_UPDATE_CLAUSES = frozenset(("set", "from", "where", "returning"))
_DELETE_CLAUSES = frozenset(("using", "where", "returning"))
Assigned = dict[str, Output]  # what a statement puts into columns of its target; "*": into any


def change(r: Reading, start: int, end: int, env: Env) -> list[Item]:
    """Read the tokens from start to end as a statement that changes rows; the columns it returns. Raises Unread."""
    word = r.words.word
    r.enter()
    r.level += 1
    kind = word[r.behind_with(start, end) if word[start] == "with" else start]
    reader = {"insert": _insert, "update": _update, "delete": _delete, "merge": _merge}.get(kind)
    if reader is None:
        raise Unread("a statement behind WITH was not understood")
    r.kinds.setdefault(kind.upper())
    r.effects.add("write")
    r.changes += 1
    if word[start] == "with":
        env, start = with_queries(r, start, end, r.root, env)
    if word[start] != kind:
        raise Unread("a statement behind WITH was not understood")
    items = reader(r, start + 1, end, env)
    r.outputs = outputs(items)
    r.depth -= 1
    r.level -= 1
    return items


def _target(r: Reading, at: int, stops: frozenset[str]) -> tuple[Source, int]:
    """[ONLY] name [*] [[AS] alias]."""
    words = r.words
    word = words.word
    bracket = False
    if word[at] == "only":
        bracket = word[at + 1] == "("
        at += 2 if bracket else 1
    relation, at = r.relation(at)
    at += bracket or word[at] == "*"
    source = base_source(r, relation)
    source.target = True
    if word[at] == "as":
        at += 1
        if not words.named[at]:
            raise Unread("an alias was expected")
        source.alias, source.explicit = words.text[at], True
        at += 1
    elif words.named[at] and word[at] not in stops:
        source.alias, source.explicit = words.text[at], True
        at += 1
    assert source.relation is not None
    r.writes.setdefault(source.relation)
    if r.level == 1:
        r.target = source.relation
    return source, at


def _clauses(r: Reading, wanted: frozenset[str], start: int, end: int) -> dict[str, tuple[int, int]]:
    """The clauses outside of brackets. Raises Unread where one stands twice."""
    word = r.words.word
    found: dict[str, tuple[int, int]] = {}
    at = r.find(wanted, start, end)
    if at != start:
        raise Unread("a statement that changes rows was not understood")
    while at < end:
        w = word[at]
        stop = r.find(wanted, at + 1, end)
        while stop < end and (
            (word[stop] == "from" and word[stop - 1] == "distinct")
            or word[stop] == "set"
            or (w in ("using", "from") and word[stop] in ("using", "from"))
        ):
            stop = r.find(wanted, stop + 1, end)
        if w in found:
            raise Unread("a clause stands twice")
        found[w] = (at + 1, stop)
        at = stop
    return found


def _update(r: Reading, at: int, end: int, env: Env) -> list[Item]:
    target, at = _target(r, at, _UPDATE_CLAUSES)
    if r.words.word[at] != "set":
        raise Unread("UPDATE without SET")
    clauses = _clauses(r, _UPDATE_CLAUSES, at, end)
    scope = Scope(r.root, [target])
    if "from" in clauses:
        from_list(r, *clauses["from"], scope, r.root, env)
        r.effects.add("read")
    assigned: Assigned = {}
    assignments(r, *clauses["set"], target, scope, env, assigned)
    _where(r, clauses.get("where"), scope, env)
    return _returning(r, clauses.get("returning"), target, scope, env, assigned)


def _delete(r: Reading, at: int, end: int, env: Env) -> list[Item]:
    if r.words.word[at] != "from":
        raise Unread("DELETE without FROM")
    target, at = _target(r, at + 1, _DELETE_CLAUSES)
    clauses = _clauses(r, _DELETE_CLAUSES, at, end)
    scope = Scope(r.root, [target])
    if "using" in clauses:
        from_list(r, *clauses["using"], scope, r.root, env)
        r.effects.add("read")
    _where(r, clauses.get("where"), scope, env)
    return _returning(r, clauses.get("returning"), target, scope, env, {})


def _where(r: Reading, place: tuple[int, int] | None, scope: Scope, env: Env) -> None:
    """The condition of an UPDATE or DELETE, and whether it can leave a row out."""
    if place is None:
        r.unfiltered = True
        return
    start, end = place
    word = r.words.word
    if word[start] == "current" and word[start + 1] == "of":
        if end - start != 3:
            raise Unread("WHERE CURRENT OF was not understood")
        return
    condition(r, "WHERE", start, end, scope, env)
    if excludes_nothing(r, start, end, scope):
        r.unfiltered = True
    r.pinned = pinned(r, start, end)


def _returning(
    r: Reading,
    place: tuple[int, int] | None,
    target: Source,
    scope: Scope,
    env: Env,
    assigned: Assigned,
) -> list[Item]:
    """RETURNING [WITH (OLD AS o, NEW AS n)] list. Columns of the target hold what was assigned to them; `old` does not."""
    assert target.relation is not None
    r.stored += [(Column(target.relation, name), out) for name, out in assigned.items()]
    if r.level == 1:
        alone = all(one is target or one.alias != target.alias for one in scope.sources)
        r.changing = Changing(target.alias if alone else None, place is not None)
    if place is None:
        return []
    start, end = place
    words = r.words
    names = {"old": "old", "new": "new"}
    if words.word[start] == "with" and words.word[start + 1] == "(":
        for begin, stop in r.split(start + 2, words.match[start + 1]):
            if stop - begin != 3 or words.word[begin] not in names or words.word[begin + 1] != "as":
                raise Unread("RETURNING WITH was not understood")
            names[words.word[begin]] = words.text[stop - 1]
        start = words.match[start + 1] + 1
    r.effects.add("read")
    target.assigned = assigned = _stored(r, assigned)
    for name, alias in names.items():
        row = Source(alias, target.relation, qualified_only=True, explicit=True, table=target.table)
        row.assigned = assigned if name == "new" else None
        scope.add(row)
    return select_list(r, start, end, scope, env)


def assignments(
    r: Reading, start: int, end: int, target: Source, scope: Scope, env: Env, assigned: Assigned
) -> None:
    """A SET list: the columns are written, the values read; into `assigned` goes what each column is given."""
    words = r.words
    relation = target.relation
    assert relation is not None
    for begin, stop in r.split(start, end):
        equals = r.find(frozenset(("=",)), begin, stop)
        if equals == stop:
            raise Unread("an assignment was not understood")
        if words.word[begin] == "(":
            names = r.names(begin)
        elif words.named[begin]:
            names = [words.text[begin]]
            for at in range(begin, equals):
                if words.word[at] == "[":
                    scan(r, at + 1, words.match[at], scope, env)
        else:
            raise Unread("an assignment was not understood")
        r.columns_written.update(Column(relation, name) for name in names)
        _assign(assigned, names, _given(r, equals + 1, stop, len(names), scope, env))


def _given(r: Reading, start: int, end: int, count: int, scope: Scope, env: Env) -> list[Output]:
    """What stands behind the = of an assignment to so many columns: one value for each, or one that stands for all."""
    words = r.words
    if count > 1:
        opening = start + (words.word[start] == "row")
        if words.word[opening] == "(" and words.match[opening] == end - 1:
            if words.is_query(opening):
                return [item.out for item in query(r, opening + 1, end - 1, scope, env)]
            return [scan(r, begin, stop, scope, env) for begin, stop in r.split(opening + 1, end - 1)]
    return [scan(r, start, end, scope, env)]


def _stored(r: Reading, assigned: Assigned) -> Assigned:
    """What was assigned, as the casts to the columns' types leave it."""
    if not r.assigning:
        return assigned
    return {name: converted(r, out, stored=True) for name, out in assigned.items()}


def _assign(assigned: Assigned, names: list[str], outs: list[Output]) -> None:
    """Note what columns are given, by position; everything for all of them where the counts differ."""
    if len(names) != len(outs):
        outs = [blend(outs)] * len(names)
    for name, out in zip(names, outs, strict=True):
        if out.columns or out.opaque:
            assigned[name] = blend((assigned.get(name, FREE), out))


def _columns(r: Reading, at: int, target: Source) -> tuple[list[str] | None, int]:
    """The optional column list of an INSERT, or the table's own columns; the token behind it. None: not known."""
    words = r.words
    relation = target.relation
    assert relation is not None
    names = list(target.table.columns) if target.table is not None else None
    if words.word[at] == "(" and not words.is_query(at):
        names = r.names(at)
        r.columns_written.update(Column(relation, name) for name in names)
        at = words.match[at] + 1
    else:
        r.columns_written.add(Column(relation, "*"))
    if words.word[at] == "overriding":
        at += 3
    return names, at


def _proposed(names: list[str] | None, outs: list[Output], *, exact: bool) -> Assigned:
    """What an INSERT puts into each column. A shorter list of values leaves the last columns out."""
    assigned: Assigned = {}
    if names is None or not exact or len(outs) > len(names):
        _assign(assigned, ["*"], [blend(outs)])
    else:
        _assign(assigned, names[: len(outs)], outs)
    return assigned


def _insert(r: Reading, at: int, end: int, env: Env) -> list[Item]:
    word = r.words.word
    if word[at] != "into":
        raise Unread("INSERT without INTO")
    target, at = _target(r, at + 1, frozenset(("values", "select", "with", "table", "default", "overriding")))
    names, at = _columns(r, at, target)
    stop = conflict = r.find(frozenset(("on", "returning")), at, end)
    while conflict < end and not (
        word[conflict] == "returning" or (word[conflict + 1] == "conflict" and word[conflict + 2] in ("do", "(", "on"))
    ):
        stop = conflict = r.find(frozenset(("on", "returning")), conflict + 1, end)
    if word[at] == "values":
        items = _values(r, at + 1, stop, env)
    elif word[at] == "default" and word[at + 1] == "values":
        items = []
        if at + 2 != stop:
            raise Unread("INSERT was not understood")
    else:
        items = query(r, at, stop, r.root, env)
    exact = not any(item.many for item in items)
    assigned = _proposed(names, [item.out for item in items], exact=exact)
    scope = Scope(r.root, [target])
    returning = r.find(frozenset(("returning",)), stop, end)
    if stop < returning:
        _conflict(r, stop + 2, returning, target, env, assigned)
    return _returning(r, (returning + 1, end) if returning < end else None, target, scope, env, assigned)


def _values(r: Reading, at: int, end: int, env: Env) -> list[Item]:
    """The rows of INSERT … VALUES, each column with what any row puts there; literals in bulk are passed over quickly."""
    words = r.words
    start = at
    columns: dict[int, Output] = {}
    word, match, named = words.word, words.match, words.named
    while True:
        if word[at] != "(":
            raise Unread("a VALUES row was expected")
        close = match[at]
        if close >= end:
            raise Unread("brackets do not pair")
        if any(named[at + 1 : close]) or "(" in word[at + 1 : close]:
            for number, (begin, stop) in enumerate(r.split(at + 1, close)):
                out = scan(r, begin, stop, r.root, env)
                if out is not FREE:
                    columns[number] = blend((columns.get(number, FREE), out))
        at = close + 1
        if at == end:
            count = max(columns, default=-1) + 1
            return [Item(None, columns.get(number, FREE)) for number in range(count)]
        if word[at] != ",":
            # VALUES with something behind the rows (ORDER BY, UNION …) is a query like any other
            return query(r, start - 1, end, r.root, env)
        at += 1


def _conflict(r: Reading, at: int, end: int, target: Source, env: Env, assigned: Assigned) -> None:
    """[(index …) [WHERE …] | ON CONSTRAINT name] DO NOTHING | DO UPDATE SET … [WHERE …]; stands behind CONFLICT. What is
    set goes into `assigned`."""
    word, match = r.words.word, r.words.match
    excluded = Source("excluded", target.relation, qualified_only=True, table=target.table)
    excluded.assigned = dict(_stored(r, assigned))
    scope = Scope(r.root, [target, excluded])
    action = r.find(frozenset(("do",)), at, end)
    if word[at] == "(":
        for begin, stop in r.split(at + 1, match[at]):
            if r.words.named[begin]:
                _, stop = r.name(begin)
            stop = match[stop if r.words.named[begin] else begin] + 1 if word[stop] == "(" or word[begin] == "(" else stop
            out = scan(r, begin, stop, scope, env)  # what follows is a collation and an operator class
            conflicting(r, out.columns)
        if word[match[at] + 1] == "where":
            condition(r, "ON CONFLICT", match[at] + 2, action, scope, env)
    else:
        if action != at and not (word[at] == "on" and word[at + 1] == "constraint"):
            raise Unread("ON CONFLICT was not understood")
        conflicting(r, r.columns_written)
    if word[action + 1] == "nothing" and action + 2 == end:
        return
    if word[action + 1] != "update" or word[action + 2] != "set":
        raise Unread("ON CONFLICT was not understood")
    r.kinds.setdefault("INSERT ON CONFLICT")
    where = r.find(frozenset(("where",)), action + 3, end)
    assignments(r, action + 3, where, target, scope, env, assigned)
    if where < end:
        condition(r, "WHERE", where + 1, end, scope, env)


def _merge(r: Reading, at: int, end: int, env: Env) -> list[Item]:
    word = r.words.word
    if word[at] != "into":
        raise Unread("MERGE without INTO")
    target, at = _target(r, at + 1, frozenset(("using",)))
    if word[at] != "using":
        raise Unread("MERGE without USING")
    returning = r.find(frozenset(("returning",)), at, end)
    when = _next_when(r, at, returning)
    on = last = r.find(frozenset(("on",)), at, when)
    while last < when:  # the source may be a join: its conditions come first
        on, last = last, r.find(frozenset(("on",)), last + 1, when)
    if on == when or when == returning:
        raise Unread("MERGE was not understood")
    scope = Scope(r.root)  # the source does not see the target
    from_list(r, at + 1, on, scope, r.root, env)
    scope.add(target)
    scope.sources.insert(0, scope.sources.pop())
    r.effects.add("read")
    condition(r, "ON", on + 1, when, scope, env)
    open_ended = excludes_nothing(r, on + 1, when, scope)
    assigned: Assigned = {}
    while when < returning:
        stop = _next_when(r, when + 1, returning)
        changes, by_source = _merge_action(r, when + 1, stop, target, scope, env, assigned)
        if changes and (open_ended or by_source):
            r.unfiltered = True
        when = stop
    scope.sources.append(scope.sources.pop(0))  # RETURNING * gives the source's columns before the target's
    return _returning(r, (returning + 1, end) if returning < end else None, target, scope, env, assigned)


def _next_when(r: Reading, at: int, end: int) -> int:
    """The next WHEN that does not belong to a CASE."""
    word = r.words.word
    cases = 0
    while at < end:
        at = r.find(frozenset(("when", "case", "end")), at, end)
        if at == end or (word[at] == "when" and cases == 0):
            return at
        cases += (word[at] == "case") - (word[at] == "end")
        at += 1
    return end


def _merge_action(
    r: Reading, at: int, end: int, target: Source, scope: Scope, env: Env, assigned: Assigned
) -> tuple[bool, bool]:
    """[NOT] MATCHED [BY …] [AND condition] THEN action. Whether rows that were there change and the condition
    selects none of them, and BY SOURCE."""
    word, match = r.words.word, r.words.match
    at += word[at] == "not"
    if word[at] != "matched":
        raise Unread("MERGE was not understood")
    at += 1
    by_source = False
    if word[at] == "by":
        by_source = word[at + 1] == "source"
        at += 2
    then = at
    selects = False
    if word[at] == "and":
        cases = 0
        then = at + 1
        while then < end and (word[then] != "then" or cases):
            cases += (word[then] == "case") - (word[then] == "end")
            then = match[then] + 1 if word[then] in ("(", "[") else then + 1
        condition(r, "WHEN", at + 1, then, scope, env)
        selects = not excludes_nothing(r, at + 1, then, scope)
    action = word[then + 1]
    at = then + 2
    if action == "do":
        return False, False
    r.kinds.setdefault(action.upper())
    if action == "delete" and at == end:
        return not selects, by_source
    if action == "update" and word[at] == "set":
        assignments(r, at + 1, end, target, scope, env, assigned)
        return not selects, by_source
    if action == "insert":
        names, at = _columns(r, at, target)
        if word[at] == "values" and word[at + 1] == "(" and match[at + 1] == end - 1:
            outs = [scan(r, begin, stop, scope, env) for begin, stop in r.split(at + 2, end - 1)]
            for name, out in _proposed(names, outs, exact=True).items():
                _assign(assigned, [name], [out])
            return False, False
        if word[at] == "default" and word[at + 1] == "values" and at + 2 == end:
            return False, False
    raise Unread("MERGE was not understood")
