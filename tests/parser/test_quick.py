"""The quick look at a text: equal keys for what differs in literals alone, and the literals themselves."""

import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parser.quick import look
from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind

LITERALS = {Kind.STRING, Kind.INTEGER, Kind.NUMERIC, Kind.BITS, Kind.HEX}


def quick_key(sql: bytes) -> bytes | None:
    seen = look(sql)
    return None if seen is None else seen[0]


def bones(sql: bytes, standard: bool) -> list[tuple[Kind, str]] | None:
    """The tokens without the values of literals; None where the text has no tokens."""
    try:
        tokens = tokenize(sql, standard_conforming_strings=standard)
    except LexError:
        return None
    return [(token.kind, "" if token.kind in LITERALS else token.text) for token in tokens]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT abalance FROM a WHERE aid = 1", "SELECT abalance FROM a WHERE aid = 1234567"),
        ("SELECT 'a', 1.5, -3", "SELECT 'it''s', 22.75, -1"),
        ("SELECT ''", "SELECT ''''''"),
        ("SELECT 'a'", "SELECT 'é -- /* \"$1'"),
        ("SELECT 'a'\n'b'", "SELECT ''\n'c'"),
        ("SELECT x.5, .5", "SELECT x.66, .0"),
    ],
)
def test_literals_alone_do_not_change_the_key(one: str, other: str) -> None:
    key = quick_key(one.encode())
    assert key is not None
    assert key == quick_key(other.encode())
    assert bones(one.encode(), True) == bones(other.encode(), True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT '1'"),
        ("SELECT 1", "SELECT 1.0"),
        ("SELECT 1", "SELECT 1 1"),
        ("SELECT a1", "SELECT a2"),
        ("SELECT 'a' 'b'", "SELECT 'a''b'"),
        ("SELECT 'a'\n'b'", "SELECT 'a' 'b'"),
        ("SELECT a", "SELECT b"),
        ("SELECT 1e5", "SELECT 1e6"),
        ("SELECT 0x1", "SELECT 0x2"),
        ("SELECT '1', 'a'", "SELECT '1,''a'"),
        ("SELECT 'a', 'b'", "SELECT 'a'', ''b'"),
    ],
)
def test_what_differs_in_more_than_literals_has_another_key(one: str, other: str) -> None:
    keys = quick_key(one.encode()), quick_key(other.encode())
    assert None not in keys
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1 -- c",
        b"SELECT /* c */ 1",
        b"SELECT $1",
        b"SELECT $$a$$",
        b'SELECT "a"',
        b"SELECT E'a'",
        b"SELECT b'1'",
        b"SELECT U&'a'",
        b"SELECT 1'a'",
        b"SELECT 'a\\'",
        b"SELECT 'a",
        b"SELECT 'a' '",
        b"SELECT '\x01",
        b"SELECT \x02",
        b"SELECT '\x01'",
        b"SELECT 'a\0'",
        b"SELECT '\xff'",
        "SELECT é1".encode(),
        b"SELECT 1 \0",
    ],
)
def test_where_a_quick_look_cannot_be_sure_there_is_no_key(sql: bytes) -> None:
    assert quick_key(sql) is None


NASTY = st.lists(
    st.sampled_from(
        b"a|1|22|'|''|'b'|'1'| |\n|.|_|-|+|*|/|e|x|\\|&|\"|$|\xc3\xa9|,|\x01|\x02|(|1.5|--|u&".split(b"|")
    ),
    max_size=10,
).map(b"".join)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(NASTY, NASTY)
@example(b"'\x01", b"'a'")
@example(b"\x02", b"1")
def test_equal_keys_mean_equal_tokens_but_for_literals(one: bytes, other: bytes) -> None:
    key = quick_key(one)
    if key is not None and key == quick_key(other):
        assert bones(one, True) == bones(other, True)
        assert bones(one, False) == bones(other, False)


def test_equal_keys_mean_equal_tokens_among_many_short_texts() -> None:
    rng = random.Random(11)
    alphabet = [
        b"a",
        b"1",
        b"23",
        b"'",
        b"'",
        b"''",
        b" ",
        b"\n",
        b".",
        b"-",
        b"/",
        b"*",
        b"e",
        b"&",
        b"_",
        b"\x01",
        b"+",
    ]
    seen: dict[bytes, bytes] = {}
    compared = 0
    for _ in range(60_000):
        sql = b"".join([rng.choice(alphabet) for _ in range(rng.randrange(1, 8))])
        key = quick_key(sql)
        if key is None:
            continue
        first = seen.setdefault(key, sql)
        if first != sql:
            compared += 1
            assert bones(first, True) == bones(sql, True) == bones(sql, False), (first, sql)
    assert compared > 1000


VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0\x01\\"), max_size=12)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(VALUE, VALUE, st.integers(0), st.integers(0))
def test_any_plain_value_may_stand_in_a_statement_with_the_same_key(a: str, b: str, n: int, m: int) -> None:
    def statement(text: str, number: int) -> bytes:
        return f"SELECT x FROM t WHERE a = '{text.replace(chr(39), chr(39) * 2)}' AND b > {number} LIMIT 1".encode()

    one, other = statement(a, n), statement(b, m)
    assert quick_key(one) == quick_key(other) is not None
    assert bones(one, True) == bones(other, True)


# --- said again with regular expressions ---

STRINGS = re.compile(rb"'[^']*'(?:'[^']*')*")
NUMBERS = re.compile(rb"\b\d+\b")
ODD = re.compile(rb"\"|\$|\\|\x00|\x02|--|/\*|'(?!\x01)|(?<!')\x01|[A-Za-z0-9_&]'")
WRITTEN = re.compile(
    rb"'[^']*'(?:'[^']*')*"
    rb"|(?:(?<![\w.])[0-9]|(?<![\w.])\.(?=[0-9]))\w*(?:(?<!\.)\.\w*)?(?:(?<=[eE])[+-]\d+)?"
)


def looked(sql: bytes) -> tuple[bytes, list[bytes]] | None:
    rest = STRINGS.sub(b"'\x01", sql)
    inside = b"".join(STRINGS.findall(sql))
    if ODD.search(rest) or not rest.isascii() or re.search(rb"[\\\x00\x01]", inside):
        return None
    try:
        sql.decode()
    except UnicodeDecodeError:
        return None
    return NUMBERS.sub(b"\x02", rest), WRITTEN.findall(sql)


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(NASTY)
@example(b"select 1.5e+3, .5, x.6, 7.8.9, 1e-2, 3.e4, '5'.6")
def test_one_pass_sees_what_regular_expressions_see(sql: bytes) -> None:
    assert look(sql) == looked(sql)
