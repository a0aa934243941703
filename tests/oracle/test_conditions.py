"""The corpus of conditions judged by PostgreSQL itself: what counts as no filter leaves out no row of a table of very
different rows (or all of them alike), and what counts as a filter leaves out at least one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.live.rig import private_directory
from workers.embedded import EmbeddedServer, wheel_programs

CORPUS = Path(__file__).parent.parent / "corpus" / "statements" / "conditions.tsv"
ROWS = [line.split("\t") for line in CORPUS.read_text().splitlines() if not line.startswith("# ")]
# A name has one type here and another there in the corpus: each condition is tried under each until one fits.
TYPES = ({"a": "int", "b": "int"}, {"a": "text", "b": "text"}, {"a": "boolean", "b": "int"}, {"a": "tup", "b": "int"})
NEED_PARAMETERS = "$"
# Where the reader and these rows differ, and why.
LISTED = {
    "id > -1": "no reading can tell: this is for the limit on affected rows",
    "id >= 0": "no reading can tell: this is for the limit on affected rows",
    "pg_try_advisory_xact_lock(id)": "true wherever nobody else holds the lock",
    "t IS NOT NULL": "what it leaves out has a NULL in whatever column: nothing is compared",
}
TABLES = """
CREATE TYPE tup AS (b int, c int);
CREATE TABLE u (id int, a int, b int, c int, x int, t_id int);
INSERT INTO u SELECT n, n, n, n, n, n FROM generate_series(2, 4) n;
CREATE TABLE tx (acct int, amount numeric);
INSERT INTO tx VALUES (1, 5), (2, 7);
CREATE FUNCTION f(anyelement) RETURNS anyelement IMMUTABLE LANGUAGE sql AS 'SELECT $1';
"""
COLUMNS = """
id int PRIMARY KEY, c int, d int, x text, name text, flag boolean, tags text[], ts timestamptz, data jsonb, email text,
status text, balance numeric, total numeric, price numeric, qty int, parent int, created timestamptz,
created_at timestamptz, updated_at timestamptz, deleted_at timestamptz, start_at timestamptz, end_at timestamptz,
first text, last text, geom box, area box, "A" int
"""
VALUES = {
    "int": "n * 3 - 8",
    "text": "chr(110 + n)",
    "boolean": "n % 2 = 0",
    "tup": "ROW(n, n + 1)::tup",
}
OTHERS = {
    "int": "CASE WHEN n = 3 THEN 2 WHEN n < 6 THEN n * 3 - 8 ELSE n % 5 END",
    "text": "chr(105 - n % 9)",
}
EMPTY = "INSERT INTO t (id) VALUES (50); INSERT INTO t (id, a) SELECT 51, a FROM t WHERE id = 1"
FILL = """
INSERT INTO t SELECT n, n % 4, n % 3, chr(104 + n), chr(96 + n) || repeat(' ', n % 2), n % 2 = 0, ARRAY[chr(96 + n)],
now() - n * interval '200 days', jsonb_build_object('k', n, 'a', n), chr(96 + n / 2) || repeat('A', n / 6),
CASE n WHEN 5 THEN 'done' ELSE 's' || n END,
n * 70 - 200, n, 2, n % 4, n - 1, now() - n * interval '20 days', now() - n * interval '20 days',
now() - n * n * interval '5 days', CASE WHEN n % 2 = 0 THEN now() END, now() - n * interval '1 day',
now() + (n - 4) * interval '1 day', chr(96 + n), 'c', box(point(n, n), point(n + 1, n + 1)),
box(point(n, n), point(n + 1, n + 1)), n, {a}, {b} FROM generate_series(1, 14) n
"""


@pytest.fixture(scope="module")
def database() -> Iterator[psycopg.Connection[tuple[int, int]]]:
    home = private_directory()
    server = EmbeddedServer(wheel_programs(18), home, settings={"jit": "off"})
    try:
        server.create()
        server.start()
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(TABLES)
            yield connection
    finally:
        server.stop()
        shutil.rmtree(home)


def met(database: psycopg.Connection[tuple[int, int]], condition: str, more: str) -> tuple[int, int] | None:
    """How many rows the condition meets, and of how many; None where the server takes it under no types."""
    for types in TYPES:
        database.execute("DROP TABLE IF EXISTS t")
        database.execute(f"CREATE TABLE t ({COLUMNS}, a {types['a']}, b {types['b']})")
        database.execute(FILL.format(a=VALUES[types["a"]], b=OTHERS[types["b"]]))
        database.execute(more)
        try:
            return database.execute(f"SELECT count(*) FILTER (WHERE {condition}), count(*) FROM t").fetchone()
        except psycopg.Error:
            continue
    return None


@pytest.mark.parametrize("verdict", ["none", "filter"])
def test_postgresql_leaves_out_rows_where_the_reader_says_so(
    database: psycopg.Connection[tuple[int, int]], verdict: str
) -> None:
    more = EMPTY if verdict == "filter" else ""  # NULL is left aside where a condition seems to hold for every row
    conditions = [row[1] for row in ROWS if row[0] == verdict and NEED_PARAMETERS not in row[1]]
    judged = {condition: met(database, condition, more) for condition in conditions}
    known = {condition: found for condition, found in judged.items() if found is not None}
    wrong = {
        condition
        for condition, (some, every) in known.items()
        if (some == every if verdict == "filter" else some not in (0, every))
    }
    assert wrong == {condition for condition in LISTED if condition in known}
    assert len(known) >= 0.9 * len(judged), [condition for condition, found in judged.items() if found is None]
