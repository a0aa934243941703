"""A column counts as tied only where every row that is met must have the one value in it."""

import pytest

from parser.statements import read


def pins(condition: str, start: str = "update t set n = 1 where ") -> set[str]:
    (facts,) = read((start + condition).encode())
    assert facts.complete, facts.reason
    return set(facts.pinned)


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("id = 7", {"id"}),
        ("7 = id", {"id"}),
        ("id = $1", {"id"}),
        ("id = -7", {"id"}),
        ("t.id = '8'::uuid", {"id"}),
        ('"Id" = $1::character varying(10)', {"Id"}),
        ("(id = 7)", {"id"}),
        ("((id) = 7)", set()),
        ("a = 1 and b = 2", {"a", "b"}),
        ("a = 1 and b > 2 and (c = 3)", {"a", "c"}),
        ("(a = 1 and b = 2)", {"a", "b"}),
        ("a = 1 and (b = 2 or c = 3)", {"a"}),
        ("a = 1 or b = 2", set()),
        ("not a = 1", set()),
        ("a between 1 and 2 and b = 3", set()),
        ("case when a = 1 then true else b = 2 end", set()),
        ("id = id", set()),
        ("id = n", set()),
        ("id = 7 + n", set()),
        ("id = any($1)", set()),
        ("id = (select 1)", set()),
        ("id in (1)", set()),
        ("id >= 7", set()),
        ("id + 0 = 7", set()),
        ("id <> 7", set()),
        ("abs(id) = 7", set()),
        ("id = 7 is not null", set()),
        ("a = 1 = b", set()),
    ],
)
def test_columns_that_a_condition_ties(condition: str, columns: set[str]) -> None:
    assert pins(condition) == columns
    assert pins(condition, "delete from t where ") == columns


def test_columns_of_other_tables_do_not_count() -> None:
    assert pins("o.id = 7 and t.id = o.ref", "update t set n = 1 from o where ") == set()
    assert pins("o.id = 7 and t.id = 3", "delete from t using o where ") == {"id"}


def test_statements_without_a_condition_tie_nothing() -> None:
    for text in ("update t set n = 1", "select 1", "insert into t values (1)", "update t set n = 1 where current of c"):
        (facts,) = read(text.encode())
        assert not facts.pinned
