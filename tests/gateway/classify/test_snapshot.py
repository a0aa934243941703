"""A catalogue from rows: what a column says of itself, and the policy's corrections."""

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, RelationRow
from gateway.classify.snapshot import build
from parser.facts import Column, Relation
from parser.statements import read

TEXT = 25


def labels(catalog: Catalog, oid: int) -> list[str | None]:
    return [column.label for column in catalog.tables[oid].columns]


def test_temporary_and_toast_tables_may_hold_anything() -> None:
    relations = [
        RelationRow(1, "pg_temp_3", "mine", "r"),
        RelationRow(2, "pg_toast", "pg_toast_1", "t"),
        RelationRow(3, "public", "seq", "S"),
    ]
    columns = [
        ColumnRow(1, 1, "harmless", TEXT, False),
        ColumnRow(2, 1, "chunk_id", 26, False),
        ColumnRow(2, 3, "chunk_data", 17, False),
        ColumnRow(3, 1, "last_value", 20, False),
    ]
    catalog = build(1, relations, columns, [], [], [], {}, read)
    assert [labels(catalog, oid) for oid in (1, 2, 3)] == [["derived"], [None, "derived"], [None]]


def test_corrections_win_over_names_and_are_noted() -> None:
    columns = [ColumnRow(1, at, name, TEXT, False) for at, name in enumerate(("email", "plan"), 1)]
    catalog = build(
        1,
        [RelationRow(1, "public", "t", "r")],
        [*columns, ColumnRow(2, 1, "of no table", TEXT, False)],
        [], [], [],
        {"public.t.email": "none", "public.t.plan": "health", "public.t.gone": "ssn"},
        read,
    )  # fmt: skip
    assert labels(catalog, 1) == [None, "health"]
    assert catalog.corrected == {(1, "email"), (1, "plan")}


def test_keys_and_references_are_named() -> None:
    relations = [RelationRow(1, "public", "a", "r"), RelationRow(2, "public", "b", "r")]
    columns = [ColumnRow(1, 1, "id", TEXT, False), ColumnRow(2, 1, "a_id", TEXT, False)]
    catalog = build(
        1, relations, columns, [], [], [], {}, read,
        keys=[(1, frozenset({"id"})), (1, frozenset({"id", "x"}))],
        references=[((2, "a_id"), (1, "id")), ((2, "a_id"), (3, "id"))],
    )  # fmt: skip
    assert catalog.keys == {1: (frozenset({"id"}), frozenset({"id", "x"}))}
    there, here = Column(Relation("public", "b"), "a_id"), Column(Relation("public", "a"), "id")
    assert catalog.references == {there: {here}}
