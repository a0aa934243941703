"""Queries: clauses, WITH, set operations and names in them."""

from parser.facts import Facts, Output, Relation
from parser.statements import read


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
