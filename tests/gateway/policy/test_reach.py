"""What names reach through views, and patterns of names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.policy.reach import columns, fits_column, fits_function, fits_relation, relations
from parser.facts import Column, Relation
from parser.statements import read
from tests.gateway.policy.verdicts import rights, verdict

CUSTOMERS = Relation("public", "customers")
ORDERS = Relation("public", "orders")


def table(
    oid: int, schema: str, name: str, behind: frozenset[Relation] | None = frozenset(),
    **bases: frozenset[Column] | None,
) -> CatalogTable:  # fmt: skip
    made = tuple(
        CatalogColumn(number, column, 25, bases=base) for number, (column, base) in enumerate(bases.items(), start=1)
    )
    kind, by_name = "r" if behind == frozenset() else "v", {column.name: column for column in made}
    return CatalogTable(oid, schema, name, kind, made, {}, by_name, behind)


NONE: frozenset[Column] = frozenset()
SSN = frozenset({Column(CUSTOMERS, "ssn")})
TABLES = [
    table(1, "public", "customers", id=NONE, ssn=NONE, email=NONE),
    table(2, "public", "orders", id=NONE, total=NONE),
    table(3, "sales", "orders", id=NONE),
    table(4, "public", "people", frozenset({CUSTOMERS}), number=SSN, id=frozenset({Column(CUSTOMERS, "id")})),
    table(5, "public", "vague", frozenset({CUSTOMERS}), thing=None),
    table(6, "public", "ledger", frozenset({ORDERS}), thing=None),
    table(7, "public", "closed", None, thing=None, fixed=NONE),
    table(8, "pg_catalog", "pg_tables", None, tablename=None),
    table(9, "public", "outer_view", frozenset({CUSTOMERS, Relation("public", "people")}), number=SSN),
]
CATALOG = Catalog(1, {one.oid: one for one in TABLES}, {}, {})
for _one in TABLES:
    CATALOG.names[_one.name] = (*CATALOG.names.get(_one.name, ()), _one)


def rail(body: str) -> str:
    return f'[[guardrail]]\nname = "mind this"\neffect = "deny"\n{body}\n'


@pytest.mark.parametrize(
    ("body", "sql", "speaks"),
    [
        ('tables = ["public.customers"]', "SELECT number FROM people", True),
        ('tables = ["customers"]', "SELECT 1 FROM public.people", True),
        ('tables = ["customers"]', "UPDATE people SET number = 'x' WHERE id = 1", True),
        ('tables = ["customers"]', "SELECT 1 FROM ledger", False),
        ('tables = ["public.people"]', "SELECT number FROM outer_view", True),
        ('tables = ["customers"]', "SELECT 1 FROM closed", True),
        ('tables = ["customers"]', "SELECT tablename FROM pg_tables", False),
        ('tables = ["customers"]', "SELECT tablename FROM pg_catalog.pg_tables", False),
        ('tables = ["public.orders"]', "SELECT 1 FROM sales.orders", False),
        ('tables = ["sales.orders"]', "SELECT 1 FROM orders", True),
        ('columns = ["public.customers.ssn"]', "SELECT number FROM people", True),
        ('columns = ["public.customers.ssn"]', "SELECT id FROM people", False),
        ('columns = ["public.customers.ssn"]', "SELECT * FROM people", True),
        ('columns = ["public.customers.email"]', "SELECT * FROM people", False),
        ('columns = ["public.customers.ssn"]', "SELECT p FROM people p", True),
        ('columns = ["public.customers.ssn"]', "SELECT 1 FROM people WHERE number = 'x'", True),
        ('columns = ["public.customers.ssn"]', "UPDATE people SET number = 'x' WHERE id = 1", True),
        ('columns = ["public.customers.ssn"]', "INSERT INTO people VALUES ('x')", True),
        ('columns = ["public.customers.ssn"]', "COPY people TO STDOUT", True),
        ('columns = ["public.customers.ssn"]', "COPY people (id) TO STDOUT", False),
        ('columns = ["people.number"]', "SELECT number FROM people", True),
        ('columns = ["public.customers.ssn"]', "SELECT thing FROM vague", True),
        ('columns = ["public.customers.ssn"]', "SELECT thing FROM ledger", False),
        ('columns = ["public.customers.ssn"]', "SELECT thing FROM closed", True),
        ('columns = ["public.customers.ssn"]', "SELECT fixed FROM closed", False),
        ('columns = ["public.customers.ssn"]', "SELECT tablename FROM pg_tables", False),
    ],
)
def test_a_rule_on_tables_or_columns_sees_through_views(body: str, sql: str, speaks: bool) -> None:
    assert (verdict(sql, rights("all", rail(body)), catalog=CATALOG).verdict == "deny") == speaks


def test_a_temporary_relation_hides_what_the_catalogue_has_of_its_name() -> None:
    (facts,) = read(b"SELECT number FROM people")
    temporary = Relation("pg_temp", "people")
    assert relations(facts.reads, CATALOG, frozenset({"people"})).relations == {temporary}
    assert columns(facts, CATALOG, frozenset({"people"})).columns == {Column(temporary, "number")}
    (facts,) = read(b"SELECT number FROM public.people")
    assert CUSTOMERS in relations(facts.reads, CATALOG, frozenset({"people"})).relations


NAMES = st.sampled_from(["customers", "people", "closed", "vague", "orders", "elsewhere"])
SCHEMAS = st.sampled_from([None, "public", "sales", "other"])


@given(st.lists(st.builds(Relation, SCHEMAS, NAMES), max_size=4))
def test_what_is_named_is_always_reached(named: list[Relation]) -> None:
    found = relations(named, CATALOG, frozenset())
    assert set(named) <= found.relations
    assert found.unknown == any(one.name == "closed" and one.schema in (None, "public") for one in named)
    assert all(one.schema is not None for one in found.relations - set(named))


@pytest.mark.parametrize(
    ("pattern", "schema", "name", "fits"),
    [
        ("t", "any", "t", True), ("t", None, "t", True), ("s.t", "s", "t", True), ("s.t", None, "t", True),
        ("s.t", "x", "t", False), ("s.*", "s", "anything", True), ("s?.t", "s1", "t", True), ("s?.t", "s", "t", False),
        ("T", None, "t", False), ("a.b", "a", "b.c", False), ("*", None, "x\ny", True), ("t[a]", None, "ta", False),
    ],
)  # fmt: skip
def test_patterns_of_relations(pattern: str, schema: str | None, name: str, fits: bool) -> None:
    assert fits_relation(pattern, Relation(schema, name)) == fits
    assert fits_function(f"{pattern}(integer)", schema, name) == fits
    assert fits_column(f"{pattern}.c", Column(Relation(schema, name), "c")) == fits
    assert fits_column(f"{pattern}.c", Column(Relation(schema, name), "*")) == fits
    assert not fits_column(f"{pattern}.c", Column(Relation(schema, name), "d"))
