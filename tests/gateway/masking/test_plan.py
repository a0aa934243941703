"""Which columns of a result are masked, and how."""

import struct
from dataclasses import replace

import pytest

from gateway.masking.basis import basis
from gateway.masking.plan import RowPlan, rows
from gateway.policy.rules import Mask
from parser.errors import ProtocolError
from parser.messages import data_row as cells_of
from tests.gateway.masking.shop import (
    CONTACTS,
    CUSTOMERS,
    DATE,
    INT4,
    JSONB,
    NUMERIC,
    ORDERS,
    PG_STATS,
    TEXT,
    VARCHAR,
    basis_of,
    catalog,
    data_row,
    description,
    facts,
    rights,
)

EMAIL = ("email", CUSTOMERS, 3, VARCHAR)
NAME = ("name", CUSTOMERS, 2, TEXT)
CITY = ("city", CUSTOMERS, 4, TEXT)
CARD = ("card_number", CUSTOMERS, 7, TEXT)
EXPRESSION = ("x", 0, 0, TEXT)


def masked_indexes(plan: RowPlan) -> list[int]:
    return [index for index, _ in plan.masks]


def out(plan: RowPlan, *cells: bytes | None) -> list[bytes | None]:
    return cells_of(plan.mask(data_row(*cells))[5:])


def test_labelled_columns_are_redacted_and_others_are_not() -> None:
    plan = rows(
        description(("id", CUSTOMERS, 1, INT4), EMAIL, CITY),
        basis_of("select id, email, city from customers"),
    )
    assert not plan.clear
    assert plan.masked == (("public.customers.email", "email", "redact"),)
    assert plan.cleared == ()
    assert out(plan, b"1", b"a@b.c", b"Bonn") == [b"1", b"[redacted]", b"Bonn"]
    assert out(plan, b"1", None, None) == [b"1", None, None]


def test_star_and_aliases_are_masked_by_origin() -> None:
    plan = rows(
        description(("id", CUSTOMERS, 1, INT4), ("city", CUSTOMERS, 3, VARCHAR)),
        basis_of("select * from customers"),
    )
    assert masked_indexes(plan) == [1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("salary", CUSTOMERS, 5, NUMERIC), b"100.00"),
        (("birth_date", CUSTOMERS, 6, DATE), struct.pack(">i", 7000)),
        (("email", CUSTOMERS, 3, 17), b"\\x00"),
    ],
)
def test_other_types_become_null_so_that_drivers_can_read_them(
    field: tuple[str, int, int, int], value: bytes
) -> None:
    plan = rows(description(field), basis_of("select * from customers"))
    assert out(plan, value) == [None]


def test_json_stays_json_in_either_format() -> None:
    text = description(("email", CUSTOMERS, 3, JSONB))
    basis = basis_of("select * from customers")
    assert out(rows(text, basis), b'{"a": 1}') == [b'"[redacted]"']
    assert out(rows(text[:-2] + b"\0\1", basis), b'\x01{"a": 1}') == [b'\x01"[redacted]"']
    assert out(rows(text, basis), None) == [None]


@pytest.mark.parametrize(
    "sql",
    [
        "select upper(email) from customers",
        "select name || city from customers",
        "select max(email) from customers",
        "select peek()",
        "select nothing from unknown_table",
        "select nosuch from customers",
        "select email from public.customers union select city from customers",
        "select (select name from customers limit 1)",
        "select c::text from customers c",
        "select row_to_json(c) from customers c",
        "select upper(who) from contacts",
    ],
)
def test_expression_that_is_not_proven_clear_is_a_constant_for_every_row(sql: str) -> None:
    plan = rows(description(EXPRESSION), basis_of(sql))
    assert out(plan, b"value") == [b"[redacted]"]
    assert out(plan, None) == [b"[redacted]"]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from customers",
        "select upper(city) from customers",
        "select 1 + 2",
        "select version()",
        "select upper(item) from orders",
        "select sum(total) from orders join customers on customers.id = customer_id",
        "select upper(place) from contacts",
        "select lower(relname) from pg_class",
        "show server_version",
    ],
)
def test_expression_that_is_proven_clear_passes(sql: str) -> None:
    plan = rows(description(EXPRESSION), basis_of(sql))
    assert plan.clear
    assert plan.masked == ()


def test_whole_row_is_as_clear_as_its_columns() -> None:
    basis = basis_of("select 1")
    assert basis.origin(ORDERS, 0) is None
    assert basis.origin(CUSTOMERS, 0) is not None
    assert rows(description(("c", CUSTOMERS, 0, 1000)), basis_of("select c from customers c")).masked


def test_plan_of_the_server_is_shown_but_for_constants_beside_a_hidden_column() -> None:
    plan = rows(description(("QUERY PLAN", 0, 0, TEXT)), basis_of("explain select email from customers"))
    assert plan.masked == ()
    line = b"  Filter: (email = 'ann@example.com'::text)"
    assert out(plan, line) == [b"  Filter: (email = '[redacted]'::text)"]
    assert out(plan, b"Seq Scan on customers  (cost=0.00..12345.00)") == [b"Seq Scan on customers  (cost=0.00..12345.00)"]


@pytest.mark.parametrize(
    "sql",
    [
        "explain select peek()",
        "explain select * from elsewhere",
        "explain insert into orders (id) values (1)",
    ],
)
def test_plan_that_may_quote_what_a_function_gave_is_masked(sql: str) -> None:
    assert rows(description(("QUERY PLAN", 0, 0, TEXT)), basis_of(sql)).masked


def test_expression_of_another_type_is_null_for_every_row() -> None:
    plan = rows(description(("x", 0, 0, NUMERIC)), basis_of("select salary + 0 from customers"))
    assert out(plan, b"1") == [None]


def test_origin_is_no_proof_in_a_union() -> None:
    plan = rows(description(CITY), basis_of("select city from customers union select name from customers"))
    assert masked_indexes(plan) == [0]
    starred = basis_of("select * from orders union all select id, id, salary, name from customers")
    items = [
        ("id", ORDERS, 1, INT4),
        ("customer_id", ORDERS, 2, INT4),
        ("total", ORDERS, 3, NUMERIC),
        ("item", ORDERS, 4, TEXT),
    ]
    assert 3 in masked_indexes(rows(description(*items), starred))


def test_column_the_catalogue_does_not_know_is_masked() -> None:
    basis = basis_of("select * from customers")
    for field in [("a", 9999, 1, TEXT), ("b", CUSTOMERS, 99, TEXT)]:
        plan = rows(description(field), basis)
        assert out(plan, b"x") == [b"[redacted]"]
        assert plan.masked[0][1] == "unknown"


def test_system_columns_are_clear() -> None:
    assert rows(description(("ctid", CUSTOMERS, -1, 27)), basis_of("select ctid from customers")).clear
    assert rows(description(EXPRESSION), basis_of("select ctid::text from customers")).clear


def test_view_columns_and_statistics_are_masked() -> None:
    plan = rows(
        description(("who", CONTACTS, 1, TEXT), ("place", CONTACTS, 2, TEXT)),
        basis_of("select who, place from contacts"),
    )
    assert masked_indexes(plan) == [0]
    stats = basis_of("select attname, most_common_vals from pg_stats")
    plan = rows(description(("attname", PG_STATS, 1, 19), ("most_common_vals", PG_STATS, 2, 2277)), stats)
    assert masked_indexes(plan) == [1]


@pytest.mark.parametrize("unmask", ["email", "public.customers.email"])
def test_unmask_by_label_or_column_shows_it_and_says_so(unmask: str) -> None:
    plan = rows(description(NAME, EMAIL), basis_of("select name, email from customers", [unmask]))
    assert masked_indexes(plan) == [0]
    assert plan.cleared == ("public.customers.email",)
    assert out(plan, b"Ann", b"a@b.c") == [b"[redacted]", b"a@b.c"]


def test_unmask_star_is_inert_and_still_names_what_was_shown() -> None:
    basis = basis_of("select email, upper(name) from customers", ["*"])
    assert basis.inert
    plan = rows(description(EMAIL, EXPRESSION), basis)
    assert plan.clear
    assert plan.cleared == ("public.customers.email", "public.customers.name")


def test_mask_rules_choose_the_mask_of_a_label() -> None:
    masks = [
        Mask(labels=("card",), method="partial", keep_last=4),
        Mask(labels=("email",), method="hash"),
        Mask(labels=("name",), method="null"),
        Mask(labels=("salary",), method="clear"),
    ]
    sql = "select card_number, email, name, salary from customers"
    salary = ("salary", CUSTOMERS, 5, NUMERIC)
    plan = rows(description(CARD, EMAIL, NAME, salary), basis_of(sql, masks=masks, key=b"k" * 32))
    card, email, name, pay = out(plan, b"4111-1111-1111-1234", b"a@b.c", b"Ann", b"5")
    assert (card, name, pay) == (b"****1234", None, b"5")
    assert email is not None
    assert email.startswith(b"tok_email_")
    assert [mask for _, _, mask in plan.masked] == ["partial", "hash", "null"]
    assert plan.cleared == ("public.customers.salary",)
    assert out(plan, None, None, None, None) == [None] * 4


def test_hash_without_a_key_redacts() -> None:
    masks = [Mask(labels=("email",), method="hash")]
    assert out(rows(description(EMAIL), basis_of("select email from customers", masks=masks)), b"a") == [
        b"[redacted]"
    ]


def test_partial_and_hash_are_never_used_on_expressions() -> None:
    masks = [Mask(labels=("card",), method="partial", keep_last=4)]
    plan = rows(
        description(EXPRESSION), basis_of("select substr(card_number, 1, 4) from customers", masks=masks)
    )
    assert out(plan, b"4111") == [b"[redacted]"]


def test_partial_keeps_no_more_than_the_labels_safe_maximum() -> None:
    masks = [Mask(labels=("card", "name", "email"), method="partial", keep_last=20)]
    plan = rows(description(CARD, NAME, EMAIL), basis_of("select * from customers", masks=masks))
    assert out(plan, b"4111-1111-1111-1234", b"Ann Miller", b"ann@shop.example") == [b"****1234", b"****r", b"****mple"]


def test_strictest_mask_of_an_expression_wins() -> None:
    masks = [Mask(labels=("name",), method="null")]
    plan = rows(description(EXPRESSION), basis_of("select name || email from customers", masks=masks))
    assert out(plan, b"x") == [None]
    assert {label for _, label, _ in plan.masked} == {"name", "email"}


def test_functions_that_take_the_place_of_the_servers_own_prove_nothing() -> None:
    assert rows(description(EXPRESSION), basis_of("select upper(city) from customers")).clear
    shadowed = basis_of("select upper(city) from customers", known=catalog(shadow="upper"))
    assert not rows(description(EXPRESSION), shadowed).clear
    named = basis_of("select pg_catalog.upper(city) from customers", known=catalog(shadow="upper"))
    assert rows(description(EXPRESSION), named).clear


def test_relation_that_the_session_made_itself_is_not_the_one_of_the_catalogue() -> None:
    sql = "select upper(item) from orders"
    assert rows(description(EXPRESSION), basis_of(sql)).clear
    assert not rows(description(EXPRESSION), basis_of(sql, made=frozenset({"orders"}))).clear
    assert rows(
        description(EXPRESSION), basis_of("select upper(item) from public.orders", made=frozenset({"orders"}))
    ).clear


def test_plan_of_a_prepared_statement_shows_its_text_where_it_reads_nothing_masked() -> None:
    for sql, clear in (("select id from customers where email = 'x'", False), ("select id from orders where id = 3", True)):
        for explain in ("explain execute p", "explain (analyze, format json) execute p"):
            outer, inner = facts(explain), facts(sql)
            resolved = replace(inner, kinds=outer.kinds + inner.kinds, named=outer.named)
            plan = rows(description(("QUERY PLAN", 0, 0, TEXT)), basis(resolved, rights(), catalog()))
            assert out(plan, b"Seq Scan") == [b"Seq Scan" if clear else b"[redacted]"]
            assert out(rows(description(EXPRESSION), basis_of(explain)), b"Seq Scan") == [b"[redacted]"]


def test_statement_that_is_not_known_by_name_shows_nothing() -> None:
    for sql in ("execute something", "fetch all from something"):
        plan = rows(description(EXPRESSION, CITY), basis_of(sql))
        assert masked_indexes(plan) == [0, 1]


def test_result_with_more_columns_than_were_read_is_masked_whole() -> None:
    plan = rows(description(CITY, CITY), basis_of("select city from customers"))
    assert masked_indexes(plan) == [0, 1]


def test_correction_to_none_shows_the_column() -> None:
    known = catalog({"public.customers.email": "none"})
    assert rows(description(EMAIL), basis_of("select email from customers", known=known)).clear


@pytest.mark.parametrize(
    "body", [b"", b"\0\1", b"\0\1x\0\0", description(EMAIL)[:-1], description(EMAIL) + b"x"]
)
def test_malformed_description_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        rows(body, basis_of("select email from customers"))


def test_null_of_a_column_that_was_made_of_others_is_masked_like_a_value() -> None:
    stats = rows(description(("most_common_vals", PG_STATS, 2, TEXT)), basis_of("select most_common_vals from pg_stats"))
    assert out(stats, None) == [b"[redacted]"]


def test_comment_is_looked_through_and_one_in_disguise_is_masked_whole() -> None:
    seen = rows(description(EXPRESSION), basis_of("select obj_description(1, 'pg_class')"))
    assert [look.index for look in seen.looks] == [0]
    assert not seen.masks
    hidden = rows(description(EXPRESSION), basis_of("select reverse(obj_description(1, 'pg_class'))"))
    assert masked_indexes(hidden) == [0]
    assert not hidden.looks
