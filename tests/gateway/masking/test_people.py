"""By which columns a table names people."""

import pytest

from gateway.classify.catalog import CatalogColumn, CatalogTable
from gateway.masking.people import PEOPLE_COLUMNS_MAX, people

INT4, TEXT, BOOL = 23, 25, 16


def named(columns: dict[str, str | None], *keys: str, type_oid: int = INT4) -> list[str]:
    """Names of `people` of a table of these columns (name to label); a key's columns have blanks between them."""
    made = tuple(CatalogColumn(at, name, type_oid, label) for at, (name, label) in enumerate(columns.items(), 1))
    table = CatalogTable(1, "public", "t", "r", made)
    return [column.name for column in people(table, [frozenset(key.split()) for key in keys])]


@pytest.mark.parametrize(
    "name", ["employee_id", "emp_no", "empno", "EmployeeID", "userId", "patient", "customer_ref", "staffNumber"]
)
def test_column_called_after_a_person_refers_to_one(name: str) -> None:
    assert named({"id": None, name: None, "amount": None}, "id") == [name]


@pytest.mark.parametrize(
    "name", ["id", "dept_id", "city", "month", "user_agent", "customer_type", "salary", "amount", "orders", "_"]
)
def test_other_columns_refer_to_nobody(name: str) -> None:
    assert named({"id": None, name: None}, "id") == []


def test_identities_count_behind_references() -> None:
    assert named({"email": "email", "city": None, "emp_id": None, "full": "name"}) == ["emp_id", "email", "full"]


def test_unique_key_that_names_a_person_makes_a_row_a_person() -> None:
    assert named({"emp_id": None, "email": "email", "salary": "salary"}, "emp_id") == []
    assert named({"id": None, "email": "email", "salary": "salary"}, "id", "email") == []
    assert named({"id": None, "email": "email", "salary": "salary"}, "id", "email id") == ["email"]


def test_key_of_several_columns_names_whoever_it_is_about() -> None:
    assert named({"badge": None, "year": None, "salary": "salary"}, "badge year") == ["badge"]
    assert named({"id": None, "badge": None, "year": None}, "badge year", "id") == []


def test_what_cannot_be_counted_is_left_out() -> None:
    assert named({"employee": None}, type_oid=BOOL) == []
    assert named({"employee": None}, type_oid=TEXT) == ["employee"]


def test_no_more_than_so_many_are_counted() -> None:
    assert len(named({f"emp_{end}": None for end in ("id", "no", "code", "ref", "key", "uuid")})) == PEOPLE_COLUMNS_MAX
