"""Functions in FROM: the columns that they have, and what flows into each."""

import pytest

from parser.facts import Column, Output, Relation
from parser.known import Body
from tests.parser.knowing import Shown, flow, flows, routine

EMAIL = Output(frozenset({Column(Relation("public", "customers"), "email")}))
CITY = Output(frozenset({Column(Relation("public", "customers"), "city")}))


def following(*outputs: Output) -> Body:
    relation = Relation("public", "customers")
    return Body(frozenset({"read"}), (relation,), (), frozenset(), frozenset(), outputs)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM generate_series(1, 3)", [""]),
        ("SELECT generate_series FROM generate_series(1, 3)", [""]),
        ("SELECT n FROM a, generate_series(1, a.x) n", ["a.x"]),
        ("SELECT * FROM a, generate_series(1, a.x) AS g (n)", ["a.id", "a.x", "a.y", "a.x"]),
        ("SELECT * FROM a, json_each(a.y) WITH ORDINALITY", ["a.id", "a.x", "a.y", "a.y", "a.y", ""]),
        ("SELECT ordinality, k FROM a, json_each(a.y) WITH ORDINALITY AS j (k)", ["", "a.y"]),
        ("SELECT value FROM a, json_array_elements(a.y) AS e", ["a.y"]),
        ("SELECT e.value FROM a, json_array_elements(a.y) AS e", ["a.y"]),
        ("SELECT * FROM a, json_to_record(a.y) AS r (m int, n text)", ["a.id", "a.x", "a.y", "a.y", "a.y"]),
        ("SELECT * FROM json_to_record('{}') AS r", None),
        ("SELECT p, q FROM a, unnest(a.x, a.y) AS u (p, q)", ["a.x", "a.y"]),
        ("SELECT * FROM a, ROWS FROM (generate_series(1, a.x), json_each(a.y)) AS r (p)",
         ["a.id", "a.x", "a.y", "a.x", "a.y", "a.y"]),
        ("SELECT * FROM a, ROWS FROM (json_to_record(a.y) AS (m int), generate_series(1, 2)) WITH ORDINALITY",
         ["a.id", "a.x", "a.y", "a.y", "", ""]),
        ("SELECT * FROM ROWS FROM (json_to_record('{}'))", None),
        ("SELECT (json_each(y)).* FROM a", ["a.y", "a.y"]),
        ("SELECT (json_to_record(y)).* FROM a", None),
        ("SELECT * FROM opaque(1)", ["!"]),
        ("SELECT k FROM a, pairs(a.x)", ["!a.x"]),
    ],
)  # fmt: skip
def test_columns_of_functions(sql: str, expected: list[str] | None) -> None:
    assert flows(sql) == expected


def test_columns_of_xmltable_are_made_of_the_document_and_their_own_paths() -> None:
    table = "XMLTABLE('/r' PASSING BY REF a.y COLUMNS n FOR ORDINALITY, v text PATH a.x || 'z' DEFAULT id NOT NULL, w int)"
    assert flows(f"SELECT * FROM a, {table} AS t") == ["a.id", "a.x", "a.y", "a.y", "a.id a.x a.y", "a.y"]
    assert flows(f"SELECT t.v, n FROM a, {table} AS t") == ["a.id a.x a.y", "a.y"]
    assert flows(f"SELECT xmltable.* FROM a, {table}") == ["a.y", "a.id a.x a.y", "a.y"]


@pytest.mark.parametrize(
    "table",
    [
        "JSON_TABLE(a.y, '$[*]' COLUMNS (v text PATH '$.x'))",
        "XMLTABLE(XMLNAMESPACES('u' AS n), '/r' PASSING a.y COLUMNS v text)",
    ],
)
def test_what_comes_out_of_other_table_constructs_is_not_followed(table: str) -> None:
    found = flows(f"SELECT v FROM a, {table} t")
    assert found is not None
    assert found[0].startswith("!")
    assert "a.y" in found[0]


def test_each_column_of_a_function_that_was_read_has_its_own_lineage() -> None:
    body = following(EMAIL, CITY)
    known = Shown((routine("listed", ("e", "c"), schema="public", computes=False, body=body),))
    assert flows("SELECT * FROM listed()", known) == ["customers.email", "customers.city"]
    assert flows("SELECT c FROM orders o, listed(o.total)", known) == ["customers.city orders.total"]
    assert flows("SELECT (listed()).*", known) == ["customers.email", "customers.city"]


def test_functions_of_one_name_that_differ_prove_no_columns() -> None:
    known = Shown((routine("json_each", ("key",), schema="public"),))
    assert flows("SELECT * FROM json_each('{}')", known) is None
    assert flows("SELECT value FROM json_each('{}')", known) == [flow(Output())]
