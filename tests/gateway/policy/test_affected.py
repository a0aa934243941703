"""Which changes of rows a command tag counts, and what the planner can estimate."""

import pytest

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.policy.affected import broad, changes_rows, counted, estimable, runs
from parser.facts import Facts
from parser.statements import read

NOTHING = Catalog(1, {}, {}, {})
TABLE = CatalogTable(7, "public", "t", "r", (CatalogColumn(1, "a", 23), CatalogColumn(2, "b", 23)))
OTHER = CatalogTable(8, "other", "t", "r", (CatalogColumn(1, "a", 23),))


def facts(sql: str) -> Facts:
    (found,) = read(sql.encode())
    return found


@pytest.mark.parametrize(
    ("sql", "how"),
    [
        ("UPDATE t SET a = 1 WHERE a = 2", "tag"),
        ("DELETE FROM t", "tag"),
        ("WITH s AS (SELECT 1) DELETE FROM t USING s", "tag"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN UPDATE SET a = 1", "tag"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", "tag"),
        ("DELETE FROM t RETURNING a", "tag"),
        ("INSERT INTO t VALUES (1)", "none"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "none"),
        ("COPY t FROM STDIN", "none"),
        ("TRUNCATE t", "none"),
        ("SELECT 1", "none"),
        ("EXPLAIN DELETE FROM t", "none"),
        ("PREPARE p AS DELETE FROM t", "none"),
        ("CREATE RULE r AS ON INSERT TO t DO DELETE FROM x", "none"),
        ("EXPLAIN ANALYZE DELETE FROM t", "never"),
        ("WITH d AS (DELETE FROM t RETURNING 1) INSERT INTO s SELECT * FROM d", "never"),
        ("WITH d AS (DELETE FROM t RETURNING 1) SELECT 1", "never"),
        ("COPY (UPDATE t SET a = 1 RETURNING 1) TO STDOUT", "never"),
    ],
)
def test_only_the_outermost_single_change_is_counted_by_its_tag(sql: str, how: str) -> None:
    assert counted(facts(sql)) == how
    assert changes_rows(facts(sql)) == (how != "none")


def test_a_named_statement_is_counted_as_what_it_runs() -> None:
    inner = facts("DELETE FROM t WHERE a = 1")
    named = Facts(("EXECUTE", *inner.kinds), inner.effects, writes=inner.writes, changes=1)
    assert counted(named) == "tag"
    assert broad(named, NOTHING)
    assert estimable(named)


def test_nothing_runs_of_what_is_only_kept() -> None:
    assert not runs(facts("PREPARE p AS SELECT 1"))
    assert not runs(facts("CREATE OR REPLACE VIEW v AS SELECT 1"))
    assert runs(facts("CREATE TABLE t AS SELECT 1"))
    assert runs(facts("CREATE MATERIALIZED VIEW v AS SELECT 1"))
    assert not runs(Facts((), frozenset()))
    assert not estimable(Facts((), frozenset()))


@pytest.mark.parametrize(
    ("sql", "keys", "many"),
    [
        ("UPDATE t SET b = 1 WHERE a = 2", [{"a"}], False),
        ("DELETE FROM public.t WHERE a = $1 AND b > 3", [{"a"}], False),
        ("DELETE FROM t USING s WHERE a = 1", [{"a"}], False),
        ("UPDATE t SET b = 1 WHERE a = 2 AND b = 3", [{"a", "b"}], False),
        ("UPDATE t SET b = 1 WHERE a = 2", [{"b"}, {"a"}], False),
        ("UPDATE t SET b = 1 WHERE a = 2", [], True),
        ("UPDATE t SET b = 1 WHERE a = 2", [{"a", "b"}], True),
        ("UPDATE t SET b = 1 WHERE a > 2", [{"a"}], True),
        ("UPDATE t SET b = 1 WHERE a = 2 OR b = 3", [{"a"}], True),
        ("UPDATE unknown SET b = 1 WHERE a = 2", [{"a"}], True),
        ("WITH x AS (UPDATE t SET b = 1) DELETE FROM t WHERE a = 1", [{"a"}], True),
    ],
)
def test_a_unique_key_tied_to_one_value_is_no_broad_change(sql: str, keys: list[set[str]], many: bool) -> None:
    catalog = Catalog(1, {7: TABLE}, {"t": (TABLE,)}, {}, keys={7: tuple(frozenset(key) for key in keys)})
    assert broad(facts(sql), catalog) is many


def test_a_key_counts_only_where_every_table_of_the_name_has_one() -> None:
    catalog = Catalog(1, {7: TABLE, 8: OTHER}, {"t": (TABLE, OTHER)}, {}, keys={7: (frozenset({"a"}),)})
    assert broad(facts("UPDATE t SET b = 1 WHERE a = 2"), catalog)
    assert not broad(facts("UPDATE public.t SET b = 1 WHERE a = 2"), catalog)


def test_an_equals_of_somebodys_own_ties_nothing() -> None:
    keys = {7: (frozenset({"a"}),)}
    catalog = Catalog(1, {7: TABLE}, {"t": (TABLE,)}, {}, operators={"=": (("app", "same"),)}, keys=keys)
    assert broad(facts("UPDATE t SET b = 1 WHERE a = 2"), catalog)
