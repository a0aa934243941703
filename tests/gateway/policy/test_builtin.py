"""The production defaults hold with no configuration, for every grant."""

import pytest

from gateway.classify.catalog import Catalog, CatalogTable
from gateway.policy.builtin import BROAD_ROWS
from gateway.policy.decide import decide
from gateway.session.inflight import ROWS_UNKNOWN
from parser.statements import read
from tests.gateway.policy.verdicts import CATALOG, passes, rights, verdict


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE pg_temp.x, t", "DROP TABLE pg_temp_3.x", "DROP FUNCTION pg_temp.f", "DROP SCHEMA pg_temp",
        "TRUNCATE pg_temp.x, t", "CREATE TEMP TABLE x (a int); DROP TABLE t",
    ],
)  # fmt: skip
def test_what_is_not_only_the_sessions_own_is_not_excused(sql: str) -> None:
    facts = read(sql.encode())
    found = [decide(one, rights("all", environment="production"), CATALOG) for one in facts]
    assert any(one.verdict == "deny" for one in found)


@pytest.mark.parametrize(
    ("sql", "outcome", "rule"),
    [
        ("DROP TABLE t", "deny", "no DROP"),
        ("DROP OWNED BY x", "deny", "no DROP"),
        ("TRUNCATE t", "deny", "no TRUNCATE"),
        ("UPDATE t SET a = 1", "deny", "of every row"),
        ("DELETE FROM t WHERE true", "deny", "of every row"),
        ("WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d", "deny", "of every row"),
        ("EXPLAIN ANALYZE DELETE FROM t", "deny", "of every row"),
        ("REFRESH MATERIALIZED VIEW v WITH NO DATA", "deny", "empties a view"),
        ("ALTER SYSTEM SET a = 1", "deny", "no ALTER SYSTEM"),
        ("CREATE ROLE x", "deny", "roles and grants"),
        ("GRANT ALL ON t TO x", "deny", "roles and grants"),
        ("COPY t TO PROGRAM 'x'", "deny", "files and programs"),
        ("COPY t FROM '/x'", "deny", "files and programs"),
        ("SELECT pg_read_file('x')", "deny", "the server's files"),
        ("SELECT lo_import('x')", "deny", "the server's files"),
        ("SELECT * FROM pg_hba_file_rules", "deny", "the server's files"),
        ("TABLE pg_catalog.pg_file_settings", "deny", "the server's files"),
        ("SELECT ('x').pg_ls_dir", "deny", "the server's files"),
        ("DO $$ BEGIN EXECUTE a; END $$", "deny", "cannot be read"),
        ("DO $$ BEGIN DROP TABLE t; END $$", "deny", "no DROP"),
        ("DO $$ BEGIN DELETE FROM t; END $$", "deny", "of every row"),
        ("SELECT FROM FROM", "deny", "cannot be read"),
        ("SELECT query_to_xml('x', true, true, '')", "deny", "cannot be read"),
        ("CREATE INDEX ON t (a)", "hold", "no DDL"),
        ("ALTER TABLE t DROP COLUMN a", "hold", "no DDL"),
    ],
)
def test_production_defaults_bind_even_a_grant_of_everything(sql: str, outcome: str, rule: str) -> None:
    decision = verdict(sql, rights("all", environment="production"))
    assert decision.verdict == outcome
    assert decision.refused is not None
    assert decision.refused.sqlstate == "42501"
    assert decision.refused.rule == decision.rules[0]
    assert rule in decision.refused.rule
    assert decision.refused.rule in decision.refused.message
    assert decision.refused.hint
    assert decision.grant is None
    assert passes(sql, "all", environment="staging")


@pytest.mark.parametrize(
    "sql",
    ["UPDATE t SET a = 1 WHERE id = 1", "SELECT pg_terminate_backend(1)", "INSERT INTO t VALUES (1)", "CALL bump()",
     "REFRESH MATERIALIZED VIEW CONCURRENTLY v WITH DATA", 'REFRESH MATERIALIZED VIEW " with no data"'],
)
def test_production_lets_granted_everyday_work_pass(sql: str) -> None:
    assert passes(sql, "all", environment="production")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = 1 WHERE a > 1", "DELETE FROM t WHERE a > 1", "EXPLAIN ANALYZE DELETE FROM t WHERE a > 1",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1",
        "INSERT INTO t SELECT * FROM s ON CONFLICT (a) DO UPDATE SET a = 1",
        "INSERT INTO t TABLE s ON CONFLICT (a) DO UPDATE SET a = 1",
        "WITH d AS (DELETE FROM t WHERE a > 1 RETURNING a) SELECT * FROM d",
        'UPDATE t AS "x where current of y" SET a = 1 WHERE a > 1',
        "WITH d AS (DELETE FROM t WHERE a > 1 RETURNING a) UPDATE s SET a = 1 WHERE CURRENT OF c",
    ],
)  # fmt: skip
def test_a_broad_change_is_held_by_its_estimate(sql: str) -> None:
    given_rights = rights("all", environment="production")
    first = verdict(sql, given_rights)
    assert (first.verdict, first.wants_estimate) == ("allow", True)
    assert verdict(sql, given_rights, BROAD_ROWS - 1).verdict == "allow"
    for rows in (BROAD_ROWS, ROWS_UNKNOWN):
        held = verdict(sql, given_rights, rows)
        assert held.verdict == "hold"
        assert held.refused is not None
        assert held.refused.hint.startswith("Narrow the WHERE")
    elsewhere = verdict(sql, rights("all"))
    assert (elsewhere.verdict, elsewhere.wants_estimate) == ("allow", False)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)", "INSERT INTO t SELECT * FROM s", "SELECT * FROM t", "COPY t FROM STDIN",
        "INSERT INTO t VALUES (1), (2) ON CONFLICT (a) DO UPDATE SET a = 1", "UPDATE t SET a = 1 WHERE CURRENT OF c",
        "DELETE FROM pg_temp.t WHERE a > 1", "PREPARE p AS DELETE FROM t WHERE a > 1", "EXPLAIN DELETE FROM t WHERE a > 1",
        "SELECT * FROM t FOR UPDATE",
    ],
)  # fmt: skip
def test_other_statements_are_never_estimated_for_it(sql: str) -> None:
    given_rights = rights("all", environment="production")
    for rows in (None, ROWS_UNKNOWN):
        decision = verdict(sql, given_rights, rows)
        assert (decision.verdict, decision.wants_estimate) == ("allow", False)


def test_the_sessions_own_temporary_tables_are_free_by_their_bare_names() -> None:
    given_rights = rights("read write", environment="production")
    own = frozenset({"x", "y"})
    for sql in ("DROP TABLE x, y", "TRUNCATE x", "DELETE FROM x", "ALTER TABLE x ADD COLUMN b int", "CREATE INDEX ON x (a)",
                "ALTER TABLE x RENAME TO z"):  # fmt: skip
        decision = verdict(sql, given_rights, own=own)
        assert (decision.verdict, decision.wants_estimate) == ("allow", False)
        assert verdict(sql, given_rights).verdict in ("deny", "hold")
    for sql in ("DROP TABLE x, t", "DROP TABLE public.x", "CREATE TABLE x (a int)", "DROP SCHEMA x", "DROP FUNCTION x"):
        assert verdict(sql, given_rights, own=own).verdict == "deny"


def test_a_change_of_the_one_row_of_a_key_needs_no_estimate() -> None:
    table = CatalogTable(1, "public", "t", "r", ())
    catalog = Catalog(1, {1: table}, {"t": (table,)}, {}, keys={1: (frozenset({"id"}),)})
    given_rights = rights("all", environment="production")
    for rows in (None, ROWS_UNKNOWN):
        decision = verdict("UPDATE t SET a = 1 WHERE id = $1", given_rights, rows, catalog=catalog)
        assert (decision.verdict, decision.wants_estimate) == ("allow", False)
    assert verdict("UPDATE t SET a = 1 WHERE a = $1", given_rights, catalog=catalog).wants_estimate
