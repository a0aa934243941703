"""Where a value comes from: names in scope, and the base columns that may flow through them.

Relations that the database is known to have (parser.known) have exactly their columns; of all others names alone decide.
Where a name may mean several things the answer holds all of them: never less tainted than the truth. `Output`
(parser.facts) is the unit: columns, opaque, plain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from parser.facts import Column, Output, Relation
from parser.known import SYSTEM_COLUMNS, Table

FREE = Output()
OPAQUE = Output(opaque=True)


@dataclass(slots=True)
class Item:
    """One entry of a query's result.

    `name` is None where it is not known: any name may mean it. `many`: it stands for any number of columns; with `base`
    for all columns of that relation, by their own names. `hidden`: `*` leaves it out. `row`: it is a whole row, of this.
    """

    name: str | None
    out: Output
    many: bool = False
    base: Relation | None = None
    hidden: bool = False
    row: "Source | None" = None


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

    A base relation has `relation`, and `table` where its columns are known; its `items` are the columns that an alias list
    renamed. A derived one has its columns in `items` and, where other columns may exist, what they may hold in `rest`.
    `assigned`: what the statement itself puts into columns of its target ("*": into any), as RETURNING shows them.
    """

    alias: str | None
    relation: Relation | None = None
    items: list[Item] = field(default_factory=list)
    rest: Output | None = None
    target: bool = False  # the relation that an UPDATE, DELETE or MERGE changes
    qualified_only: bool = False  # old, new, excluded: bare names never mean them
    explicit: bool = False  # the alias was written
    table: Table | None = None
    assigned: dict[str, Output] | None = None
    call: tuple[int, int] | None = None  # the tokens of the function in FROM that it is

    def column(self, name: str) -> tuple[Output, bool] | None:
        """What `name` may hold, and whether it is certain that this source has it. None: it has not."""
        if self.table is not None:
            if name in self.table.names or (self.table.system and name in SYSTEM_COLUMNS):
                return self.own(name), True
            return None
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
            return self.own(name), False
        if not found or open_ended:
            found += loose
            certain = False
        if self.rest is not None:
            found.append(self.rest)
            certain = False
        if not found:
            return None
        return (found[0], certain) if len(found) == 1 else (blend(found), certain)

    def own(self, name: str) -> Output:
        """A column of the base relation, with what the statement may have put there."""
        assert self.relation is not None
        out = Output(frozenset((Column(self.relation, name),)), plain=True)
        if not self.assigned:
            return out
        put = [self.assigned[one] for one in (name, "*") if one in self.assigned]
        return blend((out, *put)) if put else out

    def whole(self) -> Output:
        """Everything a row of it may hold."""
        if self.relation is not None:
            return blend((row_of(self.relation), *(self.assigned or {}).values()))
        outs = [item.out for item in self.items]
        if self.rest is not None:
            outs.append(self.rest)
        return blend(outs)

    def star(self) -> list[Item]:
        """What `*` makes of it."""
        if self.table is not None:
            return [Item(name, self.own(name)) for name in self.table.columns]
        if self.relation is not None:
            whole = self.whole()
            base = None if self.assigned else self.relation
            return [*self.items, Item(None, whole, many=True, base=base)]
        if self.rest is not None:
            return [*self.items, Item(None, self.rest, many=True)]
        return [item for item in self.items if not item.hidden]


    def closed(self) -> bool:
        """Whether its columns and their order are known, if not all of their names."""
        if self.table is not None:
            return True
        return self.relation is None and self.rest is None and not any(item.many for item in self.items)


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
    """A column of the innermost level that is certain to have it and of every level that may; where no level is certain to,
    also the row of a relation of that name."""
    found: list[Output] = []
    rows: list[Source] = []
    hits = False
    level: Scope | None = scope
    while level is not None:
        sure: list[Output] = []
        perhaps: list[Output] = []
        for source in level.sources:
            if not rows and source.alias == name:
                rows.append(source)
            if source.qualified_only:
                continue
            got = source.column(name)
            if got is not None:
                (sure if got[1] else perhaps).append(got[0])
                if source.target and not found:
                    hits = True
        found += sure
        if perhaps and (not sure or level.merged):
            found += perhaps
        if sure:
            rows.clear()
            break
        level = level.parent
    for source in rows:
        found.append(source.whole())
        hits = hits or source.target
    if not found:
        return _nowhere(scope, name), False
    return (found[0] if len(found) == 1 else blend(found)), hits


def _nowhere(scope: Scope, name: str) -> Output:
    """A name that nothing in scope has: what is known of the relations is behind the times, or something was misread."""
    columns: set[Column] = set()
    level: Scope | None = scope
    while level is not None:
        columns.update(Column(source.relation, name) for source in level.sources if source.relation is not None)
        level = level.parent
    return Output(frozenset(columns), opaque=True)


def row_named(scope: Scope, name: str) -> bool:
    """Whether the name means the row of a relation in scope and can mean no column."""
    level: Scope | None = scope
    found = False
    while level is not None:
        for source in level.sources:
            if not source.qualified_only and source.column(name) is not None:
                return False
            found = found or source.alias == name
        level = level.parent
    return found


def in_scope(scope: Scope | None, name: str) -> bool:
    """Whether a bare name may mean a column or a row."""
    level = scope
    while level is not None:
        for source in level.sources:
            if source.alias == name or (not source.qualified_only and source.column(name) is not None):
                return True
        level = level.parent
    return scope is None


def row_in(scope: Scope, name: str, qualified: str = "") -> Source | None:
    """The row that a column of derived rows is (`qualified`: of the source of this name). None: not known to be one."""
    level: Scope | None = scope
    while level is not None:
        found = [
            item
            for source in level.sources
            if (source.alias == qualified if qualified else not source.qualified_only)
            for item in source.items
            if item.name == name
        ]
        if found:
            return found[0].row if len(found) == 1 else None
        level = level.parent
    return None


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
    out = [Item(name, item.out, hidden=item.hidden) for name, item in zip(names, items[:fixed], strict=False)]
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


def marked(items: list[Item], number: int) -> tuple[list[Item], list[Column]]:
    """Columns that stand for a query's own, and their marks: what flows into them is told when the query was read."""
    own = Relation("", str(number))  # no relation has an empty schema
    marks = [Column(own, str(at)) for at in range(len(items))]
    return [Item(item.name, Output(frozenset((mark,)))) for item, mark in zip(items, marks, strict=True)], marks


def settled(items: list[Item], marks: list[Column]) -> list[Item]:
    """The columns of a query that refers to itself, each mark replaced by all that can reach its column."""
    if len(items) != len(marks) or any(item.many for item in items):
        own = frozenset(marks)
        everything = blend(item.out for item in items)
        whole = Output(everything.columns - own, everything.opaque)
        return [Item(item.name, whole, many=item.many) for item in items]
    places = {mark: at for at, mark in enumerate(marks)}
    out = []
    for item in items:
        if places.keys().isdisjoint(item.out.columns):
            out.append(item)
            continue
        columns: set[Column] = set()
        opaque = False
        seen: set[int] = set()
        waiting = [item.out]
        while waiting:
            one = waiting.pop()
            opaque = opaque or one.opaque
            for column in one.columns:
                at = places.get(column)
                if at is None:
                    columns.add(column)
                elif at not in seen:
                    seen.add(at)
                    waiting.append(items[at].out)
        out.append(Item(item.name, Output(frozenset(columns), opaque)))
    return out


def outputs(items: list[Item]) -> tuple[Output, ...] | None:
    """`Facts.outputs` of a query's items."""
    for item in items:
        if item.many:
            return None
    return tuple([Output(item.out.columns, item.out.opaque, item.out.plain, item.name) for item in items])
