"""Code in strings: bodies of SQL functions, DO blocks that are no more than statements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser.facts import Facts, Relation, Setting
from parser.kinds import ALL_EFFECTS
from parser.statements import read


def one(sql: str, *, conforming: bool = True) -> Facts:
    (facts,) = read(sql.encode(), standard_conforming_strings=conforming)
    return facts


def function(body: str) -> str:
    return f"CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS {body}"


def test_a_body_in_a_string_does_what_its_statements_do() -> None:
    facts = one(function("$$ SELECT b FROM t WHERE a = $1; DROP TABLE u; DELETE FROM s.v $$"))
    assert facts.complete, facts.reason
    assert facts.kinds == ("CREATE FUNCTION", "SELECT", "DROP TABLE", "DELETE")
    assert facts.effects == {"ddl", "read", "write"}
    assert facts.reads == (Relation(None, "t"),)
    assert facts.writes == (Relation(None, "u"), Relation("s", "v"))
    assert facts.unfiltered
    assert facts.changes == 1


@pytest.mark.parametrize(
    "body",
    [
        "'DROP TABLE u'",
        "E'DROP \\x54ABLE u'",
        "U&'DROP \\0054ABLE u'",
        "'DROP '\n'TABLE u'",
        "$x$ /* ; */ DROP -- '\n TABLE u; $x$",
        "$$ SELECT ';'; drop table u; SELECT 1 $$",
    ],
)
def test_however_a_body_is_quoted_it_is_read(body: str) -> None:
    for sql in (
        function(body),
        f"CREATE OR REPLACE PROCEDURE f() AS {body} LANGUAGE 'sql'",
        f"CREATE FUNCTION f() RETURNS TABLE (a int) IMMUTABLE LANGUAGE sql COST 5 AS {body} STRICT",
    ):
        facts = one(sql)
        assert facts.complete, facts.reason
        assert "DROP TABLE" in facts.kinds
        assert facts.by_value


def test_a_body_that_makes_a_table_makes_it_only_when_it_runs() -> None:
    facts = one(function("'CREATE TEMP TABLE x (a int); SELECT 1'"))
    assert facts.creates == ()
    assert facts.writes == (Relation("pg_temp", "x"),)


def test_a_body_whose_strings_depend_on_a_setting_has_no_one_meaning() -> None:
    body = r"$$ SELECT '\'; DROP TABLE t; --' $$"
    assert not one(function(body)).complete
    assert not one(function(body), conforming=False).complete
    assert one(function(r"$$ SELECT E'\'', '\d' ~ a $$")).complete is False
    assert one(function(r"$$ SELECT E'\n' $$")).complete


@pytest.mark.parametrize("body", ["'not even SQL'", "'SELECT (1'", "'SELECT $x$'", "'FROB t'"])
def test_a_body_that_cannot_be_read_makes_the_definition_the_worst(body: str) -> None:
    facts = one(function(body))
    assert not facts.complete
    assert facts.kinds[0] == "CREATE FUNCTION"
    assert facts.effects == ALL_EFFECTS


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plv8 AS $$return 1$$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE 'SQL' AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql LANGUAGE plpgsql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'x', 'y'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1' AS 'SELECT 2'",
        "CREATE FUNCTION f() RETURNS language LANGUAGE plpgsql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int AS 'SELECT 1'",
    ],
)
def test_to_define_code_that_cannot_be_read_takes_what_it_takes_to_run_it(sql: str) -> None:
    facts = one(sql)
    assert facts.complete
    assert facts.effects >= {"ddl", "procedural"}


def test_definitions_within_bodies_are_followed_to_a_depth_and_no_deeper() -> None:
    sql = "DROP TABLE t"
    for depth in range(12):
        tag = f"$a{depth}$"
        sql = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS {tag}{sql}{tag}"
        facts = one(sql)
        assert facts.complete is (depth < 4)
        assert "DROP TABLE" in facts.kinds or not facts.complete


# --- DO ---


def test_a_block_of_plain_statements_is_read_as_its_statements() -> None:
    facts = one("DO $$ BEGIN DELETE FROM t WHERE a = 1; PERFORM f(b) FROM u; NULL; CREATE TEMP TABLE x (a int); END; $$")
    assert facts.complete, facts.reason
    assert facts.kinds == ("DO", "DELETE", "SELECT", "CREATE TABLE")
    assert facts.effects == {"write", "read", "ddl", "session"}
    assert facts.functions == {(None, "f")}
    assert facts.creates == (Relation("pg_temp", "x"),)
    assert not facts.unfiltered
    assert facts.by_value
    assert facts.outputs == ()


def test_an_empty_block_does_nothing() -> None:
    assert one("DO 'begin end'").effects == {"session"}
    assert one("DO LANGUAGE plpgsql 'BEGIN NULL; END;'").complete


def test_a_setting_is_known_when_nothing_runs_under_it() -> None:
    facts = one("DO $$BEGIN PERFORM set_config('role', 'x', false); END$$")
    assert facts.settings == (Setting("role", "x", False),)
    assert not one("DO $$BEGIN PERFORM set_config('search_path', 'x', false); DELETE FROM t; END$$").complete


@pytest.mark.parametrize(
    "code",
    [
        "DECLARE x int; BEGIN DELETE FROM t WHERE a = 1; END",
        "<<l>> BEGIN NULL; END",
        "BEGIN NULL; END l",
        "BEGIN EXECUTE 'DROP TABLE t'; END",
        "BEGIN IF true THEN DELETE FROM t; END IF; END",
        "BEGIN FOR r IN SELECT 1 LOOP DELETE FROM t; END LOOP; END",
        "BEGIN x := f(); END",
        "BEGIN x = f(); END",
        "BEGIN update := f(); END",
        "BEGIN lock[f()] := 1; END",
        "BEGIN lock.x := f(); END",
        "BEGIN BEGIN DELETE FROM t; END; END",
        "BEGIN DELETE FROM t; EXCEPTION WHEN others THEN NULL; END",
        "BEGIN SELECT a INTO x FROM t; END",
        "BEGIN INSERT INTO t VALUES (1) RETURNING a INTO x; END",
        "BEGIN CALL p(); END",
        "BEGIN COMMIT; END",
        "BEGIN SET search_path = x; END",
        "BEGIN RAISE NOTICE '%', (SELECT a FROM t); END",
        "BEGIN GET DIAGNOSTICS x = ROW_COUNT; END",
        "BEGIN NULL x; END",
        "BEGIN CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; END; END",
        "BEGIN DELETE FROM t END",
        "BEGIN FROB; END",
        "BEGIN SELECT (1; END",
        "#variable_conflict use_column BEGIN NULL; END",
        "BEGIN NULL; END; DROP TABLE t;",
        "import os",
        "",
    ],
)
def test_any_other_block_is_opaque(code: str) -> None:
    facts = one(f"DO $do$ {code} $do$")
    assert not facts.complete
    assert facts.kinds[0] == "DO"
    assert facts.effects == ALL_EFFECTS
    assert facts.reason


@pytest.mark.parametrize(
    "sql",
    ["DO", "DO LANGUAGE plpgsql", "DO 'begin end' 'begin end'", "DO 'begin end' LANGUAGE plpython3u", "DO x 'begin end'",
     "DO LANGUAGE 'PLPGSQL' 'begin end'"],
)  # fmt: skip
def test_other_forms_of_do_are_opaque(sql: str) -> None:
    assert not one(sql).complete


STATEMENTS = ["DELETE FROM t WHERE a = 1", "UPDATE t SET a = 2", "TRUNCATE t", "INSERT INTO t TABLE u", "DROP VIEW v"]


@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5))
def test_a_block_does_neither_more_nor_less_than_its_statements(statements: list[str]) -> None:
    text = "; ".join(statements)
    plain = read(text.encode())
    for facts in (one(f"DO $$BEGIN {text}; END$$"), one(function(f"$${text}$$"))):
        assert set(facts.kinds[1:]) == {kind for one in plain for kind in one.kinds}
        assert facts.effects - {"session", "ddl"} == {e for one in plain for e in one.effects} - {"ddl"}
        assert set(facts.writes) == {relation for one in plain for relation in one.writes}
        assert facts.unfiltered == any(one.unfiltered for one in plain)
        assert facts.changes == sum(one.changes for one in plain)
