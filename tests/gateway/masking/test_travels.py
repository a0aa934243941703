"""Which labels a statement brings to other columns, whoever its principal is; what brings none."""

import pytest

from gateway.classify.behind import BodyRow
from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.learned import Learned
from gateway.classify.own import Own
from gateway.classify.resolver import Resolver
from gateway.classify.snapshot import build
from gateway.masking.basis import MaskBasis, basis
from gateway.masking.travels import is_blind, is_followed, learned
from parser.facts import Column, Facts, Relation
from parser.statements import read
from tests.gateway.masking.shop import CUSTOMERS, ORDERS, catalog, rights

PATH = ("public",)


def read_in(sql: str, known: Catalog) -> Facts:
    """As a session with the usual search_path reads it."""
    return read(sql.encode(), known=Resolver(known, PATH))[0]


def based(sql: str, known: Catalog | None = None, *, unmask: tuple[str, ...] = ("*",), own: Own | None = None) -> MaskBasis:
    known = known or catalog()
    return basis(read_in(sql, known), rights(unmask), known, own=own or Own())


def brought(sql: str, known: Catalog | None = None, *, unmask: tuple[str, ...] = ("*",)) -> dict[str, str]:
    """Label by table.column of what the statement brings."""
    found = based(sql, known, unmask=unmask)
    return {f"{one.table}.{one.column}": one.label for one in learned(found.facts, found)}


COPIES = {
    "create table copied as select email as x, id, upper(name) as y from customers": {
        "copied.x": "email", "copied.y": "name"},
    "create table copied (p, q) as select email, city from customers": {"copied.p": "email"},
    "create table copied (p) as select city, email as e from customers": {"copied.e": "email"},
    "create table copied as select left(card_number, 4) as x from customers": {"copied.x": "derived"},
    "create table copied as select name || email as x from customers": {"copied.x": "derived"},
    "create table copied as select count(*) as n, count(email) as m from customers": {},
    "create table copied as select max(email) as m, string_agg(city, ',') as c from customers": {"copied.m": "derived"},
    "create table copied as table invoices": {"copied.iban": "iban", "copied.check_digits": "derived"},
    "create table copied as select email from customers with no data": {"copied.email": "email"},
    "select birth_date as d into copied from customers": {"copied.d": "dob"},
    "insert into orders (item) select email from customers": {"orders.item": "email"},
    "insert into orders select id, id, null, email from customers returning item": {"orders.item": "email"},
    "insert into orders (item) values ((select email from customers limit 1)), ('x')": {"orders.item": "email"},
    "insert into orders (item) values ('ann@example.com'), ($1)": {},
    "insert into orders (item) select email from customers union all select name from customers": {
        "orders.item": "derived"},
    "insert into orders (id) values (1) on conflict (id) do update set item = (select iban from invoices)": {
        "orders.item": "iban"},
    "update orders set item = c.email from customers c where c.id = customer_id": {"orders.item": "email"},
    "update orders set (item, total) = (select name, salary from customers limit 1)": {
        "orders.item": "name", "orders.total": "salary"},
    "update orders set item = 'x' from customers c where c.email = 'y'": {},
    "merge into orders o using customers c on o.id = c.id when matched then update set item = c.email": {
        "orders.item": "email"},
    "with w as (insert into orders (item) select email from customers returning item) select item from w": {
        "orders.item": "email"},
    "explain analyze update orders set item = (select email from customers limit 1)": {"orders.item": "email"},
    "explain update orders set item = (select email from customers limit 1)": {},
    "prepare p as insert into orders (item) select email from customers": {},
    "create function f() returns void language sql as 'insert into orders (item) select email from customers'": {
        "orders.item": "email"},
    "update customers set email = lower(email), card_number = left(card_number, 4)": {},
    "update customers set email = name": {"customers.email": "name"},
    "insert into customers (email) select email from customers": {},
    "insert into contacts (place) select email from customers": {"contacts.place": "email", "customers.city": "email"},
    "alter table customers rename column email to c1": {"customers.c1": "email"},
    "alter table customers rename city to c1": {},
    "alter table customers alter column city type text using email || city": {"customers.city": "email"},
    "alter table customers alter city type varchar(3) using city": {},
    "alter table invoices rename to papers": {
        "invoices.iban": "iban", "invoices.check_digits": "derived"},
    "alter table invoices set schema archive": {
        "invoices.iban": "iban", "invoices.check_digits": "derived"},
    "alter table invoices no inherit customers": {
        "invoices.iban": "iban", "invoices.check_digits": "derived", **{f"customers.{name}": label for name, label in (
            ("name", "name"), ("email", "email"), ("salary", "salary"), ("birth_date", "dob"), ("card_number", "card"))}},
    "create table other (like customers including all)": {},
    "copy customers to stdout": {},
    "copy orders from stdin": {},
    "insert into orders (item) select peek(1)": {"orders.item": "derived"},
    "insert into orders (item) select query_to_xml('select 1', true, true, '')": {"orders.item": "derived"},
    "insert into orders (id, item) values (nextval('s'), gen_random_uuid())": {},
}  # fmt: skip


@pytest.mark.parametrize("sql", COPIES)
def test_copies_bring_labels(sql: str) -> None:
    assert brought(sql) == COPIES[sql]


@pytest.mark.parametrize("sql", [sql for sql in COPIES if sql.startswith(("insert", "update", "create table"))])
@pytest.mark.parametrize("unmask", [(), ("email",)])
def test_labels_do_not_depend_on_who_copies(sql: str, unmask: tuple[str, ...]) -> None:
    assert brought(sql, unmask=unmask) == COPIES[sql]


def test_labels_name_their_column_as_surely_as_it_is_known() -> None:
    found = based("insert into orders (item) select email from customers")
    (one,) = learned(found.facts, found)
    assert one == Learned("public", "orders", "item", "email", "copied", ("customers.email",), ORDERS, 4)
    found = based("create table public.copied as select email as x from customers")
    (one,) = learned(found.facts, found)
    assert (one.schema, one.oid, one.sure, one.before) == ("public", 0, True, ())
    found = based("create table orders as select email as x from customers")
    (one,) = learned(found.facts, found)
    assert (one.schema, one.before) == ("", (ORDERS,)), "not the one that is there"


def test_column_that_has_the_label_learns_nothing_and_a_bound_one_less() -> None:
    first = Learned("public", "orders", "item", "email", "copied", (), ORDERS, 4)
    known = catalog_with(first)
    assert brought("insert into orders (item) select email from customers", known) == {}
    assert brought("insert into orders (item) select name from customers", known) == {"orders.item": "name"}
    assert brought("create table copied as select item from orders", known) == {"copied.item": "email"}


def catalog_with(*labels: Learned) -> Catalog:
    return build(
        1,
        [RelationRow(CUSTOMERS, "public", "customers", "r"), RelationRow(ORDERS, "public", "orders", "r")],
        [
            *(ColumnRow(CUSTOMERS, at, name, 25, False) for at, name in enumerate(("id", "name", "email"), 1)),
            *(ColumnRow(ORDERS, at, name, 25, False) for at, name in enumerate(("id", "c", "total", "item"), 1)),
        ],
        [],
        [],
        [],
        {},
        read,
        learned=labels,
    )


def test_tables_that_no_catalogue_shows_are_told_by_what_was_copied_there_and_by_their_names() -> None:
    """Who may see everything makes tables faster than they can be looked at."""
    known = catalog_with(Learned("public", "fresh", "x", "ssn", "copied"))
    sql = "insert into orders (id, item, total) select x, email, y from fresh"
    assert brought(sql, known) == {"orders.id": "ssn", "orders.item": "email"}
    assert brought(sql, known, unmask=()) == {
        "orders.id": "ssn", "orders.item": "derived", "orders.total": "derived"
    }  # fmt: skip


def test_statements_of_one_text_know_what_those_before_them_brought() -> None:
    known = catalog()
    first, second = (
        read_in(sql, known)
        for sql in (
            "create table fresh as select email as x from customers",
            "insert into orders (item) select x from fresh",
        )
    )
    ahead = learned(first, basis(first, rights(["*"]), known))
    found = learned(second, basis(second, rights(["*"]), known), ahead)
    assert [(one.column, one.label) for one in found] == [("item", "email")]
    renamed = read_in("alter table fresh rename to newer", known)
    (moved,) = learned(renamed, basis(renamed, rights(["*"]), known), ahead)
    assert (moved.table, moved.column, moved.label, moved.sure) == ("newer", "x", "email", False)


def test_temporary_tables_are_remembered_by_the_session_alone() -> None:
    found = based("create temp table mine as select email as x from customers")
    (one,) = learned(found.facts, found)
    assert (one.schema, one.table, one.label) == ("pg_temp", "mine", "email")
    mine = frozenset(("mine",))
    own = Own(mine, mine, mine, frozenset((("mine", "email", False),)))
    sql = "insert into orders (item) select x from mine"
    for carrying in (own, own.uncertain()):
        found = based(sql, own=carrying)
        assert [(one.table, one.label) for one in learned(found.facts, found)] == [("orders", "email")]
    found = based("alter table mine rename to yours", own=own)
    assert [(one.schema, one.table, one.label) for one in learned(found.facts, found)] == [("pg_temp", "yours", "email")]


def test_view_is_looked_through_before_any_catalogue_shows_it() -> None:
    found = based("create view peek as select email as x from customers")
    (one,) = learned(found.facts, found)
    assert (one.schema, one.table, one.label, one.sure) == ("pg_temp", "peek", "email", False)
    own = Own(carries=frozenset((("peek", "email", True), ("orders", "email", True))))
    found = based("insert into orders (item) select x from peek", own=own)
    assert [one.label for one in learned(found.facts, found)] == ["email"]
    found = based("create table copied as select item from orders", own=own)
    assert learned(found.facts, found) == (), "the catalogue shows that one"


def test_correction_that_clears_a_column_clears_its_copies() -> None:
    known = catalog({"public.customers.email": "none"})
    assert brought("create table copied as select email as x from customers", known) == {}


def test_what_is_done_to_unknown_tables_had_better_wait_for_the_catalogue() -> None:
    for sql, expected in (
        ("insert into nobody select email from customers", True),
        ("insert into nobody (x) select email from customers", False),
        ("alter table nobody rename a to b", True),
        ("alter table nobody rename to somebody", True),
        ("alter table customers rename to somebody", False),
        ("create table copied as select email from customers", False),
    ):
        found = based(sql)
        assert is_blind(found.facts, found, learned(found.facts, found)) is expected, sql


@pytest.mark.parametrize(
    ("schema", "name", "column", "expected"),
    [
        ("public", "orders", "item", True),
        ("public", "orders", "*", False),
        ("public", "contacts", "place", True),
        ("public", "blind", "x", False),
        (None, "nobody", "item", False),
    ],
)
def test_labels_follow_into_columns_that_are_known(schema: str, name: str, column: str, expected: bool) -> None:
    known = catalog()
    rows = [RelationRow(9, "public", "blind", "v")]
    blind = build(1, rows, [ColumnRow(9, 1, "x", 25, False)], [], [], [ViewRow(9, b"?", frozenset(), frozenset())], {}, read)
    known.names["blind"] = blind.names["blind"]
    found = based("select 1", known)
    assert is_followed(Column(Relation(schema, name), column), found) is expected


def test_function_in_sql_brings_what_its_body_stores() -> None:
    body = BodyRow(
        CatalogFunction("public", "keep", "v", "sql", False, False),
        b"insert into public.orders (item) select email from public.customers",
        (),
        False,
        None,
    )
    columns = [(CUSTOMERS, ("id", "email")), (ORDERS, ("id", "item"))]
    known = build(
        1,
        [RelationRow(CUSTOMERS, "public", "customers", "r"), RelationRow(ORDERS, "public", "orders", "r")],
        [ColumnRow(oid, at, name, 25, False) for oid, names in columns for at, name in enumerate(names, 1)],
        [],
        [],
        [],
        {},
        read,
        bodies=[body],
    )
    assert brought("select keep()", known) == {"orders.item": "derived"}
