"""The cutting of psql scripts, on a script of our own."""

from pathlib import Path

from tests.oracle.regression import cut, statements

SCRIPT = r"""
-- a comment; not a statement
SELECT 1; SELECT ';', "a;b", $$;$$, $t$ $$; $t$, E'\';' /* ; /* ; */ ; */ ;
\set name 'value'
SELECT :name;
SELECT :'name', a FROM t;
SELECT a[1:2], b::int, c[:n] FROM t;
SELECT 2 \; SELECT 3;
SELECT 4 AS four \gset prefix_
\pset null 'x'
COPY t (a) FROM stdin;
1	it's ; data
2	\N
\.
COPY t FROM stdin; -- this one fails and has no data
COPY u FROM stdin;
3
\.
\copy u from stdin
4
\.
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC
  SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
BEGIN; INSERT INTO t VALUES (1;2); COMMIT;
SET standard_conforming_strings TO off;
SELECT 'a\'';
SET standard_conforming_strings TO on;
SELECT 'the last';
SELECT 'not sent'
"""
SENT = [
    "SELECT 1;",
    "SELECT ';', \"a;b\", $$;$$, $t$ $$; $t$, E'\\';' /* ; /* ; */ ; */ ;",
    "SELECT a[1:2], b::int, c[:n] FROM t;",
    "SELECT 2 ; SELECT 3;",
    "SELECT 4 AS four",
    "COPY t (a) FROM stdin;",
    "COPY t FROM stdin;",
    "COPY u FROM stdin;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n"
    "  SELECT CASE WHEN true THEN 1 END; SELECT 2; END;",
    "BEGIN;",
    "INSERT INTO t VALUES (1;2);",
    "COMMIT;",
    "SET standard_conforming_strings TO off;",
    "SELECT 'the last';",
]


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


def test_a_script_is_cut_as_psql_would_send_it() -> None:
    sent = [without_comments(text).removeprefix("-- this one fails and has no data\n") for text in cut(SCRIPT)]
    assert sent == SENT


def test_a_file_is_read_whatever_its_bytes(tmp_path: Path) -> None:
    script = tmp_path / "odd.sql"
    script.write_bytes(b"SELECT '\xff';\nSELECT 2;\n")
    assert statements(script)[-1] == "SELECT 2;"
