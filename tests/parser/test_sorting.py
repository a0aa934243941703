"""What rows are sorted and grouped by: a number, a name or an expression, as the server takes it."""

import pytest

from tests.parser.knowing import facts


def keys(sql: str) -> list[str]:
    return [
        f"{use.clause}: {' '.join(sorted(column.name for column in use.columns))}" for use in facts(sql).uses
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("1", ["id"]), ("2", ["email"]), ("(2)", ["email"]), ("((2)) desc", ["email"]), ("2 nulls first", ["email"]),
        ("2 using <", ["email"]), ("9", ["id", "email", "city"]), ("0x2", ["id", "email", "city"]),
        ("e", ["email"]), ("(e)", ["email"]), ("((e)) asc", ["email"]), ("customers.email", ["email"]),
        ("city", ["city"]), ("lower(city), 1", ["city", "id"]), ("(select x from a where id = 1)", ["id", "x"]),
    ],
)  # fmt: skip
def test_sort_key_is_the_column_that_the_server_takes(order: str, expected: list[str]) -> None:
    found = [key.split(": ") for key in keys(f"select id, email as e, city from customers order by {order}")]
    assert [name for _, name in found] == expected
    assert {clause for clause, _ in found} <= {"ORDER BY", "WHERE"}


def test_group_key_is_a_column_of_from_before_it_is_one_of_the_result() -> None:
    assert keys("select lower(email) as city from customers group by city") == ["GROUP BY: city"]
    assert keys("select lower(email) as c from customers group by c") == ["GROUP BY: email"]
    assert keys("select lower(email) as city from elsewhere, customers group by city") == ["GROUP BY: city"]
    # A relation that is not known may have the column or not.
    unsure = keys("select lower(email) as c from elsewhere group by c")
    assert sorted(unsure) == ["GROUP BY: c", "GROUP BY: email"]
    # The columns of a query around this one come last.
    assert keys("select (select lower(x) as email from a group by email) from customers") == ["GROUP BY: x"]


def test_sets_of_groups_are_looked_into() -> None:
    assert keys("select 1 from customers group by cube (id, (email, city)), grouping sets ((1), rollup (id))") == [
        "GROUP BY: id", "GROUP BY: email", "GROUP BY: city",
    ]  # fmt: skip


def test_result_of_a_set_operation_is_sorted_by_all_that_its_column_may_hold() -> None:
    assert keys("select 1 as a, id from a union all select email, 2 from customers order by a") == ["ORDER BY: email"]
    assert keys("select 1, id from a union all select email, 2 from customers order by 2") == ["ORDER BY: id"]


@pytest.mark.parametrize("operation", ["union", "intersect", "except", "intersect all", "except all", "union distinct"])
def test_set_operation_compares_rows(operation: str) -> None:
    clause = operation.split()[0].upper()
    assert keys(f"select id from customers {operation} select x from a") == [f"{clause}: id x"]
    assert keys("select id from customers union all select x from a") == []
