"""Bodies of SQL functions: what a call does, what flows into its result, and what is not followed."""

import pytest

from parser.facts import Relation
from parser.following import follow
from parser.known import Body
from tests.parser.knowing import Shown, flow, flows, routine


def body(sql: str, *parameters: str, bound: bool = False) -> Body | None:
    return follow(sql.encode(), ("f", *parameters), Shown(), bound=bound)


def result(sql: str, *parameters: str) -> list[str]:
    found = body(sql, *parameters)
    assert found is not None
    return [flow(output) for output in found.outputs]


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT 1", (), [""]),
        ("SELECT email FROM customers WHERE id = $1", (), ["customers.email"]),
        ("SELECT email FROM customers WHERE id = who", ("who",), ["customers.email"]),
        ("SELECT who || 'x'", ("who",), [""]),
        ("SELECT f.who", ("who",), [""]),
        ("SELECT city FROM customers", ("city",), ["customers.city"]),  # the column, not the parameter
        ("SELECT * FROM customers", (), ["customers.id", "customers.email", "customers.city"]),
        ("SELECT 1; SELECT city FROM customers", (), ["customers.city"]),
        ("INSERT INTO customers (email) VALUES (mine) RETURNING id", ("mine",), ["customers.id"]),
        ("UPDATE customers SET city = 'x' WHERE id = mine", ("mine",), []),
        ("WITH c AS (SELECT who AS w) SELECT w FROM c", ("who",), [""]),
        ("SELECT (SELECT who)", ("who",), [""]),
        ("SELECT nothing_of_the_kind", ("who",), ["!"]),
        ("SELECT opaque(1)", (), ["!"]),
        ("SELECT * FROM unheard_of", (), ["!"]),
        ("", (), []),
    ],
)
def test_result_of_a_body(sql: str, parameters: tuple[str, ...], expected: list[str]) -> None:
    assert result(sql, *parameters) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SET role = admin",
        "CREATE TEMP TABLE t (a int)",
        "SELECT set_config('role', 'x', false)",
        "SELECT pg_read_file('x')",
        "SELECT 1; DO 'x'",
        "SELECT (",
        "no statement",
        r"SELECT 'a\' || email || '' FROM customers --'",  # read otherwise under the other setting
    ],
)
def test_body_that_does_more_than_read_and_change_rows_is_not_followed(sql: str) -> None:
    assert body(sql) is None


def test_body_tells_what_it_reads_and_writes_and_on_which_names_it_relies() -> None:
    sql = "INSERT INTO orders (total) SELECT length(email) FROM customers"
    found = body(sql)
    assert found is not None
    assert found.effects == {"read", "write"}
    assert (found.reads, found.writes) == (
        (Relation("public", "customers"),), (Relation("public", "orders"),)
    )  # fmt: skip
    assert found.relies == {"customers", "orders"}
    bound = body(sql, bound=True)
    assert bound is not None
    assert bound.relies == frozenset()


def test_call_of_a_followed_function_carries_its_arguments_and_what_it_reads() -> None:
    found = body("SELECT email FROM customers WHERE id = who", "who")
    known = Shown((routine("mail", schema="public", computes=False, body=found),))
    assert flows("SELECT mail(o.customer_id) FROM orders o", known) == ["customers.email orders.customer_id"]
    assert flows("SELECT o.mail FROM orders o", known) == ["customers.email orders.*"]
    assert flows("SELECT (o.total).mail FROM orders o", known) == ["customers.email orders.total"]
    also = Shown((*known.extra, routine("mail", schema="other", computes=False)))
    assert flows("SELECT mail(1)", also) == ["!customers.email"]
