"""What a name means in one session: its search_path, its own tables, and doubt that ends in "not known"."""

import pytest

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogFunction, CatalogTable
from gateway.classify.resolver import Resolver
from parser.facts import Relation
from parser.known import Body, Table
from parser.statements import read


def table(oid: int, schema: str, name: str, kind: str = "r") -> CatalogTable:
    return CatalogTable(oid, schema, name, kind, (CatalogColumn(1, "id", 23), CatalogColumn(3, "mail", 25)))


def catalog(*tables: CatalogTable, functions: tuple[CatalogFunction, ...] = ()) -> Catalog:
    names: dict[str, tuple[CatalogTable, ...]] = {}
    for one in tables:
        names[one.name] = (*names.get(one.name, ()), one)
    by_name: dict[str, tuple[CatalogFunction, ...]] = {}
    for function in functions:
        by_name[function.name] = (*by_name.get(function.name, ()), function)
    return Catalog(1, {one.oid: one for one in tables}, names, by_name)


SHOP = catalog(
    table(1, "public", "users"),
    table(2, "audit", "users"),
    table(3, "audit", "log"),
    table(4, "pg_catalog", "pg_class"),
    table(5, "public", "pg_class"),
    table(6, "public", "people", "v"),
    table(7, "pg_temp_4", "basket"),
    table(8, "public", "basket"),
)


def schema_of(found: Table | None) -> str | None:
    return found.relation.schema if found is not None else None


@pytest.mark.parametrize(
    ("path", "name", "schema"),
    [
        (None, "log", "audit"),
        (None, "users", None),
        (("public",), "users", "public"),
        (("audit",), "users", "audit"),
        (("audit", "public"), "users", None),  # the role may lack USAGE on the first
        (("public",), "log", None),
        (("public",), "pg_class", "pg_catalog"),
        (("public", "pg_catalog"), "pg_class", None),
        (None, "pg_class", None),
        (("public",), "basket", None),  # it may be this session's temporary one
        (("public",), "nothing", None),
    ],
)
def test_bare_name_means_the_one_relation_that_the_path_shows(
    path: tuple[str, ...] | None, name: str, schema: str | None
) -> None:
    assert schema_of(Resolver(SHOP, path).table(None, name)) == schema


def test_qualified_name_is_itself_and_temporary_ones_are_not_known() -> None:
    resolver = Resolver(SHOP, ("public",))
    assert schema_of(resolver.table("audit", "users")) == "audit"
    assert resolver.table("pg_temp", "users") is None
    assert resolver.table("nowhere", "users") is None


def test_columns_come_in_their_order_and_views_have_no_system_columns() -> None:
    resolver = Resolver(SHOP, ("public",))
    assert resolver.table(None, "users") == Table(
        Relation("public", "users"), ("id", "mail"), frozenset(("id", "mail")), True
    )
    people = resolver.table(None, "people")
    assert people is not None
    assert not people.system


def test_name_that_the_session_made_is_not_known_and_its_namesakes_of_a_schema_are() -> None:
    resolver = Resolver(SHOP, ("public",), frozenset({"users"}))
    assert resolver.table(None, "users") is None
    assert schema_of(resolver.table("public", "users")) == "public"


@pytest.mark.parametrize(
    ("sql", "schema"),
    [
        (b"SELECT 1", "public"),
        (b"SET work_mem = '1MB'", "public"),
        (b"SET search_path = audit", None),
        (b"SET ROLE joe", None),
        (b"DISCARD ALL", None),
        (b"DO 'x'", None),
        (b"CREATE TEMP TABLE users (id int)", None),
        (b"ALTER TABLE users RENAME TO others", None),
        (b"CREATE TEMP TABLE more (id int)", "public"),
    ],
)
def test_statement_that_moves_names_makes_those_behind_it_unknown(sql: bytes, schema: str | None) -> None:
    (facts,) = read(sql)
    assert schema_of(Resolver(SHOP, ("public",)).after(facts).table(None, "users")) == schema


def function(schema: str, name: str, language: str, volatility: str = "i", body: Body | None = None) -> CatalogFunction:
    builtin = schema == "pg_catalog"
    return CatalogFunction(schema, name, volatility, language, False, builtin, body=body)


def test_functions_are_those_of_the_path_and_compiled_immutable_ones_only_compute() -> None:
    body = Body(frozenset({"read"}), (), (), frozenset(), frozenset(), (), frozenset({"users"}))
    found = catalog(
        functions=(
            function("pg_catalog", "lower", "internal"),
            function("public", "lower", "plpgsql"),
            function("audit", "lower", "c"),
            function("pg_catalog", "table_to_xml", "internal", "s"),
            function("pg_catalog", "now", "internal", "s"),
            function("public", "peek", "sql", "v", body),
        )
    )
    resolver = Resolver(found, ("public",))
    assert [(one.schema, one.computes) for one in resolver.routines(None, "lower")] == [
        ("pg_catalog", True),
        ("public", False),
    ]
    assert [one.schema for one in Resolver(found).routines(None, "lower")] == ["pg_catalog", "public", "audit"]
    assert [one.schema for one in resolver.routines("audit", "lower")] == ["audit"]
    assert [one.computes for one in resolver.routines(None, "table_to_xml")] == [False]
    assert [one.computes for one in resolver.routines(None, "now")] == [True]
    assert resolver.routines(None, "peek")[0].body is body
    shadowing = Resolver(found, ("public",), frozenset({"users"}))
    assert shadowing.routines(None, "peek")[0].body is None


def test_body_that_reads_what_was_changed_meanwhile_is_not_followed() -> None:
    bound = Body(frozenset({"read"}), (Relation("public", "users"),), (), frozenset(), frozenset(), ())
    found = catalog(functions=(function("public", "peek", "sql", "s", bound),))
    assert Resolver(found).routines(None, "peek")[0].body is bound
    assert Resolver(found, None, frozenset({"users"})).routines(None, "peek")[0].body is bound  # it was looked up before
    assert Resolver(found, None, frozenset(), frozenset({"users"})).routines(None, "peek")[0].body is None
