"""Which changes of rows a command tag counts, and what the planner can estimate."""

import pytest

from gateway.policy.affected import broad, changes_rows, counted, estimable, runs
from parser.facts import Facts
from parser.statements import read


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
    assert broad(named)
    assert estimable(named)


def test_nothing_runs_of_what_is_only_kept() -> None:
    assert not runs(facts("PREPARE p AS SELECT 1"))
    assert not runs(facts("CREATE OR REPLACE VIEW v AS SELECT 1"))
    assert runs(facts("CREATE TABLE t AS SELECT 1"))
    assert runs(facts("CREATE MATERIALIZED VIEW v AS SELECT 1"))
    assert not runs(Facts((), frozenset()))
    assert not estimable(Facts((), frozenset()))
