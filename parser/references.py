"""References in expressions: columns and rows by name, functions by what they add, and the names of types."""

from dataclasses import replace

from parser.facts import Output
from parser.keywords import RESERVED
from parser.lineage import (
    FREE,
    OPAQUE,
    Scope,
    Source,
    bare,
    blend,
    qualified_relation,
    qualifier,
    row_in,
    row_named,
)
from parser.reading import Reading, Unread
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE, TAKES_ROWS
from parser.tokens import Kind

COMPUTING = PURE | ABOUT_DEFINITIONS
_BY_NAME = COMPUTING | COUNTING
LONG_TYPES = {
    "double": ("precision",),
    "character": ("varying",),
    "char": ("varying",),
    "nchar": ("varying",),
    "bit": ("varying",),
    "national": ("character", "char"),
}
# How SQL spells types that the catalogue has under another name.
TYPE_NAMES = {
    "smallint": "int2", "int": "int4", "integer": "int4", "bigint": "int8", "real": "float4", "float": "float8",
    "double": "float8", "decimal": "numeric", "dec": "numeric", "boolean": "bool", "character": "bpchar", "char": "bpchar",
    "national": "bpchar", "nchar": "bpchar",
}  # fmt: skip
FIELDS = frozenset(["year", "month", "day", "hour", "minute", "second"])


def type_end(r: Reading, at: int) -> int:
    """The token behind the type name at a token (`numeric(10,2)[]`, `timestamp(3) with time zone`)."""
    word = r.words.word
    first = word[at]
    if first in RESERVED:
        raise Unread("a type was expected")
    parts, at = r.name(at)
    if len(parts) == 1 and word[at] in LONG_TYPES.get(first, ()):
        at += 1
        if first == "national" and word[at] == "varying":
            at += 1
    if word[at] == "(":
        close = r.words.match[at]
        if any(word[k] == "(" for k in range(at + 1, close)):
            raise Unread("a type with an expression in its brackets")
        at = close + 1
    if first in ("timestamp", "time") and word[at] in ("with", "without") and word[at + 1] == "time":
        at += 3
    if first == "interval":
        while word[at] in FIELDS or (word[at] == "to" and word[at + 1] in FIELDS):
            at += 1
            if word[at] == "(":
                at = r.words.match[at] + 1
    if word[at] == "array":
        at += 1
    while word[at] == "[" and (word[at + 1] == "]" or r.words.kind[at + 1] is Kind.INTEGER) and (
        r.words.match[at] - at <= 2
    ):
        at = r.words.match[at] + 1
    return at


def resolve(r: Reading, scope: Scope | None, parts: list[str], at: int) -> Output:
    """What a column reference that starts at token `at` may hold; notes the columns as read."""
    name = parts[-1]
    if scope is None:
        return OPAQUE
    r.look_up(scope, name if len(parts) == 1 else "")
    if len(parts) == 1:
        out, hit = bare(scope, name)
        if hit:
            r.hits.add(at)
    else:
        sources = (
            qualifier(scope, parts[0]) if len(parts) == 2 else qualified_relation(scope, parts[-3], parts[-2])
        )
        if not sources:
            return OPAQUE
        outs = []
        for source in sources:
            if source.target:
                r.hits.add(at)
            got = source.column(name)
            if got is None or (name in TAKES_ROWS and not got[1]):
                # `t.f` also means f(t)
                r.functions.add((None, name))
                outs.append(blend((source.whole(), called(r, None, name))))
            if got is not None:
                outs.append(got[0])
        out = outs[0] if len(outs) == 1 else blend(outs)
    r.columns_read |= out.columns
    return out


def whole(r: Reading, scope: Scope | None, parts: list[str], at: int) -> Output:
    """What `parts.*` inside an expression may hold: the row."""
    if scope is None:
        return OPAQUE
    r.look_up(scope)
    sources = qualifier(scope, parts[0]) if len(parts) == 1 else qualified_relation(scope, parts[-2], parts[-1])
    if not sources:
        return OPAQUE
    if any(source.target for source in sources):
        r.hits.add(at)
    out = blend([source.whole() for source in sources])
    r.columns_read |= out.columns
    return out


def called(r: Reading, schema: str | None, name: str) -> Output:
    """What a function adds to its arguments; notes what its body is known to do.

    Where the database knows none of the name, or no database is known, PostgreSQL's own are told by their names.
    """
    routines = r.known.routines(schema, name) if r.known is not None else ()
    if not routines:
        own = schema is None or schema == "pg_catalog" or (schema == "information_schema" and name[:4] == "_pg_")
        return FREE if own and name in _BY_NAME else OPAQUE
    added = FREE
    for routine in routines:
        if routine.computes:
            continue
        body = routine.body
        if body is None:
            added = Output(added.columns, opaque=True)
            continue
        for kind in body.kinds:
            r.kinds.setdefault(kind)
        r.changes += body.changes
        r.unfiltered = r.unfiltered or body.unfiltered
        r.effects |= body.effects
        r.reads.update(dict.fromkeys(body.reads))
        r.writes.update(dict.fromkeys(body.writes))
        r.columns_read |= body.columns_read
        r.functions |= body.functions
        for one in body.uses:
            r.use(replace(one, count=0), one.count)
        r.stored += body.stored
        added = blend((added, *body.outputs))
    return added


def converted(r: Reading, out: Output, *, stored: bool = False) -> Output:
    """A value that may have gone through a cast that nobody wrote. `stored`: it is put into a column."""
    for schema, name in r.assigning if stored else r.implicit:
        r.functions.add((schema, name))
        out = blend((out, called(r, schema, name)))
    return out


def counts(r: Reading, schema: str | None, name: str) -> bool:
    """Whether a call tells nothing of its arguments but their number or type."""
    if name not in COUNTING or schema not in (None, "pg_catalog"):
        return False
    return r.known is None or all(routine.builtin for routine in r.known.routines(schema, name))


def row_sources(r: Reading, scope: Scope | None, start: int, end: int) -> list[Source]:
    """The sources that `(name)` in these tokens means as a row; none where it may be a column, or is something else."""
    words = r.words
    if scope is None or end - start != 3 or words.word[start] != "(" or not words.named[start + 1]:
        return []
    name = words.text[start + 1]
    return qualifier(scope, name) if row_named(scope, name) else []


def field(r: Reading, scope: Scope | None, name: str, key: str, at: int) -> Output | None:
    """`(name).key` where the name, at token `at`, is known to be a row: what its field may hold. None: it is not."""
    if scope is None:
        return None
    if row_named(scope, name):
        return resolve(r, scope, [name, key], at)
    return row_field(r, row_in(scope, name), key)


def row_field(r: Reading, row: Source | None, key: str) -> Output | None:
    """One column of a row."""
    got = row.column(key) if row is not None else None
    if got is None or not got[1]:
        return None
    r.columns_read |= got[0].columns
    return got[0]
