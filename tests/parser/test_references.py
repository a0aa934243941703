"""Columns, rows and types by name."""

from parser.facts import Facts, Output, Relation
from parser.known import Body
from parser.statements import read
from tests.parser.knowing import Shown, facts, flows, routine


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_a_name_with_its_schema_means_the_table_without_an_alias() -> None:
    assert one("SELECT s.t.a FROM s.t").outputs == one("SELECT a FROM s.t").outputs
    assert one("SELECT s.t.a FROM s.t x").outputs == (Output(opaque=True),)
    assert one("SELECT s.t.a FROM t").outputs == one("SELECT a FROM t").outputs


def test_types_of_every_spelling_end_where_they_end() -> None:
    for name in (
        "int", "pg_catalog.int4", "numeric(10, 2)", "timestamp(3) without time zone", "time with time zone",
        "double precision", "character varying(5)", "national character varying(5)", "bit varying(3)",
        "interval day to second(3)", "interval(3)", "int[]", "int[3][4]", "int array", "int array[4]", '"My Type"',
    ):  # fmt: skip
        facts = one(f"SELECT a::{name}, CAST(b AS {name}) FROM t")
        assert facts.complete, name
        assert facts.outputs is not None
        assert len(facts.outputs) == 2
        assert {column.name for column in facts.columns_read} == {"a", "b"}


def test_a_field_of_a_row_may_be_a_function_of_it() -> None:
    facts = one("SELECT x.to_json FROM t x")
    assert (None, "to_json") in facts.functions
    assert {column.name for column in facts.columns_read} == {"*", "to_json"}
    assert {column.relation for column in facts.columns_read} == {Relation(None, "t")}


def test_functions_of_a_name_are_judged_together() -> None:
    body = Body(
        frozenset({"read", "write"}), (Relation("public", "customers"),), (Relation("public", "orders"),),
        frozenset({("public", "inner")}), frozenset(), (Output(),), kinds=("SELECT", "DELETE"), changes=1, unfiltered=True,
    )  # fmt: skip
    one_of_ones_own = routine("lower", schema="public", computes=False)
    assert flows("SELECT lower(x) FROM a") == ["a.x"]
    assert flows("SELECT lower(x) FROM a", Shown((one_of_ones_own,))) == ["!a.x"]
    assert flows("SELECT pg_catalog.lower(x) FROM a", Shown((one_of_ones_own,))) == ["a.x"]
    assert flows("SELECT unheard_of(x) FROM a") == ["!a.x"]
    assert flows("SELECT count(x) FROM a", Shown((routine("count", schema="public", computes=False),))) == ["!a.x"]
    found = facts("SELECT swept(1)", Shown((routine("swept", schema="public", computes=False, body=body),)))
    assert found.effects == {"read", "write"}
    assert (found.reads, found.writes) == (body.reads, body.writes)
    assert ("public", "inner") in found.functions
    assert (found.kinds, found.changes, found.unfiltered) == (("SELECT", "DELETE"), 1, True)
