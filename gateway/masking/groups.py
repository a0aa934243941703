"""Sums and averages of hidden columns, shown where the group hides the individual.

The server itself leaves out what a small group would tell: `avg(x)` is sent as `CASE WHEN … THEN avg(x) END`, true where the
group has at least so many different values of x, and so many different people where the table names them beside x. Every row
counts once, since all that the table is joined with is found by a unique key.

Which groups are summed is read by `parser.aggregates`: a statement can pick and divide, it can neither leave out rows of its
choice nor bring any in. What remains open is in docs/decisions/0010.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.classify.catalog import CatalogColumn, CatalogTable
from gateway.masking.basis import MaskBasis, Source
from gateway.masking.people import people
from gateway.policy.rights import Rights
from parser.facts import Aggregate, Column, Grouped, Place, Relation
from parser.tokenizer import LexError, tokenize

GROUP_LEAST = 10  # individuals in a group that is shown, where the policy does not say
MEASURES = frozenset({"salary", "health"})  # labels that are summed without a word in the policy
_NUMBERS = frozenset({20, 21, 23, 700, 701, 790, 1700})  # int8 int2 int4 float4 float8 money numeric
_TEXTS = frozenset({25, 1042, 1043})  # text bpchar varchar
_TABLES = frozenset("rp")  # a view's rows may be anything


@dataclass(frozen=True, slots=True)
class Group:
    """One guarded aggregate: see parser.facts.Aggregate. `condition` is SQL, true where the group hides the individual;
    `source` the column that is summed, `least` how many individuals make a group."""

    output: int
    start: int
    end: int
    item_end: int
    name: str | None
    call: tuple[str, ...]
    condition: str
    source: Source
    least: int

    @property
    def mask(self) -> str:
        """As the audit and explanations name it."""
        return f"group of {self.least}"


def groups(masks: MaskBasis, rights: Rights) -> tuple[Group, ...]:
    """The aggregates of the statement that may be shown where the server keeps small groups back."""
    grouped = masks.facts.grouped
    if grouped is None or masks.everything or masks.outputs is None or not masks.facts.effects <= {"read"}:
        return ()
    tables = [_table(masks, joined.relation) for joined in grouped.tables]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or len({table.oid for table in known}) < len(tables):
        return ()
    touched = {*grouped.pinned, *grouped.divided, *(place for tie in grouped.ties for place in tie)}
    if not all(_is_clear(masks, known, place) for place in touched):
        return ()
    least = {label: rule.min_group for label, rule in rights.masks.items() if rule.min_group is not None}
    found = (_group(masks, grouped, known, one, least, rights) for one in grouped.aggregates)
    return tuple(one for one in found if one is not None)


def rewritten(sql: bytes, chosen: Iterable[Group], *, strings_conform: bool = True) -> bytes | None:
    """The text with its aggregates guarded, for the server; all names of columns, types and parameters stay. None where the
    text is not the one that the groups were read from but for its literals."""
    try:
        tokens = tokenize(sql, standard_conforming_strings=strings_conform, comments=b"--" in sql or b"/*" in sql)
    except LexError:
        return None
    tokens = tokens.without_comments()
    starts, ends = tokens.places
    edits: list[tuple[int, bytes]] = []
    for one in chosen:
        if tuple(tokens.texts[one.start : one.end]) != one.call or one.item_end > len(ends):
            return None
        edits.append((starts[one.start], f"CASE WHEN {one.condition} THEN ".encode()))
        edits.append((ends[one.end - 1], b" END"))
        if one.name is not None:
            edits.append((ends[one.item_end - 1], f" AS {_quoted(one.name)}".encode()))
    pieces: list[bytes] = []
    at = 0
    for place, text in edits:
        pieces += (sql[at:place], text)
        at = place
    return b"".join((*pieces, sql[at:]))


def _table(masks: MaskBasis, relation: Relation) -> CatalogTable | None:
    found = masks.tables(relation)
    return found[0] if len(found) == 1 and found[0].kind in _TABLES else None


def _is_clear(masks: MaskBasis, tables: list[CatalogTable], place: Place) -> bool:
    """Whether the principal may see the column."""
    table = tables[place[0]]
    column = table.by_name.get(place[1])
    source = masks.source(table, column) if column is not None else None
    return column is not None and (source is None or masks.visible(source))


def _group(
    masks: MaskBasis,
    grouped: Grouped,
    tables: list[CatalogTable],
    one: Aggregate,
    least: Mapping[str, int],
    rights: Rights,
) -> Group | None:
    at, name = one.place
    table, joined = tables[at], grouped.tables[at]
    column = table.by_name.get(name)
    source = masks.source(table, column) if column is not None else None
    if column is None or source is None or masks.visible(source) or column.type_oid not in _NUMBERS:
        return None
    if source.label not in MEASURES and source.label not in least:
        return None
    assert masks.outputs is not None, "asked before"
    out = masks.outputs[one.output] if one.output < len(masks.outputs) else None
    if out is None or out.opaque or out.columns != {Column(joined.relation, name)}:
        return None
    if not _counts_once(masks, grouped, tables, at):
        return None
    if not rights.reads_only and not _keeps_all(grouped, at):
        return None  # who can make a table can choose rows with it
    enough = least.get(source.label, GROUP_LEAST)
    condition = _condition(joined.alias, column, people(table, masks.catalog.keys.get(table.oid, ())), enough)
    return Group(one.output, one.start, one.end, one.item_end, one.name, one.call, condition, source, enough)


def _counts_once(masks: MaskBasis, grouped: Grouped, tables: list[CatalogTable], own: int) -> bool:
    """Whether each row of a table meets at most one row of every other, so that nobody's value can be given a weight: from
    it on, each of the others is found by a unique key."""
    found = {own}
    held = {own: set[str]()}
    for at, name in grouped.pinned:
        held.setdefault(at, set()).add(name)
    while len(found) < len(tables):
        for at in range(len(tables)):
            tied = set(held.get(at, ()))
            tied |= {left[1] for left, right in grouped.ties if left[0] == at and right[0] in found}
            tied |= {right[1] for left, right in grouped.ties if right[0] == at and left[0] in found}
            if at not in found and any(key <= tied for key in masks.catalog.keys.get(tables[at].oid, ())):
                found.add(at)
                break
        else:
            return False
    return True


def _keeps_all(grouped: Grouped, own: int) -> bool:
    """Whether the joins leave out no row of the table."""
    return own == 0 and all(joined.left for joined in grouped.tables[1:])


def _condition(alias: str, column: CatalogColumn, who: Iterable[CatalogColumn], least: int) -> str:
    value = f"{_quoted(alias)}.{_quoted(column.name)}"
    counts = [f"pg_catalog.count(DISTINCT {value})"]
    for one in who:
        person = f"{_quoted(alias)}.{_quoted(one.name)}"
        if one.type_oid in _TEXTS:
            person += ' COLLATE pg_catalog."C"'  # equal is equal; sorting is faster by far
        counts.append(f"pg_catalog.count(DISTINCT {person}) FILTER (WHERE {value} IS NOT NULL)")
    return " AND ".join(f"{count} OPERATOR(pg_catalog.>=) {least}" for count in counts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
