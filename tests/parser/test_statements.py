"""Statements read into facts: every kind of PostgreSQL's grammar, evasions, settings, conditions, limits."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser import statements
from parser.facts import Facts, Output, Relation, Setting
from parser.kinds import ALL_EFFECTS
from parser.statements import read

CORPUS = Path(__file__).parent.parent / "corpus" / "statements"


def rows(name: str) -> list[list[str]]:
    lines = (CORPUS / name).read_text().splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")]


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def spelled(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}" if relation.schema else relation.name


def spelled_output(output: Output) -> str:
    columns = ",".join(sorted(f"{spelled(c.relation)}.{c.name}" for c in output.columns))
    return ("=" if output.plain else "") + ("!" if output.opaque else "") + columns or "-"


def spelled_setting(setting: Setting) -> str:
    value = "<none>" if setting.value is None else setting.value
    return f"{'+' if setting.local else ''}{setting.name}={value}"


def spelled_facts(facts: Facts) -> list[str]:
    outputs = "?" if facts.outputs is None else " | ".join(map(spelled_output, facts.outputs))
    return [
        ";".join(facts.kinds),
        " ".join(sorted(facts.effects)),
        " ".join(map(spelled, facts.reads)),
        " ".join(map(spelled, facts.writes)),
        " ".join(map(spelled, facts.creates)),
        ";".join(map(spelled_setting, facts.settings)),
        " ".join(sorted(f"{schema}.{name}" if schema else name for schema, name in facts.functions)),
        outputs,
        " ".join(name for name in ("unfiltered", "by_value") if getattr(facts, name)),
    ]


STATEMENTS = rows("facts.tsv")
EVASIONS = rows("evasions.tsv")


@pytest.mark.parametrize("row", STATEMENTS, ids=[row[0][:60] for row in STATEMENTS])
def test_each_statement_of_the_corpus_has_its_facts(row: list[str]) -> None:
    facts = one(row[0])
    assert facts.complete, facts.reason
    assert spelled_facts(facts) == row[1:]


def test_the_corpus_is_large() -> None:
    assert len(STATEMENTS) >= 200


@pytest.mark.parametrize("row", EVASIONS, ids=[row[0][:60] for row in EVASIONS])
def test_no_kind_and_no_effect_is_evaded(row: list[str]) -> None:
    sql, kind, effect = row
    found = read(sql.replace("\\n", "\n").encode())
    assert kind in {k for facts in found for k in facts.kinds}
    assert effect in {e for facts in found for e in facts.effects}


def mutated(sql: str, seed: int) -> str:
    """The same tokens in other clothes: case of words, white space and comments between tokens."""
    chance = random.Random(seed)
    pieces = re.findall(r"""(?:[EU]&?)?'(?:[^'\\]|\\.|'')*'|(?:U&)?"[^"]*"|\$\w*\$.*?\$\w*\$|[\w$]+|\s+|.""", sql, re.S)
    out = [chance.choice(["", " ", "/* x; drop table y */", "-- x\n"])]
    for piece in pieces:
        if piece.isspace():
            piece = chance.choice([" ", "\n", "\t ", "/**/", " /* ' */ ", " -- \"\n", "/* /* ; */ */"])
        elif piece[0].isalpha() and piece.isidentifier():
            piece = chance.choice([piece.upper(), piece.lower(), piece.title()])
        out.append(piece)
    return "".join(out) + chance.choice(["", ";", " ; ;", "/* end */", "--"])


@pytest.mark.parametrize("seed", range(3))
def test_case_comments_and_white_space_change_nothing(seed: int) -> None:
    for row in STATEMENTS:
        facts = one(mutated(row[0], seed))
        assert spelled_facts(facts) == row[1:], row[0]


def test_statements_of_one_message_are_cut_where_the_server_cuts() -> None:
    texts = [row[0] for row in STATEMENTS]
    found = read(";\n".join(texts).encode())
    assert [spelled_facts(facts) for facts in found] == [row[1:] for row in STATEMENTS]


@pytest.mark.parametrize("sql", ["", " ", ";", ";;  ;", "-- nothing", "/* nothing */;"])
def test_a_text_without_a_statement_gives_nothing(sql: str) -> None:
    assert read(sql.encode()) == ()


def test_a_body_of_sql_is_not_cut_at_its_semicolons() -> None:
    sql = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3"
    assert [facts.kinds for facts in read(sql.encode())] == [("CREATE FUNCTION", "SELECT"), ("SELECT",)]
    assert [facts.kinds for facts in read(b"BEGIN; SELECT atomic; END; SELECT 1")] == [
        ("BEGIN",),
        ("SELECT",),
        ("COMMIT",),
        ("SELECT",),
    ]


def test_a_label_named_end_does_not_end_a_body() -> None:
    sql = b"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 end; DELETE FROM t; END; SELECT 2"
    first, second = read(sql)
    assert "DELETE" in first.kinds
    assert second.kinds == ("SELECT",)


def test_a_verdict_that_looked_at_a_value_says_so() -> None:
    assert one("DELETE FROM t WHERE 1 = 1").by_value
    assert one("DELETE FROM t WHERE a LIKE 'x'").by_value
    assert not one("DELETE FROM t WHERE a = 1").by_value
    assert one("SELECT set_config('role', 'x', true)").by_value
    assert one("SET search_path = x").by_value


@pytest.mark.parametrize(
    "sql",
    [
        "FROBNICATE t",
        "SELECT 'open",
        "SELECT (1",
        "SELECT 1)",
        "SELECT a b c FROM t",
        "SELECT FROM WHERE",
        "DELETE t",
        "UPDATE t",
        "WITH a AS (SELECT 1)",
        "PREPARE p AS DROP TABLE t",
        "EXPLAIN EXPLAIN SELECT 1",
        "SELECT " + "(" * 300 + "1" + ")" * 300,
        "SELECT " + "(SELECT " * 80 + "1" + ")" * 80,
        "COPY t SIDEWAYS",
        "ALTER TABLE t FROBNICATE",
        "CREATE FROB x",
    ],
)
def test_what_is_not_understood_counts_as_the_worst(sql: str) -> None:
    facts = read(sql.encode())[-1]
    assert not facts.complete
    assert facts.reason
    assert facts.effects == ALL_EFFECTS
    assert facts.outputs is None
    assert facts.unfiltered
    assert facts.by_value


def test_a_reason_quotes_nothing_of_the_statement() -> None:
    for sql in ("SELECT secret1 'x' secret2 secret3", "COPY secret1 secret2", "SET secret1 x", "ALTER TABLE secret1 x"):
        assert "secret" not in one(sql).reason


def test_shape_fingerprint_and_tags_belong_to_their_statement() -> None:
    first, second = read(b"/*a='1'*/ SELECT 5; SELECT 'x' /*b='2'*/;-- c")
    assert (first.shape, second.shape) == ("select $1::integer", "select $1::text")
    assert first.fingerprint == one("select 77").fingerprint != second.fingerprint
    assert (first.tags, second.tags) == ((("a", "1"),), (("b", "2"),))


def test_strings_end_where_the_session_says() -> None:
    sql = rb"SELECT '\'; DROP TABLE t; --'"
    assert [facts.kinds for facts in read(sql)] == [("SELECT",), ("DROP TABLE",)]
    assert [facts.kinds for facts in read(sql, standard_conforming_strings=False)] == [("SELECT",)]


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_without_raising(sql: bytes) -> None:
    for facts in read(sql):
        assert facts.kinds


WORDS = sorted({word for row in STATEMENTS for word in re.findall(r"\w+|[^\w\s]", row[0])})


@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_words_are_read_without_raising(pieces: list[str]) -> None:
    for facts in read(" ".join(pieces).encode()):
        assert facts.complete or facts.effects == ALL_EFFECTS


@given(st.sampled_from(STATEMENTS), st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_statements_are_read_without_raising(row: list[str], data: st.DataObject) -> None:
    sql = row[0]
    low = data.draw(st.integers(0, len(sql)))
    high = data.draw(st.integers(low, len(sql)))
    for facts in read((sql[:low] + sql[high:]).encode()):
        assert facts.complete or facts.effects == ALL_EFFECTS


@pytest.mark.parametrize(
    "sql",
    [
        b"select " + b"a," * 30_000 + b"a from t",
        b"select x from a " + b"join b using (c) " * 3_500,
        b"select x from " + b"t," * 30_000 + b"t",
        b"select " + b"+".join(b"a%d" % n for n in range(8_000)) + b" from t",
        b"delete from t where " + b"not " * 15_000 + b"a",
        b"delete from t where " + b"a between " * 6_000 + b"a",
        b"select " + b"s.*," * 10_000 + b"1 from (select 1) s",
        b"prepare a as " * 5_000,
        b"/*a='b'*/;select 1;" * 3_000,
        b"values " + b",".join(b"(a%d)" % n for n in range(7_000)),
        b"(" * 65_000,
        b"select " + b",".join([b"(" * 190 + b"1" + b")" * 190] * 160),
        b"delete from t where " + b"exists (select 1 from u where u.a = t.a and " * 45 + b"true" + b")" * 45,
        b"delete from t where " + b"exists (select 1 from t x where x.a = t.a and " * 45 + b"true" + b")" * 45,
        b"delete from t where " + b"a in (select a from t where " * 45 + b"true" + b")" * 45,
        b"delete from t where " + b"case when a=1 then b else " * 2_500 + b"c" + b" end" * 2_500,
        b"delete from t where a" + b"*(b)" * 16_000 + b"=1",
        b"delete from t where " + b" or ".join(b"(a=%d and (b=1 or c<>%d))" % (n % 5, n % 7) for n in range(2_000)),
        b"create table t (" + b"a int default default " * 3_000 + b"1)",
        b"alter table t alter a type int " + b"using a " * 8_000,
        b"do $$begin " + b"delete from t;" * 4_500 + b" end$$",
        b"create function f() returns int " + b"begin atomic " * 5_000,
    ],
)
def test_hostile_texts_take_time_in_proportion(sql: bytes) -> None:
    begun = time.process_time()
    read(sql)
    assert time.process_time() - begun < 3


def test_long_texts_are_read_only_as_bulk_inserts_and_those_up_to_their_own_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statements, "TOKENS_MAX", 100)
    monkeypatch.setattr(statements, "BULK_TOKENS_MAX", 1000)
    odd = ", ".join(["(now())"] * 150)
    assert one(f"insert into t values {odd}").complete
    assert one(f"insert into t values {odd}, {odd}").reason == "the text is too long"
    assert one(f"select * from (values {odd}) v").reason == "the text is too long"
    assert one("insert into t values " + ", ".join(["(1, 'x')"] * 5000)).complete
