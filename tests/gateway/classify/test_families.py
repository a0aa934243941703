"""Tables that are one, and keys that repeat each other, share their labels."""

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, RelationRow
from gateway.classify.snapshot import build
from parser.statements import read

TEXT = 25


def labels(catalog: Catalog, oid: int) -> list[str | None]:
    return [column.label for column in catalog.tables[oid].columns]


def test_children_and_parents_share_their_labels() -> None:
    relations = [
        RelationRow(oid, "public", name, "r")
        for oid, name in ((1, "orders"), (2, "orders_1"), (3, "orders_1_a"), (4, "else"))
    ]
    columns = [
        ColumnRow(oid, at, name, TEXT, False)
        for oid in (1, 2, 3, 4)
        for at, name in enumerate(("name", "note"), 1)
    ]
    corrections = {"public.orders_1_a.name": "name", "public.orders_1.note": "none"}
    catalog = build(1, relations, columns, [], [(2, 1), (3, 2)], [], corrections, read)
    assert [labels(catalog, oid) for oid in (1, 2, 3, 4)] == [["name", None]] * 3 + [[None, "free_text"]]


def test_a_chain_of_references_carries_its_label_as_far_as_a_correction() -> None:
    relations = [RelationRow(oid, "public", f"t{oid}", "r") for oid in (1, 2, 3, 4)]
    columns = [ColumnRow(oid, 1, name, TEXT, False) for oid, name in ((1, "email"), (2, "a"), (3, "b"), (4, "c"))]
    references = [((4, "c"), (3, "b")), ((3, "b"), (2, "a")), ((2, "a"), (1, "email")), ((2, "a"), (9, "gone"))]

    def found(corrections: dict[str, str]) -> list[str | None]:
        catalog = build(1, relations, columns, [], [], [], corrections, read, references=references)
        return [label for oid in (1, 2, 3, 4) for label in labels(catalog, oid)]

    assert found({}) == ["email"] * 4
    assert found({"public.t3.b": "none"}) == ["email", "email", None, None]
