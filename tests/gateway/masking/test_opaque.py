"""Code, files and other servers, for people who do not see everything in a database that has something to hide."""

import pytest

from gateway.classify.catalog import Catalog
from gateway.masking.basis import CODE_MOVED, basis, moved_names
from gateway.masking.opaque import beyond_reading, hides
from tests.gateway.masking.shop import GENERATED, basis_of, catalog, facts, rights


@pytest.mark.parametrize(
    "sql",
    [
        "do $$ begin execute a; end $$",
        "call peek()",
        "select peek()",
        "select unheard_of(1)",
        "execute nobody",
        "what is this",
        "select query_to_xml('select 1', true, true, '')",
        "copy orders from '/tmp/x'",
        "copy orders to program 'cat'",
        "create foreign table f (a text) server s options (table_name 'customers')",
        "select dblink_exec('update x')",
    ],
)
def test_what_cannot_be_followed_is_refused_unless_one_sees_everything(sql: str) -> None:
    refused = beyond_reading(facts(sql), basis_of(sql))
    assert refused is not None
    assert refused.rule in refused.message
    assert refused.hint
    assert beyond_reading(facts(sql), basis_of(sql, ["*"])) is None
    assert beyond_reading(facts(sql), basis_of(sql, known=NOTHING_HIDDEN)) is None


_LABELLED = """customers.name customers.email customers.salary customers.birth_date customers.card_number
    invoices.iban invoices.check_digits contacts.who contacts.place customers.city"""
NOTHING_HIDDEN: Catalog = catalog({f"public.{name}": "none" for name in _LABELLED.split()})


@pytest.mark.parametrize(
    "sql",
    [
        "select upper(item) from orders",
        "insert into orders (id) values (1)",
        "create table t (a int)",
        "copy orders from stdin",
        "copy orders to stdout",
        "select (orders).item from orders",
        "select email from customers",
        "begin",
    ],
)
def test_what_can_be_read_is_not_refused_here(sql: str) -> None:
    assert beyond_reading(facts(sql), basis_of(sql)) is None


def test_only_columns_that_are_hidden_count() -> None:
    assert hides(basis_of("select 1"))
    every = ["name", "email", "salary", "dob", "card", "iban", f"public.invoices.{GENERATED}"]
    assert not hides(basis_of("select 1", every))
    assert not hides(basis_of("select 1", known=NOTHING_HIDDEN))


def test_nothing_is_written_with_functions_that_the_transaction_has_just_made() -> None:
    moved = moved_names(facts("create function f() returns text language sql as 'select 1'"))
    assert CODE_MOVED in moved
    assert CODE_MOVED not in moved_names(facts("create table t (a int)"))
    sql = "insert into orders (item) values ('a' #### 'b')"
    beside = basis(facts(sql), rights(), catalog(), moved=moved)
    assert beyond_reading(facts(sql), beside) is not None
    assert beyond_reading(facts("create table t (a int)"), beside) is None
    assert basis(facts("select 'a' #### 'b'"), rights(), catalog(), moved=moved).outputs is None


def test_rows_are_not_put_into_the_order_of_hidden_columns() -> None:
    for sql in ("cluster customers", "cluster customers using by_pay", "alter table customers cluster on by_pay"):
        assert beyond_reading(facts(sql), basis_of(sql)) is not None
        assert beyond_reading(facts(sql), basis_of(sql, ["*"])) is None
    assert beyond_reading(facts("cluster orders"), basis_of("cluster orders")) is None
