"""CREATE: functions with their attributes, rules, triggers, and what a definition is made of."""

import pytest

from parser.facts import Facts, Relation, Setting
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    assert facts.complete, facts.reason
    return facts


def test_what_is_made_is_named_and_temporary_things_by_their_schema() -> None:
    assert one("CREATE TABLE a.b (c int)").creates == (Relation("a", "b"),)
    for sql in ("CREATE TEMP TABLE b (c int)", "CREATE TEMPORARY VIEW b AS SELECT 1", "CREATE TEMP TABLE b AS TABLE t"):
        assert one(sql).creates == (Relation("pg_temp", "b"),)


@pytest.mark.parametrize(
    ("clause", "setting"),
    [
        ("SET role = 'x'", Setting("role", "x", True)),
        ("SET ROLE x", Setting("role", "x", True)),
        ("SET search_path TO a, \"B\" STABLE", Setting("search_path", "a, B", True)),
        ("SET session_authorization FROM CURRENT", Setting("session_authorization", None, True)),
        ("SET work_mem = -1 STRICT", Setting("work_mem", "-1", True)),
        ("SET row_security TO off COST 5", Setting("row_security", "off", True)),
    ],
)
def test_the_settings_of_a_function_are_facts(clause: str, setting: Setting) -> None:
    for sql in (
        f"CREATE FUNCTION f() RETURNS int LANGUAGE sql {clause} AS 'SELECT 1'",
        f"CREATE PROCEDURE f() {clause} LANGUAGE plpgsql AS 'BEGIN END'",
        f"CREATE FUNCTION f(a int DEFAULT 1) RETURNS int {clause} BEGIN ATOMIC UPDATE t SET a = 1 WHERE b = 2; END",
        f"ALTER FUNCTION f(int) {clause}",
        f"ALTER ROUTINE f {clause}",
    ):
        facts = one(sql)
        assert facts.settings == (setting,), sql
        assert facts.by_value


def test_statements_that_a_rule_stores_count_as_its_own() -> None:
    facts = one("CREATE RULE r AS ON UPDATE TO t DO ALSO (DELETE FROM u; INSERT INTO v SELECT * FROM w; NOTIFY n)")
    assert facts.kinds == ("CREATE RULE", "DELETE", "INSERT", "SELECT", "NOTIFY")
    assert facts.unfiltered
    assert facts.writes == (Relation(None, "t"), Relation(None, "u"), Relation(None, "v"))


@pytest.mark.parametrize(
    ("sql", "functions"),
    [
        ("CREATE CAST (a AS b) WITH FUNCTION s.f(a) AS IMPLICIT", {("s", "f")}),
        ("CREATE OPERATOR @@@ (LEFTARG = a, FUNCTION = f, RESTRICT = g, JOIN = h)", {(None, "f"), (None, "g"), (None, "h")}),
        ("CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int, FINALFUNC = s.g)", {(None, "f"), ("s", "g")}),
        ("CREATE TYPE ty (INPUT = f, OUTPUT = g, LIKE = int)", {(None, "f"), (None, "g")}),
        ("CREATE OPERATOR CLASS c FOR TYPE a USING btree AS OPERATOR 1 <, FUNCTION 1 f(a, a), FUNCTION 2 (a, b) g(a)",
         {(None, "f"), (None, "g")}),
        ("CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM s.f", {("s", "f")}),
        ("CREATE LANGUAGE l HANDLER f INLINE g VALIDATOR h", {(None, "f"), (None, "g"), (None, "h")}),
        ("CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION s.f('x')", {("s", "f")}),
        ("CREATE EVENT TRIGGER e ON sql_drop EXECUTE PROCEDURE f()", {(None, "f")}),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql SUPPORT g AS 'BEGIN END'", {(None, "g")}),
        ("CREATE FUNCTION f(a int = g(1), b int DEFAULT h()) RETURNS int LANGUAGE plpgsql AS 'BEGIN END'",
         {(None, "g"), (None, "h")}),
        ("CREATE STATISTICS s ON f(a), (g(b)) FROM t", {(None, "f"), (None, "g")}),
        ("CREATE TABLE t (a int) PARTITION BY RANGE (f(a))", {(None, "f")}),
        ("CREATE TABLE t (a int, EXCLUDE USING gist (f(a) WITH &&))", {(None, "f")}),
        ("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (f(a)) VIRTUAL)", {(None, "f")}),
        ("CREATE TABLE t (a text DEFAULT left(f(1), 3) NOT NULL)", {(None, "f"), (None, "left")}),
        ("CREATE TABLE t (a text CHECK ((a).f > 1))", {(None, "f")}),
    ],
)  # fmt: skip
def test_the_functions_that_a_definition_calls_are_named(sql: str, functions: set[tuple[str | None, str]]) -> None:
    assert one(sql).functions == functions


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("CREATE TABLE n (a int REFERENCES t (b))", {"t"}),
        ("CREATE TABLE n (LIKE t INCLUDING ALL, b int) INHERITS (u, s.v)", {"t", "u", "v"}),
        ("CREATE TABLE n PARTITION OF t FOR VALUES IN (1)", {"t"}),
        ("CREATE FOREIGN TABLE n PARTITION OF t DEFAULT SERVER s", {"t"}),
        ("CREATE STATISTICS st ON a, b FROM t", {"t"}),
        ("CREATE PUBLICATION p FOR TABLE t, ONLY u (a) WHERE (a > 1), TABLES IN SCHEMA x", {"t", "u"}),
        ("CREATE CONSTRAINT TRIGGER g AFTER UPDATE ON t FROM u FOR EACH ROW EXECUTE FUNCTION f()", {"t", "u"}),
        ("CREATE POLICY p ON t USING (EXISTS (SELECT 1 FROM u WHERE b = a))", {"t", "u"}),
    ],
)
def test_the_tables_that_a_definition_refers_to_are_named(sql: str, tables: set[str]) -> None:
    facts = one(sql)
    assert {relation.name for relation in (*facts.reads, *facts.writes)} == tables


def test_a_schema_is_read_with_all_that_is_made_in_it() -> None:
    facts = one("CREATE SCHEMA s AUTHORIZATION r CREATE TABLE n (a int) CREATE VIEW v AS SELECT f(a) GRANT ALL ON n TO x")
    assert set(facts.kinds) == {"CREATE SCHEMA", "CREATE TABLE", "CREATE VIEW", "SELECT", "GRANT"}
    assert facts.functions == {(None, "f")}
