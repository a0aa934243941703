"""References in expressions: columns and rows by name, and the names of types."""

from parser.facts import Output
from parser.keywords import RESERVED
from parser.lineage import OPAQUE, Scope, bare, blend, qualified_relation, qualifier
from parser.reading import Reading, Unread
from parser.routines import ABOUT_DEFINITIONS, PURE, TAKES_ROWS
from parser.tokens import Kind

COMPUTING = PURE | ABOUT_DEFINITIONS
LONG_TYPES = {
    "double": ("precision",),
    "character": ("varying",),
    "char": ("varying",),
    "nchar": ("varying",),
    "bit": ("varying",),
    "national": ("character", "char"),
}
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
                outs.append(Output(source.whole().columns, opaque=name not in COMPUTING))
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
