"""The production defaults hold with no configuration, for every grant."""

import pytest

from gateway.policy.decide import decide
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
        ("ALTER SYSTEM SET a = 1", "deny", "no ALTER SYSTEM"),
        ("CREATE ROLE x", "deny", "roles and grants"),
        ("GRANT ALL ON t TO x", "deny", "roles and grants"),
        ("COPY t TO PROGRAM 'x'", "deny", "files and programs"),
        ("COPY t FROM '/x'", "deny", "files and programs"),
        ("SELECT pg_read_file('x')", "deny", "the server's files"),
        ("SELECT lo_import('x')", "deny", "the server's files"),
        ("SELECT ('x').pg_ls_dir", "deny", "the server's files"),
        ("DO $$ BEGIN END $$", "deny", "cannot be read"),
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
    "sql", ["UPDATE t SET a = 1 WHERE id = 1", "SELECT pg_terminate_backend(1)", "INSERT INTO t VALUES (1)", "CALL bump()"]
)
def test_production_lets_granted_everyday_work_pass(sql: str) -> None:
    assert passes(sql, "all", environment="production")
