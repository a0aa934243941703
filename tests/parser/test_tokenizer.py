"""The tokenizer: values, faults, any chunking, bounded memory and time."""

import random
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser import tokenizer
from parser.tokenizer import LexError, Tokenizer, tokenize
from parser.tokens import Kind, Token

CORPUS = Path(__file__).parent.parent / "corpus" / "lexer"
STATEMENTS = [sql for file in sorted(CORPUS.glob("*.sql")) for sql in file.read_bytes().split(b"\n--=--\n")]


def texts(sql: str, **flags: bool) -> list[str]:
    return [token.text for token in tokenize(sql.encode(), **flags)]


def one(sql: str, **flags: bool) -> tuple[Kind, str]:
    (token,) = tokenize(sql.encode(), **flags)
    assert (token.start, token.end) == (0, len(sql.encode()))
    return token.kind, token.text


def fed(sql: bytes, cuts: list[int], **flags: bool) -> list[Token] | None:
    reader = Tokenizer(**flags)
    edges = [0, *sorted(cuts), len(sql)]
    tokens: list[Token] = []
    try:
        for start, end in pairwise(edges):
            tokens += reader.feed(sql[start:end])
        return tokens + reader.close()
    except LexError:
        return None


def whole(sql: bytes, **flags: bool) -> list[Token] | None:
    try:
        return tokenize(sql, **flags)
    except LexError:
        return None


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        ("SELECT", Kind.IDENT, "select"),
        ("Éa", Kind.IDENT, "Éa"),
        ("a$1", Kind.IDENT, "a$1"),
        ('"A""b"', Kind.QUOTED, 'A"b'),
        ('U&"d\\0061t\\+01F600"', Kind.QUOTED, "dat\U0001f600"),
        ("U&\"d!0061t\" /* c */ uescape '!'", Kind.QUOTED, "dat"),
        ("''", Kind.STRING, ""),
        ("'it''s'", Kind.STRING, "it's"),
        ("'a\\n'", Kind.STRING, "a\\n"),
        ("'é'", Kind.STRING, "é"),
        ("'a' \n -- c\n 'b'", Kind.STRING, "ab"),
        ("E'\\b\\f\\n\\r\\t\\v\\q\\\\'", Kind.STRING, "\b\f\n\r\t\vq\\"),
        ("e'\\101\\x42\\u0043\\U00000044'", Kind.STRING, "ABCD"),
        ("e'\\xc3\\xa9\\303\\251'", Kind.STRING, "éé"),
        ("e'\\uD83D\\uDE00\\U0000D83D\\uDE00'", Kind.STRING, "\U0001f600" * 2),
        ("e'a''b\\'c'", Kind.STRING, "a'b'c"),
        ("e'\\1234'", Kind.STRING, "S4"),
        ("e'\\é'", Kind.STRING, "é"),
        ("e'a'\n'\\n'", Kind.STRING, "a\n"),
        ("U&'\\0061\\\\''\\D83D\\DE00'", Kind.STRING, "a\\'\U0001f600"),
        ("U&'\\0061!0062!!' UESCAPE '!'", Kind.STRING, "\\0061b!"),
        ("U&'a'\n'!0062' uescape e'!'", Kind.STRING, "ab"),
        ("U&'a!0062' uescape $$!$$", Kind.STRING, "ab"),
        ("N'a''b'", Kind.STRING, "a'b"),
        ("$$a'b$$", Kind.STRING, "a'b"),
        ("$t$ $$ $T$ $t$", Kind.STRING, " $$ $T$ "),
        ("$é$x$é$", Kind.STRING, "x"),
        ("B'01'\n'10'", Kind.BITS, "0110"),
        ("x'1F'", Kind.HEX, "1F"),
        ("42", Kind.INTEGER, "42"),
        ("1_000", Kind.INTEGER, "1_000"),
        ("0xFF", Kind.INTEGER, "0xFF"),
        ("0x1e5", Kind.INTEGER, "0x1e5"),
        ("0o_17", Kind.INTEGER, "0o_17"),
        ("1.", Kind.NUMERIC, "1."),
        (".5e-1", Kind.NUMERIC, ".5e-1"),
        ("12.50", Kind.NUMERIC, "12.50"),
        ("1E5", Kind.NUMERIC, "1E5"),
        ("$7", Kind.PARAM, "$7"),
        ("$007", Kind.PARAM, "$7"),
        ("$" + "0" * 5000 + "1", Kind.PARAM, "$1"),
        ("@-", Kind.OPERATOR, "@-"),
        ("!=", Kind.OPERATOR, "!="),
        ("::", Kind.OPERATOR, "::"),
        ("+", Kind.SELF, "+"),
    ],
)
def test_a_token_has_its_kind_and_its_decoded_text(sql: str, kind: Kind, text: str) -> None:
    assert one(sql) == (kind, text)
    assert fed(sql.encode(), list(range(len(sql)))) == tokenize(sql.encode())


def test_names_are_cut_at_63_bytes_and_never_inside_a_character() -> None:
    assert texts("A" * 64 + ' "' + "B" * 64 + '"') == ["a" * 63, "B" * 63]
    assert texts("a" * 62 + "é" + ' "' + "日" * 22 + '"') == ["a" * 62, "日" * 21]
    assert texts('U&"' + "\\00e9" * 40 + '"') == ["é" * 31]
    assert texts("a" * 61 + "é") == ["a" * 61 + "é"]


def test_with_standard_conforming_strings_off_plain_strings_have_escapes() -> None:
    assert texts(r"'a\'b' n'\n' e'\n' $$\n$$ b'\1'", standard_conforming_strings=False) == [
        "a'b",
        "\n",
        "\n",
        r"\n",
        r"\1",
    ]
    assert texts(r"'a\'--b'", standard_conforming_strings=False) == ["a'--b"]
    assert texts(r"'a\'--b'") == ["a\\"]
    with pytest.raises(LexError):
        tokenize(b"U&'a'", standard_conforming_strings=False)
    assert texts('U&"a!0062" uescape \'!\'', standard_conforming_strings=False) == ["ab"]


def test_comments_come_where_asked_for_but_not_those_inside_a_token() -> None:
    sql = "/*a /*b*/ c*/ SELECT --d\n 'x' --e\n 'y' U&'z' /*f*/ UESCAPE '!' /*é*/"
    found = tokenize(sql.encode(), comments=True)
    assert [token.text for token in found] == ["/*a /*b*/ c*/", "select", "--d", "xy", "z", "/*é*/"]
    assert [token for token in found if token.kind is not Kind.COMMENT] == tokenize(sql.encode())


def test_offsets_are_bytes_of_the_whole_text() -> None:
    sql = "é 'ü' \"ß\" x".encode()
    assert [sql[token.start : token.end].decode() for token in tokenize(sql)] == ["é", "'ü'", '"ß"', "x"]


@pytest.mark.parametrize(
    ("sql", "offset", "why"),
    [
        (b"SELECT 'secret", 7, "unterminated quoted string"),
        (b'SELECT "secret', 7, "unterminated quoted name"),
        (b"SELECT /*/* secret */", 7, "unterminated comment"),
        (b"SELECT $x$secret$X$", 7, "unterminated dollar-quoted string"),
        (b'SELECT ""', 7, "a quoted name of no characters"),
        (b"SELECT 1secret", 7, "trailing junk after a number"),
        (b"SELECT 0x1secret", 7, "trailing junk after a number"),
        (b"SELECT 1_0$1", 7, "trailing junk after a number"),
        (b"SELECT $1secret", 7, "trailing junk after a parameter"),
        (b"SELECT $2147483648", 7, "a parameter number that is too large"),
        (b"SELECT " + b"@" * 64, 7, "an operator that is too long"),
        (b"SELECT \\secret", 7, "a character that begins no token"),
        (b"SELECT $secret", 7, "a character that begins no token"),
        (b"SELECT 'a\xffsecret'", 9, "invalid UTF-8"),
        (b"SELECT '\xed\xa0\x80'", 8, "invalid UTF-8"),
        (b"SELECT 'secret\0'", 14, "a zero byte"),
        (b"SELECT e'secret\\000'", 7, "a string with a zero byte"),
        (b"SELECT e'secret\\xff'", 7, "escapes in a string make invalid UTF-8"),
        (b"SELECT e'secret\\ud800'", 7, "invalid Unicode surrogate pair"),
        (b"SELECT e'\\udc00'", 7, "invalid Unicode surrogate pair"),
        (b"SELECT e'\\ud83d'\n'\\ude00'", 7, "invalid Unicode surrogate pair"),
        (b"SELECT e'\\u12'", 7, "invalid Unicode escape"),
        (b"SELECT e'\\U00110000'", 7, "invalid Unicode escape value"),
        (b"SELECT U&'\\006'", 7, "invalid Unicode escape"),
        (b"SELECT U&'\\0000'", 7, "invalid Unicode escape value"),
        (b"SELECT U&'a' UESCAPE 'b'", 21, "an invalid Unicode escape character"),
        (b"SELECT U&'a' UESCAPE secret", 21, "UESCAPE without a simple string behind it"),
    ],
)
def test_a_fault_has_its_place_and_reason_and_quotes_nothing(sql: bytes, offset: int, why: str) -> None:
    with pytest.raises(LexError) as caught:
        tokenize(sql)
    assert (caught.value.offset, caught.value.why) == (offset, why)
    assert str(caught.value) == f"{why} at byte {offset}"
    assert "secret" not in str(caught.value)
    reader = Tokenizer()
    with pytest.raises(LexError) as piecewise:
        for at in range(len(sql)):
            reader.feed(sql[at : at + 1])
        reader.close()
    assert (piecewise.value.offset, piecewise.value.why) == (offset, why)
    with pytest.raises(LexError):
        reader.close()


@pytest.mark.parametrize("standard", [True, False])
@pytest.mark.parametrize("comments", [True, False])
def test_the_corpus_gives_the_same_tokens_in_any_pieces(standard: bool, comments: bool) -> None:
    flags = {"standard_conforming_strings": standard, "comments": comments}
    rng = random.Random(7)
    for sql in STATEMENTS:
        expected = whole(sql, **flags)
        assert fed(sql, [], **flags) == expected, sql
        assert fed(sql, list(range(len(sql))), **flags) == expected, sql
        for _ in range(5):
            cuts = [rng.randrange(len(sql) + 1) for _ in range(rng.randrange(1, 6))]
            assert fed(sql, cuts, **flags) == expected, (sql, cuts)


PIECES = st.sampled_from(
    [
        *b"a|u&|E'|'|''|\"|$$|$a$|$1|1|.|e+|0x_|_|-|--|/*|*/|+|@|:|=|(|\\|\n| | uescape |'!'".split(b"|"),
        *(b"-- c \n", b"/*c*/", b"/*", b"'s'", b'"q"', b"select ", b"\xc3\xa0", b" = ", b"=-", b"1.5"),
        *(b"\x1f", b"\r", b"\v", b"\\ud83d", b"\\ude00", b"\xc3\xa9"),
    ]
)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14).map(b"".join), st.data(), st.booleans(), st.booleans())
def test_awkward_text_gives_the_same_tokens_in_any_pieces(
    sql: bytes, data: st.DataObject, standard: bool, comments: bool
) -> None:
    flags = {"standard_conforming_strings": standard, "comments": comments}
    cuts = data.draw(st.lists(st.integers(0, len(sql)), max_size=8))
    expected = whole(sql, **flags)
    assert fed(sql, cuts, **flags) == expected
    assert fed(sql, list(range(len(sql))), **flags) == expected


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_any_bytes_give_tokens_in_order_or_a_lex_error(sql: bytes) -> None:
    tokens = whole(sql, comments=True)
    end = 0
    for token in tokens or []:
        assert end <= token.start < token.end <= len(sql)
        end = token.end
    assert fed(sql, list(range(len(sql))), comments=True) == tokens


def test_what_is_remembered_of_texts_is_bounded_and_holds_no_literal() -> None:
    for at in range(3 * tokenizer._MOST_KEPT):
        tokenize(b"SELECT name_%d" % at)
    for seen in (tokenizer._kinds_seen, tokenizer._texts_seen):
        assert 0 < len(seen) <= tokenizer._MOST_KEPT
    tokenizer._kinds_seen.clear()
    tokenizer._texts_seen.clear()
    tokenize(b"SELECT 'secret', 12345678, 1.2345 AS \"secret name\" /* secret */ FROM t -- secret")
    tokenize(b"SELECT " + b"long_name_" * 20)
    for seen in (tokenizer._kinds_seen, tokenizer._texts_seen):
        assert set(seen) == {"SELECT", ",", "AS", "FROM", "t"}


def test_tokens_are_given_as_soon_as_nothing_can_change_them() -> None:
    reader = Tokenizer()
    given_out = reader.feed(b"SELECT a, b FROM t WHERE x = 'a' AND y")
    assert [token.text for token in given_out][:10] == ["select", "a", ",", "b", "from", "t", "where", "x", "=", "a"]


def test_memory_is_bounded_by_the_token_and_not_by_the_text() -> None:
    reader = Tokenizer()
    piece = b"SELECT 'abc', 1.5 FROM t; " * 10
    tracemalloc.start()
    for _ in range(1000):
        reader.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000 < len(piece) * 1000
    assert len(reader.close()) <= 2


K = 64 * 1024
WORST = {
    "comment openings": b"/*" * (K // 2),
    "deep comments": b"/*" * (K // 4) + b"*/" * (K // 4),
    "empty comments": b"/**/" * (K // 4),
    "quotes": b"'" * K,
    "one quote open": b"'" * (K - 1),
    "escaped quotes": b"E'" + b"\\'" * (K // 2),
    "double quotes": b'"' * K,
    "dollars": b"$" * K,
    "dollars, one open": b"$" * (K - 1),
    "tags": b"$a" * (K // 2),
    "dashes": b"-" * K,
    "signs": b"+" * K,
    "operator and sign": b"*-" * (K // 2),
    "long operator": b"=" * K,
    "underscored number": b"1" + b"_1" * (K // 2) + b"$1",
    "exponents": b"1e+" * (K // 3),
    "name before a quote": b"a" * K + b"'",
    "string with lines after it": b"'a'" + b"\n" * K,
    "continued strings": b"'a'\n" * (K // 4),
    "strings with lines after them": b"'a'\n," * (K // 5),
    "prefixed strings": b"U&'a' " * (K // 6),
    "unicode escapes": b"U&'" + b"\\0061" * (K // 5) + b"'",
    "no escapes": b"U&'" + b"\\" * K + b"'",
    "parameter zeros": b"$" + b"0" * K,
    "parentheses": b"(" * K,
    "numbers and points": b"1." * (K // 2),
    "line comments": b"a--\n" * (K // 4),
    "junk": b"{" * K,
}


def cost(sql: bytes) -> float:
    """CPU seconds, the best of three: other processes do not count."""
    best = 9.0
    for _ in range(3):
        start = time.process_time()
        whole(sql, comments=True)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", WORST)
def test_the_time_of_a_worst_case_is_linear(name: str) -> None:
    sql = WORST[name]
    assert cost(sql) < 1.0  # a quadratic one takes many seconds; the measured times are 1 to 50 ms
    reader = Tokenizer()
    start = time.process_time()
    try:
        for at in range(0, len(sql), 16):
            reader.feed(sql[at : at + 16])
        reader.close()
    except LexError:
        pass
    assert time.process_time() - start < 3.0
