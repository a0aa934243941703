"""Functions in FROM: the columns that they make, ROWS FROM, WITH ORDINALITY, column definitions, XMLTABLE and JSON_TABLE."""

from parser.expressions import condition, scan
from parser.facts import Output
from parser.keywords import NOT_A_NAME, word_set
from parser.lineage import FREE, Item, Scope, Source, blend, in_scope, qualifier, row_in, row_named
from parser.probes import note
from parser.reading import Env, Reading
from parser.references import resolve

_AS = frozenset(("as",))
_XML_PARTS = frozenset(("path", "default", "not", "null"))
_FLAT = word_set(
    """
    bool boolean smallint int integer bigint int2 int4 int8 real float float4 float8 numeric decimal text varchar char name
    date timestamp timestamptz time timetz interval uuid json jsonb bytea inet cidr oid
    """
)


def function_source(r: Reading, at: int, behind: int, scope: Scope, env: Env) -> tuple[Source, bool]:
    """The function call in the tokens from `at` to `behind` as a source, and whether its only column takes the name of an
    alias: that of a function which returns one value."""
    name, columns = _columns(r, at, behind, scope, env)
    r.effects.add("read")
    if isinstance(columns, Output):
        return Source(name, rest=columns, call=(at, behind)), False
    unnamed = len(columns) == 1 and columns[0].name is None
    return Source(name, None, [Item(item.name or name, item.out) for item in columns]), unnamed


def rows_from(r: Reading, opening: int, scope: Scope, env: Env) -> Source:
    """ROWS FROM (f(…) [AS (column type, …)], …)."""
    word, match = r.words.word, r.words.match
    r.effects.add("read")
    items: list[Item] = []
    rest: list[Output] = []
    for begin, stop in r.split(opening + 1, match[opening]):
        defined: list[str] | None = None
        if word[stop - 1] == ")" and (cut := r.find(_AS, begin, stop)) < stop:
            defined = r.names(cut + 1)
            stop = cut
        name, columns = _columns(r, begin, stop, scope, env)
        if defined is not None:
            items += defined_columns(r, begin, stop, defined, scope, env)
        elif isinstance(columns, Output):
            rest.append(columns)
        else:
            items += [Item(item.name or name, item.out) for item in columns]
    if rest:
        return Source(None, rest=blend((*rest, *(item.out for item in items))))
    return Source(None, None, items)


def defined_columns(
    r: Reading, at: int, behind: int, names: list[str], scope: Scope, env: Env
) -> list[Item]:
    """The columns of a function whose call defines them, each with what flows into it where the function was followed."""
    words = r.words
    parts, opening = r.name(at)
    routines = r.known.routines(parts[-2] if len(parts) > 1 else None, parts[-1]) if r.known is not None else ()
    body = routines[0].body if len(routines) == 1 else None
    if body is not None and len(body.outputs) == len(names) and words.word[opening] == "(":
        given = scan(r, opening + 1, behind - 1, scope, env) if opening + 1 < behind - 1 else FREE
        return [Item(name, blend((given, own))) for name, own in zip(names, body.outputs, strict=True)]
    out = scan(r, at, behind, scope, env)
    return [Item(name, out) for name in names]


def numbered(source: Source) -> None:
    """WITH ORDINALITY: one more column, a count."""
    if source.closed():
        source.items = [*source.items, Item("ordinality", FREE)]


def row_made(r: Reading, start: int, end: int, scope: Scope, env: Env) -> Source | None:
    """The row that an expression is: that of a relation in scope, `ROW (…)`, or a column that is one. None: not known."""
    words = r.words
    if r.known is None or not words.named[start]:
        return None
    name = words.text[start]
    if end == start + 1:
        if row_named(scope, name):
            rows = qualifier(scope, name)
            return rows[0] if len(rows) == 1 else None
        return row_in(scope, name)
    if end == start + 3 and words.word[start + 1] == ".":
        return row_in(scope, words.text[start + 2], name)
    if words.word[start] == "row" and words.match.get(start + 1) == end - 1:
        values = [scan(r, left, right, scope, env) for left, right in r.split(start + 2, end - 1)]
        return Source(None, None, [Item(f"f{at}", out) for at, out in enumerate(values, 1)])
    return None


def made_row(r: Reading, start: int, end: int, scope: Scope, env: Env) -> list[Item]:
    """What `(value).*` makes of the value in brackets: a function's columns, or any number of them."""
    words = r.words
    if words.word[start] == "(" and words.match[start] == end - 1 and words.named[start + 1]:
        row = row_made(r, start + 1, end - 1, scope, env)
        if row is not None and row.closed():
            scan(r, start + 1, end - 1, scope, env)
            return row.star()
        _, opening = r.name(start + 1)
        if words.word[opening] == "(" and words.match[opening] == end - 2:
            _, columns = _columns(r, start + 1, end - 1, scope, env)
            if not isinstance(columns, Output) and all(item.name is not None for item in columns):
                return columns
    return [Item(None, scan(r, start, end, scope, env), many=True)]


def defined(r: Reading, opening: int) -> bool:
    """Whether the list in brackets behind an alias gives types too: then it names all of the columns."""
    parts = r.split(opening + 1, r.words.match[opening])
    return bool(parts) and all(stop - begin > 1 for begin, stop in parts)


def _columns(
    r: Reading, at: int, behind: int, scope: Scope, env: Env
) -> tuple[str, list[Item] | Output]:
    """The name of the function called, and its columns (the name None: one value without a name of its own); what any
    column may hold where they are not known."""
    words = r.words
    parts, opening = r.name(at)
    out = condition(r, "FROM", at, behind, scope, env)
    name = parts[-1]
    if r.known is None or words.word[opening] != "(" or words.match[opening] != behind - 1:
        return name, out
    schema = parts[-2] if len(parts) > 1 else None
    if name == "unnest" and schema is None:
        arguments = r.split(opening + 1, behind - 1)
        if len(arguments) > 1:
            return name, [Item("unnest", scan(r, begin, stop, scope, env)) for begin, stop in arguments]
        if len(arguments) == 1 and _is_flat(r, *arguments[0], scope):
            return name, [Item(None, out)]
    routines = r.known.routines(schema, name)
    if not routines or routines[0].columns is None:
        return name, out
    columns = routines[0].columns
    if any(one.columns != columns for one in routines):
        return name, out
    if not columns:
        return name, [Item(None, out)]
    body = routines[0].body
    if len(routines) == 1 and body is not None and len(body.outputs) == len(columns):
        given = scan(r, opening + 1, behind - 1, scope, env) if opening + 1 < behind - 1 else FREE
        return name, [Item(column, blend((given, own))) for column, own in zip(columns, body.outputs, strict=True)]
    return name, [Item(column, out) for column in columns]


def _is_flat(r: Reading, begin: int, stop: int, scope: Scope) -> bool:
    """Whether an array is certain to hold values without fields: a column of such a type, literals, or cast to it."""
    words = r.words
    word, match = words.word, words.match
    if word[stop - 1] == "]" and word[stop - 2] == "[" and word[stop - 4] == "::":
        return word[stop - 3] in _FLAT
    if word[begin] == "array" and match.get(begin + 1) == stop - 1:
        return all(
            word[left] in ("'", "0") and (right == left + 1 or (word[left + 1] == "::" and word[right - 1] in _FLAT))
            for left, right in r.split(begin + 2, stop - 1)
        )
    if not words.named[begin] or r.known is None:
        return False
    parts, behind = r.name(begin)
    out = resolve(r, scope, parts, begin) if behind == stop and word[begin] not in NOT_A_NAME else FREE
    if not out.plain or len(out.columns) != 1:
        return False
    (column,) = out.columns
    table = r.known.table(column.relation.schema, column.relation.name)
    return table is not None and column.name in table.arrays


def xml_table(r: Reading, opening: int, scope: Scope, env: Env) -> Source:
    """XMLTABLE (row PASSING [BY …] document [BY …] COLUMNS name type [PATH …] [DEFAULT …] …, …): each column is made of the
    document, the row's path and its own."""
    words = r.words
    word, close = words.word, words.match[opening]
    passing = r.find(frozenset(("passing",)), opening + 1, close)
    columns = r.find(frozenset(("columns",)), passing, close)
    if r.known is None or columns == close or word[opening + 1] == "xmlnamespaces":
        return free_table(r, opening, scope, env)
    document = passing + 3 if word[passing + 1] == "by" else passing + 1
    stop = columns - 2 if word[columns - 2] == "by" else columns
    places = ((opening + 1, passing), (document, stop))
    shared = blend([condition(r, "FROM", begin, behind, scope, env) for begin, behind in places])
    items = []
    for begin, end in r.split(columns + 1, close):
        if not words.named[begin]:
            return free_table(r, opening, scope, env)
        outs = [shared]
        at = r.find(_XML_PARTS, begin + 1, end)
        while at < end:
            behind = r.find(_XML_PARTS, at + 1, end)
            if word[at] in ("path", "default"):
                outs.append(scan(r, at + 1, behind, scope, env))
            at = behind
        items.append(Item(words.text[begin], blend(outs)))
    return Source("xmltable", None, items)


def free_table(r: Reading, opening: int, scope: Scope, env: Env) -> Source:
    """JSON_TABLE, and XMLTABLE with namespaces: every name in them may be a column, the result is not followed."""
    words = r.words
    columns = Output()
    at = opening + 1
    close = words.match[opening]
    while at < close:
        if words.word[at] == "(" and words.is_query(at):
            items = r.query(r, at + 1, words.match[at], scope, env)
            columns = blend([columns, *(item.out for item in items)])
            at = words.match[at] + 1
        elif words.named[at]:
            parts, behind = r.name(at)
            if words.word[behind] == "(":
                if words.word[at] not in NOT_A_NAME and words.word[at] not in ("columns", "passing", "path"):
                    r.functions.add((parts[-2] if len(parts) > 1 else None, parts[-1]))
            elif words.word[at] not in NOT_A_NAME:
                out = resolve(r, scope, parts, at)
                columns = blend((columns, out))
                if len(parts) > 1 or in_scope(scope, parts[0]):  # the others name keys and columns of its own
                    note(r, "FROM", out)
            at = behind
        else:
            at += 1
    return Source(None, rest=Output(columns.columns, opaque=True))
