"""CREATE, ALTER, DROP and COMMENT."""

from parser.facts import Column, Facts, Relation
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_actions_of_alter_table_have_kinds_of_their_own() -> None:
    facts = one('ALTER TABLE s.t ADD a int, DROP "B", RENAME TO x')
    assert facts.kinds == (
        "ALTER TABLE",
        "ALTER TABLE ADD COLUMN",
        "ALTER TABLE DROP COLUMN",
        "ALTER TABLE RENAME TO",
    )
    table = Relation("s", "t")
    assert facts.columns_written == {Column(table, "a"), Column(table, "B")}


def test_what_is_made_is_named_and_temporary_things_by_their_schema() -> None:
    assert one("CREATE TABLE a.b (c int)").creates == (Relation("a", "b"),)
    for sql in ("CREATE TEMP TABLE b (c int)", "CREATE TEMPORARY VIEW b AS SELECT 1", "CREATE TEMP TABLE b AS TABLE t"):
        assert one(sql).creates == (Relation("pg_temp", "b"),)


def test_functions_that_run_with_a_definition_are_named() -> None:
    for sql in (
        "CREATE TABLE t (a int DEFAULT f(1))",
        "CREATE TABLE t (a int CHECK (a > f(a)))",
        "CREATE INDEX ON t (f(a))",
        "CREATE INDEX ON t (a) WHERE f(a) > 1",
        "ALTER TABLE t ALTER a TYPE int USING f(a)",
        "ALTER TABLE t ADD a int DEFAULT f(1) NOT NULL",
        "CREATE POLICY p ON t USING (f(a))",
        "CREATE TRIGGER g BEFORE DELETE ON t EXECUTE FUNCTION f()",
        "CREATE VIEW v AS SELECT f(a) FROM t",
        "CREATE DOMAIN d AS int CHECK (f(value) > 1)",
        "CREATE FUNCTION g() RETURNS int RETURN f(1)",
        "CREATE FUNCTION g(a int DEFAULT f(1)) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE RULE r AS ON INSERT TO t WHERE f(new.a) DO INSTEAD NOTHING",
    ):
        assert (None, "f") in one(sql).functions, sql


def test_rights_and_reach_of_definitions_are_effects() -> None:
    assert "privilege" in one("ALTER TABLE t OWNER TO r").effects
    assert "privilege" in one("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'").effects
    assert "unsafe-io" in one("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'").effects
    assert "unsafe-io" in one("CREATE SERVER s FOREIGN DATA WRAPPER w").effects
    assert one("CREATE TABLE t (a int)").effects == {"ddl"}
