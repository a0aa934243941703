"""Quick keys, shapes, digests and tags."""

import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser.fingerprint import SHAPE_LIMIT, digest, shape, tags
from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind

CORPUS = Path(__file__).parent.parent / "corpus" / "lexer"
STATEMENTS = [sql for file in sorted(CORPUS.glob("*.sql")) for sql in file.read_bytes().split(b"\n--=--\n")]
LITERALS = {Kind.STRING, Kind.INTEGER, Kind.NUMERIC, Kind.BITS, Kind.HEX}


def shaped(sql: str) -> str:
    return shape(tokenize(sql.encode(), comments=True))


# --- shape ---


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("", ""),
        ("select  1", "select $1::integer"),
        ("SELECT a . b,count( * ) FROM T -- c", "select a.b, count(*) from t"),
        ("SELECT $2, 'x', 1.5, b'1', x'f'", "select $2, $3::text, $4::numeric, $5::bit, $6::bit"),
        ("SELECT $1::int, 5", "select $1 ::int, $2::integer"),
        ("SELECT 'x'::date", "select $1::text::date"),
        ('SELECT "a b"."C""d", "x"', 'select "a b"."C""d", "x"'),
        ("SELECT a[1][2:3], (f(x)).y", "select a[$1::integer][$2::integer : $3::integer], (f(x)).y"),
        ("SELECT x IN (1)", "select x in ($1::integer)"),
        ("SELECT x IN (1,2,3)", "select x in ($1::integer, ...)"),
        ("SELECT ARRAY['a', 'b'], 2", "select array[$1::text, ...], $2::integer"),
        ("SELECT x IN (1, y), f(1, 2)", "select x in ($1::integer, y), f($2::integer, $3::integer)"),
        ("SELECT x IN (')', ',')", "select x in ($1::text, ...)"),
        ("INSERT INTO t VALUES (1, 'a')", "insert into t values ($1::integer, $2::text)"),
        ("INSERT INTO t VALUES (1,'a'),(2,NULL),(-3,'c');", "insert into t values ($1::integer, $2::text), ...;"),
        ("VALUES (1), (f(2)), (3), (4)", "values ($1::integer), (f($2::integer)), ..."),
        ("VALUES ((1),(2)), (3)", "values (($1::integer), ($2::integer)), ..."),
        ("VALUES ($1), ($2)", "values ($1), ($2)"),
        ("SELECT 1 IN (VALUES (1), (2))", "select $1::integer in (values ($2::integer), ...)"),
        ("UPDATE t SET a=a+-1 WHERE b>=2", "update t set a = a + - $1::integer where b >= $2::integer"),
        ("SELECT ) ( ]", "select) (]"),
    ],
)
def test_a_shape_is_the_canonical_text_without_literals(sql: str, text: str) -> None:
    assert shaped(sql) == text


def test_literals_and_layout_do_not_change_the_digest_and_all_else_does() -> None:
    base = digest(shaped("SELECT a FROM t WHERE b = 1 AND c IN ('x', 'y')"))
    assert len(base) == 16
    assert int(base, 16) >= 0
    assert base == digest(shaped("select A\nfrom T where b=22 and c in ('z','u','v') -- c"))
    others = [
        "SELECT a FROM t WHERE b = '1' AND c IN ('x', 'y')",
        "SELECT a FROM t WHERE b = 1 AND c IN ('x')",
        'SELECT "A" FROM t WHERE b = 1 AND c IN (\'x\', \'y\')',
        "SELECT a FROM t WHERE b = $1::integer AND c IN ('x', 'y')",
        "SELECT a FROM t WHERE b > 1 AND c IN ('x', 'y')",
    ]
    assert len({base, *(digest(shaped(sql)) for sql in others)}) == len(others) + 1


def test_quoted_words_and_keywords_stay_two_things() -> None:
    assert shaped('FETCH "next" FROM c') != shaped("FETCH next FROM c")


def test_a_long_shape_is_cut_with_a_mark_and_different_ends_stay_different() -> None:
    body = "SELECT " + ", ".join(f"column_{n}" for n in range(20_000))
    one, other = shaped(body + ", a"), shaped(body + ", b")
    assert len(one) == len(other) == SHAPE_LIMIT
    assert f"[cut at {SHAPE_LIMIT} characters, whole: " in one[-70:]
    assert digest(one) != digest(other)


def test_a_large_insert_has_a_small_shape() -> None:
    rows = ", ".join(f"({n}, 'name {n}', {n}.5, NULL, -{n})" for n in range(20_000))
    assert len(shaped(f"INSERT INTO t (a, b, c, d, e) VALUES {rows} ON CONFLICT DO NOTHING")) < 200


SECRET = "hunter2hunter2"
FORMS = [form.replace("?", SECRET) for form in ("'?'", r"E'?\n'", "U&'?'", "$$?$$", "$x$?$x$", "N'?'", "B'?'", "X'?'")]
PLACES = ["SELECT {}", "SELECT x IN ({}, {})", "VALUES ({}), ({}), (f({}))", "f({}::text)[{}]", "SELECT ARRAY[{}, a]", "{}"]


@pytest.mark.parametrize("form", [*FORMS, "4111111111111111", "0x4111111111111111", "4111.1111", "1e4111"])
@pytest.mark.parametrize("place", PLACES)
def test_no_literal_gets_into_a_shape(form: str, place: str) -> None:
    text = shaped(place.replace("{}", form) + f" -- {SECRET} 4111")
    assert SECRET not in text
    assert "4111" not in text


def test_no_string_of_the_corpus_gets_into_its_shape() -> None:
    looked = 0
    for sql in STATEMENTS:
        try:
            tokens = tokenize(sql)
        except LexError:
            continue
        text = shape(tokens)
        names = {token.text for token in tokens if token.kind in (Kind.IDENT, Kind.QUOTED)}
        for token in tokens:
            if token.kind is Kind.STRING and len(token.text) > 5 and not any(token.text in name for name in names):
                looked += 1
                assert token.text not in text
    assert looked > 15


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(STATEMENTS), st.sampled_from([b" ", b"\n", b"/**/", b" -- c\n"]))
def test_white_space_and_comments_between_tokens_do_not_change_the_shape(sql: bytes, between: bytes) -> None:
    try:
        tokens = tokenize(sql)
    except LexError:
        return
    if any(a.kind in LITERALS and b.kind is Kind.STRING for a, b in pairwise(tokens)):
        return  # a newline would join them
    if b"uescape" in sql.lower():
        return  # the clause would be cut off or joined on
    respaced = between.join([sql[token.start : token.end] for token in tokens])
    assert shape(tokenize(respaced)) == shape(tokens)


def test_shapes_of_awkward_nestings_take_linear_time() -> None:
    rows = b"values (1,a)," + b"(1,a)," * 10_000
    for sql in (rows, b"values (" * 8000, b"values (1), (" * 5000, b"x in (1, " * 7000, b"(" * 60_000):
        tokens = tokenize(sql)
        start = time.process_time()
        shape(tokens)
        assert time.process_time() - start < 2


# --- tags ---


def test_sqlcommenter_pairs_are_read_in_order() -> None:
    comment = "/*action='%2Fparam*d',controller='index,',framework='spring' , k%20e = 'it\\'s'*/"
    assert tags([comment]) == (("action", "/param*d"), ("controller", "index,"), ("framework", "spring"), ("k e", "it's"))


def test_comments_without_pairs_alone_are_passed_over() -> None:
    junk = [
        "-- a='b'",
        "/**/",
        "/* */",
        "/* SELECT x FROM t WHERE ssn='078' */",
        "/* a='b', */",
        "/* a='b' c='d' */",
        "/*a='b*/",
        "/*a=b*/",
        "/*a='b',c*/",
        "/*+ SeqScan(t) */",
        "/*='b'*/",
        "/*a='%1B[31m'*/",
        "/*" + "a" * 70_000 + "='b'*/",
    ]
    assert tags(junk) == ()
    assert tags([*junk, "/*k='v'*/"]) == (("k", "v"),)


def test_tags_are_bounded() -> None:
    many = "/*" + ",".join(f"k{n}='{n}'" for n in range(100)) + "*/"
    assert len(tags([many, many])) == 32
    ((key, value),) = tags([f"/*{'k' * 300}='{'%41' * 300}'*/"])
    assert (key, value) == ("k" * 256, "A" * 256)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=20)), min_size=1, max_size=8))
def test_what_a_driver_encodes_is_read_back(pairs: list[tuple[str, str]]) -> None:
    pairs = [(k, v) for k, v in pairs if k.isprintable() and v.isprintable()]
    written = ",".join(f"{quote(k, safe='')}='{quote(v, safe='')}'" for k, v in pairs)
    assert tags([f"/*{written}*/"]) == tuple(pairs)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("a='\\,%2 \n*/", max_size=30))
def test_any_comment_gives_bounded_printable_pairs(inside: str) -> None:
    for key, value in tags([f"/*{inside}*/"]):
        assert key
        assert key.isprintable()
        assert value.isprintable()
