"""FROM lists: which relations are read."""

import pytest

from parser.facts import Facts
from parser.statements import read


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
