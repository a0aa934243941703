"""COPY: target, columns, format and options."""

from parser.facts import Column, Copy, Facts, Output, Relation
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_a_copy_says_where_and_how() -> None:
    assert one("COPY s.t (a, \"B\") TO STDOUT WITH (FORMAT CSV, DELIMITER '|')").copy == Copy(
        "stdout", Relation("s", "t"), ("a", "B"), "csv", (("format", "csv"), ("delimiter", "|"))
    )
    copy = one("COPY t FROM STDIN (FORMAT parquet)").copy
    assert copy is not None
    assert copy.format == "unknown"



def test_a_copy_of_a_query_has_the_queries_outputs() -> None:
    facts = one("COPY (SELECT a FROM t) TO STDOUT")
    assert facts.kinds == ("COPY TO", "SELECT")
    assert facts.outputs == (Output(frozenset((Column(Relation(None, "t"), "a"),)), plain=True),)
    assert facts.copy is not None
    assert facts.copy.relation is None


def test_either_word_for_the_stream_means_the_direction() -> None:
    there, back = one("COPY t TO STDIN").copy, one("COPY t FROM STDOUT").copy
    assert there is not None
    assert back is not None
    assert (there.target, back.target) == ("stdout", "stdin")


def test_programs_and_files_reach_out_of_the_database() -> None:
    for sql in ("COPY t TO PROGRAM 'x'", "COPY t FROM 'x'", "COPY (SELECT 1) TO 'x'"):
        assert "unsafe-io" in one(sql).effects
    assert "unsafe-io" not in one("COPY t TO STDOUT").effects


def test_options_of_the_old_style_are_read() -> None:
    copy = one("COPY t FROM STDIN WITH DELIMITER AS '|' NULL 'x' CSV HEADER QUOTE 'q'").copy
    assert copy is not None
    assert copy.format == "csv"
    assert ("delimiter", "|") in copy.options
    assert ("null", "x") in copy.options
