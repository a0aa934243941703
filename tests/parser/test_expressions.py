"""Calls and columns in expressions."""

import pytest

from parser.facts import Facts, Relation
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def columns(expression: str) -> set[str]:
    facts = one(f"SELECT {expression} FROM t")
    assert facts.complete, facts.reason
    assert all(column.relation == Relation(None, "t") for column in facts.columns_read)
    return {column.name for column in facts.columns_read}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("a + b * -c", "a b c"),
        ("NOT a AND b OR c IS NOT NULL", "a b c"),
        ("a BETWEEN SYMMETRIC b AND c AND d", "a b c d"),
        ("a NOT LIKE b ESCAPE c", "a b c"),
        ("a AT TIME ZONE b", "a b"),
        ("a COLLATE s.b", "a"),
        ("CASE a WHEN b THEN c ELSE d END", "a b c d"),
        ("CASE WHEN a THEN b END end", "a b"),
        ("(a, b) = ROW (c, d)", "a b c d"),
        ("a[b:c]", "a b c"),
        ("a::numeric(10, 2)[] || b", "a b"),
        ("CAST(a AS timestamp(3) with time zone) - b", "a b"),
        ("extract(year FROM a) + date_part('year', b)", "a b"),
        ("trim(LEADING a FROM b), overlay(c PLACING d FROM e FOR f)", "a b c d e f"),
        ("sum(a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d ROWS 1 PRECEDING)", "a b c d"),
        ("max(a) OVER (ORDER BY rows ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)", "a rows"),
        ("string_agg(DISTINCT a, b ORDER BY c DESC NULLS LAST)", "a b c"),
        ("f(x => a, y := b, VARIADIC c)", "a b c"),
        ("a OPERATOR(s.+) b", "a b"),
        ("a = ANY (ARRAY[b, c])", "a b c"),
        ("value, name, type, year, date", "value name type year date"),
        ("interval '1' year + a", "a"),
        ("date '2020-01-01' + a", "a"),
        ('"select" + "A"', "select A"),
        ("current_date - a", "a"),
        ("a IS DISTINCT FROM b", "a b"),
        ("normalize(a, NFC) IS NFC NORMALIZED", "a"),
    ],
)
def test_every_column_of_an_expression_is_found_and_nothing_else(expression: str, names: str) -> None:
    assert columns(expression) == set(names.split())


def test_calls_are_found_however_they_are_written() -> None:
    for expression in ("f(1)", "s . f (1)", '"f"(1)', "(1).f", "(a).f", "x || f(1)", "CASE WHEN f(1) THEN 1 END", "a[f(1)]"):
        assert "f" in {name for _, name in one(f"SELECT {expression} FROM t").functions}
    assert ("pg_catalog", "f") in one("SELECT TREAT(1 AS f)").functions


def test_grammar_that_looks_like_a_call_is_none() -> None:
    assert one("SELECT coalesce(1), cast(1 AS int), ROW (1), 1 IN (1), EXISTS (SELECT 1)").functions == frozenset()
    assert one('SELECT "coalesce"(1)').functions == {(None, "coalesce")}


@pytest.mark.parametrize("expression", ["a b c", "a::", "(a", "a)", "a OVER 1", "a COLLATE 1", "ONLY a"])
def test_what_is_no_expression_is_not_understood(expression: str) -> None:
    assert not read(f"SELECT {expression} FROM t".encode())[-1].complete


def test_a_call_in_a_frame_is_a_call_whatever_its_name() -> None:
    for name in ("unbounded", "preceding", "current", "exclude", "ties"):
        facts = one(f"SELECT sum(a) OVER (ROWS BETWEEN {name}(1) PRECEDING AND (2) FOLLOWING) FROM t")
        assert facts.complete, facts.reason
        assert facts.functions == {(None, "sum"), (None, name)}
