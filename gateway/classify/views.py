"""Views: what their columns are made of, hence their labels, and what else runs when they are read."""

from collections.abc import Mapping

from gateway.classify.behind import Shown, base_columns
from gateway.classify.draft import ColumnRow, Draft, Read, RelationRow, ViewRow
from gateway.classify.system import DERIVED, SYSTEM_SCHEMAS
from parser.facts import Column, Facts, Output, Relation
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE

_COMPUTING = PURE | ABOUT_DEFINITIONS | COUNTING


def label_views(draft: Draft, views: Mapping[int, ViewRow], read: Read) -> None:
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


def _label_view(draft: Draft, view: ViewRow, read: Read) -> None:
    labels = draft.labels[view.oid]
    columns = draft.columns[view.oid]
    found = _view_labels(draft, view, columns, read)
    for column in columns:
        if (view.oid, column.name) not in draft.fixed:
            labels[column.name] = found[column.name] or labels[column.name]


def _view_labels(draft: Draft, view: ViewRow, columns: list[ColumnRow], read: Read) -> dict[str, str | None]:
    """What lineage says of each column; derived for all where the view's query was not understood.

    What the server noted of the rule is the second witness: a relation or function that the parser did not see means that it
    misread. (The server's notes alone are no proof: they leave out the columns of a row used whole.)
    """
    statements = read(view.definition, known=Shown(draft.names, ()))
    facts = statements[0] if len(statements) == 1 and statements[0].complete else None
    seen = {oid_of(draft, relation) for relation in facts.reads} if facts is not None else set()
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
            if not out.plain or any((oid_of(draft, one.relation), one.name) in draft.computed for one in out.columns)
        )
        return {column.name: lineage_label(draft, out) for column, out in zip(columns, facts.outputs, strict=True)}
    labelled = any(
        label is not None for oid in seen if oid is not None for label in draft.labels[oid].values()
    )
    doubtful = labelled or None in seen or not called <= _COMPUTING or not draft.pending.isdisjoint(seen)
    return {column.name: DERIVED if doubtful else None for column in columns}


def _note(draft: Draft, view: ViewRow, columns: list[ColumnRow], facts: Facts) -> None:
    """What stands behind the view and its columns, as far as that is known of what it reads."""
    row = draft.tables[view.oid]
    own = Relation(row.schema, row.name)
    found: set[Relation] = set()
    bases: dict[Relation, Mapping[str, frozenset[Column] | None]] = {}
    for relation in facts.reads:
        oid = oid_of(draft, relation)
        behind = tables_behind(draft, oid) if oid is not None else None
        if oid is None or behind is None:
            found.clear()
            break
        found |= behind
        bases[relation] = bases_of(draft, oid)
    else:
        draft.behind[own] = frozenset(found)
    outputs = facts.outputs if facts.outputs is not None and len(facts.outputs) == len(columns) else None
    draft.bases[own] = {
        column.name: base_columns(outputs[at], bases) if outputs is not None else None
        for at, column in enumerate(columns)
    }


def _note_calls(draft: Draft, view: ViewRow, facts: Facts | None) -> None:
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


def is_followed(row: RelationRow) -> bool:
    """Whether its columns come from elsewhere. The server's own views count as they are: nobody can change them."""
    return row.kind in "vm" and row.schema not in SYSTEM_SCHEMAS


def tables_behind(draft: Draft, oid: int) -> frozenset[Relation] | None:
    """The tables that reading a relation reads."""
    row = draft.tables[oid]
    relation = Relation(row.schema, row.name)
    return draft.behind.get(relation) if is_followed(row) else frozenset((relation,))


def bases_of(draft: Draft, oid: int) -> Mapping[str, frozenset[Column] | None]:
    """The base columns of each of a relation's."""
    row = draft.tables[oid]
    relation = Relation(row.schema, row.name)
    if is_followed(row):
        return draft.bases.get(relation) or {column.name: None for column in draft.columns[oid]}
    known = draft.bases.get(relation)
    if known is None:
        known = {column.name: frozenset((Column(relation, column.name),)) for column in draft.columns[oid]}
        draft.bases[relation] = known
    return known


def lineage_label(draft: Draft, output: Output) -> str | None:
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
        if any(oid_of(draft, relation) is None for relation in relations):
            return DERIVED
    if not found:
        return None
    return found.pop() if len(found) == 1 else DERIVED


def oid_of(draft: Draft, relation: Relation) -> int | None:
    """Printed without a search_path only pg_catalog's names stay bare."""
    return draft.by_name.get((relation.schema or "pg_catalog", relation.name))


def _labels_of(draft: Draft, relation: Relation, name: str) -> list[str] | None:
    """The labels behind a column, or behind the whole row for "*". None: the relation has no such column."""
    oid = oid_of(draft, relation)
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
