"""One result's rows as they go out: looked through cell by cell, then masked whole, told once, with the audit's card."""

from dataclasses import replace

import pytest

from gateway.errors import Refused
from gateway.masking.plan import CopyPlan, copy_out, rows
from gateway.policy.rules import Mask
from gateway.results import CARDS_MAX, ResultPlan, result
from parser.errors import ProtocolError
from parser.messages import data_row as cells_of
from parser.messages import frame
from tests.gateway.masking.shop import (
    CUSTOMERS,
    INT4,
    ORDERS,
    TEXT,
    VARCHAR,
    basis_of,
    catalog,
    data_row,
    decoded,
    description,
    facts,
)

KNOWN = catalog(sampled=False)
ID = ("id", ORDERS, 1, INT4)
ITEM = ("item", ORDERS, 4, TEXT)
ITEM_FOUND = ("public.orders.item", "email", "scan")
ITEM_WHOLE = ("public.orders.item", "email", "redact")


def orders(unmask: tuple[str, ...] = (), masks: tuple[Mask, ...] = ()) -> ResultPlan:
    basis = basis_of("select id, item from orders", unmask, masks, known=KNOWN)
    return result(rows(description(ID, ITEM), basis), basis)


def items(plan: ResultPlan, *values: bytes) -> list[bytes | None]:
    """What becomes of the second column."""
    frames, _ = plan.mask(b"".join(data_row(b"7", value) for value in values))
    return [cells[1] for cells in decoded(frames)]


def addresses(count: int) -> list[bytes]:
    return [b"ann%d@shop.example" % at for at in range(count)]


def test_column_of_addresses_is_masked_in_the_cell_then_whole_and_told_once() -> None:
    plan = orders()
    assert plan.card is None
    first = items(plan, b"by ann@shop.example", *addresses(17))
    assert first[0] is not None
    assert first[0].startswith(b"by ")
    assert not any(value is None or b"@shop.example" in value for value in first)
    assert items(plan, b"lamp", *addresses(1))[0] == b"lamp"  # twenty by now; most are an address and nothing else
    assert items(plan, b"lamp", *addresses(2)) == [b"[redacted]"] * 3
    assert plan.watch is None
    assert [(one.table, one.column, one.label, one.why) for one in plan.learned] == [("orders", "item", "email", "seen")]
    plan.learned.clear()
    items(plan, *addresses(40))
    assert plan.learned == []


def test_labels_the_principal_may_see_stay_in_every_cell() -> None:
    plan = orders(unmask=("email",))
    values = addresses(30)
    assert items(plan, *values) == values
    assert plan.learned == []
    assert items(plan, b"4111 1111 1111 1111") != [b"4111 1111 1111 1111"]


def test_who_sees_everything_is_not_looked_through() -> None:
    assert orders(unmask=("*",)).watch is None


def test_column_that_is_known_by_its_label_is_masked_beside_those_that_are_looked_through() -> None:
    sql = "select email, city from customers"
    basis = basis_of(sql, known=KNOWN)
    plan = result(rows(description(("email", CUSTOMERS, 3, VARCHAR), ("city", CUSTOMERS, 4, TEXT)), basis), basis)
    masked, found = plan.mask(data_row(b"a@b.c", b"Bonn, ann@shop.example"))
    first, second = cells_of(masked[5:])
    assert first == b"[redacted]"
    assert second is not None
    assert second.startswith(b"Bonn, ")
    assert b"ann@" not in second
    assert found == [("public.customers.city", "email", "scan")]


def test_audit_names_what_was_found_in_the_executions_that_found_it() -> None:
    plan = orders()
    assert plan.card_with(frozenset()) is None
    _, found = plan.mask(data_row(b"7", b"by ann@shop.example"))
    card = plan.card_with(frozenset(found))
    assert card is not None
    assert card.info.masked == (ITEM_FOUND,)
    assert plan.card_with(frozenset(found)) is card  # one card for all that found the same
    assert plan.card_with(frozenset()) is None


def test_audit_names_the_whole_column_once_it_is_masked_whole() -> None:
    plan = orders()
    items(plan, *addresses(25))
    card = plan.card_with(frozenset())
    assert card is not None
    assert card.info.masked == (ITEM_WHOLE,)
    both = plan.card_with(frozenset({ITEM_FOUND}))  # an execution that began before
    assert both is not None
    assert set(both.info.masked) == {ITEM_FOUND, ITEM_WHOLE}


def test_cards_are_bounded() -> None:
    plan = orders()
    for at in range(CARDS_MAX + 5):
        assert plan.card_with(frozenset({(f"column {at}", "email", "scan")})) is not None
    assert len(plan._cards) <= CARDS_MAX


def test_whole_column_gets_the_mask_that_the_policy_has_for_its_label() -> None:
    plan = orders(masks=(Mask(labels=("email",), method="partial", keep_last=3),))
    items(plan, *addresses(25))
    assert items(plan, b"bob@shop.example") == [b"****ple"]


def copied(sql: str, *lines: bytes) -> tuple[ResultPlan, bytes]:
    basis = basis_of(sql, known=KNOWN)
    planned = copy_out(facts(sql), basis)
    assert not isinstance(planned, Refused)
    plan = result(planned, basis)
    masked, _ = plan.mask(b"".join(frame(b"d", line) for line in lines))
    return plan, masked


@pytest.mark.parametrize(
    ("options", "line"),
    [("", b"1\tby ann@shop.example\n"), (" (format csv)", b'1,"by ann@shop.example, ""soon"""\n')],
)
def test_copied_cells_are_looked_through_and_their_column_is_learned(options: str, line: bytes) -> None:
    sql = f"copy orders (id, item) to stdout{options}"
    plan, masked = copied(sql, line)
    assert b"by " in masked
    assert b"ann@" not in masked
    separator = b"," if options else b"\t"
    plan, masked = copied(sql, *(b"1" + separator + value + b"\n" for value in addresses(25)))
    assert b"@shop.example" not in masked
    assert [(one.table, one.column, one.label) for one in plan.learned] == [("orders", "item", "email")]
    again, _ = plan.mask(frame(b"d", b"1" + separator + b"lamp\n"))
    assert again == frame(b"d", b"1" + separator + b"[redacted]\n")


def test_copied_rows_of_unknown_cells_are_looked_through_for_ever() -> None:
    sql = "copy orders to stdout"
    basis = basis_of(sql, made=frozenset({"orders"}), known=KNOWN)
    planned = copy_out(facts(sql), replace(basis, unproven=True, inert=True))
    assert isinstance(planned, CopyPlan)
    plan = result(planned, basis)
    for value in addresses(50):
        masked, found = plan.mask(frame(b"d", value + b"\t" + value + b"\tlamp\n"))
        assert masked == frame(b"d", b"[redacted]\t[redacted]\tlamp\n")
        assert found == [("rows", "email", "scan")]
    assert plan.learned == []


def test_rows_that_are_not_as_described_are_the_servers_fault() -> None:
    with pytest.raises(ProtocolError):
        orders().mask(data_row(b"7"))
