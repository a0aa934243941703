"""Columns, rows and types by name."""

from parser.facts import Facts, Output, Relation
from parser.statements import read


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
