"""Conditions that can leave a row out, and those that only look as if."""

import pytest

from parser.facts import Facts
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


UNFILTERED = """true|1 = 1|NOT false|a = 5 OR true|a = a|t.a = a|a <= a|a IS NOT DISTINCT FROM a|'x' = 'x'|random() >= 0
    |EXISTS (SELECT 1)|EXISTS (SELECT 1 FROM u WHERE u.a = 1)|(SELECT true)|a IS NULL OR a IS NOT NULL|a LIKE '%'|$1
    |NOT (1 = 2)|a > 1 OR NOT a > 1|a > 1 OR a <= 1|(((true)))|true AND 1 = 1|2 > 1|NOT NOT true|NOT (false AND a = 1)
    |a IN (a)|a BETWEEN a AND a|a IN (SELECT a FROM t)|(a = a) IS TRUE|a = ANY (SELECT a FROM t)|now() IS NOT NULL
    |1 IN (1, 2)|current_user = current_user|coalesce(true, false)|a = 1 OR $1 IS NULL|not a <> a|a ~ '.*'"""
FILTERED = """a = 1|a = b|a = $1|a > 1 AND true|a IN (1, 2)|a IS NULL|NOT a|a|a LIKE 'x%'
    |EXISTS (SELECT 1 FROM u WHERE u.a = t.a)
    |a IN (SELECT a FROM u)|a BETWEEN 1 AND 2|false|NULL|1 = 0|a = 1 OR b = 2|t.a = 1|(a, b) = (1, 2)|a IS DISTINCT FROM b
    |a = (SELECT max(a) FROM t)|a NOT IN (1)|lower(a) = 'x'|CASE WHEN a THEN true END|a < now() - interval '1 day'
    |a = 1 AND (b = 2 OR c = 3)|a IN (SELECT a FROM t LIMIT 5)|a = ANY (SELECT b FROM t)
    |a <> a|NOT (a = 1)|a = false|a IS TRUE"""


def conditions(text: str) -> list[str]:
    return [condition.strip() for condition in text.split("|")]


@pytest.mark.parametrize("condition", conditions(UNFILTERED))
def test_a_condition_that_excludes_no_row_is_no_filter(condition: str) -> None:
    for sql in (f"DELETE FROM t WHERE {condition}", f"UPDATE t SET b = 1 WHERE {condition}"):
        facts = one(sql)
        assert facts.complete, facts.reason
        assert facts.unfiltered


@pytest.mark.parametrize("condition", conditions(FILTERED))
def test_a_condition_that_can_exclude_a_row_is_a_filter(condition: str) -> None:
    for sql in (f"DELETE FROM t WHERE {condition}", f"UPDATE t SET b = 1 WHERE {condition}"):
        facts = one(sql)
        assert facts.complete, facts.reason
        assert not facts.unfiltered


def test_a_condition_on_the_other_table_alone_is_no_filter() -> None:
    assert one("UPDATE t SET a = 1 FROM u WHERE u.b = 5").unfiltered
    assert not one("UPDATE t SET a = 1 FROM u WHERE u.b = t.b").unfiltered
    assert not one("DELETE FROM t x USING u WHERE x.b = u.b").unfiltered
    assert one("DELETE FROM t x USING u WHERE t.b = u.b").unfiltered


def test_a_merge_that_meets_every_row_is_unfiltered() -> None:
    assert one("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE").unfiltered
    assert one("MERGE INTO t USING u ON u.a = 1 WHEN MATCHED THEN UPDATE SET a = 1").unfiltered
    assert not one("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE").unfiltered
    assert not one("MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT VALUES (1)").unfiltered
