"""A Catalog from the rows that the catalogue queries gave: names, types and, for every column, what it holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import NamedTuple, Protocol

from gateway.classify.behind import NO_CALLS, BodyRow, Calling, Drafts, Shown, base_columns
from gateway.classify.catalog import Catalog, CatalogColumn, CatalogFunction, CatalogTable
from gateway.classify.evidence import Told
from gateway.classify.learned import Learned, carried, labels_of, of_value, spread
from gateway.classify.system import DERIVED, SYSTEM_SCHEMAS, is_comment, system_label
from gateway.classify.verdicts import Findings, Place, Verdicts
from parser.facts import Column, Facts, Output, Relation
from parser.known import Known
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE

NO_LABEL = "none"  # a correction that takes the label away

_COMPUTING = PURE | ABOUT_DEFINITIONS | COUNTING
_TEMPORARY = "pg_temp_"
_TOAST = "t"


class Read(Protocol):
    """parser.statements.read"""

    def __call__(self, sql: bytes, *, known: Known | None) -> tuple[Facts, ...]: ...


class RelationRow(NamedTuple):
    """`kind` is pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str


class ColumnRow(NamedTuple):
    """`type_oid`, `type_name` and `category` are the base type's for domains, and `domain` is the domain's name; `declared`:
    see CatalogColumn; `category` is pg_type.typcategory."""

    table_oid: int
    number: int
    name: str
    type_oid: int
    generated: bool
    declared: str = ""
    type_name: str = ""
    category: str = ""
    domain: str = ""
    comment: str = ""


class GeneratedRow(NamedTuple):
    """A generated column, with its expression as the server prints it with an empty search_path."""

    table_oid: int
    name: str
    expression: bytes


class ViewRow(NamedTuple):
    """A view or materialised view: its query as the server prints it with an empty search_path (b"": not known), the oids of
    the relations and the names of the functions (PostgreSQL's own and those in C left out) that its rule depends on."""

    oid: int
    definition: bytes
    relations: frozenset[int]
    functions: frozenset[str]


@dataclass(slots=True)
class _Draft:
    """Labels while they are found. `labels` by table oid and column name; `fixed` are those that a correction set; `pending`
    are views whose turn has not come; `computed`: their columns that are no column handed through. `behind` and `bases`: see
    CatalogTable and CatalogColumn, by relation."""

    tables: dict[int, RelationRow]
    columns: dict[int, list[ColumnRow]]
    by_name: dict[tuple[str, str], int]
    names: Drafts
    verdicts: Verdicts
    behind: dict[Relation, frozenset[Relation] | None] = field(default_factory=dict)
    bases: dict[Relation, dict[str, frozenset[Column] | None]] = field(default_factory=dict)
    calls: dict[Relation, frozenset[tuple[str | None, str]]] = field(default_factory=dict)
    labels: dict[int, dict[str, str | None]] = field(default_factory=dict)
    fixed: set[tuple[int, str]] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)
    computed: set[Place] = field(default_factory=set)


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
) -> Catalog:
    """The catalogue of these rows. `inherits`: (child, parent) oids, partitions included. `corrections`: label by
    `schema.table.column`, "none" for no label; they win over everything, and views inherit them. `bodies`: the functions
    that `functions` leaves out, with what they do. `keys`: the columns of a unique key, by the table's oid. `references`: the
    columns of foreign keys with the columns they refer to. `findings`: what samples of the rows showed. `generated`: the
    expressions of generated columns, as far as they are known. `learned`: labels that columns got by what came into them."""
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
    draft = _Draft(tables, held, by_name, names, Verdicts(findings or {}))
    for row in tables.values():
        draft.labels[row.oid] = {column.name: _own_label(draft, row, column) for column in draft.columns[row.oid]}
    _correct(draft, corrections)
    learned = list(learned)
    references = tuple(references)
    families = _share(draft, inherits)
    _learn(draft, learned, families)
    _refer(draft, references)
    _compute(draft, {(row.table_oid, row.name): row.expression for row in generated}, families, read)
    _label_views(draft, {view.oid: view for view in views}, read)
    catalog = _catalog(version, draft, calls)
    for oid, key in keys:
        catalog.keys[oid] = (*catalog.keys.get(oid, ()), key)
    catalog.references = frozenset(
        (_named(tables[oid], name), _named(tables[there], other))
        for (oid, name), (there, other) in references
        if oid in tables and there in tables
    )
    catalog.families, catalog.corrected, catalog.carried = families, frozenset(draft.fixed), carried(learned)
    return catalog


def _named(table: RelationRow, name: str) -> Column:
    return Column(Relation(table.schema, table.name), name)


def _own_label(draft: _Draft, table: RelationRow, column: ColumnRow) -> str | None:
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


def _correct(draft: _Draft, corrections: Mapping[str, str]) -> None:
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


def _share(draft: _Draft, inherits: Iterable[tuple[int, int]]) -> dict[int, frozenset[int]]:
    """Columns of one name are one column for parents and children: a label on one holds for all of the family. A correction
    on the topmost that has one wins over names, a correction on the column itself over all. The families, by each member."""
    parents: dict[int, list[int]] = {}
    families: dict[int, int] = {}

    def head(oid: int) -> int:
        while families.get(oid, oid) != oid:
            oid = families[oid]
        return oid

    for child, parent in inherits:
        if child in draft.tables and parent in draft.tables:
            parents.setdefault(child, []).append(parent)
            for oid in (child, parent):
                families.setdefault(oid, oid)
            families[head(child)] = head(parent)
    members: dict[int, list[int]] = {}
    for oid in families:
        members.setdefault(head(oid), []).append(oid)
    for family in members.values():
        family.sort(key=lambda oid: (len(_above(oid, parents)), oid))
        for name in {name for oid in family for name in draft.labels[oid]}:
            _share_one(draft, [oid for oid in family if name in draft.labels[oid]], name)
    return {oid: frozenset(family) for family in members.values() for oid in family}


def _learn(draft: _Draft, learned: list[Learned], families: Mapping[int, frozenset[int]]) -> None:
    if not learned:
        return
    tables = ((row.oid, row.schema, row.name) for row in draft.tables.values())
    columns = {oid: [(column.number, column.name) for column in rows] for oid, rows in draft.columns.items()}
    spread(draft.labels, labels_of(learned, tables, columns), families, draft.fixed)


def _compute(
    draft: _Draft,
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


def _computed(draft: _Draft, table: RelationRow, expression: bytes, read: Read) -> str | None:
    """The label of what an expression makes of the table's columns."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))
    text = b"SELECT " + expression + b" FROM " + name.encode("utf-8", "surrogateescape")
    statements = read(text, known=Shown(draft.names, ()))
    outputs = statements[0].outputs if len(statements) == 1 and statements[0].complete else None
    if outputs is None or len(outputs) != 1:
        return DERIVED
    label = _lineage(draft, outputs[0])
    return None if label is None else of_value({label}, outputs[0], statements[0])


def _above(oid: int, parents: Mapping[int, list[int]]) -> set[int]:
    """All ancestors."""
    found: set[int] = set()
    waiting = [oid]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def _share_one(draft: _Draft, family: list[int], name: str) -> None:
    corrected = [oid for oid in family if (oid, name) in draft.fixed]
    labelled = [oid for oid in family if draft.labels[oid][name] is not None]
    source = next(iter(corrected or labelled), None)
    if source is None:
        draft.verdicts.share_scan((oid, name) for oid in family)
        return
    chosen = draft.labels[source][name]
    for oid in family:
        if (oid, name) not in draft.fixed and (corrected or draft.labels[oid][name] != chosen):
            draft.labels[oid][name] = chosen
            draft.verdicts.derive((oid, name), (source, name), f"as in {draft.tables[source].name}")
            if chosen is None:
                draft.verdicts.silent.add((oid, name))


def _refer(draft: _Draft, references: Iterable[tuple[Place, Place]]) -> None:
    """A foreign key's columns hold the values of what they refer to."""
    waiting = [(child, parent) for child, parent in references if child[0] in draft.tables and parent[0] in draft.tables]
    moved = True
    while moved:
        moved = False
        for child, parent in waiting:
            labels, label = draft.labels[child[0]], draft.labels[parent[0]].get(parent[1])
            if label is not None and child not in draft.fixed and labels.get(child[1], label) is None:
                labels[child[1]] = label
                draft.verdicts.derive(child, parent, f"refers to {draft.tables[parent[0]].name}.{parent[1]}")
                moved = True


def _label_views(draft: _Draft, views: Mapping[int, ViewRow], read: Read) -> None:
    """Views in the order of what they are made of. One that is met before its turn, as in a circle, counts as derived."""
    views = {oid: view for oid, view in views.items() if oid in draft.tables}
    draft.pending = set(views)
    opened: set[int] = set()
    for first in views:
        waiting = [(first, False)]
        while waiting:
            oid, ready = waiting.pop()
            if ready:
                _label_view(draft, views[oid], read)
                draft.pending.discard(oid)
            elif oid not in opened:
                opened.add(oid)
                waiting.append((oid, True))
                waiting += [(below, False) for below in views[oid].relations if below in draft.pending]


def _label_view(draft: _Draft, view: ViewRow, read: Read) -> None:
    labels = draft.labels[view.oid]
    columns = draft.columns[view.oid]
    found = _view_labels(draft, view, columns, read)
    for column in columns:
        if (view.oid, column.name) not in draft.fixed:
            labels[column.name] = found[column.name] or labels[column.name]


def _view_labels(draft: _Draft, view: ViewRow, columns: list[ColumnRow], read: Read) -> dict[str, str | None]:
    """What lineage says of each column; derived for all where the view's query was not understood.

    What the server noted of the rule is the second witness: a relation or function that the parser did not see means that it
    misread. (The server's notes alone are no proof: they leave out the columns of a row used whole.)
    """
    statements = read(view.definition, known=Shown(draft.names, ()))
    facts = statements[0] if len(statements) == 1 and statements[0].complete else None
    seen = {_oid(draft, relation) for relation in facts.reads} if facts is not None else set()
    called = {name for _, name in facts.functions} if facts is not None else set()
    if facts is None or not view.relations <= seen or not view.functions <= called:
        _note_calls(draft, view, None)
        return {column.name: DERIVED for column in columns}
    _note_calls(draft, view, facts)
    _note(draft, view, columns, facts)
    if facts.outputs is not None and len(facts.outputs) == len(columns):
        draft.computed.update(
            (view.oid, column.name)
            for column, out in zip(columns, facts.outputs, strict=True)
            if not out.plain or any((_oid(draft, one.relation), one.name) in draft.computed for one in out.columns)
        )
        return {column.name: _lineage(draft, out) for column, out in zip(columns, facts.outputs, strict=True)}
    labelled = any(
        label is not None for oid in seen if oid is not None for label in draft.labels[oid].values()
    )
    doubtful = labelled or None in seen or not called <= _COMPUTING or not draft.pending.isdisjoint(seen)
    return {column.name: DERIVED if doubtful else None for column in columns}


def _note(draft: _Draft, view: ViewRow, columns: list[ColumnRow], facts: Facts) -> None:
    """What stands behind the view and its columns, as far as that is known of what it reads."""
    row = draft.tables[view.oid]
    own = Relation(row.schema, row.name)
    found: set[Relation] = set()
    bases: dict[Relation, Mapping[str, frozenset[Column] | None]] = {}
    for relation in facts.reads:
        oid = _oid(draft, relation)
        behind = _behind(draft, oid) if oid is not None else None
        if oid is None or behind is None:
            found.clear()
            break
        found |= behind
        bases[relation] = _bases(draft, oid)
    else:
        draft.behind[own] = frozenset(found)
    outputs = facts.outputs if facts.outputs is not None and len(facts.outputs) == len(columns) else None
    draft.bases[own] = {
        column.name: base_columns(outputs[at], bases) if outputs is not None else None
        for at, column in enumerate(columns)
    }


def _note_calls(draft: _Draft, view: ViewRow, facts: Facts | None) -> None:
    """The functions that run when the view is read; those that the server noted where its query was not understood."""
    row = draft.tables[view.oid]
    calls: set[tuple[str | None, str]] = {(None, name) for name in view.functions}
    if facts is not None:  # those of the views in it have gone into its facts when it was read
        calls = {
            (schema, name)
            for schema, name in facts.functions
            if name not in _COMPUTING or schema not in (None, "pg_catalog")
        }
    draft.names.note_calls(row.schema, row.name, frozenset(calls))
    draft.calls[Relation(row.schema, row.name)] = frozenset(calls)


def _is_followed(row: RelationRow) -> bool:
    """Whether its columns come from elsewhere. The server's own views count as they are: nobody can change them."""
    return row.kind in "vm" and row.schema not in SYSTEM_SCHEMAS


def _behind(draft: _Draft, oid: int) -> frozenset[Relation] | None:
    """The tables that reading a relation reads."""
    row = draft.tables[oid]
    relation = Relation(row.schema, row.name)
    return draft.behind.get(relation) if _is_followed(row) else frozenset((relation,))


def _bases(draft: _Draft, oid: int) -> Mapping[str, frozenset[Column] | None]:
    """The base columns of each of a relation's."""
    row = draft.tables[oid]
    relation = Relation(row.schema, row.name)
    if _is_followed(row):
        return draft.bases.get(relation) or {column.name: None for column in draft.columns[oid]}
    known = draft.bases.get(relation)
    if known is None:
        known = {column.name: frozenset((Column(relation, column.name),)) for column in draft.columns[oid]}
        draft.bases[relation] = known
    return known


def _lineage(draft: _Draft, output: Output) -> str | None:
    """The label of a view's column made of these: the one they share, or derived."""
    if output.opaque:
        return DERIVED
    found: set[str] = set()
    for name in {column.name for column in output.columns}:
        relations = [column.relation for column in output.columns if column.name == name]
        held = [one for relation in relations if (one := _labels_of(draft, relation, name)) is not None]
        if not held:
            return DERIVED
        found.update(label for one in held for label in one)
        if any(_oid(draft, relation) is None for relation in relations):
            return DERIVED
    if not found:
        return None
    return found.pop() if len(found) == 1 else DERIVED


def _oid(draft: _Draft, relation: Relation) -> int | None:
    """Printed without a search_path only pg_catalog's names stay bare."""
    return draft.by_name.get((relation.schema or "pg_catalog", relation.name))


def _labels_of(draft: _Draft, relation: Relation, name: str) -> list[str] | None:
    """The labels behind a column, or behind the whole row for "*". None: the relation has no such column."""
    oid = _oid(draft, relation)
    if oid is None:
        return None
    if oid in draft.pending:
        return [DERIVED]
    labels = draft.labels[oid]
    if name == "*":
        return [label for label in labels.values() if label is not None]
    if name not in labels:
        return [] if name in ("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax") else None
    label = labels[name]
    return [] if label is None else [label]


def _catalog(version: int, draft: _Draft, calls: Calling) -> Catalog:
    tables: dict[int, CatalogTable] = {}
    names: dict[str, list[CatalogTable]] = {}
    scanned: set[Place] = set()
    for row in sorted(draft.tables.values(), key=_is_followed):  # what views are made of comes first
        bases = _bases(draft, row.oid) if _is_followed(row) else None
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
    draft: _Draft,
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
        places = None if made_of is None else [(_oid(draft, one.relation) or 0, one.name) for one in made_of]
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
