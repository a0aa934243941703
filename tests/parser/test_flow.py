"""What flows into one expression: fields, functions by attribute, operators, casts and conversions with code behind them."""

import pytest

from parser.facts import Column, Output, Relation
from parser.known import Body
from tests.parser.knowing import Shown, facts, flows, routine

EMAIL = Output(frozenset({Column(Relation("public", "customers"), "email")}))
PEEK = Body(frozenset({"read"}), (Relation("public", "customers"),), (), frozenset(), frozenset(), (EMAIL,))
PEEKING = (routine("peek", schema="public", computes=False, body=PEEK),)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(a).x", ["a.x"]),
        ("(a).opaque", ["!a.*"]),
        ("(a.y).opaque", ["!a.y"]),
        ("(a.y).inside", ["a.y"]),
        ("(ROW(x, y)).f2", ["a.y"]),
        ("(ROW(x, y)).f3", ["a.x a.y"]),
        ("a.opaque", ["!a.*"]),
        ("a.x", ["a.x"]),
        ("a.ctid", ["a.ctid"]),
        ("opaque(x)", ["!a.x"]),
        ("count(x)", [""]),
        ("count(x) FILTER (WHERE y > 1)", ["a.y"]),
        ("pg_typeof(x)", [""]),
        ("grouping(x)", [""]),
        ("ntile(x) OVER ()", ["a.x"]),
        ("rank(x) WITHIN GROUP (ORDER BY y)", ["a.x a.y"]),
        ("nowhere", ["!a.nowhere"]),
        ("a", ["a.*"]),
        ("lower(a::text)", ["a.*"]),
        ("a.*", ["a.id", "a.x", "a.y"]),
        ("(a.*)", ["a.id", "a.x", "a.y"]),
        ("(a).*", ["a.id", "a.x", "a.y"]),
    ],
)
def test_what_flows_into_an_expression(expression: str, expected: list[str]) -> None:
    assert flows(f"SELECT {expression} FROM a") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("JSON_VALUE('{}', '$.a')", [""]),
        ("JSON_VALUE(x, '$.a' PASSING y AS p RETURNING int DEFAULT id ON EMPTY)", ["a.id a.x a.y"]),
        ("JSON_OBJECT('k' VALUE x ABSENT ON NULL)", ["a.x"]),
        ("JSON_EXISTS(x, '$')", ["a.x"]),
        ("xmlelement(NAME tag, xmlattributes(x AS y), id)", ["a.id a.x"]),
        ("xmlserialize(CONTENT x AS text)", ["a.x"]),
        ("xmlparse(DOCUMENT y)", ["a.y"]),
    ],
)
def test_grammars_of_their_own_hand_their_operands_through(expression: str, expected: list[str]) -> None:
    assert flows(f"SELECT {expression} FROM a") == expected


def test_keyword_of_such_a_grammar_that_a_column_is_called_counts_as_the_column() -> None:
    assert flows("SELECT JSON_OBJECT('k' VALUE value) FROM (SELECT x AS value FROM a) s") == ["a.x"]


def test_own_function_called_like_such_a_grammar_is_called() -> None:
    known = Shown((routine("json_object", schema="public", computes=False),))
    assert flows("SELECT json_object('{}')", known) == ["!"]
    assert (None, "json_object") in facts("SELECT json_object('{}')", known).functions


@pytest.mark.parametrize(
    ("expression", "peeks"),
    [
        ("x <~> y", True),
        ("x OPERATOR(public.<~>) y", True),
        ("x + y", False),
        ("x LIKE y", True),
        ("x NOT LIKE 'a'", True),
        ("x::sealed", True),
        ("CAST(x AS public.sealed)", True),
        ("x::integer", True),
        ("x::text", False),
    ],
)
def test_code_behind_operators_and_casts_runs_with_them(expression: str, peeks: bool) -> None:
    call = (("public", "peek"),)
    known = Shown(PEEKING, operators={"<~>": call, "~~": call}, casts={"sealed": call, "int4": call})
    found = facts(f"SELECT {expression} FROM a", known)
    assert (("public", "peek") in found.functions) is peeks
    assert found.outputs is not None
    assert (EMAIL.columns <= found.outputs[0].columns) is peeks


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT lower(x) FROM a",
        "SELECT x FROM a UNION SELECT z FROM b",
        "SELECT v.column1 FROM a, LATERAL (VALUES (a.x), (a.y)) v",
        "SELECT id FROM a FULL JOIN b USING (id)",
    ],
)
def test_cast_that_nobody_writes_may_run_wherever_values_are_converted(sql: str) -> None:
    call = (("public", "peek"),)
    found = facts(sql, Shown(PEEKING, implicit=call, assigning=call))
    assert found.outputs is not None
    assert EMAIL.columns <= found.outputs[0].columns
    assert ("public", "peek") in found.functions


@pytest.mark.parametrize(
    "sql", ["INSERT INTO a (x) SELECT z FROM b RETURNING x", "UPDATE a SET x = z FROM b RETURNING a.x"]
)
def test_cast_on_assignment_runs_where_a_value_is_stored_and_nowhere_else(sql: str) -> None:
    known = Shown(PEEKING, assigning=(("public", "peek"),))
    found = facts(sql, known)
    assert found.outputs is not None
    assert EMAIL.columns <= found.outputs[0].columns
    assert ("public", "peek") in found.functions
    assert flows("SELECT lower(x) FROM a", known) == ["a.x"]
