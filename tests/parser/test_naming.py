"""Names of result columns without an alias, as a query around them uses them."""

import pytest

from tests.parser.knowing import flows


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("x", "x"),
        ("a.x", "x"),
        ("lower(x)", "lower"),
        ("pg_catalog.lower(x)", "lower"),
        ("sum(x) FILTER (WHERE id > 1) OVER (PARTITION BY id)", "sum"),
        ("sum(x) OVER w", "sum"),
        ("lower(x)::text", "lower"),
        ("x::int", "x"),
        ("(x)", "x"),
        ("(lower(x))", "lower"),
        ("coalesce(x, 1)", "coalesce"),
        ("ARRAY[x]", "array"),
    ],
)
def test_expression_is_known_by_its_name(expression: str, name: str) -> None:
    """Beside it stands a column of another value: only a right name keeps them apart."""
    sql = f"SELECT s.{name} FROM (SELECT lower(y) AS other, {expression} FROM a WINDOW w AS ()) s"
    assert flows(sql) in (["a.x"], ["a.id a.x"])


@pytest.mark.parametrize(
    "expression", ["x + 1", "x || 'a'", "CASE WHEN x THEN 1 END", "NOT x", "x IS NULL", "CAST(x AS int)", "'1'::text", "1"]
)
def test_name_that_is_not_told_may_be_any(expression: str) -> None:
    found = flows(f"SELECT s.something FROM (SELECT {expression}, y AS other FROM a) s")
    assert found is not None
    assert ("a.x" in found[0]) == ("x" in expression.replace("text", "")) or found[0].startswith("!")
