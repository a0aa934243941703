"""The catalogue as read from real servers: labels through views, partitions and domains, and the mark of its state."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trio

from gateway.classify.catalog import Catalog
from gateway.classify.resolver import Resolver
from gateway.policy.rules import Classify
from parser.facts import Column, Relation
from parser.statements import read as parsed
from tests.workers.wire_rig import DEBIAN_15
from workers.catalog import catalog_marker, read
from workers.embedded import EmbeddedServer, wheel_programs
from workers.upstream import Target, Upstream, connect

pytestmark = pytest.mark.trio

SCHEMA = """
CREATE SCHEMA shop;
CREATE DOMAIN shop.mailbox AS text;
CREATE DOMAIN shop.strict_mailbox AS shop.mailbox CHECK (VALUE <> '');
CREATE TABLE shop.customers (
  id serial PRIMARY KEY, name text, email shop.strict_mailbox, city text, loyalty_code text, gone int, salary numeric,
  slug text GENERATED ALWAYS AS (lower(city)) STORED
);
ALTER TABLE shop.customers DROP COLUMN gone;
CREATE TABLE shop.orders (id int, customer_id int, total numeric, placed date) PARTITION BY RANGE (placed);
CREATE TABLE shop.orders_old PARTITION OF shop.orders FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE shop.base (id int, ssn text);
CREATE TABLE shop.child (extra text) INHERITS (shop.base);
CREATE VIEW shop.contacts (who, mail, place) AS SELECT name, email, city FROM shop.customers;
CREATE VIEW shop.contacts_again AS SELECT c.who || '' AS w, c.place AS p, length(c.mail) AS n FROM shop.contacts c;
CREATE VIEW shop.both_values AS SELECT name || email AS joined FROM shop.customers;
CREATE VIEW shop.counted AS SELECT count(*) AS how_many, city FROM shop.customers GROUP BY city;
CREATE VIEW shop.whole_row AS SELECT c.id, c::text AS line FROM shop.customers c;
CREATE VIEW shop.merged AS SELECT city AS value FROM shop.customers UNION ALL SELECT email FROM shop.customers;
CREATE MATERIALIZED VIEW shop.kept AS SELECT email AS m, city FROM shop.customers;
CREATE FUNCTION shop.peek() RETURNS text LANGUAGE sql AS 'SELECT name FROM shop.customers LIMIT 1';
CREATE VIEW shop.peeking AS SELECT shop.peek() AS seen, city FROM shop.customers;
CREATE VIEW shop.as_xml AS SELECT query_to_xml('SELECT email FROM shop.customers', true, true, '') AS doc;
CREATE VIEW shop.stats AS SELECT attname, most_common_vals::text AS vals FROM pg_stats;
CREATE FUNCTION shop.plus(int, int) RETURNS int LANGUAGE sql
  AS 'SELECT $1 + length((SELECT name FROM shop.customers LIMIT 1))';
CREATE OPERATOR shop.|#| (LEFTARG = int, RIGHTARG = int, FUNCTION = shop.plus);
CREATE VIEW shop.operated AS SELECT id OPERATOR(shop.|#|) 1 AS sum FROM shop.orders;
CREATE FUNCTION shop.both_of(int, OUT first text, OUT second text) LANGUAGE sql
  AS 'SELECT name, city FROM shop.customers WHERE id = $1';
CREATE FUNCTION shop.listed() RETURNS SETOF shop.base LANGUAGE sql STABLE AS 'SELECT * FROM shop.base';
CREATE FUNCTION shop.several(text, OUT text, OUT n int) LANGUAGE sql AS 'SELECT $1, 1';
CREATE FUNCTION shop.purge() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM shop.orders; RETURN 1; END $$;
CREATE AGGREGATE shop.gathered(text) (SFUNC = textcat, STYPE = text);
CREATE FUNCTION shop.noted(text, text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN $1; END $$;
CREATE AGGREGATE shop.watched(text) (SFUNC = shop.noted, STYPE = text);
CREATE TYPE shop.sealed AS (inside text);
CREATE FUNCTION shop.sealed_of(text) RETURNS shop.sealed LANGUAGE sql AS 'SELECT ROW($1)::shop.sealed';
CREATE CAST (text AS shop.sealed) WITH FUNCTION shop.sealed_of(text) AS ASSIGNMENT;
CREATE DOMAIN shop.checked AS int CHECK (shop.purge() > VALUE);
CREATE VIEW shop.purging AS SELECT shop.purge() AS n;
CREATE VIEW shop.purging_again AS SELECT n FROM shop.purging;
CREATE SCHEMA "Odd ""Schema";
CREATE TABLE "Odd ""Schema"."People" ("First Name" text);
"""


def programs(name: str) -> Path:
    if name != "15":
        return wheel_programs(int(name))
    if not DEBIAN_15.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    return DEBIAN_15


@pytest.fixture(scope="module", params=["15", "16", "18"])
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    found = programs(request.param)
    home = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    home.chmod(0o755)
    running = EmbeddedServer(found, home)
    running.create()
    try:
        running.start()
        with psycopg.connect(running.dsn(), autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield running
    finally:
        running.stop()
        shutil.rmtree(home)


async def connected(server: EmbeddedServer) -> Upstream:
    target = Target(
        hosts=(("127.0.0.1", server.port),), dbname="postgres", user="postgres", password=server.password
    )
    # a search_path that shadows: what is read must not depend on it
    return await connect(target, [("search_path", "shop, pg_catalog")])


async def catalog_of(server: EmbeddedServer, corrections: tuple[Classify, ...] = ()) -> Catalog:
    connection = await connected(server)
    try:
        return await read(connection, 7, corrections)
    finally:
        await connection.close()


def labels(catalog: Catalog, name: str, schema: str = "shop") -> dict[str, str | None]:
    (table,) = catalog.find(schema, name)
    return {column.name: column.label for column in table.columns}


async def test_columns_have_numbers_base_types_and_labels(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    (table,) = catalog.find("shop", "customers")
    assert catalog.version == 7
    assert table.kind == "r"
    assert [(c.number, c.name, c.type_oid, c.label, c.generated) for c in table.columns] == [
        (1, "id", 23, None, False),
        (2, "name", 25, "name", False),
        (3, "email", 25, "email", False),
        (4, "city", 25, None, False),
        (5, "loyalty_code", 25, None, False),
        (7, "salary", 1700, "salary", False),
        (8, "slug", 25, None, True),
    ]
    assert table.by_number[7] is table.by_name["salary"]
    assert catalog.tables[table.oid] is table


async def test_view_columns_have_the_labels_of_what_they_are_made_of(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    assert labels(catalog, "contacts") == {"who": "name", "mail": "email", "place": None}
    assert labels(catalog, "contacts_again") == {"w": "name", "p": None, "n": "email"}
    assert labels(catalog, "both_values") == {"joined": "derived"}
    assert labels(catalog, "counted") == {"how_many": None, "city": None}
    assert labels(catalog, "whole_row") == {"id": None, "line": "derived"}
    assert labels(catalog, "merged") == {"value": "email"}
    assert labels(catalog, "kept") == {"m": "email", "city": None}


async def test_views_that_reach_past_their_tables_are_followed_or_derived(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    assert labels(catalog, "peeking") == {"seen": "name", "city": None}  # what the function reads
    assert labels(catalog, "as_xml") == {"doc": "derived"}
    assert labels(catalog, "stats") == {"attname": None, "vals": "derived"}
    assert labels(catalog, "operated") == {"sum": "name"}  # the function behind the operator


async def test_views_and_functions_say_what_stands_behind_them(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    customers = Relation("shop", "customers")
    (again,) = catalog.find("shop", "contacts_again")
    assert again.behind == {customers}
    assert [column.bases for column in again.columns] == [
        {Column(customers, "name")}, {Column(customers, "city")}, {Column(customers, "email")}
    ]  # fmt: skip
    (purging,) = catalog.find("shop", "purging_again")
    assert purging.calls == {("shop", "purge")}
    (both,) = catalog.functions["both_of"]
    assert both.columns == ("first", "second")
    assert both.body is not None
    assert [set(output.columns) for output in both.body.outputs] == [
        {Column(customers, "name")}, {Column(customers, "city")}
    ]  # fmt: skip
    (listed,) = catalog.functions["listed"]
    assert (listed.returns_set, listed.volatility, listed.columns) == (True, "s", ("id", "ssn"))
    assert catalog.functions["several"][0].columns == ("column1", "n")  # as the server names what has no name
    (purge,) = catalog.functions["purge"]
    assert (purge.columns, purge.body) == ((), None)
    assert purge.plain is not None
    assert "write" in purge.plain.effects


async def test_code_behind_operators_casts_domains_and_aggregates_is_known(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    assert catalog.operators == {"|#|": (("shop", "plus"),)}
    assert catalog.casts == {"sealed": (("shop", "sealed_of"),), "checked": (("shop", "purge"),)}
    assert catalog.implicit == ()
    assert catalog.assigning == (("shop", "sealed_of"),)
    (gathered,) = catalog.functions["gathered"]
    assert (gathered.language, gathered.volatility) == ("internal", "i")
    (watched,) = catalog.functions["watched"]
    assert (watched.language, watched.volatility) == ("aggregate", "v")


async def test_names_are_resolved_with_the_catalogue_of_a_real_server(server: EmbeddedServer) -> None:
    resolver = Resolver(await catalog_of(server), ("shop",))
    (facts,) = parsed(b"SELECT c.*, p.second FROM contacts c, both_of(1) p", known=resolver)
    assert facts.outputs is not None
    assert [sorted(column.name for column in output.columns) for output in facts.outputs] == [
        ["who"], ["mail"], ["place"], ["city"]
    ]  # fmt: skip
    assert Relation("shop", "customers") in facts.reads
    (facts,) = parsed(b"SELECT * FROM generate_series(1, 3), json_each('{}'), pg_class", known=resolver)
    assert facts.outputs is not None
    assert len(facts.outputs) > 20


async def test_partitions_and_children_share_labels_with_their_parents(server: EmbeddedServer) -> None:
    corrections = (Classify(label="salary", columns=("shop.orders_old.total",)),)
    catalog = await catalog_of(server, corrections)
    assert labels(catalog, "orders")["total"] == "salary"
    assert labels(catalog, "orders_old")["total"] == "salary"
    assert labels(catalog, "child") == {"id": None, "ssn": "ssn", "extra": None}


async def test_corrections_win_and_views_inherit_them(server: EmbeddedServer) -> None:
    corrections = (
        Classify(label="none", columns=("shop.customers.email", "shop.customers.city")),
        Classify(label="geo", columns=("shop.customers.city",)),
    )
    catalog = await catalog_of(server, corrections)
    assert labels(catalog, "customers")["email"] is None
    assert labels(catalog, "customers")["city"] == "geo"
    assert labels(catalog, "contacts") == {
        "who": "name",
        "mail": "email",
        "place": "geo",
    }  # "mail" by its own name
    assert labels(catalog, "both_values") == {"joined": "name"}


async def test_the_servers_own_relations_and_functions_are_known(server: EmbeddedServer) -> None:
    catalog = await catalog_of(server)
    assert labels(catalog, "pg_stats", "pg_catalog")["most_common_vals"] == "derived"
    assert labels(catalog, "pg_authid", "pg_catalog")["rolpassword"] == "secret"
    assert labels(catalog, "pg_stat_activity", "pg_catalog")["query"] == "derived"
    assert set(labels(catalog, "pg_class", "pg_catalog").values()) == {None}
    assert set(labels(catalog, "tables", "information_schema").values()) == {None}
    assert {(f.schema, f.builtin) for f in catalog.functions["upper"]} == {("pg_catalog", True)}
    (peek,) = catalog.functions["peek"]
    assert (peek.schema, peek.language, peek.volatility, peek.builtin) == ("shop", "sql", "v", False)


async def test_foreign_keys_are_known_column_by_column(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        other.execute("""
            CREATE TABLE shop.target (a int, b int, PRIMARY KEY (a, b));
            CREATE TABLE shop.referring (x int, y int, FOREIGN KEY (y, x) REFERENCES shop.target)""")
        try:
            catalog = await catalog_of(server)
        finally:
            other.execute("DROP TABLE shop.referring, shop.target")
    referring, target = Relation("shop", "referring"), Relation("shop", "target")
    assert catalog.references[Column(referring, "y")] == {Column(target, "a")}
    assert catalog.references[Column(referring, "x")] == {Column(target, "b")}


async def test_keys_are_those_that_no_two_rows_share(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        other.execute("""
            CREATE TABLE shop.keyed (a int, b int, c int, d int UNIQUE DEFERRABLE, e int, UNIQUE (a, b) INCLUDE (c));
            CREATE UNIQUE INDEX ON shop.keyed (c) WHERE c > 0;
            CREATE UNIQUE INDEX ON shop.keyed (abs(e));
            CREATE INDEX ON shop.keyed (e)""")
        try:
            catalog = await catalog_of(server)
        finally:
            other.execute("DROP TABLE shop.keyed")
    (customers,) = catalog.find("shop", "customers")
    (keyed,) = catalog.find("shop", "keyed")
    assert catalog.keys[customers.oid] == (frozenset({"id"}),)
    assert catalog.keys[keyed.oid] == (frozenset({"a", "b"}),)


async def test_temporary_tables_of_other_sessions_are_derived(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        other.execute("CREATE TEMP TABLE copied AS SELECT email AS harmless FROM shop.customers")
        catalog = await catalog_of(server)
    (table,) = catalog.find(None, "copied")
    assert [column.label for column in table.columns] == ["derived"]


async def test_every_change_of_a_definition_moves_the_marker_and_reading_does_not(
    server: EmbeddedServer,
) -> None:
    changes = [
        "CREATE TABLE shop.fresh (a int)",
        "ALTER TABLE shop.fresh RENAME COLUMN a TO b",
        "ALTER TABLE shop.fresh ALTER COLUMN b TYPE text",
        "ALTER TABLE shop.fresh ADD COLUMN c text",
        "ALTER TABLE shop.fresh DROP COLUMN c",
        "CREATE VIEW shop.fresh_view AS SELECT b FROM shop.fresh",
        "CREATE OR REPLACE VIEW shop.fresh_view AS SELECT b || 'x' AS b FROM shop.fresh",
        "CREATE FUNCTION shop.fresh_function() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION shop.fresh_function() IMMUTABLE",
        "ALTER SCHEMA shop RENAME TO store",
        "ALTER SCHEMA store RENAME TO shop",
        "DROP FUNCTION shop.fresh_function()",
        "DROP TABLE shop.fresh CASCADE",
    ]
    connection = await connected(server)
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        seen = await catalog_marker(connection)
        for change in changes:
            other.execute(change)
            moved = await catalog_marker(connection)
            assert moved != seen, change
            seen = moved
        other.execute("INSERT INTO shop.base VALUES (1, 'x')")
        other.execute("ANALYZE shop.base")
        assert await catalog_marker(connection) == seen
    await connection.close()


async def test_views_behind_a_lock_are_derived_instead_of_waited_for(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn()) as other:
        other.execute("LOCK TABLE shop.customers IN ACCESS EXCLUSIVE MODE")
        with trio.fail_after(20):
            catalog = await catalog_of(server)
    assert labels(catalog, "contacts") == {"who": "derived", "mail": "derived", "place": "derived"}
    assert labels(catalog, "customers")["email"] == "email"
