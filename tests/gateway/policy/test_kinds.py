"""Statement kinds as rules write them."""

from pathlib import Path

import pytest

from gateway.policy.kinds import ALL, fits, normalise, unheard, why_unknown
from parser.statements import read


def test_a_kind_is_upper_case_with_single_blanks() -> None:
    assert normalise(" drop \n table ") == "DROP TABLE"


@pytest.mark.parametrize("kind", ["DROP", "alter table drop column", "*", "COPY FROM", "GRANT", "CREATE MATERIALIZED VIEW"])
def test_kinds_that_statements_have_are_known(kind: str) -> None:
    assert why_unknown(kind) == ""


@pytest.mark.parametrize(
    ("kind", "mend"),
    [("DORP", 'did you mean "DROP"?'), ("DROP TABEL", 'did you mean "TABLE"?'), ("", "DROP TABLE"), ("7", "DROP TABLE")],
)
def test_kinds_that_no_statement_has_are_told(kind: str, mend: str) -> None:
    assert mend in why_unknown(kind)


@pytest.mark.parametrize(
    "sql",
    ["ABORT", "SELECT 1", "VALUES (1)", "TABLE t", "DROP OWNED BY x", "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
     "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "REASSIGN OWNED BY a TO b", "SECURITY LABEL ON TABLE t IS 'x'",
     "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE UNIQUE INDEX i ON t (a)",
     "CREATE UNLOGGED TABLE t (a int)", "CREATE RECURSIVE VIEW v (a) AS SELECT 1", "DROP TEXT SEARCH PARSER p",
     "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", "MOVE 1 FROM c", "CHECKPOINT", "CLUSTER t",
     "ALTER LARGE OBJECT 1 OWNER TO x", "CREATE USER x", "CREATE ACCESS METHOD a TYPE table HANDLER h"],
)  # fmt: skip
def test_every_kind_the_parser_reads_can_be_named_in_a_rule(sql: str) -> None:
    (facts,) = read(sql.encode())
    assert facts.complete
    assert facts.kinds
    for kind in facts.kinds:
        assert why_unknown(kind) == ""


def test_a_rule_fits_whole_words_from_the_start() -> None:
    assert fits("DROP", "DROP TABLE")
    assert fits("DROP TABLE", "DROP TABLE")
    assert fits("*", "SELECT")
    assert not fits("DROP T", "DROP TABLE")
    assert not fits("TABLE", "DROP TABLE")
    assert not fits("DROP TABLE", "DROP")


CORPUS = Path(__file__).parents[2] / "corpus" / "statements" / "facts.tsv"


def test_all_kinds_of_the_corpus_of_statements_are_among_the_known() -> None:
    lines = [line for line in CORPUS.read_text().splitlines() if line and not line.startswith("#")]
    kinds = {kind for line in lines for kind in line.split("\t")[1].split(";") if kind != "UNKNOWN"}
    assert len(kinds) > 60
    assert kinds <= ALL


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [
        ("DROP", ""), ("*", ""), ("ALTER TABLE DROP COLUMN", ""), ("SELECT FOR", ""), ("CREATE", ""),
        ("DROP USER", "DROP ROLE"), ("CREATE GROUP", "CREATE ROLE"), ("DELETE FROM", "DELETE"),
        ("TRUNCATE TABLE", "TRUNCATE"), ("UPSERT", "INSERT ON CONFLICT"),
        ("ALTER TABLE DROP COLUM", "ALTER TABLE DROP COLUMN"), ("TABLE", "SELECT"), ("END", "COMMIT"),
        ("CREATE TEMP TABLE", "CREATE TABLE"), ("CREATE OR REPLACE VIEW", "CREATE VIEW"),
    ],
)  # fmt: skip
def test_the_nearest_known_kind_of_one_that_no_statement_has(kind: str, nearest: str) -> None:
    assert unheard(kind) == nearest
