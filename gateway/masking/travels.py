"""Which labels a statement brings to other columns: what is stored there is masked from then on like what it was made of.

It holds whoever the principal is: who may see everything may copy it too, and others read the copy.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from gateway.classify.catalog import CatalogTable
from gateway.classify.learned import ANY, EVERY, Learned, label_of, of_value, together
from gateway.classify.names import label as label_by_name
from gateway.classify.own import ALL
from gateway.classify.system import DERIVED
from gateway.masking.basis import SYSTEM_COLUMNS, MaskBasis
from parser.facts import Column, Facts, Output, Relation
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE

_TEMPORARY = "pg_temp"
_TEXT = 25  # the type that a column of an unknown table is taken for: any label fits it
_COMPUTING = PURE | ABOUT_DEFINITIONS | COUNTING
_COMPILED = frozenset(("internal", "c"))
# Compiled functions that read tables by the text they are given.
_RUNS_SQL = (
    *("query_to_", "table_to_", "cursor_to_", "schema_to_", "database_to_", "dblink", "crosstab", "connectby"),
    *("xpath_table", "ts_stat", "ts_rewrite", "lo_get", "loread", "pg_logical_"),
)
# Only these are done to a table's name or family, and leave its columns what they were.
_MOVES = (" RENAME TO", " SET SCHEMA", " DETACH PARTITION", " NO INHERIT", " ATTACH PARTITION", " INHERIT")
_VIEWS = ("CREATE VIEW", "CREATE MATERIALIZED VIEW")
_DEFINING = frozenset(("prepare", "declare"))  # what they hold is looked at when it runs


class _Stored(NamedTuple):
    """What is put into one column: its labels, those of the whole values behind it, and where these come from."""

    labels: set[str]
    whole: set[str]
    sources: set[str]


def learned(facts: Facts, basis: MaskBasis, ahead: tuple[Learned, ...] = ()) -> tuple[Learned, ...]:
    """The labels that columns get when the statement runs, without those that they have. Those of the schema pg_temp are the
    session's own business. `ahead`: what the statements before it in the same text bring."""
    if facts.named is not None and facts.named.action in _DEFINING:
        return ()
    stored: dict[tuple[Relation, str], _Stored] = {}
    for column, output in facts.stored:
        labels, names = _behind(output, basis, ahead)
        label = of_value(labels, output, facts)
        if label is not None:
            one = stored.setdefault((column.relation, column.name), _Stored(set(), set(), set()))
            one.labels.add(label)
            one.whole.update(labels)
            one.sources.update(names)
    learns: dict[Learned, None] = {}
    for (relation, name), what in stored.items():
        learns.update(dict.fromkeys(_of_target(relation, name, what, basis)))
    if "ddl" in facts.effects:
        learns.update(dict.fromkeys(_defined(facts, basis, ahead)))
    return tuple(learns)


def _defined(facts: Facts, basis: MaskBasis, ahead: tuple[Learned, ...]) -> Iterable[Learned]:
    """What definitions bring: labels that a name or a family told of, and those of views that no catalogue shows yet."""
    if any(kind.endswith(_MOVES) for kind in facts.kinds):
        for relation in facts.writes:
            for table in basis.tables(relation):
                yield from _kept(table)
            for new in facts.creates:
                yield from _renamed(relation, new, basis, ahead)
    if facts.kinds[0] in _VIEWS:
        labels, _ = _behind(Output(facts.columns_read), basis, ahead)
        for new in facts.creates:
            for label in labels:
                yield _for_session(new.name, label, lasting=new.schema != _TEMPORARY)


def _renamed(relation: Relation, new: Relation, basis: MaskBasis, ahead: tuple[Learned, ...]) -> Iterable[Learned]:
    """What goes by a table's name alone goes by its new name too."""
    for name, label, lasting in basis.own.carries:
        if name == relation.name:
            yield _for_session(new.name, label, lasting=lasting)
    schema = new.schema or ANY
    for column, labels in basis.catalog.carried.get(relation.name, {}).items():
        for label in sorted(labels):
            yield Learned(schema, new.name, column, label, "renamed", sure=False)
    for one in ahead:
        if one.table == relation.name:
            yield replace(one, table=new.name, why="renamed", sure=one.sure and one.schema == _TEMPORARY)


def is_blind(facts: Facts, basis: MaskBasis, learns: tuple[Learned, ...]) -> bool:
    """Whether a catalogue that shows what was defined last would tell more: into which columns values go, and which labels a
    new name takes away."""
    if any(not one.sure and one.column == EVERY and one.schema != _TEMPORARY for one in learns):
        return True
    moves = any(kind.endswith((*_MOVES, " RENAME COLUMN")) for kind in facts.kinds)
    return moves and any(not basis.tables(relation) for relation in facts.writes)


def _for_session(name: str, label: str, *, lasting: bool) -> Learned:
    """What the session has to remember of a relation of its making."""
    return Learned(_TEMPORARY, name, EVERY, label, "copied", sure=not lasting)


def _kept(table: CatalogTable) -> Iterable[Learned]:
    """All labels of a table whose name or family told of them."""
    if table.kind in "rpf":
        for column in table.columns:
            if column.label is not None:
                yield label_of(table, column.name, column.label, "renamed")


def is_followed(column: Column, basis: MaskBasis) -> bool:
    """Whether labels can follow a value of a masked column into this one, which the statement must name for that: a table
    that is known, or of the statement's or the session's making."""
    relation = column.relation
    tables = basis.tables(relation)
    if tables:
        named = column.name != EVERY and all(_targets(table, column.name) is not None for table in tables)
        return named or relation in basis.facts.creates
    return relation in basis.facts.creates or relation.name in basis.moved


def _is_temporary(relation: Relation, basis: MaskBasis) -> bool:
    """Whether it certainly is the session's own: what is in it ends with the session."""
    return relation.schema == _TEMPORARY or (relation.schema is None and relation.name in basis.own.names)


# --- what is behind a value ---


def _behind(output: Output, basis: MaskBasis, ahead: tuple[Learned, ...]) -> tuple[set[str], set[str]]:
    """The labels of all that may flow into a value, whether its principal may see it or not, and the columns' names."""
    labels: set[str] = set()
    names: set[str] = set()
    unknown: list[Column] = []
    known: set[str] = set()  # names that a relation in scope has
    for column in output.columns:
        found = _of_session(column.relation, basis, lasting=False)
        own = basis.is_clean(column.relation)
        tables = None if own else _of_tables(column, basis)
        found |= tables or set()
        if not own:
            found |= _brought(column, basis, ahead)
        if tables is None and not own:
            found |= _of_session(column.relation, basis, lasting=True)
        if found:
            labels |= found
            names.add(f"{column.relation.name}.{column.name}")
        if own or found or tables is not None:
            known.add(column.name)
        else:
            unknown.append(column)
    for column in unknown:
        if column.name not in known or not basis.tables(column.relation):
            labels |= _guessed(column, basis)
    if output.opaque and not _only_generates(basis):
        labels.add(DERIVED)
    return labels, names


def _of_session(relation: Relation, basis: MaskBasis, *, lasting: bool) -> set[str]:
    """Whatever went into a relation of the session's own making. Temporary ones come before all others of the name."""
    if not lasting and relation.schema not in (None, _TEMPORARY):
        return set()
    return {label for name, label, lasts in basis.own.carries if name in (relation.name, ALL) and lasts is lasting}


def _of_tables(column: Column, basis: MaskBasis) -> set[str] | None:
    """The labels in the catalogue. None: no relation of the name is known to have the column."""
    found: set[str] = set()
    held = False
    for table in basis.tables(column.relation):
        for each in table.columns if column.name == EVERY else (table.by_name.get(column.name),):
            held = held or each is not None
            if each is not None and each.label is not None:
                found.add(each.label)
        held = held or column.name == EVERY or column.name in SYSTEM_COLUMNS
    return found if held else None


def _brought(column: Column, basis: MaskBasis, ahead: tuple[Learned, ...]) -> set[str]:
    """Labels that go by the names alone, as the catalogue cannot show the table yet."""
    name = column.relation.name
    columns = basis.catalog.carried.get(name, {})
    found = set(columns.get(EVERY, ())) | set(columns.get(column.name, ()))
    if column.name == EVERY:
        found.update(label for labels in columns.values() for label in labels)
    found.update(
        one.label
        for one in ahead
        if one.table == name and (EVERY in (one.column, column.name) or one.column == column.name)
    )
    return found


def _guessed(column: Column, basis: MaskBasis) -> set[str]:
    """What is taken to be in a column that nobody knows. Who may see everything makes tables faster than they can be looked
    at: what was copied there is known, and of the rest the name tells, as it will when the table is known."""
    if not basis.everything:
        return {DERIVED}
    found = label_by_name(column.name, column.relation.name, _TEXT) if column.name != EVERY else None
    return {found} if found is not None else set()


def _only_generates(basis: MaskBasis) -> bool:
    """Whether what no column tells of was made by compiled functions that read no tables (uuid_generate_v4)."""
    others = [
        name
        for schema, name in basis.facts.functions
        if name not in _COMPUTING or schema not in (None, "pg_catalog")
    ]
    for name in others:
        meant = basis.catalog.functions.get(name, ())
        if not meant or name.startswith(_RUNS_SQL) or any(one.language not in _COMPILED for one in meant):
            return False
    return bool(others) and basis.facts.complete


# --- where it goes ---


def _targets(table: CatalogTable, name: str) -> tuple[Column, ...] | None:
    """The base columns that are written through a column: its own, or those behind a view's. None: not known."""
    own = Column(Relation(table.schema, table.name), name)
    if table.kind != "v":
        return (own,)
    column = table.by_name.get(name)
    return None if column is None or column.bases is None else tuple(column.bases)


def _of_target(relation: Relation, name: str, what: _Stored, basis: MaskBasis) -> Iterable[Learned]:
    label = together(None, what.labels)
    assert label is not None, "it is asked for columns that get one"
    sources = tuple(sorted(what.sources))
    if _is_temporary(relation, basis):
        yield _for_session(relation.name, label, lasting=False)
        return
    tables = basis.tables(relation)
    made = relation in basis.facts.creates
    if made or not tables:
        before = tuple(sorted(table.oid for table in tables)) if made else ()
        schema = relation.schema or ANY
        yield Learned(schema, relation.name, name, label, "copied", sources, sure=made, before=before)
        return
    for table in tables:
        for base in (_targets(table, name) or ()) if table.kind == "v" else ():
            for one in basis.tables(base.relation):
                yield from _into(one, base.name, label, what.whole, sources)
        yield from _into(table, name, label, what.whole, sources)


def _into(
    table: CatalogTable, name: str, label: str, whole: set[str], sources: tuple[str, ...]
) -> Iterable[Learned]:
    """The label of a column of this table, unless it has it. A piece of a value leaves a column of such values as it is."""
    if name == EVERY:
        known = all(each.label in (label, DERIVED) for each in table.columns)
    else:
        column = table.by_name.get(name)
        known = column is not None and (column.label in (label, DERIVED) or {column.label} == whole)
    if not known:
        yield label_of(table, name, label, "copied", sources)
