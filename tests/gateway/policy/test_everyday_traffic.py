"""What psql and pg_dump really send passes with nothing but read, in production: their statements are taken from the
server's own log."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.policy.decide import decide
from gateway.policy.functions import power
from parser.statements import read
from tests.gateway.policy.verdicts import rights
from workers.embedded import EmbeddedServer, clean_environment, wheel_programs

THINGS = """
CREATE TABLE customers (id serial PRIMARY KEY, email text, born date CHECK (born > '1900-01-01'));
CREATE TABLE orders (id int REFERENCES customers, total numeric);
CREATE VIEW paying AS SELECT email, sum(total) FROM customers JOIN orders USING (id) GROUP BY email;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a;
CREATE FUNCTION bump(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 1; END';
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE PUBLICATION news;
CREATE TABLE years (a int) PARTITION BY RANGE (a);
CREATE TABLE year_one PARTITION OF years FOR VALUES FROM (1) TO (2);
CREATE POLICY own ON customers;
CREATE TRIGGER still BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE STATISTICS both_ways ON email, born FROM customers;
INSERT INTO customers (email) VALUES ('a@example.com');
"""
DESCRIBES = r"""\d \d+ \dt+ \df+ \du+ \l+ \dn+ \dx+ \dp \dT+ \di+ \ds+ \dv+ \dm+ \db+ \dc+ \dC+ \dD+ \ddp \dE \des+ \deu \dew
\dF+ \dFd \dg \dL+ \do+ \dO+ \drds \dRp+ \dRs+ \dy+ \dP+ \dAc \dAf \dX \z \dconfig \drg \lo_list""".split()  # noqa: SIM905
NAMED = [r"\d+ customers", r"\d+ orders", r"\d+ paying", r"\d+ kept", r"\sf bump", r"\sv paying", r"\encoding UTF8"]


@pytest.fixture(scope="module")
def traffic() -> Iterator[tuple[list[str], Catalog]]:
    """The statements the server ran for psql and pg_dump, and its functions."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        settings = {"log_statement": "all", "log_line_prefix": "@@@ "}
        server = EmbeddedServer(wheel_programs(), home, settings=settings)
        server.create()
        server.start()
        try:
            catalog = fill(server)
            before = server.log.stat().st_size
            run(server, "psql", "-X", *(part for line in (*DESCRIBES, *NAMED) for part in ("-c", line)), "postgres")
            run(server, "pg_dump", "postgres")
            run(server, "pg_dump", "-j2", "-Fd", "-f", str(home / "dump"), "postgres")
            log = server.log.read_bytes()[before:].decode()
        finally:
            server.stop()
        entries = re.split(r"^@@@ ", log, flags=re.MULTILINE)
        found = (re.match(r"LOG:  (?:statement|execute \S+): (.*)", entry, re.DOTALL) for entry in entries)
        yield [one[1] for one in found if one], catalog


def fill(server: EmbeddedServer) -> Catalog:
    catalog = Catalog(1, {}, {}, {})
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(THINGS)
        rows = connection.execute(
            "SELECT DISTINCT n.nspname, p.proname, p.provolatile, l.lanname, p.prosecdef FROM pg_proc p "
            "JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang"
        )
        for schema, name, volatility, language, definer in rows:
            one = CatalogFunction(schema, name, volatility, language, definer, schema == "pg_catalog")
            catalog.functions[name] = (*catalog.functions.get(name, ()), one)
    return catalog


def run(server: EmbeddedServer, program: str, *arguments: str) -> None:
    environment = {**clean_environment(), "PGPASSWORD": server.password, "PATH": os.environ.get("PATH", "")}
    place = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres")
    command = [str(server.programs / program), *place, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_psql_and_pg_dump_pass_with_read(traffic: tuple[list[str], Catalog]) -> None:
    statements, catalog = traffic
    assert len(statements) > 100
    reader = rights("read", environment="production")
    refused = {}
    for sql in statements:
        for facts in read(sql.encode()):
            decision = decide(facts, reader, catalog)
            # what EXECUTE runs was decided at its PREPARE, and is put in its place by the session
            if decision.refused is not None and facts.kinds != ("EXECUTE",):
                refused[sql] = decision.refused.message
    assert not refused


def test_no_function_of_the_server_is_unknown_or_harmless_by_chance(traffic: tuple[list[str], Catalog]) -> None:
    """Every volatile function of pg_catalog either is known to do no harm, or has an effect, or needs admin."""
    _, catalog = traffic
    needing = {
        name
        for name, functions in catalog.functions.items()
        if any(one.builtin for one in functions) and power("pg_catalog", name, catalog) == "admin"
    }
    assert {"binary_upgrade_set_next_pg_authid_oid", "pg_stop_making_pinned_objects", "pg_nextoid"} <= needing
    assert not {"now", "random", "pg_sleep", "gen_random_uuid", "pg_relation_size", "lower", "currval"} & needing
