"""Queries: clauses, WITH, set operations and names in them."""

import pytest

from parser.facts import Column, Facts, Output, Relation
from parser.statements import read
from tests.parser.knowing import facts, flows


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_with_names_are_no_tables_where_they_are_in_scope() -> None:
    assert one("WITH a AS (SELECT 1) SELECT * FROM a").reads == ()
    assert one("WITH a AS (SELECT * FROM a) SELECT * FROM a").reads == (Relation(None, "a"),)
    assert one("SELECT * FROM (WITH a AS (SELECT 1) SELECT 2) s, a").reads == (Relation(None, "a"),)
    assert one("WITH a AS (SELECT 1) SELECT * FROM s.a").reads == (Relation("s", "a"),)
    assert one("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1").reads == ()


def test_an_alias_in_the_select_list_is_no_with_name() -> None:
    facts = one("WITH RECURSIVE a AS (SELECT 1) SELECT 1 AS b, c AS d FROM b, c")
    assert facts.reads == (Relation(None, "b"), Relation(None, "c"))


def test_keywords_as_labels_and_columns_do_not_cut_the_query() -> None:
    facts = one('SELECT a AS from, t.where, b AS "from", c AS union FROM t WHERE t.order = 1')
    assert facts.complete
    assert facts.outputs is not None
    assert len(facts.outputs) == 4


def test_distinct_from_is_no_from() -> None:
    facts = one("SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM c FROM t")
    assert facts.reads == (Relation(None, "t"),)
    assert facts.outputs is not None
    assert len(facts.outputs) == 2


def test_a_result_wider_than_the_server_allows_is_not_read() -> None:
    assert not one("SELECT " + ", ".join(["1"] * 1665)).complete
    assert one("SELECT " + ", ".join(["1"] * 1664)).complete
    nested = "SELECT 1, 2"
    for _ in range(20):
        nested = f"SELECT s.*, s.* FROM ({nested}) s"
    assert not one(nested).complete


def test_locking_is_a_kind_of_its_own() -> None:
    assert one("SELECT 1 FROM t FOR UPDATE").kinds == ("SELECT", "SELECT FOR UPDATE")
    assert one("SELECT 1 FROM (SELECT 1 FROM t FOR KEY SHARE) s").kinds == ("SELECT", "SELECT FOR KEY SHARE")


def test_values_are_columns_by_number() -> None:
    assert one("VALUES (1, 'a')").outputs == (Output(), Output())


# --- with the database known ---


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM customers", ["customers.id", "customers.email", "customers.city"]),
        ("TABLE customers", ["customers.id", "customers.email", "customers.city"]),
        ("SELECT total, a.* FROM a, orders", ["orders.total", "a.id", "a.x", "a.y"]),
        ("SELECT email, total FROM customers, orders", ["customers.email", "orders.total"]),
        ("SELECT (SELECT city) FROM customers", ["customers.city"]),
        ("SELECT (SELECT total FROM orders WHERE customer_id = customers.id) FROM customers", ["orders.total"]),
        ("SELECT (SELECT id FROM orders) FROM customers", ["orders.id"]),
        ("SELECT * FROM (SELECT * FROM customers) s (a)", ["customers.id", "customers.email", "customers.city"]),
        ("SELECT a, city FROM (SELECT * FROM customers) s (a)", ["customers.id", "customers.city"]),
        ("SELECT * FROM a UNION SELECT * FROM b", ["a.id b.id", "a.x b.x", "a.y b.z"]),
        ("(SELECT x, y FROM a) EXCEPT SELECT x, z FROM b ORDER BY 1", ["a.x b.x", "a.y b.z"]),
        ("VALUES (1, (SELECT email FROM customers)), (2, 'x')", ["", "customers.email"]),
        ("SELECT v.* FROM a, LATERAL (VALUES (a.*, 1)) v", ["a.id", "a.x", "a.y", ""]),
        ("WITH w AS (SELECT * FROM a) SELECT w.* FROM w", ["a.id", "a.x", "a.y"]),
        ("WITH w (p) AS (SELECT * FROM a) SELECT p, y FROM w", ["a.id", "a.y"]),
        ("WITH update AS (SELECT 1 AS delete) SELECT delete FROM update", [""]),
        ("SELECT ctid, tableoid FROM a", ["a.ctid", "a.tableoid"]),
        ("SELECT (s.r).x, (s.r).* FROM (SELECT a AS r FROM a) s", ["a.x", "a.id", "a.x", "a.y"]),
        ("SELECT (r).f2 FROM (SELECT ROW(x, y) AS r FROM a) s", ["a.y"]),
        ("SELECT (w).city FROM (SELECT customers AS w FROM customers) s", ["customers.city"]),
    ],
)
def test_names_of_known_relations_mean_exactly_their_columns(sql: str, expected: list[str]) -> None:
    assert flows(sql) == expected


@pytest.mark.parametrize("sql", ["SELECT ctid FROM people", "SELECT nothing FROM a", "SELECT a.nothing FROM a"])
def test_name_that_nothing_has_proves_nothing(sql: str) -> None:
    (flow,) = flows(sql) or []
    assert flow.startswith("!")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("WITH RECURSIVE r AS (SELECT id, x FROM a UNION ALL SELECT r.id, r.x FROM r) SELECT * FROM r", ["a.id", "a.x"]),
        ("WITH RECURSIVE r (p, q) AS (SELECT id, 0 FROM a UNION ALL SELECT q, p FROM r) SELECT * FROM r", ["a.id", "a.id"]),
        (
            "WITH RECURSIVE r (p, q, s) AS (SELECT x, y, 1 FROM a UNION SELECT b.z, p, r.s + 1 FROM r, b) SELECT * FROM r",
            ["a.x b.z", "a.x a.y b.z", ""],
        ),
        (
            "WITH RECURSIVE r (p) AS (SELECT 1 UNION ALL (WITH i AS (SELECT p FROM r) SELECT p + x FROM i, a)) TABLE r",
            ["a.x"],
        ),
        ("WITH RECURSIVE r (p) AS (SELECT 1 UNION SELECT opaque(p) FROM r) SELECT p, 2 FROM r", ["!", ""]),
        ("WITH RECURSIVE r AS (SELECT x FROM a) SELECT * FROM r", ["a.x"]),
        ("WITH RECURSIVE r AS (SELECT * FROM unheard UNION ALL SELECT * FROM r) SELECT * FROM r", None),
    ],
)
def test_recursive_query_is_followed_column_by_column(sql: str, expected: list[str] | None) -> None:
    assert flows(sql) == expected
    assert all(column.relation.schema != "" for column in facts(sql).columns_read)


def test_search_and_cycle_add_columns_to_the_query_around_them_alone() -> None:
    start = "WITH RECURSIVE r (p, q) AS (SELECT x, y FROM a UNION ALL SELECT p, q FROM r)"
    assert flows(f"{start} SEARCH DEPTH FIRST BY q SET o SELECT * FROM r") == ["a.x", "a.y", "a.y"]
    assert flows(f"{start} CYCLE p, q SET c USING w SELECT * FROM r") == ["a.x", "a.y", "a.x a.y", "a.x a.y"]
    assert flows(f"{start} CYCLE p SET c TO 'Y' DEFAULT 'N' USING w SELECT c, w FROM r") == ["a.x", "a.x"]
    deeper = f"{start} SEARCH DEPTH FIRST BY q SET o"
    assert flows(f"{deeper} SELECT * FROM (SELECT * FROM r) s") == ["a.x", "a.y"]
    assert flows(f"{deeper} SELECT o FROM (SELECT o FROM r) s") == ["a.y"]
    assert flows(f"{deeper} SELECT * FROM r UNION SELECT * FROM r") == ["a.x", "a.y"]


@pytest.mark.parametrize(
    "grouping",
    [
        "()", "GROUPING SETS ((), (x), (x, y))", "GROUPING SETS (GROUPING SETS ((x), ()), ROLLUP (x, (y, id)))",
        "CUBE (x, (y)), id", "DISTINCT ROLLUP (x), CUBE (y)", "ALL x", "(x, y)", "((x), (y))",
    ],
)  # fmt: skip
def test_grouping_sets_of_every_form_are_read(grouping: str) -> None:
    assert flows(f"SELECT sum(x), grouping(x) FROM a GROUP BY {grouping}") == ["a.x", ""]


def test_reads_and_columns_carry_the_schema_that_is_known() -> None:
    found = facts("SELECT x FROM a, unheard u")
    assert found.reads == (Relation("public", "a"), Relation(None, "unheard"))
    assert Column(Relation("public", "a"), "x") in found.columns_read
    assert found.resolved
