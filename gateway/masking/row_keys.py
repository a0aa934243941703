"""Which result columns are the primary key of a table whose disclosed rows are accounted for.

A table's key is recorded where all of its columns stand in the result as they are stored: by the origin that RowDescription
tells, through views that hand them through, by lineage where a COPY has no RowDescription. The rows of a partition are the
partitioned table's. Where a table stands in the result more than once, each of its keys counts; of a UNION, whose origin is
its first branch alone, a key counts for the table of each branch, so that nothing is missed. What is computed of a key is no
key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable, PrimaryKey
from gateway.masking.basis import MaskBasis
from gateway.masking.copies import CopyPlan, dialect_of
from gateway.masking.copy_cells import Dialect
from gateway.masking.key_cells import Keys
from gateway.masking.key_forms import family_of, form_of
from gateway.masking.key_sets import Digester
from gateway.policy.reach import fits_relation
from parser.facts import Column, Output, Relation
from parser.messages import row_description

Extent = Literal["labelled", "all", "off"]
CHANGING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
NO_FORM = "a type of its key is not one whose values are recorded"
COMBINATIONS_MAX = 16  # of the columns of one table's key, where it stands in a result more than once

_Stored = tuple[CatalogTable, CatalogColumn]
_Place = tuple[int, bool, list[_Stored]]  # a result column: its number, whether it is binary, and what it holds


@dataclass(frozen=True, slots=True, eq=False)
class Accounting:
    """Whose rows are accounted for when they are shown: those of tables in which at least one column has a label, of all, or
    of none."""

    digester: Digester
    extent: Extent = "labelled"

    def covers(self, catalog: Catalog, oid: int) -> bool:
        """Whether keys of this table are recorded: it has a primary key, and is one of those that count."""
        if oid not in catalog.primary or self.extent == "off":
            return False
        return self.extent == "all" or any(column.label is not None for column in catalog.tables[oid].columns)


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """A primary key's columns in a result: `indexes` in the key's order, with the forms and families of key_cells.
    `records`: of its rows, that they were shown (False) and that they were changed (True). `people`: a column of the table
    has a label."""

    table: str
    indexes: tuple[int, ...]
    forms: tuple[int, ...]
    families: str
    records: tuple[bool, ...] = (False,)
    people: bool = True

    @property
    def shown(self) -> bool:
        """Whether the client sees the rows."""
        return False in self.records

    def fresh(self) -> Keys:
        """Room for the keys of a run of rows."""
        return Keys(self.indexes, self.forms, self.families)


@dataclass(frozen=True, slots=True)
class Keyed:
    """The keys in one result; `unknown`: (table, why) of those that are in it and cannot be recorded. `dialect` is that of
    COPY in text or csv."""

    keys: tuple[KeyColumns, ...]
    unknown: tuple[tuple[str, str], ...]
    digester: Digester
    dialect: Dialect | None = None

    @property
    def textual(self) -> bool:
        """Whether a key has text, whose bytes depend on the session's encoding."""
        return any(family in "tc" for key in self.keys for family in key.families)


def concerns(basis: MaskBasis) -> bool:
    """Whether a result of the statement may hold keys that are recorded."""
    accounting = basis.accounting
    if accounting is None:
        return False
    facts = basis.facts
    tables = (table for relation in (*facts.reads, *facts.writes) for table in basis.tables(relation))
    if not facts.complete:
        return accounting.extent != "off"
    return any(_counts(table, basis, accounting) for table in tables) or bool(changes(basis))


def _returned(basis: MaskBasis) -> tuple[str, ...]:
    """The tables of which the rows that the statement returns are the rows that it changed. What another statement in it
    changed is not what it returns."""
    kinds = basis.facts.kinds
    first = kinds[1] if kinds[0] == "EXECUTE" and len(kinds) > 1 else kinds[0]
    return changes(basis) if basis.facts.changes == 1 and first in CHANGING else ()


def changes(basis: MaskBasis) -> tuple[str, ...]:
    """The tables of which the policy wants the keys of changed rows, and of which the statement changes rows."""
    facts = basis.facts
    if not basis.record_keys or "write" not in facts.effects or basis.accounting is None:
        return ()
    found: dict[str, None] = {}
    for relation in facts.writes:
        for table in basis.tables(relation):
            behind = table.behind or () if table.kind in ("v", "m") else (Relation(table.schema, table.name),)
            for one in (each for name in behind for each in basis.catalog.find(name.schema, name.name)):
                primary = basis.catalog.primary.get(one.oid)
                if primary is not None and _named_by_policy(one, primary, basis):
                    found[primary.table] = None
    return tuple(found)


def _named_by_policy(table: CatalogTable, primary: PrimaryKey, basis: MaskBasis) -> bool:
    schema, _, name = primary.table.partition(".")
    names = (Relation(table.schema, table.name), Relation(schema, name))
    return any(
        any(fits_relation(pattern, one) for pattern in rule.tables for one in names)
        or any(column.label in rule.labels for column in table.columns)
        for rule in basis.record_keys
    )


def _counts(table: CatalogTable, basis: MaskBasis, accounting: Accounting) -> bool:
    if table.kind not in ("v", "m"):
        return accounting.covers(basis.catalog, table.oid)
    return table.behind is None or any(
        accounting.covers(basis.catalog, each.oid)
        for relation in table.behind
        for each in basis.catalog.find(relation.schema, relation.name)
    )


def of_rows(description: bytes, basis: MaskBasis, added: int = 0) -> Keyed | None:
    """The keys in a result with this RowDescription (its body); None where there are none to record. `added`: how many of
    the last columns are keys that the gateway itself asked for, so that the client does not see them."""
    accounting = basis.accounting
    if accounting is None or not concerns(basis):
        return None
    fields = row_description(description)
    own = len(fields) - added
    places: list[_Place] = []
    for index, one in enumerate(fields):
        stored = list(_base(one.table_oid, one.attnum, basis)) if one.table_oid else []
        output = basis.output(index, own) if index < own else None
        if output is not None and not output.opaque and (not basis.origins_tell or (output.plain and not stored)):
            stored += [each for each in _traced(output, basis) if each not in stored]
        places.append((index, one.format == 1, stored))
    changed = _returned(basis)
    if not added:
        return _keyed(places, basis, accounting, None, changed)
    beside = {one.table_oid for one in fields[:own]}
    shown = _keyed(places[:own], basis, accounting, None)
    return _with_added(shown, places[own:], basis, accounting, changed, beside)


def _with_added(
    shown: Keyed | None,
    added: Sequence[_Place],
    basis: MaskBasis,
    accounting: Accounting,
    changed: tuple[str, ...],
    beside: set[int],
) -> Keyed | None:
    """The keys that the client sees, and those that were added: of changed rows, and of shown ones where it sees other
    columns of them but not the key. A row that got another key has two: that of now and the former."""
    stored = added[0][2]
    primary = basis.catalog.primary.get(stored[0][0].oid) if stored else None
    if primary is None or primary.table not in changed:
        return shown
    keys = shown.keys if shown is not None else ()
    seen = any(key.table == primary.table for key in keys)
    unknown = dict.fromkeys(shown.unknown if shown is not None else ())
    for begin in range(0, len(added), len(primary.numbers)):
        found = _keyed(added[begin : begin + len(primary.numbers)], basis, accounting, None, changed)
        if found is not None:
            unknown |= dict.fromkeys(found.unknown)
            aside = stored[0][0].oid in beside and not seen and not begin
            keys += tuple(one if aside else replace(one, records=(True,)) for one in found.keys)
    return Keyed(keys, tuple(unknown), accounting.digester)


def of_copy(plan: CopyPlan, basis: MaskBasis) -> Keyed | None:
    """As `of_rows`, for COPY … TO STDOUT with this plan."""
    accounting, copy = basis.accounting, basis.facts.copy
    if accounting is None or copy is None or not concerns(basis):
        return None
    if not plan.stored:
        tables = sorted(set(_tables(basis, accounting)))
        unknown = tuple((name, "the columns of the COPY cannot be traced") for name in tables)
        return Keyed((), unknown, accounting.digester) if unknown else None
    binary = copy.format == "binary"
    places: list[_Place] = []
    for index, found in enumerate(plan.stored):
        stored = [each for oid, number in found for each in _base(oid, number, basis)]
        places.append((index, binary, stored))
    dialect = dialect_of(copy)
    encoding = (dict(copy.options).get("encoding") or "utf8").lower().replace("-", "")
    if encoding not in ("utf8", "unicode") or (not binary and not isinstance(dialect, Dialect)):
        found_keys = _keyed(places, basis, accounting, None)
        names = () if found_keys is None else sorted({key.table for key in found_keys.keys})
        unknown = tuple((name, "keys are not read in this format of COPY") for name in names)
        return Keyed((), unknown, accounting.digester) if unknown else None
    return _keyed(places, basis, accounting, dialect if isinstance(dialect, Dialect) else None)


def _tables(basis: MaskBasis, accounting: Accounting) -> Iterator[str]:
    for relation in basis.facts.reads:
        for table in basis.tables(relation):
            if _counts(table, basis, accounting):
                primary = basis.catalog.primary.get(table.oid)
                yield primary.table if primary is not None else f"{table.schema}.{table.name}"


def _base(oid: int, number: int, basis: MaskBasis) -> Iterator[_Stored]:
    """The column of a table behind an origin, views followed as long as they hand it through."""
    table = basis.catalog.tables.get(oid)
    column = table.by_number.get(number) if table is not None else None
    if table is None or column is None:
        return
    if table.kind not in ("v", "m"):
        yield table, column
    elif column.bases and not column.computed:
        yield from _named(column.bases, basis)


def _traced(output: Output, basis: MaskBasis) -> Iterator[_Stored]:
    for column in output.columns:
        for table in basis.tables(column.relation):
            found = table.by_name.get(column.name)
            if found is not None:
                yield from _base(table.oid, found.number, basis)


def _named(columns: Iterable[Column], basis: MaskBasis) -> Iterator[_Stored]:
    for column in columns:
        for table in basis.catalog.find(column.relation.schema, column.relation.name):
            found = table.by_name.get(column.name)
            if found is not None:
                yield table, found


def _keyed(
    places: Sequence[_Place],
    basis: MaskBasis,
    accounting: Accounting,
    dialect: Dialect | None,
    changed: tuple[str, ...] = (),
) -> Keyed | None:
    held: dict[int, dict[int, list[tuple[int, bool]]]] = {}  # by table and column number: where it is, and whether binary
    for index, binary, stored in places:
        for table, column in stored:
            primary = basis.catalog.primary.get(table.oid)
            if primary is not None and (primary.table in changed or accounting.covers(basis.catalog, table.oid)):
                held.setdefault(table.oid, {}).setdefault(column.number, []).append((index, binary))
    keys: list[KeyColumns] = []
    unknown: list[tuple[str, str]] = []
    for oid, columns in held.items():
        primary = basis.catalog.primary[oid]
        if any(number not in columns for number in primary.numbers):
            continue
        types = [basis.catalog.tables[oid].by_number[number].type_oid for number in primary.numbers]
        families = [family_of(type_oid) for type_oid in types]
        named = "".join(family for family in families if family is not None)
        choices = list(product(*(columns[number] for number in primary.numbers)))
        if len(named) != len(families):
            unknown.append((primary.table, NO_FORM))
        elif len(choices) > COMBINATIONS_MAX:
            unknown.append((primary.table, "its key stands in the result too many times"))
        else:
            shown = (False,) if accounting.covers(basis.catalog, oid) else ()
            records = (*shown, True) if primary.table in changed else shown
            people = any(column.label is not None for column in basis.catalog.tables[oid].columns)
            for choice in choices:
                forms = tuple(form_of(of, binary=binary) for of, (_, binary) in zip(types, choice, strict=True))
                indexes = tuple(index for index, _ in choice)
                keys.append(KeyColumns(primary.table, indexes, forms, named, records, people))
    return Keyed(tuple(keys), tuple(unknown), accounting.digester, dialect) if keys or unknown else None
