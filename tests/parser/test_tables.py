"""FROM lists: which relations are read."""

from dataclasses import replace

import pytest

from parser.facts import Facts, Relation
from parser.known import Table
from parser.statements import read
from tests.parser.knowing import Shown, facts, flows


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def reads(sql: str) -> list[str]:
    facts = one(sql)
    assert facts.complete, facts.reason
    return [f"{r.schema}.{r.name}" if r.schema else r.name for r in facts.reads]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a, s.b, db.s.c", ["a", "s.b", "s.c"]),
        ("ONLY a, ONLY (b), c *", ["a", "b", "c"]),
        ("a JOIN b ON true LEFT OUTER JOIN c USING (x) NATURAL FULL JOIN d CROSS JOIN e", ["a", "b", "c", "d", "e"]),
        ("a JOIN b JOIN c ON true ON false", ["a", "b", "c"]),
        ("((a JOIN b ON true) JOIN (c JOIN d ON true) ON true)", ["a", "b", "c", "d"]),
        ("(a JOIN b ON true) AS j (x, y)", ["a", "b"]),
        ("(SELECT 1 FROM a) x, LATERAL (SELECT 2 FROM b) y", ["a", "b"]),
        ("((SELECT 1 FROM a) UNION (SELECT 2 FROM b)) x", ["a", "b"]),
        ("f(1) x, g((SELECT 1 FROM a)) WITH ORDINALITY y, b", ["a", "b"]),
        ("ROWS FROM (f(1), g(2) AS (a int)) WITH ORDINALITY r, a", ["a"]),
        ("a TABLESAMPLE system (10) REPEATABLE (1) JOIN b ON true", ["a", "b"]),
        ("a AS left_one JOIN b ON left(left_one.x, 1) = right(b.x, 1) RIGHT JOIN c ON true", ["a", "b", "c"]),
        ("XMLTABLE('x' PASSING (SELECT d FROM a) COLUMNS x int) t, b", ["a", "b"]),
        ("a values, b", ["a", "b"]),
        ('"A b" "where", "select"', ["A b", "select"]),
    ],
)
def test_every_relation_of_a_from_list_is_read(source: str, names: list[str]) -> None:
    assert reads(f"SELECT 1 FROM {source}") == names


@pytest.mark.parametrize("source", ["", "a b c", "a JOIN", "a ON", "a,", ", a", "(a", "a WHERE", "LATERAL", "ONLY"])
def test_a_broken_from_list_is_not_understood(source: str) -> None:
    assert not read(f"SELECT 1 FROM {source}".encode())[-1].complete


@pytest.mark.parametrize(
    ("source", "star"),
    [
        ("customers AS c (n)", ["customers.id", "customers.email", "customers.city"]),
        ("ONLY customers *", ["customers.id", "customers.email", "customers.city"]),
        ("public.customers", ["customers.id", "customers.email", "customers.city"]),
        ("other.customers", None),
        ("unheard", None),
        ("(a CROSS JOIN c) AS j (p, q, r, s)", ["a.id", "a.x", "a.y", "c.id", "c.w"]),
        ("people TABLESAMPLE system (1)", ["people.id", "people.name"]),
    ],
)
def test_star_of_a_known_relation_is_its_columns(source: str, star: list[str] | None) -> None:
    assert flows(f"SELECT * FROM {source}") == star


def test_alias_lists_rename_the_first_columns_and_hide_their_own_names() -> None:
    assert flows("SELECT n, email FROM customers AS c (n)") == ["customers.id", "customers.email"]
    assert flows("SELECT p, s FROM (a CROSS JOIN c) AS j (p, q, r, s)") == ["a.id", "c.id"]


def test_view_is_its_own_and_its_functions_count_as_called() -> None:
    class Trapped(Shown):
        def table(self, schema: str | None, name: str) -> Table | None:
            found = super().table(schema, name)
            return replace(found, calls=frozenset({("public", "purge")})) if found and name == "people" else found

    assert ("public", "purge") in facts("SELECT name FROM people", Trapped()).functions
    assert ("public", "purge") not in facts("SELECT x FROM a", Trapped()).functions
    assert flows("SELECT name FROM people", Trapped()) == ["people.name"]


def test_name_that_is_not_known_may_be_anything_of_that_name() -> None:
    known = Shown(made=frozenset({"customers"}))
    assert flows("SELECT email FROM customers", known) == ["customers.email"]
    assert flows("SELECT * FROM customers", known) is None
    assert facts("SELECT email FROM customers", known).reads == (Relation(None, "customers"),)
