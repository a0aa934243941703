"""Expressions in definitions, in whatever grammar stands around them."""

import pytest

from parser.statements import read

PLACES = (
    "CREATE TABLE t (a int DEFAULT {})",
    "CREATE TABLE t (a int CHECK ({} > 1))",
    "CREATE TABLE t (a int CONSTRAINT c CHECK ({} > 1) NOT NULL)",
    "CREATE TABLE t (a int) PARTITION BY LIST (({}) COLLATE \"C\" text_ops)",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM ({}) TO (MAXVALUE)",
    "CREATE TABLE p PARTITION OF t FOR VALUES IN (1, {})",
    "CREATE INDEX ON t (a, ({}) DESC NULLS LAST)",
    "CREATE INDEX ON t (a) WHERE {} > 1",
    "CREATE DOMAIN d AS int DEFAULT {} CHECK (value > 1)",
    "CREATE POLICY p ON t FOR UPDATE USING ({} = 1) WITH CHECK (true)",
    "CREATE POLICY p ON t WITH CHECK ({} = 1)",
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (new.a = {}) EXECUTE FUNCTION x()",
    "CREATE PUBLICATION p FOR TABLE t WHERE ({} > 1)",
    "ALTER TABLE t ADD a int DEFAULT {} NOT NULL, DROP b",
    "ALTER TABLE t ALTER a SET DEFAULT {}, ALTER b DROP NOT NULL",
    "ALTER TABLE t ALTER a SET DEFAULT true AND NOT {}",
    "ALTER TABLE t ALTER a TYPE int USING {}, DROP b",
    "ALTER TABLE t ALTER a SET EXPRESSION AS ({})",
    "ALTER TABLE t ADD EXCLUDE USING gist (({}) WITH =)",
    "ALTER DOMAIN d SET DEFAULT {}",
    "ALTER DOMAIN d ADD CHECK ({} > 1)",
    "ALTER POLICY p ON t USING ({} = 1)",
    "ALTER PUBLICATION p SET TABLE t WHERE ({} > 1)",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("f(1)", (None, "f")),
        ("s . f (1)", ("s", "f")),
        ('"F"(1)', (None, "F")),
        ("coalesce(lower(f(1)), 'x')", (None, "f")),
        ("(SELECT f(b) FROM u)", (None, "f")),
        ("('x'::text).f", (None, "f")),
        ("CASE WHEN true THEN f(1) END", (None, "f")),
        ("(a).b.c + f(1)", (None, "f")),
        ("treat(1 AS f)", ("pg_catalog", "f")),
    ],
)
def test_a_call_is_found_wherever_a_definition_holds_an_expression(
    place: str, expression: str, function: tuple[str | None, str]
) -> None:
    (facts,) = read(place.format(expression).encode())
    assert facts.complete, facts.reason
    assert function in facts.functions


@pytest.mark.parametrize("place", PLACES)
def test_a_function_that_reaches_out_is_an_effect_of_the_definition(place: str) -> None:
    for expression in ("pg_read_file('x')", "('x'::text).pg_read_file"):
        (facts,) = read(place.format(expression).encode())
        assert "unsafe-io" in facts.effects


def test_types_and_lists_of_columns_are_no_calls() -> None:
    sql = "CREATE TABLE t (a varchar(10), b numeric(10, 2), PRIMARY KEY (a, b), FOREIGN KEY (a) REFERENCES u (a))"
    (facts,) = read(sql.encode())
    assert facts.functions == frozenset()
