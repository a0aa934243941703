"""A Catalog from the rows that the catalogue queries gave: names, types and, for every column, what it holds."""

from collections.abc import Iterable, Mapping
from sys import intern

from gateway.classify.behind import NO_CALLS, BodyRow, Calling, Drafts, Shown
from gateway.classify.catalog import Catalog, CatalogColumn, CatalogFunction, CatalogTable, PrimaryKey
from gateway.classify.draft import ColumnRow, Draft, GeneratedRow, Read, RelationRow, ViewRow
from gateway.classify.evidence import Told
from gateway.classify.families import refer, share
from gateway.classify.learned import Learned, carried, labels_of, of_value, spread
from gateway.classify.system import DERIVED, SYSTEM_SCHEMAS, is_comment, system_label
from gateway.classify.verdicts import Findings, Place, Verdicts
from gateway.classify.views import bases_of, is_followed, label_views, lineage_label, oid_of
from parser.facts import Column, Relation

NO_LABEL = "none"  # a correction that takes the label away

_TEMPORARY = "pg_temp_"
_TOAST = "t"


def build(
    version: int,
    relations: Iterable[RelationRow],
    columns: Iterable[ColumnRow],
    functions: Iterable[CatalogFunction],
    inherits: Iterable[tuple[int, int]],
    views: Iterable[ViewRow],
    corrections: Mapping[str, str],
    read: Read,
    *,
    bodies: Iterable[BodyRow] = (),
    calls: Calling = NO_CALLS,
    keys: Iterable[tuple[int, frozenset[str]]] = (),
    references: Iterable[tuple[Place, Place]] = (),
    findings: Findings | None = None,
    generated: Iterable[GeneratedRow] = (),
    learned: Iterable[Learned] = (),
    primary: Iterable[tuple[int, tuple[int, ...]]] = (),
) -> Catalog:
    """The catalogue of these rows. `inherits`: (child, parent) oids, partitions included. `corrections`: label by
    `schema.table.column`, "none" for no label; they win over everything, and views inherit them. `bodies`: the functions
    that `functions` leaves out, with what they do. `keys`: the columns of a unique key, by the table's oid. `references`:
    the columns of foreign keys with those they refer to. `findings`: what samples of the rows showed. `generated`: the
    expressions of generated columns, as far as they are known. `learned`: labels that columns got by what came into them.
    `primary`: the attnums of a table's primary key, in its order."""
    inherits = tuple(inherits)
    tables = {row.oid: row for row in relations}
    held: dict[int, list[ColumnRow]] = {oid: [] for oid in tables}
    for column in columns:
        if column.table_oid in held:
            held[column.table_oid].append(column)
    for rows in held.values():
        rows.sort(key=lambda row: row.number)
    named = (
        (row.schema, row.name, row.kind, tuple(column.name for column in held[oid])) for oid, row in tables.items()
    )
    names = Drafts(named, functions, bodies, calls)
    by_name = {(row.schema, row.name): row.oid for row in tables.values()}
    draft = Draft(tables, held, by_name, names, Verdicts(findings or {}))
    for row in tables.values():
        draft.labels[row.oid] = {column.name: _own_label(draft, row, column) for column in draft.columns[row.oid]}
    _correct(draft, corrections)
    learned = list(learned)
    references = tuple(references)
    families = share(draft, inherits)
    _learn(draft, learned, families)
    refer(draft, references)
    _compute(draft, {(row.table_oid, row.name): row.expression for row in generated}, families, read)
    label_views(draft, {view.oid: view for view in views}, read)
    catalog = _catalog(version, draft, calls)
    for oid, key in keys:
        catalog.keys[oid] = (*catalog.keys.get(oid, ()), key)
    for (oid, name), (there, other) in references:
        if oid in tables and there in tables:
            own, known = _named(tables[oid], name), catalog.references
            known[own] = known.get(own, frozenset()) | {_named(tables[there], other)}
    catalog.primary = _primary(primary, tables, inherits)
    catalog.families, catalog.corrected, catalog.carried = families, frozenset(draft.fixed), carried(learned)
    return catalog


def _primary(
    keys: Iterable[tuple[int, tuple[int, ...]]], tables: Mapping[int, RelationRow], inherits: Iterable[tuple[int, int]]
) -> dict[int, PrimaryKey]:
    """The primary keys, those of partitions under the name of the partitioned table."""
    over = {child: parent for child, parent in inherits if parent in tables and tables[parent].kind == "p"}
    found: dict[int, PrimaryKey] = {}
    for oid, numbers in keys:
        top = oid
        while top in over:
            top = over[top]
        if oid in tables:
            found[oid] = PrimaryKey(f"{tables[top].schema}.{tables[top].name}", numbers)
    return found


def _named(table: RelationRow, name: str) -> Column:
    return Column(Relation(table.schema, table.name), name)


def _own_label(draft: Draft, table: RelationRow, column: ColumnRow) -> str | None:
    """What the column itself says. The rows of temporary and TOAST tables come from anywhere."""
    if table.schema.startswith(_TEMPORARY):
        return DERIVED
    if table.kind == _TOAST:
        return DERIVED if column.name == "chunk_data" else None
    if table.kind == "S":
        return None
    built_in = system_label(table.schema, table.name, column.name)
    if built_in is not None or table.schema in SYSTEM_SCHEMAS:
        return built_in
    told = Told(
        table.name, column.name, column.type_oid, column.type_name, column.category, column.domain, column.comment
    )
    return draft.verdicts.note(table.oid, told)


def _correct(draft: Draft, corrections: Mapping[str, str]) -> None:
    if not corrections:
        return
    for row in draft.tables.values():
        labels = draft.labels[row.oid]
        for name in labels:
            correction = corrections.get(f"{row.schema}.{row.name}.{name}")
            if correction is not None:
                labels[name] = None if correction == NO_LABEL else correction
                draft.fixed.add((row.oid, name))
                draft.verdicts.correct((row.oid, name), labels[name])


def _learn(draft: Draft, learned: list[Learned], families: Mapping[int, frozenset[int]]) -> None:
    if not learned:
        return
    tables = ((row.oid, row.schema, row.name) for row in draft.tables.values())
    columns = {oid: [(column.number, column.name) for column in rows] for oid, rows in draft.columns.items()}
    spread(draft.labels, labels_of(learned, tables, columns), families, draft.fixed)


def _compute(
    draft: Draft,
    expressions: Mapping[tuple[int, str], bytes],
    families: Mapping[int, frozenset[int]],
    read: Read,
) -> None:
    """Generated columns hold what their expressions make of the columns beside them; where one is not known, of any."""
    found: dict[tuple[int, str], set[str]] = {}
    for oid, columns in draft.columns.items():
        row, labels = draft.tables[oid], draft.labels[oid]
        for column in columns:
            if column.generated and labels[column.name] is None and any(labels.values()):
                text = expressions.get((oid, column.name))
                label = _computed(draft, row, text, read) if text is not None else DERIVED
                if label is not None:
                    found[oid, column.name] = {label}
    spread(draft.labels, found, families, draft.fixed)


def _computed(draft: Draft, table: RelationRow, expression: bytes, read: Read) -> str | None:
    """The label of what an expression makes of the table's columns."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))
    text = b"SELECT " + expression + b" FROM " + name.encode("utf-8", "surrogateescape")
    statements = read(text, known=Shown(draft.names, ()))
    outputs = statements[0].outputs if len(statements) == 1 and statements[0].complete else None
    if outputs is None or len(outputs) != 1:
        return DERIVED
    label = lineage_label(draft, outputs[0])
    return None if label is None else of_value({label}, outputs[0], statements[0])


def _catalog(version: int, draft: Draft, calls: Calling) -> Catalog:
    tables: dict[int, CatalogTable] = {}
    names: dict[str, list[CatalogTable]] = {}
    scanned: set[Place] = set()
    for row in sorted(draft.tables.values(), key=is_followed):  # what views are made of comes first
        bases = bases_of(draft, row.oid) if is_followed(row) else None
        columns = tuple(_column(draft, row, column, bases, scanned) for column in draft.columns[row.oid])
        scanned.update((row.oid, column.name) for column in columns if column.scan)
        by_number = {column.number: column for column in columns}
        by_name = {column.name: column for column in columns}
        behind = frozenset[Relation]() if bases is None else draft.behind.get(Relation(row.schema, row.name))
        table = CatalogTable(
            row.oid, row.schema, row.name, row.kind, columns, by_number, by_name, behind,
            draft.calls.get(Relation(row.schema, row.name), frozenset()),
        )  # fmt: skip
        tables[row.oid] = table
        names.setdefault(row.name, []).append(table)
    return Catalog(
        version,
        tables,
        {name: tuple(found) for name, found in names.items()},
        draft.names.functions(),
        calls.operators,
        calls.casts,
        calls.implicit,
        calls.assigning,
    )


def _column(
    draft: Draft,
    row: RelationRow,
    column: ColumnRow,
    bases: Mapping[str, frozenset[Column] | None] | None,
    scanned: set[Place],
) -> CatalogColumn:
    place, label = (row.oid, column.name), draft.labels[row.oid][column.name]
    made_of = frozenset() if bases is None else bases.get(column.name)
    if bases is None:
        verdict = draft.verdicts.of(place, label)
    else:
        places = None if made_of is None else [(oid_of(draft, one.relation) or 0, one.name) for one in made_of]
        verdict = draft.verdicts.of_view(place, label, places, scanned)
    return CatalogColumn(
        column.number,
        column.name,
        column.type_oid,
        label,
        column.generated,
        made_of,
        intern(column.declared),
        verdict.scan or is_comment(row.schema, row.name, column.name),
        verdict.confidence,
        verdict.evidence,
        place in draft.computed,
    )
