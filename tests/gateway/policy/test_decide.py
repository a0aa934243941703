"""Verdicts over real statements, read by the parser: what passes, what does not, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.decide import decide
from gateway.policy.decision import Decision
from gateway.policy.rights import Rights
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from parser.facts import Facts
from parser.statements import read

FUNCTIONS = [
    *((name, "pg_catalog", "i", "internal", False) for name in [
        "lower", "upper", "int8", "count", "sum", "length", "name", "text"
    ]),
    *((name, "pg_catalog", "s", "internal", False) for name in ["now", "current_setting", "to_char"]),
    *(
        (name, "pg_catalog", "v", "internal", False)
        for name in [
            "nextval", "setval", "currval", "pg_sleep", "random", "pg_read_file", "pg_ls_dir", "lo_import",
            "set_config", "pg_notify", "pg_terminate_backend", "query_to_xml", "ts_stat", "pg_advisory_lock",
            "pg_stat_reset", "pg_promote", "brand_new_volatile", "pg_export_snapshot"
        ]
    ),
    ("total", "public", "s", "plpgsql", False),
    ("bump", "public", "v", "plpgsql", False),
    ("owned", "public", "v", "plpgsql", True),
    ("python", "public", "v", "plpython3u", False),
    ("native", "public", "v", "c", False),
    ("dblink", "public", "v", "c", False),
    ("uuid_generate_v4", "public", "v", "c", False),
    ("lower", "evil", "v", "plpgsql", False),
]
CATALOG = Catalog(1, {}, {}, {})
for _name, _schema, _volatility, _language, _definer in FUNCTIONS:
    _one = CatalogFunction(_schema, _name, _volatility, _language, _definer, _schema == "pg_catalog")
    CATALOG.functions[_name] = (*CATALOG.functions.get(_name, ()), _one)
CATALOG.functions["lower"] = CATALOG.functions["lower"][:1]


def rights(allow: str, rails: str = "", environment: str = "dev", role: str = "") -> Rights:
    words = ", ".join(f'"{word}"' for word in allow.split())
    text = f'[[grant]]\nname = "g"\nallow = [{words}]\nrole = "{role}"\ngranted_by = "lead"\nreason = "T-1"\n{rails}'
    table = PolicyTable(compile([load(text, "p")], Settings()))
    return table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", environment, 0.0, 1)


def verdict(sql: str, given_rights: Rights) -> Decision:
    (facts,) = read(sql.encode())
    return decide(facts, given_rights, CATALOG)


def passes(sql: str, allow: str, **more: str) -> bool:
    return verdict(sql, rights(allow, **more)).verdict == "allow"


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT email FROM customers", "read"),
        ("TABLE customers", "read"),
        ("COPY customers TO STDOUT", "read"),
        ("EXPLAIN SELECT 1", "read"),
        ("SELECT lower(email), now(), random(), currval('s') FROM customers", "read"),
        ("SELECT total(1)", "read"),
        ("SELECT pg_sleep(1)", "read"),
        ("SELECT pg_export_snapshot()", "read"),
        ("SELECT uuid_generate_v4()", "read"),
        ("SELECT coalesce(a, uuid(b)) FROM t", "read"),
        ("SELECT (x).city, (x).name FROM t", "read"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "read"),
        (
            "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings "
            "WHERE name = 'restrict_nonsystem_relation_kind'",
            "read",
        ),
        ("INSERT INTO t VALUES (1)", "write"),
        ("UPDATE t SET a = 1", "write"),
        ("COPY t FROM STDIN", "write"),
        ("TRUNCATE t", "write"),
        ("CREATE TABLE t (a int)", "ddl"),
        ("DROP TABLE t", "ddl"),
        ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ddl"),
        ("CREATE ROLE x", "admin"),
        ("GRANT SELECT ON t TO x", "admin"),
        ("ALTER SYSTEM SET a = 1", "admin"),
        ("LOAD 'x'", "admin"),
        ("DO $$ BEGIN END $$", "all"),
        ("CALL bump()", "all"),
        ("EXECUTE p(1)", "all"),
        ("SELECT FROM FROM", "all"),
        ("SELECT '", "all"),
    ],
)
def test_each_statement_needs_its_word(sql: str, word: str) -> None:
    order = ["read", "write", "ddl", "admin", "all"]
    assert passes(sql, "read" if word == "read" else f"read {word}")
    assert passes(sql, "all")
    for other in order[:-1]:
        if other != word:
            assert not passes(sql, other)


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("WITH d AS (DELETE FROM t WHERE a = 1 RETURNING a) SELECT * FROM d", "write"),
        ("/* SELECT */ dElEtE FROM t WHERE a = 1", "write"),
        ("EXPLAIN ANALYZE DELETE FROM t WHERE a = 1", "write"),
        ("PREPARE p AS INSERT INTO t VALUES (1)", "write"),
        ("SELECT nextval('s')", "write"),
        ("SELECT bump()", "write"),
        ("SELECT public.bump()", "write"),
        ("SELECT owned()", "all"),
        ("SELECT python()", "all"),
        ("SELECT native()", "all"),
        ("SELECT evil.lower('x')", "all"),
        ("SELECT unheard_of('x')", "all"),
        ('SELECT "Unheard of"(1)', "all"),
        ("SELECT pg_catalog.unheard_of('x')", "all"),
        ("SELECT query_to_xml('SELECT 1', true, true, '')", "all"),
        ("SELECT * FROM ts_stat('SELECT 1')", "all"),
        ("SELECT set_config('ro' || 'le', 'x', false)", "all"),
        ("SELECT pg_read_file('x')", "admin"),
        ("SELECT ('x'::text).pg_read_file", "admin"),
        ("SELECT PG_CATALOG.\"pg_ls_dir\"('.')", "admin"),
        ("SELECT lo_import('x')", "admin"),
        ("SELECT pg_terminate_backend(1)", "admin"),
        ("SELECT pg_stat_reset()", "admin"),
        ("SELECT dblink('a', 'b')", "admin"),
        ("SELECT brand_new_volatile()", "admin"),
        ("COPY t TO '/x'", "admin"),
        ("COPY t TO PROGRAM 'x'", "admin"),
        ("SELECT * FROM pg_authid", "admin"),
        ("SELECT * FROM pg_catalog.pg_shadow", "admin"),
    ],
)
def test_reading_alone_does_not_cover_what_hides_in_a_query(sql: str, word: str) -> None:
    assert not passes(sql, "read")
    assert passes(sql, f"read {word}")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'",
        "DELETE FROM pg_catalog.pg_class WHERE oid = 1",
        "INSERT INTO pg_proc SELECT * FROM pg_proc",
        "UPDATE information_schema.sql_features SET comments = 'x' WHERE true",
    ],
)
def test_writing_to_the_catalogues_needs_admin(sql: str) -> None:
    assert not passes(sql, "read write ddl")
    assert passes(sql, "read write admin")


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN", "COMMIT", "LISTEN x", "RESET ALL", "DISCARD ALL", "SET search_path = a, b", "SET row_security = off",
        "SET application_name = 'x'", "SET TIME ZONE 'UTC'", "SET client_encoding TO 'UTF8'", "SET NAMES 'latin1'",
        "SET client_encoding TO DEFAULT", "SET standard_conforming_strings = on", "SET my.own = 'x'", "RESET ROLE",
        "SET standard_conforming_strings = 'TRUE'", "SET statement_timeout = 5", "DEALLOCATE ALL", "SET ROLE NONE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "RESET SESSION AUTHORIZATION", "SHOW search_path",
        "RESET client_encoding", "SET TRANSACTION READ ONLY", "RESET standard_conforming_strings",
    ],
)  # fmt: skip
def test_everyday_traffic_of_a_session_passes_any_grant(sql: str) -> None:
    assert passes(sql, "read", environment="production")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SET ROLE postgres", "admin"),
        ("SET LOCAL ROLE postgres", "admin"),
        ('set "ROLE" to x', "admin"),
        ("SELECT set_config('role', $1, false)", "admin"),
        ("SELECT set_config('Role', 'x', false)", "admin"),
        ("SET SESSION AUTHORIZATION x", "admin"),
        ("SET log_statement = 'all'", "admin"),
        ("SET auto_explain.log_min_duration = 0", "admin"),
        ("SET local_preload_libraries = 'x'", "admin"),
        ("SET session_replication_role = replica", "admin"),
        ("SET standard_conforming_strings = off", "all"),
        ("SET standard_conforming_strings = 'of'", "all"),
        ("SELECT set_config('standard_conforming_strings', $1, false)", "all"),
        ("SET client_encoding = 'SJIS'", "all"),
        ("SET NAMES 'Big5'", "all"),
        (r"SET client_encoding = E'g\x42 18030'", "all"),
        ("SELECT set_config('client_encoding', 'GBK', true)", "all"),
        ("SELECT set_config('client_encoding', $1, true)", "all"),
    ],
)
def test_settings_that_leave_the_session_or_change_the_reading_are_not_everyday(sql: str, word: str) -> None:
    assert not passes(sql, "read write ddl")
    assert passes(sql, f"read {word}")
    refused = verdict(sql, rights("read")).refused
    assert refused is not None
    assert "postgres" not in refused.message + refused.hint


def test_the_role_of_the_grant_is_not_left() -> None:
    assert passes("SET ROLE app_ro", "read", role="app_ro")
    assert passes("RESET ROLE", "read", role="app_ro")
    assert passes("DISCARD ALL", "read", role="app_ro")
    for sql in ("SET ROLE NONE", "SET ROLE other", "RESET SESSION AUTHORIZATION", "SET ROLE 'APP_RO'"):
        assert not passes(sql, "read", role="app_ro")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE x (a int)", "CREATE TEMPORARY TABLE x AS SELECT * FROM t", "SELECT * INTO TEMP x FROM t",
        "CREATE TABLE pg_temp.x (a int)", "DROP TABLE pg_temp.x", "DROP TABLE IF EXISTS pg_temp.x, pg_temp.y",
        "TRUNCATE pg_temp.x", "CREATE INDEX ON pg_temp.x (a)", "ALTER TABLE pg_temp.x ADD COLUMN b int",
        "DELETE FROM pg_temp.x", "UPDATE pg_temp.x SET a = 1", "CREATE TEMP VIEW v AS SELECT 1",
    ],
)  # fmt: skip
def test_the_sessions_own_temporary_tables_are_read_and_write(sql: str) -> None:
    assert passes(sql, "read write", environment="production")
    assert not passes(sql, "read")


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


def rail(body: str, effect: str = "deny") -> str:
    return f'[[guardrail]]\nname = "mind this"\neffect = "{effect}"\nmessage = "Ask the team."\n{body}\n'


@pytest.mark.parametrize(
    ("body", "sql", "speaks"),
    [
        ('statements = ["DROP"]', "DROP TABLE t", True),
        ('statements = ["drop table"]', "/**/drop\ntable t", True),
        ('statements = ["DROP"]', "SELECT 'drop table t'", False),
        ('statements = ["DROP INDEX"]', "DROP TABLE t", False),
        ('statements = ["ALTER TABLE DROP COLUMN"]', "ALTER TABLE t DROP COLUMN a", True),
        ('statements = ["ALTER TABLE DROP COLUMN"]', "ALTER TABLE t ADD COLUMN a int", False),
        ('statements = ["DELETE"]', "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING 1) SELECT 1", True),
        ('statements = ["DROP"]', "DROP TABLE pg_temp.x", False),
        ('statements = ["*"]', "SELECT 1", True),
        ("without_where = true", "DELETE FROM t", True),
        ("without_where = true", "DELETE FROM t WHERE 1 = 1", True),
        ("without_where = true", "DELETE FROM t WHERE a = 1", False),
        ("without_where = true", "DELETE FROM pg_temp.t", False),
        ('tables = ["customers"]', "SELECT * FROM public.customers", True),
        ('tables = ["public.customers"]', "SELECT * FROM customers", True),
        ('tables = ["public.customers"]', "SELECT * FROM other.customers", False),
        ('tables = ["cust*"]', "DELETE FROM customers WHERE a = 1", True),
        ('tables = ["hr.*"]', "SELECT 1 FROM hr.pay", True),
        ('tables = ["customers"]', "SELECT * FROM orders", False),
        ('tables = ["c.stomers"]', "SELECT * FROM customers", False),
        ('columns = ["customers.email"]', "SELECT c.email FROM customers c", True),
        ('columns = ["customers.email"]', "SELECT * FROM customers", True),
        ('columns = ["customers.email"]', "SELECT 1 FROM customers WHERE email = 'x'", True),
        ('columns = ["customers.email"]', "UPDATE customers SET email = 'x' WHERE id = 1", True),
        ('columns = ["customers.email"]', "COPY customers TO STDOUT", True),
        ('columns = ["customers.email"]', "COPY customers (id) TO STDOUT", False),
        ('columns = ["customers.email"]', "INSERT INTO customers VALUES (1)", True),
        ('columns = ["customers.email"]', "SELECT id FROM customers", False),
        ('functions = ["lower"]', "SELECT pg_catalog.lower('x')", True),
        ('functions = ["public.total"]', "SELECT total(1)", True),
        ('functions = ["public.total"]', "SELECT upper('x')", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM orders WHERE a = 1", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "SELECT 1 FROM customers", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM customers WHERE a = 1", True),
        ('functions = ["lower"]', "DO $$ BEGIN END $$", True),
        ('tables = ["customers"]', "SELECT FROM FROM", True),
        ('tables = ["customers"]', "SELECT unheard_of()", True),
        ("min_estimated_rows = 1", "SELECT * FROM customers", False),
    ],
)
def test_a_guardrail_speaks_where_all_its_conditions_hold(body: str, sql: str, speaks: bool) -> None:
    decision = verdict(sql, rights("all", rail(body)))
    assert (decision.verdict == "deny") == speaks
    if speaks:
        assert decision.refused is not None
        assert decision.refused.message == 'denied by guardrail "mind this": Ask the team.'
        assert decision.refused.rule == "mind this"


def test_a_hold_is_refused_and_says_why() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rail('statements = ["DELETE"]', "hold")))
    assert decision.verdict == "hold"
    assert decision.refused is not None
    assert "needs an approval" in decision.refused.message


def test_a_warning_passes_with_its_words() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rail('statements = ["DELETE"]', "warn")))
    assert decision.verdict == "warn"
    assert decision.refused is None
    assert decision.message == 'guardrail "mind this": Ask the team.'
    assert decision.rules == ("mind this", "g")


def test_a_deny_beats_a_hold_and_a_hold_beats_a_warning() -> None:
    rails = "".join(
        f'[[guardrail]]\nname = "{name}"\neffect = "{effect}"\nstatements = ["DELETE"]\n'
        for name, effect in (("a", "warn"), ("b", "hold"), ("c", "deny"))
    )
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rails))
    assert decision.verdict == "deny"
    assert decision.rules == ("c", "a", "b")
    rails = rails.rpartition("[[")[0]
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rails))
    assert decision.verdict == "hold"
    assert decision.rules == ("b", "a")


def test_what_no_grant_allows_is_denied_even_where_it_would_be_held() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("read", rail('statements = ["DELETE"]', "hold")))
    assert decision.verdict == "deny"
    assert decision.refused is not None
    assert "no grant here allows write" in decision.refused.message


def test_the_grant_that_allows_least_is_named() -> None:
    more = '[[grant]]\nname = "a writer"\nallow = ["read", "write"]\n[[grant]]\nname = "b all"\nallow = ["all"]\n'
    text = rights("read", more)
    assert verdict("SELECT 1", text).rules == ("g",)
    written = verdict("INSERT INTO t SELECT * FROM s", text)
    assert written.rules == ("a writer",)
    assert written.grant is not None
    assert written.grant.name == "a writer"
    assert verdict("CALL bump()", text).rules == ("b all",)
    note = verdict("BEGIN", text).grant
    assert note is not None
    assert (note.name, note.granted_by, note.reason) == ("g", "lead", "T-1")


SECRET = "s3cr3tvalue"


@pytest.mark.parametrize(
    "sql",
    [
        f"CALL p('{SECRET}')", f"SELECT pg_read_file('{SECRET}')", f"SELECT '{SECRET}",
        f"SELECT set_config('log_{SECRET}', '{SECRET}', false)", f"SET client_encoding = '{SECRET}'",
        f"SET standard_conforming_strings = '{SECRET}'", f"SET ROLE '{SECRET}'", f"DO '{SECRET}'",
        f"COPY t TO PROGRAM '{SECRET}'", f"SELECT unheard_of('{SECRET}')", f"SELECT set_config('{SECRET}.a', 'x', $1)",
    ],
)  # fmt: skip
def test_no_refusal_quotes_a_value(sql: str) -> None:
    for environment in ("dev", "production"):
        refused = verdict(sql, rights("write", environment=environment)).refused
        assert refused is not None
        assert SECRET not in repr(refused)
        assert "polic" not in refused.hint


STATEMENTS = st.sampled_from(
    [
        "SELECT", "INSERT", "DELETE", "FROM", "t", "WHERE", "a", "=", "1", ";", ",", "(", ")", "'x'", "$1",
        "SET", "role", "DROP", "TABLE", "pg_temp", ".", "x", "true", "DO", "lower", "f"
    ]
)


@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["read", "write", "read write ddl", "all"]))
def test_a_verdict_is_always_whole(words: list[str], allow: str) -> None:
    given_rights = rights(allow, environment="production")
    for facts in read(" ".join(words).encode()):
        decision = decide(facts, given_rights, CATALOG)
        assert (decision.refused is None) == (decision.verdict in ("allow", "warn"))
        assert (decision.grant is None) == (decision.refused is not None)
        assert decision.rules
        assert facts.complete or decision.verdict == "deny"


def test_a_statement_that_does_nothing_passes() -> None:
    assert decide(Facts((), frozenset()), rights("read"), CATALOG).verdict == "allow"
