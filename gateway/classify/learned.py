"""Labels that columns got by what was put into them, and how they find their columns in a catalogue.

A label is learned when a statement that copies is let through, before it runs: the table may not be there yet, and its
name may mean another one by then. So a label names its column, and is *bound* to the table's oid and the column's number
as soon as they are certain; from then on it follows these alone, through renames, and ends with the table.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

import msgspec

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.classify.system import DERIVED
from parser.facts import Column, Facts, Output, Relation
from parser.routines import COUNTING

EVERY = "*"  # the label holds for every column
ANY = ""  # the schema is not known: the label holds for the table of this name in each

# They leave a value's characters in their places. (nextval and now take nothing in.)
_KEEPING = COUNTING | frozenset(("upper", "lower", "initcap", "nextval", "now", "current_timestamp"))
_LITERALS = re.compile(r"\$\d+::")
_CUTTING = re.compile(r"::|\bcast\b|\btrim\b|\[|->|#>", re.IGNORECASE)


class Learned(msgspec.Struct, frozen=True, omit_defaults=True):
    """One label. `schema` and `column` may be ANY and EVERY. `oid` 0: not bound; `number` 0 with an oid: of the column that
    has the name in that table.

    `sure`: nothing but a new table, or the one of this oid, can be meant; else the name counts too, for ever. `before`: oids
    of tables that had the name when it was learned and cannot be meant. `gone`: oids of tables that had it before this one
    and are there no more. `binds`: it takes the place of the same label that was not bound.
    """

    schema: str
    table: str
    column: str
    label: str
    why: Literal["copied", "renamed", "seen"]
    sources: tuple[str, ...] = ()
    oid: int = 0
    number: int = 0
    sure: bool = True
    before: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    binds: bool = False

    def unsure(self) -> "Learned":
        """The same where the catalogue may be behind: whatever has the name may be meant, now and later."""
        return msgspec.structs.replace(self, oid=0, number=0, sure=False, before=())


class Labels:
    """The labels in force of one database, in the order in which they were learned."""

    def __init__(self) -> None:
        self._held: dict[Learned, None] = {}
        self._names: dict[tuple[str, str], list[Learned]] = {}  # by table and column

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Learned]:
        return iter(self._held)

    def __contains__(self, one: Learned) -> bool:
        return one in self._held

    def add(self, one: Learned) -> None:
        """Takes in the next label, as it was written down."""
        alike = self._names.setdefault((one.table, one.column), [])
        for other in list(alike):
            if (other.oid in one.gone and other.oid) or (one.binds and _is_bound_by(other, one)):
                self._held.pop(other, None)
                alike.remove(other)
        if one not in self._held:
            self._held[one] = None
            alike.append(one)


def _is_bound_by(other: Learned, one: Learned) -> bool:
    """Whether `other` is the label that `one` binds."""
    if other.label != one.label or not other.sure or other.schema not in (ANY, one.schema):
        return False
    return other.oid == one.oid and not other.number if other.oid else one.oid not in other.before


def _fits(one: Learned, oid: int, schema: str, name: str) -> bool:
    """Whether the label is one of this table's."""
    if one.oid:
        return one.oid == oid
    return one.table == name and one.schema in (ANY, schema) and oid not in one.before


def _holds(one: Learned, number: int, name: str) -> bool:
    """Whether it holds for this column of its table."""
    if one.column == EVERY:
        return True
    return number == one.number if one.number else name == one.column


def labels_of(
    labels: Iterable[Learned],
    tables: Iterable[tuple[int, str, str]],
    columns: Mapping[int, Iterable[tuple[int, str]]],
) -> dict[tuple[int, str], set[str]]:
    """The learned labels of each column, by its table's oid and its name. `tables`: (oid, schema, name); `columns`:
    (number, name) by oid. Temporary tables are the business of their sessions."""
    found: dict[tuple[int, str], set[str]] = {}
    by_oid: dict[int, list[Learned]] = {}
    by_name: dict[str, list[Learned]] = {}
    for one in labels:
        (by_oid.setdefault(one.oid, []) if one.oid else by_name.setdefault(one.table, [])).append(one)
    for oid, schema, name in tables:
        for one in (*by_oid.get(oid, ()), *by_name.get(name, ())):
            if _fits(one, oid, schema, name) and not schema.startswith("pg_temp_"):
                for number, column in columns.get(oid, ()):
                    if _holds(one, number, column):
                        found.setdefault((oid, column), set()).add(one.label)
    return found


def together(label: str | None, learned: set[str]) -> str | None:
    """The label of a column that had one, or none, and into which values of others came: never less than either."""
    all_labels = learned | ({label} if label is not None else set())
    if len(all_labels) > 1:
        return DERIVED
    return next(iter(all_labels), None)


def of_value(labels: set[str], output: Output, facts: Facts) -> str | None:
    """The label of a value that is made of columns with these labels. What may be a piece of a value does not keep its
    label: a partial mask of a piece would show another end of the whole, and a scan would not know it."""
    if not labels:
        return None
    if not output.plain and (not _keeps_whole(facts) or "free_text" in labels):
        return DERIVED
    return together(None, labels)


def _keeps_whole(facts: Facts) -> bool:
    """Whether nothing in the statement cuts values: read off its text as a whole, so it may say no needlessly."""
    if not _KEEPING.issuperset(name for _, name in facts.functions):
        return False
    return _CUTTING.search(_LITERALS.sub("", facts.shape)) is None


def bindings(labels: Iterable[Learned], catalog: Catalog) -> tuple[Learned, ...]:
    """The labels to write down now that the catalogue shows which table and column they mean."""
    found: list[Learned] = []
    held = list(labels)
    by_name: dict[tuple[str, str], set[int]] = {}
    for one in held:
        if one.oid:
            by_name.setdefault((one.schema, one.table), set()).add(one.oid)
    bound = {(one.oid, one.number, one.label) for one in held if one.oid and (one.number or one.column == EVERY)}
    for one in held:
        if one.oid and (one.number or one.column == EVERY):
            continue
        candidates = [catalog.tables[one.oid]] if one.oid in catalog.tables else catalog.find(one.schema or None, one.table)
        for table in candidates:
            if not _fits(one, table.oid, table.schema, table.name) or table.schema.startswith("pg_temp_"):
                continue
            column = table.by_name.get(one.column)
            number = column.number if column is not None else 0
            if (column is None and one.column != EVERY) or (table.oid, number, one.label) in bound:
                continue
            had = by_name.get((table.schema, table.name), set())
            gone = tuple(sorted(oid for oid in had if oid not in catalog.tables))
            found.append(
                msgspec.structs.replace(
                    one, schema=table.schema, table=table.name, oid=table.oid, number=number, sure=True,
                    before=(), gone=gone, binds=True,
                )
            )  # fmt: skip
    return tuple(dict.fromkeys(found))


def renames(old: Catalog, new: Catalog) -> tuple[Learned, ...]:
    """Labels of columns whose own or whose table's name changed, however that happened: it may have been all that told."""
    found: list[Learned] = []
    for oid, before in old.tables.items():
        after = new.tables.get(oid)
        if after is None or after is before or before.kind not in "rpf":
            continue
        moved = (after.schema, after.name) != (before.schema, before.name)
        for column in before.columns:
            now = after.by_number.get(column.number)
            if column.label is None or now is None or now.label == column.label:
                continue
            if moved or now.name != column.name:
                found.append(label_of(after, now.name, column.label, "renamed", (f"{before.name}.{column.name}",)))
    return tuple(found)


def label_of(
    table: CatalogTable,
    column: str,
    label: str,
    why: Literal["copied", "renamed", "seen"],
    sources: tuple[str, ...] = (),
) -> Learned:
    """A label of a column that a table of the catalogue has, or will have under this name; EVERY for all of them."""
    known = table.by_name.get(column)
    number = known.number if known is not None else 0
    return Learned(table.schema, table.name, column, label, why, sources, table.oid, number)


# --- into a catalogue ---


def carried(labels: Iterable[Learned]) -> dict[str, dict[str, frozenset[str]]]:
    """The labels that go by names alone: by table, then by column. For tables that the catalogue does not know yet."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for one in labels:
        if not one.oid:
            columns = found.setdefault(one.table, {})
            columns[one.column] = columns.get(one.column, frozenset()) | {one.label}
    return found


def spread(
    labels: dict[int, dict[str, str | None]],
    learned: Mapping[tuple[int, str], set[str]],
    families: Mapping[int, frozenset[int]],
    corrected: frozenset[tuple[int, str]] | set[tuple[int, str]],
) -> set[tuple[int, str]]:
    """Puts what was learned of columns into `labels` (by oid and name), for their parents and children too. Corrections
    stay. What changed."""
    changed: set[tuple[int, str]] = set()
    for (oid, name), found in learned.items():
        for member in families.get(oid, (oid,)):
            held = labels.get(member)
            if held is None or name not in held or (member, name) in corrected:
                continue
            label = together(held[name], found)
            if label != held[name]:
                held[name] = label
                changed.add((member, name))
    return changed


def merged(catalog: Catalog, labels: Iterable[Learned], version: int) -> Catalog:
    """The catalogue with labels that were learned since it was read. Views over changed columns, and computed columns beside
    them, are taken for more than they may be; the next reading tells exactly."""
    labels = list(labels)
    meant = {oid: catalog.tables[oid] for oid in _meant(labels, catalog)}
    now: dict[int, dict[str, str | None]] = {
        oid: {column.name: column.label for column in table.columns} for oid, table in meant.items()
    }
    learned = labels_of(
        labels,
        ((oid, table.schema, table.name) for oid, table in meant.items()),
        {oid: [(column.number, column.name) for column in table.columns] for oid, table in meant.items()},
    )
    changed = spread(now, learned, catalog.families, catalog.corrected)
    tables, names = dict(catalog.tables), dict(catalog.names)
    if changed:
        grown = {Column(Relation(meant[oid].schema, meant[oid].name), name): now[oid][name] for oid, name in changed}
        touched = {column.relation for column in grown}
        meant.update((oid, table) for oid, table in tables.items() if table.kind in "vm")
        for oid, table in meant.items():
            columns = tuple(
                _grown(table, column, now.get(oid, {}).get(column.name, column.label), grown, touched, catalog)
                for column in table.columns
            )
            if columns != table.columns:
                tables[oid] = _with_columns(table, columns)
                names[table.name] = tuple(tables[each.oid] for each in names[table.name])
    return replace(catalog, version=version, tables=tables, names=names, carried=carried(labels), newer=None)


def _meant(labels: Iterable[Learned], catalog: Catalog) -> set[int]:
    """The tables that any of the labels may mean, with their families."""
    found: set[int] = set()
    for one in labels:
        oids = (one.oid,) if one.oid else (table.oid for table in catalog.find(one.schema or None, one.table))
        for oid in oids:
            found |= catalog.families.get(oid, frozenset((oid,)))
    return found & catalog.tables.keys()


def _with_columns(table: CatalogTable, columns: tuple[CatalogColumn, ...]) -> CatalogTable:
    return replace(
        table,
        columns=columns,
        by_number={column.number: column for column in columns},
        by_name={column.name: column for column in columns},
    )


def _grown(
    table: CatalogTable,
    column: CatalogColumn,
    label: str | None,
    grown: Mapping[Column, str | None],
    touched: set[Relation],
    catalog: Catalog,
) -> CatalogColumn:
    """The column with its label of now, where that is another one."""
    if (table.oid, column.name) not in catalog.corrected:
        if table.kind in "vm":
            if column.bases is None:
                if table.behind is None or not touched.isdisjoint(table.behind):
                    label = DERIVED if touched else label
            elif column.bases:
                behind = {found for base in column.bases if (found := grown.get(base)) is not None}
                label = together(label, behind)
        elif column.generated and label is None and Relation(table.schema, table.name) in touched:
            label = DERIVED
    return column if label == column.label else replace(column, label=label)
