"""Where a value comes from: names in scope, and the base columns that may flow through them.

Everything is resolved by names alone, without the catalogue. Where a name may mean several things the answer holds all
of them: never less tainted than the truth. `Output` (parser.facts) is the unit: columns, opaque, plain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from parser.facts import Column, Output, Relation

FREE = Output()
OPAQUE = Output(opaque=True)


@dataclass(slots=True)
class Item:
    """One entry of a query's result.

    `name` is None where it is not known: any name may mean it. `many`: it stands for any number of columns; with `base`
    for all columns of that relation, by their own names.
    """

    name: str | None
    out: Output
    many: bool = False
    base: Relation | None = None


def blend(outs: Iterable[Output]) -> Output:
    """The value that may hold anything of all of them."""
    columns: set[Column] = set()
    opaque = False
    for out in outs:
        columns |= out.columns
        opaque = opaque or out.opaque
    return Output(frozenset(columns), opaque)


def row_of(relation: Relation) -> Output:
    """The whole row of a base relation."""
    return Output(frozenset((Column(relation, "*"),)))


@dataclass(slots=True)
class Source:
    """One entry of a FROM list under the name by which its columns are qualified.

    A base relation has `relation`; its `items` are then the columns that an alias list renamed. A derived one has its
    columns in `items` and, where other columns may exist, what they may hold in `rest`.
    """

    alias: str | None
    relation: Relation | None = None
    items: list[Item] = field(default_factory=list)
    rest: Output | None = None
    target: bool = False  # the relation that an UPDATE, DELETE or MERGE changes
    qualified_only: bool = False  # old, new, excluded: bare names never mean them
    explicit: bool = False  # the alias was written

    def column(self, name: str) -> tuple[Output, bool] | None:
        """What `name` may hold, and whether it is certain that this source has it. None: it has not."""
        found: list[Output] = []
        loose: list[Output] = []
        certain = open_ended = False
        for item in self.items:
            if item.name == name and not item.many:
                found.append(item.out)
                certain = True
            elif item.base is not None:
                found.append(Output(frozenset((Column(item.base, name),)), plain=True))
                open_ended = True
            elif item.name is None:
                loose.append(item.out)
        certain = certain and not open_ended
        if self.relation is not None:
            if certain:
                return found[0], True
            return Output(frozenset((Column(self.relation, name),)), plain=True), False
        if not found or open_ended:
            found += loose
            certain = False
        if self.rest is not None:
            found.append(self.rest)
            certain = False
        if not found:
            return None
        return (found[0], certain) if len(found) == 1 else (blend(found), certain)

    def whole(self) -> Output:
        """Everything a row of it may hold."""
        if self.relation is not None:
            return row_of(self.relation)
        outs = [item.out for item in self.items]
        if self.rest is not None:
            outs.append(self.rest)
        return blend(outs)

    def star(self) -> list[Item]:
        """What `*` makes of it."""
        if self.relation is not None:
            return [*self.items, Item(None, row_of(self.relation), many=True, base=self.relation)]
        if self.rest is not None:
            return [*self.items, Item(None, self.rest, many=True)]
        return self.items


@dataclass(slots=True)
class Scope:
    """The sources of one query level; `parent` is the query around it. `merged`: a USING or NATURAL join makes one
    column of two, so that a bare name means all of its candidates."""

    parent: "Scope | None" = None
    sources: list[Source] = field(default_factory=list)
    merged: bool = False
    windows: dict[str, Output] = field(default_factory=dict)
    size: int = 0  # names that a look-up may have to go through
    known: dict[str, tuple[Output, bool]] = field(default_factory=dict)  # bare names looked up already

    def add(self, source: Source) -> None:
        """One more source: what was known of bare names is no longer."""
        self.sources.append(source)
        self.size += 1 + len(source.items)
        self.known.clear()

    def star(self) -> list[Item]:
        """What a bare `*` makes of this level."""
        items = [item for source in self.sources if not source.qualified_only for item in source.star()]
        if self.merged:  # merged columns come first and once: their places are not known
            items = [*items, Item(None, FREE, many=True)]
        return items


def bare(scope: Scope, name: str) -> tuple[Output, bool]:
    """A column written without its table. The flag: the target of an UPDATE, DELETE or MERGE may have it."""
    known = scope.known.get(name)
    if known is None:
        known = scope.known[name] = _bare(scope, name)
    return known


def _bare(scope: Scope, name: str) -> tuple[Output, bool]:
    found: list[Output] = []
    hits = False
    level: Scope | None = scope
    while level is not None:
        sure: list[Output] = []
        perhaps: list[Output] = []
        for source in level.sources:
            if source.qualified_only:
                continue
            got = source.column(name)
            if got is not None:
                (sure if got[1] else perhaps).append(got[0])
                if source.target and not found:
                    hits = True
            if source.alias == name:
                perhaps.append(source.whole())
                hits = hits or source.target
        found += sure
        if perhaps and (not sure or level.merged):
            found += perhaps
        if sure:
            break
        level = level.parent
    if not found:
        return OPAQUE, False
    return (found[0] if len(found) == 1 else blend(found)), hits


def qualifier(scope: Scope, name: str) -> list[Source]:
    """The sources that `name.` may mean: of the innermost level that has one."""
    level: Scope | None = scope
    while level is not None:
        found = [source for source in level.sources if source.alias == name]
        if found:
            return found
        level = level.parent
    return []


def qualified_relation(scope: Scope, schema: str, name: str) -> list[Source]:
    """The sources that `schema.name.` may mean: base relations without an alias of their own."""
    level: Scope | None = scope
    while level is not None:
        found = [
            source
            for source in level.sources
            if source.relation is not None
            and source.relation.name == name
            and source.relation.schema in (None, schema)
            and not source.explicit
        ]
        if found:
            return found
        level = level.parent
    return []


def renamed(items: list[Item], names: list[str]) -> list[Item]:
    """The items under the names of an alias's column list, which may be shorter."""
    if not names:
        return items
    fixed = 0
    while fixed < len(items) and not items[fixed].many:
        fixed += 1
    out = [Item(name, item.out) for name, item in zip(names, items[:fixed], strict=False)]
    if len(names) <= fixed:
        return out + items[len(names) :]
    rest = blend(item.out for item in items[fixed:])
    return out + [Item(name, rest) for name in names[fixed:]] + items[fixed:]


def merged(arms: list[list[Item]]) -> list[Item]:
    """The result of set operations: position by position where all are known, else everything everywhere."""
    first = arms[0]
    if len(arms) == 1:
        return first
    open_ended = any(item.many for arm in arms for item in arm)
    if not open_ended and all(len(arm) == len(first) for arm in arms):
        return [Item(item.name, blend(arm[at].out for arm in arms)) for at, item in enumerate(first)]
    everything = blend(item.out for arm in arms for item in arm)
    if any(item.many for item in first):
        return [Item(None, everything, many=True)]
    return [Item(item.name, everything) for item in first]


def collapsed(items: list[Item]) -> list[Item]:
    """The result of a query that refers to itself: any column may hold what any other does."""
    everything = blend(item.out for item in items)
    return [Item(item.name, everything, many=item.many) for item in items]


def outputs(items: list[Item]) -> tuple[Output, ...] | None:
    """`Facts.outputs` of a query's items."""
    for item in items:
        if item.many:
            return None
    return tuple([item.out for item in items])
