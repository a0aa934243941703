"""Columns that are looked through as their rows pass: what is counted of them, and what they then are."""

import pytest

from gateway.classify.catalog import Catalog
from gateway.masking.forms import Form
from gateway.masking.looks import SCAN, Look, Watch, learned
from tests.gateway.masking.shop import CONTACTS, CUSTOMERS, ORDERS, PG_STATS, TEXT, catalog, data_row

ITEM = Look(1, Form.TEXT, "public.orders.item", ORDERS, 4, TEXT)
MADE = Look(2, Form.TEXT, "column 3")
NOTHING_SHOWN = frozenset[str]()


def row(item: bytes | None, made: bytes | None) -> bytes:
    return data_row(b"1", item, made)


def test_found_data_is_masked_in_its_cell_and_named_by_column_and_label() -> None:
    watch = Watch((ITEM, MADE), NOTHING_SHOWN)
    masked, found = watch.rows(row(b"call ann@shop.example now", b"lamp") + row(b"lamp", b"10.20.30.40"), 3)
    assert b"ann@shop.example" not in masked
    assert b"call " in masked
    assert b"10.20.30.40" not in masked
    assert sorted(found) == [("column 3", "ip", SCAN), ("public.orders.item", "email", SCAN)]


def test_rows_without_anything_come_back_as_the_very_object() -> None:
    watch = Watch((ITEM,), NOTHING_SHOWN)
    frames = row(b"lamp", b"ann@shop.example")  # the third column is not looked through
    masked, found = watch.rows(frames, 3)
    assert masked is frames
    assert found == []
    assert watch.verdicts() == []


def test_labels_that_are_shown_stay_and_tell_nothing_of_the_column() -> None:
    watch = Watch((ITEM,), frozenset({"email"}))
    frames = row(b"ann@shop.example", None) * 30
    assert watch.rows(frames, 3) == (frames, [])
    masked, found = watch.rows(row(b"ann@shop.example, 4111 1111 1111 1111", None), 3)
    assert b"ann@shop.example, " in masked
    assert b"4111" not in masked
    assert found == [(ITEM.name, "card", SCAN)]
    assert watch.verdicts() == []


@pytest.mark.parametrize("portions", [(19, 1), (1,) * 20, (20,)])
def test_column_of_one_kind_is_told_by_its_twentieth_cell_however_they_come(portions: tuple[int, ...]) -> None:
    watch = Watch((ITEM, MADE), NOTHING_SHOWN)
    for portion in portions:
        assert watch.verdicts() == []
        watch.rows(b"".join(row(b"ann%d@shop.example" % at, b"lamp") for at in range(portion)), 3)
    assert watch.verdicts() == [(ITEM, "email")]


def test_null_cells_say_nothing() -> None:
    watch = Watch((ITEM,), NOTHING_SHOWN)
    watch.rows(row(b"ann@shop.example", None) * 10 + row(None, None) * 30, 3)
    assert watch.verdicts() == []


def test_columns_that_remain_keep_what_was_seen_of_them() -> None:
    watch = Watch((ITEM, MADE), NOTHING_SHOWN)
    watch.rows(row(b"lamp", b"ann@shop.example") * 19, 3)
    kept = watch.within((MADE,))
    assert kept is not None
    kept.rows(row(b"lamp", b"bob@shop.example"), 3)
    assert kept.verdicts() == [(MADE, "email")]
    assert watch.within(()) is None


def test_what_a_watch_holds_between_two_turns_are_counts() -> None:
    watch = Watch((ITEM,), NOTHING_SHOWN)
    watch.rows(row(b"ann@shop.example", None), 3)
    (counts,) = watch._counts
    assert (counts.cells, counts.hits, counts.wholes) == (1, {"email": 1}, {"email": 1})


def stored(table: int, number: int, known: Catalog) -> str | None:
    found = learned(Look(0, Form.TEXT, "x", table, number), "email", known)
    return None if found is None else f"{found.schema}.{found.table}.{found.column} {found.label} {found.why} {found.oid}"


def test_only_a_tables_column_without_a_label_learns_one() -> None:
    known = catalog()
    assert stored(ORDERS, 4, known) == f"public.orders.item email seen {ORDERS}"
    assert stored(CUSTOMERS, 3, known) is None  # it has one
    assert stored(CONTACTS, 2, known) is None  # a view: its table learns
    assert stored(PG_STATS, 1, known) is None
    assert stored(ORDERS, 9, known) is None
    assert stored(0, 0, known) is None
