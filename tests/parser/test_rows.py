"""The bulk path: what it leaves out are plain rows and nothing else, and all other tokens are the exact reader's."""

import random
import time
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parser import rows
from parser.fingerprint import shape
from parser.rows import Rows
from parser.statements import read
from parser.tokenizer import LexError, Tokenizer, tokenize
from parser.tokens import Kind, Token

PLAIN = {Kind.STRING, Kind.INTEGER, Kind.NUMERIC}
WORDS = {"null", "true", "false"}


def rows_of(count: int, seed: int = 3) -> bytes:
    rng = random.Random(seed)
    names = ["Ada", "O''Brien", "a, (b) -- c", "Zoë", "/* $$ \" */", ""]
    others = ["NULL", "true", "-1.5", "1e-05", "false", "+7"]
    return b", ".join(
        f"({n}, '{rng.choice(names)}', {rng.choice(others)}, {n / 7:.3f})".encode() for n in range(count)
    )


def left_out(expected: Sequence[Token], found: Sequence[Token]) -> list[Sequence[Token]]:
    """The stretches of the exact tokens that were left out; each must be whole plain rows between two rows."""
    gaps: list[Sequence[Token]] = []
    at = 0
    for one in [*found, None]:
        start = at
        while at < len(expected) and expected[at] != one:
            at += 1
        if at > start:
            gap = expected[start:at]
            assert one is not None
            assert start
            assert (expected[start - 1].text, gap[0].text, gap[1].text, gap[-1].text, one.text) == (")", ",", "(", ")", ",")
            assert all(t.kind in PLAIN or t.text in WORDS or (t.kind is Kind.SELF and t.text in ",()+-") for t in gap)
            gaps.append(gap)
        at += 1
    return gaps


def fed(sql: bytes, cuts: list[int], standard: bool = True) -> list[Token] | None:
    tokenizer = Tokenizer(elide_rows=True, standard_conforming_strings=standard)
    tokens: list[Token] = []
    try:
        for start, end in pairwise([0, *sorted(cuts), len(sql)]):
            tokens += tokenizer.feed(sql[start:end])
        return tokens + tokenizer.close()
    except LexError:
        return None


def exact(sql: bytes, standard: bool = True) -> Sequence[Token] | None:
    try:
        return tokenize(sql, standard_conforming_strings=standard)
    except LexError:
        return None


def check(sql: bytes, cuts: list[int], standard: bool = True) -> int:
    """The exact reader's tokens but for plain rows, whichever way; how many stretches were left out of the whole text."""
    expected = exact(sql, standard)
    stretches = -1
    for edges in ([], cuts, list(range(len(sql)))):
        found = fed(sql, edges, standard)
        assert (found is None) is (expected is None), sql
        if expected is not None and found is not None:
            gaps = left_out(expected, found)
            stretches = len(gaps) if stretches < 0 else stretches
            assert shape(found) == shape(expected), sql
    return stretches


def test_of_a_long_list_the_first_row_and_the_last_of_each_piece_are_left() -> None:
    sql = b"INSERT INTO t (a, b) VALUES " + rows_of(2000) + b" ON CONFLICT DO NOTHING RETURNING a;"
    tokens = tokenize(sql, elide_rows=True)
    assert len(tokens) < 500
    assert left_out(tokenize(sql), tokens)
    assert [token.text for token in tokens[9:12]] == ["(", "0", ","]
    assert shape(tokens) == shape(tokenize(sql))


def test_nothing_is_left_out_where_it_is_not_asked_for() -> None:
    sql = b"INSERT INTO t VALUES " + rows_of(200)
    tokenizer = Tokenizer()
    assert len(tokenizer.feed(sql) + tokenizer.close()) == len(tokenize(sql)) > 200 * 8


@pytest.mark.parametrize(
    "row",
    [
        "(now())", "(a)", "(1::int)", "('a'::text)", "(E'a')", "(e'\\'')", "(B'1')", "(U&'a')", "(N'a')", "($1)", "($$a$$)",
        '("a")', "(1)--c\n", "(1)/*c*/", "(/*c*/1)", "((1))", "(row(1))", "(array[1])", "(1, 2)", "(nul)", "(null1)",
        "(1_0)", "(nullnull)", "(_null)", "(nu'a'll)", "(date'2026-01-01')", "(1..2)", "(1 . 2)", "(0x1f)", "(é)",
        "(1 - -- '\n2)", "(1) 2", "5 (1)", "('a') 'b'", "'b' ('a')", "(1) -", "null (1)", "(default)",
        "(:a)", "(1;2)", "(1]", "(1 2", "1)", "(select 1)", "(null.a)", "(~1)", "(1*2)", "(\x01)", "(\x03)",
    ],
)  # fmt: skip
def test_a_row_that_is_more_than_plain_values_is_never_left_out(row: str) -> None:
    plain = ", (2), ('x'), (3)"
    sql = f"VALUES (1){plain}, {row}{plain}".encode()
    tokens, expected = fed(sql, []), exact(sql)
    assert (tokens is None) is (expected is None)
    if tokens is not None and expected is not None:
        start = sql.index(row.encode())
        inside = range(start, start + len(row.encode()))
        assert [token for token in tokens if token.start in inside] == [t for t in expected if t.start in inside]
        left_out(expected, tokens)


@pytest.mark.parametrize("number", ["1e5e5", "1e55e5", "1.5e5e-5", "1a", "1e", "12e+", "1e5$"])
def test_what_the_server_s_lexer_refuses_is_refused_in_a_row_too(number: str) -> None:
    assert fed(f"VALUES (1), ({number}), (2)".encode(), []) is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (1), (2), (3), (4)",
        "SELECT a IN ((1), (2), (3))",
        "SELECT s.values (1), (2), (3)",
        "SELECT s . values (1), (2), (3)",
        'SELECT "values" (1), (2)',
        "SELECT 'values' (1), (2), (3)",
        "VALUES (1) ORDER BY 1, (2), (3), (4)",
        "VALUES (1) '' , (2), (3), (4)",
        "VALUES (1) ')' , (2), (3), (4)",
        "VALUES (1) a, (2), (3), (4)",
        "VALUES (1); , (2), (3)",
        "SELECT * FROM (VALUES (1)), (2), (3)",
        "VALUES (1)[1], (2), (3)",
    ],
)
def test_rows_are_left_out_behind_a_row_of_values_alone(sql: str) -> None:
    assert check(sql.encode(), [9, 14]) == 0


def test_brackets_within_a_row_do_not_end_it() -> None:
    sql = b"INSERT INTO t SELECT * FROM (VALUES (1, f(2, (3)), (4))" + b", (3, 4, 5)" * 99 + b") w"
    assert check(sql, [20, 60]) == 1


def test_a_list_within_a_list_ends_the_following_of_both_and_no_token_is_lost() -> None:
    sql = b"VALUES (1, (SELECT max(b) FROM (VALUES (1), (2)) v))" + b", (3, 4)" * 99
    assert check(sql, [20, 60]) == 0


def test_with_standard_conforming_strings_off_a_backslash_is_in_no_plain_row() -> None:
    sql = rb"VALUES ('a'), ('b'), ('\'), (--'), ('c'), ('d'), ('e')"
    assert check(sql, [9], standard=False) == 1
    assert check(rb"VALUES ('a'), ('\b'), ('c\')", [9]) == 1


PIECES = st.sampled_from(
    [
        *["(1)", "(2, 3)", "('a')", "('it''s')", "(null)", "(-1.5)", "(true)", "(1e5)", "('é')", "('\\')", "(')')"],
        *["(',(')"],
        *["(E'\\'')", "(now())", "(1_0)", "(null1)", "($$'$$)", "(--'\n1)", "(/*'*/1)", "values", "(", ")", "'", '"'],
        *[";", ".", "e", "-", "--", "\n", "$", "1", "\x01"],
    ]
)


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=12), st.data(), st.booleans(), st.sampled_from([", ", ",", " , ", "\n,"]))
@example(["(1)", "('a')", "'"], None, True, ",")
def test_lists_of_awkward_rows_have_the_exact_reader_s_tokens(
    pieces: list[str], data: st.DataObject | None, standard: bool, comma: str
) -> None:
    sql = ("VALUES (1), " + comma.join(pieces)).encode()
    cuts = data.draw(st.lists(st.integers(0, len(sql)), max_size=5)) if data else []
    check(sql, cuts, standard)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 99), min_size=3, max_size=40), st.data())
def test_with_short_looks_odd_rows_are_found_among_plain_ones(places: list[int], data: st.DataObject) -> None:
    plain = ["(1)", "('a')", "('it''s')", "(null)", "(-1.5)", "('),(')", "(1e5)"]
    pieces = [plain[at % len(plain)] if at < 92 else data.draw(PIECES) for at in places]
    sql = ("VALUES (1), " + ", ".join(pieces)).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_SMALL", 12)
        patch.setattr(rows, "_LARGE", 96)
        check(sql, data.draw(st.lists(st.integers(0, len(sql)), max_size=3)))


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.binary(max_size=3), st.data())
def test_a_long_list_with_a_few_bytes_changed_has_the_exact_reader_s_tokens(
    seed: int, change: bytes, data: st.DataObject
) -> None:
    sql = b"VALUES (0, 0, 0, 0), " + rows_of(12, seed) + b" ORDER BY 1"
    at = data.draw(st.integers(21, len(sql)))
    check(sql[:at] + change + sql[at + data.draw(st.integers(0, 2)) :], [at])


def test_rows_longer_than_a_short_look_are_found_again_behind_an_odd_one() -> None:
    long = b"('" + b"x" * 5000 + b"')"
    sql = b"VALUES (1), " + b", ".join([long, b"(now())", *[long] * 50, b"(now())", *[b"(1)"] * 5000])
    tokens = tokenize(sql, elide_rows=True)
    assert left_out(tokenize(sql), tokens)
    assert len(tokens) < 120


def test_of_a_list_with_hardly_a_plain_row_nothing_is_left_out() -> None:
    sql = b"INSERT INTO t VALUES " + b", ".join(b"(%d, now(), 'x')" % at for at in range(8000))
    assert len(sql) > 128 * 1024
    assert tokenize(sql, elide_rows=True) == tokenize(sql)


def test_a_long_insert_takes_little_time() -> None:
    listed = rows_of(20_000)
    reader = Tokenizer(elide_rows=True)
    reader.feed(b"INSERT INTO t VALUES ")
    best = 9.0
    for at in range(5):
        started = time.process_time()
        reader.feed((b", " if at else b"") + listed)
        best = min(best, time.process_time() - started)
    assert best < len(listed) / 15e6  # 120 MB/s measured; the exact reader takes 3


def test_the_memory_of_a_long_insert_is_bounded_by_the_piece() -> None:
    listed = rows_of(2000)
    size, piece = 0, 16 * 1024
    tracemalloc.start()
    reader = Tokenizer(elide_rows=True)
    reader.feed(b"INSERT INTO t VALUES ")
    for at in range(200):
        for begin in range(0, len(listed), piece):
            assert len(reader.feed((b", " if at and not begin else b"") + listed[begin : begin + piece])) < 100
        size += len(listed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * piece < size / 30


def test_a_long_insert_has_the_facts_of_a_short_one() -> None:
    head = b"INSERT INTO s.t (a, b) VALUES "
    tail = b" ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING b;\nDELETE FROM u"
    assert read(head + rows_of(3000) + tail) == read(head + rows_of(2) + tail)


@pytest.mark.parametrize(
    "tail",
    [
        b"'" + b")" * 60_000, b"'" + b"'')" * 20_000, b"(1),e" * 10_000, b"(" * 50_000, b"('a" + b"''" * 30_000,
        b"(now())," * 6000,
    ],
)  # fmt: skip
def test_the_time_of_a_worst_case_is_linear(tail: bytes) -> None:
    started = time.process_time()
    fed(b"VALUES (1), " + tail, list(range(0, len(tail), 8192)))
    assert time.process_time() - started < 2


def test_the_last_row_of_a_run_is_not_passed_over() -> None:
    text = ", (1, 'a'), (2, '),('), (3, ')') , (4, 'c'"
    assert Rows(True).after(text, 0) == text.index(", (3")
    assert Rows(True).after(", (1)", 0) == 0
    assert Rows(True).after("(1), (2)", 0) == 0
