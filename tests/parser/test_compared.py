"""Which literals and parameters stand alone on the other side of an equals sign from a column, and which only seem to."""

import pytest

from parser.compared import Comparisons, compared
from parser.statements import read


def of(text: str) -> Comparisons:
    sql = text.encode()
    found = compared(sql, read(sql))
    assert found is not None
    (one,) = found
    return one


def told(text: str) -> list[str]:
    """`column=literal` of each comparison, `column=$n`, with [] for an array."""
    sql = text.encode()
    return sorted(
        one.column.name + "=" + sql[one.start : one.end].decode() + ("[]" if one.many else "") for one in of(text).compared
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ssn = 'x'", ["ssn='x'"]),
        ("'x' = ssn", ["ssn='x'"]),
        ("p.ssn <> $1", ["ssn=$1"]),
        ("(ssn != E'x')", ["ssn=E'x'"]),
        ("ssn::text = $$x$$::varchar", ["ssn=$$x$$"]),
        ("ssn = U&'x' UESCAPE '!'", ["ssn=U&'x' UESCAPE '!'"]),
        ("id = 1 AND NOT (ssn = 'x' OR ssn = 'y') AND city = $2", ["city=$2", "ssn='x'", "ssn='y'"]),
        ("ssn IN ('x', $1, 'y'::text)", ["ssn='x'", "ssn='y'", "ssn=$1"]),
        ("ssn NOT IN ('x')", ["ssn='x'"]),
        ("ssn = ANY ($1)", ["ssn=$1[]"]),
        ("ssn = SOME ('{x,y}'::text[])", ["ssn='{x,y}'[]"]),
        ("ssn <> ALL (ARRAY['x', $1]::character varying[])", ["ssn='x'", "ssn=$1"]),
        ("id BETWEEN 1 AND 2 AND ssn = 'x'", ["ssn='x'"]),
        ("CASE WHEN id = 1 AND a THEN true ELSE false END AND ssn = 'x'", ["ssn='x'"]),
        ("EXISTS (SELECT 1 FROM q WHERE q.ssn = 'x')", ["ssn='x'"]),
    ],
)
def test_comparison_in_a_condition_is_told(condition: str, expected: list[str]) -> None:
    assert told(f"SELECT id FROM people p WHERE {condition}") == sorted(expected)


@pytest.mark.parametrize(
    "condition",
    [
        "upper(ssn) = 'x'", "ssn = upper('x')", "ssn = 'x' || ''", "ssn || '' = 'x'", "ssn LIKE 'x'", "ssn < 'x'",
        "ssn = 'x' IS TRUE", "ssn = 'x' COLLATE \"C\"", "ssn = ssn = 'x'", "a = ssn = 'x'", "ssn BETWEEN 'x' AND 'y'",
        "b BETWEEN a AND ssn = 'x'", "ssn IS DISTINCT FROM 'x'", "(ssn, id) = ('x', 1)", "ssn::varchar(3) = 'x'",
        "ssn::char = 'x'", "ssn = 'x'::name", "f(ssn = 'x')", "CASE WHEN ssn = 'x' THEN true END", "nosuch.ssn = 'x'",
        "ssn OPERATOR(public.=) 'x'", "ssn IN (SELECT 'x')", "ssn = (SELECT 'x')", "ssn[1] = 'x'", "(p).ssn = 'x'",
        "ssn = ANY ('{x}'::int[])", "ssn = ANY (f('x'))", "ssn = text 'x'", "null = 'x'", "ssn = ANY (ARRAY[['x']])",
    ],
)  # fmt: skip
def test_anything_beside_the_comparison_hides_it(condition: str) -> None:
    assert told(f"SELECT id FROM people p WHERE {condition}") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ssn = 'x' FROM people", []),
        ("SELECT 'x' FROM people GROUP BY ssn HAVING ssn = 'y'", ["ssn='y'"]),
        ("UPDATE people SET ssn = 'x' WHERE ssn = 'y' RETURNING 'z'", ["ssn='y'"]),
        ("DELETE FROM people USING q WHERE q.ssn = 'x'", ["ssn='x'"]),
        ("INSERT INTO t SELECT id FROM people WHERE ssn = 'x'", ["ssn='x'"]),
        ("INSERT INTO t (ssn) VALUES ('x') ON CONFLICT (ssn) DO UPDATE SET ssn = 'y'", []),
        ("MERGE INTO t USING s ON t.ssn = 'x' WHEN MATCHED AND t.a = 'y' THEN UPDATE SET a = 'z'", ["ssn='x'"]),
        ("SELECT 1 FROM a JOIN b ON a.ssn = 'x'", ["ssn='x'"]),
        ("SELECT 1 FROM (SELECT ssn AS s FROM people) q WHERE s = 'x'", ["ssn='x'"]),
        ("SELECT 1 FROM (SELECT upper(ssn) AS s FROM people) q WHERE s = 'x'", []),
        ("SELECT 1 FROM (SELECT ssn AS s FROM people UNION SELECT a FROM q) q WHERE s = 'x'", []),
        ("WITH q AS (SELECT * FROM people) SELECT 1 FROM q WHERE q.ssn = 'x'", ["ssn='x'"]),
        ("PREPARE p AS SELECT 1 FROM people WHERE ssn = $1", ["ssn=$1"]),
        ("COPY (SELECT 1 FROM people WHERE ssn = 'x') TO STDOUT", ["ssn='x'"]),
        ("CREATE TABLE t AS SELECT 1 FROM people WHERE ssn = 'x'", ["ssn='x'"]),
        ("SELECT 1 FROM people WHERE ssn = 'x' AND nonsense (", None),
    ],
)
def test_place_in_the_statement_decides(text: str, expected: list[str] | None) -> None:
    if expected is None:
        sql = text.encode()
        assert compared(sql, read(sql)) is None
    else:
        assert told(text) == sorted(expected)


def test_parameter_that_stands_elsewhere_too_is_told() -> None:
    found = of("SELECT $1::text, id FROM people WHERE ssn = $1 AND city = $2 LIMIT $3")
    assert {one.parameter for one in found.compared} == {1, 2}
    assert found.elsewhere == {1, 3}


def test_literals_know_whether_they_are_tested() -> None:
    found = of("UPDATE people SET city = 'a' WHERE note = 'b' OR f('c')")
    assert [(one.value, one.tested) for one in found.literals] == [("a", False), ("b", True), ("c", True)]


def test_each_statement_of_a_text_has_its_own() -> None:
    sql = b"SELECT 'a'; SELECT 1 FROM people WHERE ssn = 'b'"
    found = compared(sql, read(sql))
    assert found is not None
    assert [len(one.compared) for one in found] == [0, 1]
    assert sql[found[1].compared[0].start :] == b"'b'"


def test_arguments_of_execute_are_told_by_number() -> None:
    text = "EXECUTE find('a', 2, 'b'::text, upper('c'))"
    assert [(number, text[start:end]) for number, start, end in of(text).arguments] == [(1, "'a'"), (3, "'b'")]


def test_text_that_cannot_be_cut_or_is_not_that_of_the_facts_gives_none() -> None:
    assert compared(b"SELECT 'open", ()) is None
    assert compared(b"SELECT 1; SELECT 2", read(b"SELECT 1")) is None
