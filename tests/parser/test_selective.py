"""Conditions that can leave a row out, and those that only look as if.

`conditions.tsv` holds each kind of either; tests/oracle/test_conditions.py has PostgreSQL itself judge them.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser.facts import Facts
from parser.statements import read

CORPUS = Path(__file__).parent.parent / "corpus" / "statements" / "conditions.tsv"
ROWS = [line.split("\t") for line in CORPUS.read_text().splitlines() if not line.startswith("# ")]


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    assert facts.complete, facts.reason
    return facts


@pytest.mark.parametrize(("verdict", "condition"), ROWS, ids=[row[1][:70] for row in ROWS])
def test_each_condition_of_the_corpus_is_a_filter_or_none(verdict: str, condition: str) -> None:
    assert one(f"DELETE FROM t WHERE {condition}").unfiltered is (verdict == "none")
    if "t." not in condition and "(t)" not in condition and "(x" not in condition:
        assert one(f"UPDATE t SET z = 1 WHERE {condition} RETURNING z").unfiltered is (verdict == "none")


def test_the_corpus_is_large() -> None:
    assert len(ROWS) >= 350


STATEMENTS = {
    "UPDATE t SET a = 1": True,
    "DELETE FROM t": True,
    "UPDATE t SET a = 1 WHERE CURRENT OF c": False,
    "UPDATE t SET a = 1 FROM u WHERE u.b = 5": True,
    "UPDATE t SET a = 1 FROM u WHERE u.b = t.b": False,
    "DELETE FROM t x USING u WHERE x.b = u.b": False,
    "DELETE FROM t x USING u WHERE t.b = u.b": True,
    # the table joined to itself
    "DELETE FROM t a USING t b WHERE a.id = b.id": True,
    "DELETE FROM t a USING t b WHERE a.id <= b.id": True,
    "UPDATE t SET x = s.x FROM t AS s WHERE s.id = t.id": True,
    "DELETE FROM t a USING t b WHERE a.id > b.id AND a.email = b.email": False,
    "DELETE FROM t a USING t b WHERE a.id = b.id AND b.flag": False,
    "UPDATE t SET x = s.x FROM t s WHERE t.parent = s.id": False,
    # MERGE
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE": True,
    "MERGE INTO t USING u ON u.a = 1 WHEN MATCHED THEN UPDATE SET a = 1": True,
    "MERGE INTO t USING u ON t.id = t.id WHEN MATCHED THEN DELETE": True,
    "MERGE INTO t USING t s ON t.id = s.id WHEN MATCHED THEN DELETE": True,
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE": False,
    "MERGE INTO t USING (VALUES (1)) v (x) ON t.id = v.x WHEN MATCHED THEN DELETE": False,
    "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED BY SOURCE THEN DELETE": True,
    "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED BY SOURCE AND true THEN DELETE": True,
    "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED BY SOURCE AND t.r = 'x' THEN DELETE": False,
    "MERGE INTO t USING u ON true WHEN MATCHED AND t.id = 5 THEN UPDATE SET a = 1": False,
    "MERGE INTO t USING u ON true WHEN MATCHED AND u.id = 5 THEN UPDATE SET a = 1": True,
    "MERGE INTO t USING u ON true WHEN MATCHED AND t.id = 5 THEN DELETE WHEN MATCHED THEN DELETE": True,
    "MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT VALUES (1)": False,
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING": False,
    # the row that is in the way, and no other
    "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1": False,
    "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1 WHERE true": False,
    # names
    "UPDATE t AS x SET a = 1 WHERE x = x": True,
    "UPDATE t AS x SET a = 1 WHERE x IS NOT NULL": True,
    "UPDATE t AS x SET a = 1 WHERE (x).a = x.a": True,
    "UPDATE s.t SET a = 1 WHERE s.t.a = t.a": True,
    "DELETE FROM s.t WHERE id IN (SELECT id FROM s.t)": True,
    "DELETE FROM s.t WHERE id IN (SELECT id FROM r.t)": False,
    "WITH d AS (DELETE FROM t WHERE a = a RETURNING a) SELECT a FROM d": True,
    "WITH d AS (SELECT 1) DELETE FROM t WHERE a = 1": False,
}


@pytest.mark.parametrize(("sql", "unfiltered"), STATEMENTS.items())
def test_joins_and_merges_are_filters_where_a_column_of_the_target_decides(sql: str, unfiltered: bool) -> None:
    assert one(sql).unfiltered is unfiltered


def test_a_verdict_that_hangs_on_literals_says_so() -> None:
    hanging = ("a > 1 OR a < {}", "a <> 1 OR a <> {}", "NOT (a = 1 AND a = {})", "b <> '1' OR b <> '{}'", "a > 5 OR a <= {}")
    for same in hanging:
        facts = [one(f"DELETE FROM t WHERE {same.format(number)}") for number in (0, 1, 5)]
        assert len({fact.unfiltered for fact in facts}) == 2
        assert all(fact.by_value for fact in facts)
    looked_at = (
        "name LIKE '%'", "length(a) > 1", "a * 2 = 5", "1 = 2", "a IN (SELECT a FROM t LIMIT 5)", "a > ALL ('{1}')",
        "a = ANY ('{1}')",
    )
    for condition in looked_at:
        assert one(f"DELETE FROM t WHERE {condition}").by_value
    for condition in ("a = 1", "a > 1 AND a < 5", "a = 1 OR a = 2", "a IN (1, 2)", "a BETWEEN 1 AND 5"):
        assert not one(f"DELETE FROM t WHERE {condition}").by_value


# --- made conditions ---

COLUMNS = st.sampled_from(["a", "b", "t.a", '"b"', "(a)"])
CONSTANTS = st.sampled_from(["1", "-5", "2.5", "'x'", "$1", "now()", "(SELECT max(c) FROM u)"])
COMPARED = st.sampled_from(["=", "<>", "<", ">", "<=", ">=", "!="])
TAUTOLOGIES = st.one_of(
    st.sampled_from(["true", "1 = 1", "random() >= 0", "EXISTS (SELECT 1)", "'a' = 'a'", "$1", "a IN (SELECT a FROM t)"]),
    st.builds(lambda c, op: f"{c} {op} {c}", COLUMNS, st.sampled_from(["=", "<=", ">=", "IS NOT DISTINCT FROM"])),
    st.builds(lambda c: f"{c} IS NULL OR {c} IS NOT NULL", COLUMNS),
    st.builds(lambda c, n, m: f"{c} > {min(n, m)} OR {c} <= {max(n, m)}", COLUMNS, st.integers(0, 9), st.integers(0, 9)),
    st.builds(lambda c, v: f"{c} = {v} OR {c} <> {v}", COLUMNS, CONSTANTS),
    st.builds(lambda c, v: f"coalesce({c}, 'x') || '' = coalesce({c}, 'x')", COLUMNS, CONSTANTS),
)
FILTERS = st.one_of(
    st.builds(lambda c, op, v: f"{c} {op} {v}", COLUMNS, COMPARED, CONSTANTS),
    st.builds(lambda c, v: f"{c} IN ({v}, 7)", COLUMNS, CONSTANTS),
    st.builds(lambda c: f"{c} IS NULL", COLUMNS),
    st.builds(lambda c: f"{c} LIKE 'x%'", COLUMNS),
    st.builds(lambda c: f"{c} = ANY ($1)", COLUMNS),
    st.builds(lambda c: f"{c} BETWEEN 1 AND 5", COLUMNS),
    st.builds(lambda c: f"{c} IN (SELECT c FROM u)", COLUMNS),
    st.just("EXISTS (SELECT 1 FROM u WHERE u.c = t.a)"),
)


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return inner.flatmap(
        lambda one: st.sampled_from([one, f"({one})", f"NOT (NOT ({one}))", f"({one}) IS TRUE", f"({one}) = true",
                                     f"CASE WHEN true AND ({one}) THEN true ELSE false END", f"(({one}))::bool"])
    )  # fmt: skip


@given(st.lists(wrapped(TAUTOLOGIES), min_size=1, max_size=3), wrapped(TAUTOLOGIES), wrapped(FILTERS))
def test_tautologies_joined_in_any_way_stay_tautologies(parts: list[str], last: str, beside: str) -> None:
    every = " AND ".join(f"({part})" for part in parts)
    for condition in (every, f"({last}) AND {every}", f"({beside}) OR {every}", f"NOT (NOT ({every}) AND NOT ({beside}))"):
        assert one(f"DELETE FROM t WHERE {condition}").unfiltered, condition


@given(wrapped(FILTERS), st.lists(wrapped(TAUTOLOGIES), max_size=2))
def test_a_filter_among_tautologies_stays_a_filter(condition: str, parts: list[str]) -> None:
    whole = " AND ".join(f"({part})" for part in [*parts, condition])
    assert not one(f"DELETE FROM t WHERE {whole}").unfiltered, whole
    assert not one(f"UPDATE t SET z = 1 WHERE ({whole}) AND b = 3").unfiltered, whole


@given(FILTERS, FILTERS)
def test_two_filters_of_different_columns_are_a_filter_either_way(left: str, right: str) -> None:
    assert not one(f"DELETE FROM t WHERE c = 5 AND ({left} OR {right})").unfiltered
    assert not one(f"DELETE FROM t WHERE c = 5 OR ({left} AND d = 7)").unfiltered


def test_a_condition_too_deep_to_judge_is_no_filter() -> None:
    nested = "a IN (SELECT a FROM t WHERE " * 30 + "a = 1" + ")" * 30
    deep = "(a = 1 OR (b = 2 AND " * 40 + "c = 3" + "))" * 40
    for condition in (f"NOT {nested}", f"a NOT IN (SELECT a FROM t WHERE {deep})", deep):
        assert one(f"DELETE FROM t WHERE {condition}").unfiltered
    shallow = "(a = 1 OR (b = 2 AND " * 20 + "c = 3" + "))" * 20
    assert not one(f"DELETE FROM t WHERE {shallow}").unfiltered
