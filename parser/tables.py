"""Reading FROM lists: tables, joins, subqueries and functions, into a scope."""

from parser.expressions import condition
from parser.facts import Relation
from parser.joins import Joins
from parser.keywords import NOT_A_NAME
from parser.lineage import FREE, OPAQUE, Item, Scope, Source, renamed
from parser.probes import note
from parser.reading import Env, Reading, Unread
from parser.references import resolve
from parser.rowsets import (
    defined,
    defined_columns,
    free_table,
    function_source,
    numbered,
    rows_from,
    xml_table,
)

_JOINS = frozenset(["join", "left", "right", "full", "inner", "cross", "natural"])
_JOIN_ENDS = _JOINS | {"on", "using", ","}


def from_list(r: Reading, at: int, end: int, scope: Scope, parent: Scope | None, env: Env) -> None:
    """Read a FROM list into the scope. `parent` is what a subquery that is not LATERAL can see."""
    word = r.words.word
    joins = Joins(scope)
    at = _table(r, at, end, scope, parent, env)
    joins.operand()
    while at < end:
        w = word[at]
        if w == ",":
            joins.begin()
            at = _table(r, at + 1, end, scope, parent, env)
            joins.operand()
        elif w in _JOINS:
            how = w
            kind = "inner"
            while word[at] in _JOINS or word[at] == "outer":
                kind = word[at] if word[at] in ("left", "right", "full") else kind
                at += 1
                if word[at - 1] == "join":
                    break
            at = _table(r, at, end, scope, parent, env)
            joins.operand(kind)
            if how == "natural":
                joins.using(r, None)
            elif how == "cross":
                joins.on()
        elif w == "on":
            stop = _condition_end(r, at + 1, end)
            condition(r, "JOIN", at + 1, stop, scope, env)
            joins.on()
            at = stop
        elif w == "using" and word[at + 1] == "(":
            at = _using(r, at + 1, scope, joins)
        else:
            raise Unread("a FROM list was not understood")
    if at != end:
        raise Unread("a FROM list was not understood")


def _condition_end(r: Reading, at: int, end: int) -> int:
    """Where the condition of a join ends: LEFT and RIGHT may also be functions in it."""
    word = r.words.word
    while True:
        at = r.find(_JOIN_ENDS, at, end)
        if at < end and word[at] in ("left", "right", "full") and word[at + 1] not in ("join", "outer"):
            at += 1
            continue
        return at


def _using(r: Reading, opening: int, scope: Scope, joins: Joins) -> int:
    words = r.words
    names = r.names(opening)
    items = joins.using(r, names)
    if items is None:
        items = [Item(name, resolve(r, scope, [name], opening)) for name in names]
        for item in items:
            note(r, "USING", item.out)
    at = words.match[opening] + 1
    if words.word[at] == "as" and words.named[at + 1]:
        scope.add(Source(words.text[at + 1], None, items, qualified_only=True, explicit=True))
        at += 2
    return at


def _table(r: Reading, at: int, end: int, scope: Scope, parent: Scope | None, env: Env) -> int:
    """One table reference with its alias; the token behind it."""
    words = r.words
    word, match = words.word, words.match
    inner = parent
    if word[at] == "lateral":
        at += 1
        inner = scope
    if word[at] == "(":
        close = match[at]
        if words.is_query(at):
            source = Source(None, None, r.query(r, at + 1, close, inner, env))
        else:
            group = Scope(scope)
            r.enter()
            from_list(r, at + 1, close, group, parent, env)
            r.depth -= 1
            if not _alias_ahead(r, close + 1, end):
                for source in group.sources:
                    scope.add(source)
                scope.merged = scope.merged or group.merged
                return close + 1
            source = Source(None, None, group.star())
        return _alias(r, close + 1, end, source, scope, env)
    if word[at] == "rows" and word[at + 1] == "from" and word[at + 2] == "(":
        source = rows_from(r, at + 2, scope, env)
        return _alias(r, _ordinality(r, match[at + 2] + 1, source), end, source, scope, env)
    if word[at] in ("xmltable", "json_table") and word[at + 1] == "(":
        reader = xml_table if word[at] == "xmltable" else free_table
        source = reader(r, at + 1, scope, env)
        return _alias(r, match[at + 1] + 1, end, source, scope, env)
    if word[at] != "only" and not (words.named[at] and word[at] not in NOT_A_NAME):
        return _odd_function(r, at, end, scope, env)
    if word[at] != "only":
        _, behind = r.name(at)
        if word[behind] == "(":
            return _function(r, at, match[behind] + 1, end, scope, env)
    source, at = relation_source(r, at, env)
    return _alias(r, at, end, source, scope, env)


def _odd_function(r: Reading, at: int, end: int, scope: Scope, env: Env) -> int:
    """Functions that are written as keywords: current_date, left(…), CAST-like calls."""
    word = r.words.word
    if word[at] in ("", ";", ",", ")") or word[at] in _JOIN_ENDS - {"left", "right", "full"}:
        raise Unread("a table was expected")
    if word[at] == "collation" and word[at + 1] == "for" and word[at + 2] == "(":
        return _function(r, at, r.words.match[at + 2] + 1, end, scope, env)
    close = r.words.match[at + 1] + 1 if word[at + 1] == "(" else at + 1
    return _function(r, at, close, end, scope, env)


def _function(r: Reading, at: int, behind: int, end: int, scope: Scope, env: Env) -> int:
    source, unnamed = function_source(r, at, behind, scope, env)
    return _alias(r, _ordinality(r, behind, source), end, source, scope, env, unnamed=unnamed)


def _ordinality(r: Reading, at: int, source: Source) -> int:
    """The token behind an optional WITH ORDINALITY."""
    if r.words.word[at] == "with" and r.words.word[at + 1] == "ordinality":
        numbered(source)
        return at + 2
    return at


def relation_source(r: Reading, at: int, env: Env) -> tuple[Source, int]:
    """[ONLY] name [*]: a WITH query in scope or a base relation."""
    word = r.words.word
    closing = False
    if word[at] == "only":
        at += 1
        if word[at] == "(":
            closing = True
            at += 1
    start = at
    relation, at = r.relation(at)
    if closing:
        if word[at] != ")":
            raise Unread("ONLY was not understood")
        at += 1
    elif word[at] == "*":
        at += 1
    if relation.schema is None and relation.name in env and at == start + 1:
        cte = env[relation.name]
        cte.used = True
        if cte.items is None:
            return Source(relation.name, rest=FREE if cte.own else OPAQUE), at
        items = cte.items
        if cte.level == r.level and items and items[-1].hidden:
            # what SEARCH and CYCLE add is a part of `*` in the query around them alone
            items = [Item(item.name, item.out, item.many, item.base) for item in items]
        return Source(relation.name, None, items), at
    source = base_source(r, relation)
    assert source.relation is not None
    r.reads.setdefault(source.relation)
    return source, at


def base_source(r: Reading, relation: Relation) -> Source:
    """A base relation: the one that its name is known to mean, or whatever it may mean."""
    table = r.known.table(relation.schema, relation.name) if r.known is not None else None
    if table is None:
        return Source(relation.name, relation)
    r.functions |= table.calls
    return Source(relation.name, table.relation, table=table)


def _alias_ahead(r: Reading, at: int, end: int) -> bool:
    words = r.words
    return at < end and (words.word[at] == "as" or (words.named[at] and words.word[at] not in NOT_A_NAME))


def _alias(
    r: Reading, at: int, end: int, source: Source, scope: Scope, env: Env, *, unnamed: bool = False
) -> int:
    """[[AS] alias [(columns)]] [TABLESAMPLE …]: puts the source into the scope. `unnamed`: its first column is a function's
    only one and takes the alias as its name."""
    words = r.words
    word, match = words.word, words.match
    if _alias_ahead(r, at, end):
        at += word[at] == "as"
        if word[at] != "(":
            if not words.named[at]:
                raise Unread("an alias was expected")
            source.alias = words.text[at]
            source.explicit = True
            if unnamed:
                source.items[0].name = source.alias
            at += 1
        if at < end and word[at] == "(":
            _columns(r, at, source, scope, env)
            at = match[at] + 1
    if at < end and word[at] == "tablesample":
        opening = r.find(frozenset(("(",)), at, end)
        parts, opening = r.name(at + 1)
        if word[opening] != "(":
            raise Unread("TABLESAMPLE was not understood")
        r.functions.add((parts[-2] if len(parts) > 1 else None, parts[-1]))
        condition(r, "TABLESAMPLE", opening + 1, match[opening], scope, env)
        at = match[opening] + 1
        if word[at] == "repeatable" and word[at + 1] == "(":
            condition(r, "TABLESAMPLE", at + 2, match[at + 1], scope, env)
            at = match[at + 1] + 1
    scope.add(source)
    return at


def _columns(r: Reading, opening: int, source: Source, scope: Scope, env: Env) -> None:
    """An alias's column list renames; for a function it may also give types: then it names all columns."""
    names = r.names(opening)
    if source.table is not None:
        source.items = renamed(source.star(), names)
        source.relation = source.table = None
    elif source.relation is not None:
        whole_row = source.whole()
        source.items = [Item(name, whole_row) for name in names]
    elif source.rest is not None and not source.items:
        source.items = [Item(name, source.rest) for name in names]
        if r.known is not None and defined(r, opening):
            source.rest = None
            if source.call is not None:
                source.items = defined_columns(r, *source.call, names, scope, env)
    else:
        source.items = renamed(source.items, names)
