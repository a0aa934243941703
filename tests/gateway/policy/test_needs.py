"""What statements need: hidden writes, functions, settings, catalogues and temporary tables."""

import pytest

from tests.gateway.policy.verdicts import passes, rights, verdict


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
        ("SELECT (x).n FROM t JOIN s n ON (true)", "read"),
        ("SELECT (x).n, n (1) FROM t", "all"),
        ('SELECT (x).n, "n"(1) FROM t', "all"),
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
        ("DO $$ BEGIN DELETE FROM t WHERE a = 1; END $$", "write"),
        ("DO $$ BEGIN DROP TABLE t; END $$", "ddl"),
        ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ddl"),
        ("CREATE ROLE x", "admin"),
        ("GRANT SELECT ON t TO x", "admin"),
        ("ALTER SYSTEM SET a = 1", "admin"),
        ("LOAD 'x'", "admin"),
        ("DO $$ BEGIN EXECUTE a; END $$", "all"),
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
        ("SELECT bump()", "all"),
        ("SELECT public.bump()", "all"),
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
        "SET SESSION AUTHORIZATION DEFAULT", "SET LOCAL role TO DEFAULT", "SET role = none", "SET SCHEMA 'x'",
        "SET search_path = pg_temp, a", "SELECT set_config('search_path', 'a', true)",
        "SET default_transaction_read_only = on", "SET transaction_read_only = 1", "RESET default_transaction_read_only",
        "SET default_transaction_read_only TO DEFAULT", "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", 'SAVEPOINT "read write"', "SELECT 'begin read write'",
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
        ("SET SESSION ROLE postgres", "admin"),
        ("set/**/role 'postgres'", "admin"),
        (r'SET U&"r\006fle" = postgres', "admin"),
        (r"SELECT set_config(E'r\157le', 'postgres', false)", "admin"),
        ('SELECT pg_catalog . "set_config"(\'role\', \'postgres\', false)', "admin"),
        ("SELECT set_config('session_authorization', 'postgres', true)", "admin"),
        ("PREPARE p AS SELECT set_config('role', 'postgres', false)", "admin"),
        ("WITH a AS (SELECT set_config('role', 'postgres', false)) SELECT 1", "admin"),
        ("EXPLAIN ANALYZE SELECT set_config('role', 'postgres', false)", "admin"),
        ("COPY (SELECT set_config('role', 'postgres', false)) TO STDOUT", "admin"),
        ("DECLARE c CURSOR FOR SELECT set_config('role', 'postgres', false)", "admin"),
        ("SELECT 1 WHERE set_config('role', 'postgres', false) = ''", "admin"),
        ("SELECT set_config(is_local := false, setting_name := 'role', new_value := 'search_path')", "all"),
        ("SET LOCAL SESSION AUTHORIZATION postgres", "admin"),
        ("ALTER ROLE x SET role = postgres", "admin"),
        ("ALTER ROLE ALL IN DATABASE d SET search_path TO postgres", "admin"),
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
    assert passes("RESET ALL", "read", role="app_ro")
    assert passes("SELECT set_config('role', 'app_ro', true)", "read", role="app_ro")
    assert not passes("ALTER DATABASE d SET role = 'app_ro'", "read write ddl", role="app_ro")
    for sql in (
        "SET ROLE NONE", "SET ROLE other", "RESET SESSION AUTHORIZATION", "SET ROLE 'APP_RO'",
        "SET SESSION AUTHORIZATION app_ro",
        "SET SESSION AUTHORIZATION DEFAULT", "SELECT set_config('role', 'none', false)", "RESET session_authorization",
    ):  # fmt: skip
        assert not passes(sql, "read", role="app_ro")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE x (a int)", "CREATE TEMPORARY TABLE x AS SELECT * FROM t", "SELECT * INTO TEMP x FROM t",
        "CREATE TABLE pg_temp.x (a int)", "DROP TABLE pg_temp.x", "DROP TABLE IF EXISTS pg_temp.x, pg_temp.y",
        "TRUNCATE pg_temp.x", "CREATE INDEX ON pg_temp.x (a)", "ALTER TABLE pg_temp.x ADD COLUMN b int",
        "DELETE FROM pg_temp.x", "UPDATE pg_temp.x SET a = 1", "CREATE TEMP VIEW v AS SELECT 1", "ANALYZE pg_temp.x",
        "ALTER TABLE pg_temp.x RENAME a TO b", "ALTER TABLE pg_temp.x RENAME TO y", "VACUUM pg_temp.x",
        "ALTER TABLE pg_temp.x ALTER COLUMN a TYPE text", "ALTER TABLE pg_temp.x ADD CHECK (a > 0)",
    ],
)  # fmt: skip
def test_the_sessions_own_temporary_tables_are_read_and_write(sql: str) -> None:
    assert passes(sql, "read write", environment="production")
    assert not passes(sql, "read")


@pytest.mark.parametrize("sql", ["VACUUM", "REINDEX DATABASE d", "VACUUM pg_temp.x, t", "CLUSTER"])
def test_upkeep_of_more_than_ones_own_is_no_write(sql: str) -> None:
    assert not passes(sql, "read write")


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN READ WRITE", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, read /* */ WRITE", "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET default_transaction_read_only = off",
        "SET LOCAL transaction_read_only TO 'no'", "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('default_transaction_read_only', $1, false)", "RESET transaction_read_only",
        "SET transaction_read_only TO DEFAULT", 'SET "DEFAULT_transaction_READ_only" = 0',
    ],
)  # fmt: skip
def test_a_session_that_only_reads_stays_so(sql: str) -> None:
    refused = verdict(sql, rights("read")).refused
    assert refused is not None
    assert "no grant here allows write" in refused.message
    for allow in ("read write", "read ddl", "read admin", "all"):
        assert passes(sql, allow)
