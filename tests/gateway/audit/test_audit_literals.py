"""Digests of literals and parameters: one value, one digest, however it is written or sent."""

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.literals import DIGEST_BYTES, NULL, Literals, literal_digest
from parser.facts import LITERALS_MAX
from parser.messages import bind
from parser.quick import look
from parser.statements import read

KEY = b"k" * 32
DIGESTS = Literals(KEY)


def of(*values: str) -> bytes:
    return b"".join(literal_digest(KEY, value) for value in values)


def quickly(digests: Literals, sql: bytes, counts: list[int]) -> tuple[bytes, ...] | None:
    looked = look(sql)
    assert looked is not None, sql
    return digests.of_text(looked[1], counts)


def quick(sql: str) -> tuple[bytes, ...] | None:
    facts = read(sql.encode())
    return quickly(DIGESTS, sql.encode(), [one.literal_count for one in facts])


def parameters(
    values: list[bytes | None], formats: list[int], types: list[int], described: list[int] | None = None
) -> bytes:
    body = bind("", "", values, formats, [])[5:]
    told = b"" if described is None else struct.pack(f"!H{len(described)}I", len(described), *described)
    return DIGESTS.of_parameters(body[2:], struct.pack(f"!H{len(types)}I", len(types), *types), told)


def test_digest_depends_on_the_key_and_the_value() -> None:
    assert len(of("ann")) == DIGEST_BYTES
    assert of("ann") != of("bob")
    assert of("ann") != literal_digest(b"x" * 32, "ann")
    assert NULL not in (of(""), of("0"))


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("select 'ann', 42, 1.5", ("ann", "42", "1.5")),
        ("select 'it''s', ''", ("it's", "")),
        ("select e'a\\tb', $q$it's$q$, U&'\\0041'", ("a\tb", "it's", "A")),
        ("select 'a'\n'b'", ("ab",)),
        ("select 'Åsa' from \"t\" -- 'not this'", ("Åsa",)),
        ("select x'1F', b'01', 0x1f, 1_000", ("1F", "01", "0x1f", "1_000")),
        ("select $1, a1, t.c2", ()),
        ("select -5", ("5",)),
    ],
)
def test_literals_are_digested_by_what_they_mean(sql: str, values: tuple[str, ...]) -> None:
    (facts,) = read(sql.encode())
    assert facts.literals == values
    assert DIGESTS.of(facts.literals) == of(*values)


def test_quick_look_finds_each_statements_literals() -> None:
    assert quick("select 'ann', 42; select 1.5e-3; select 'it''s'") == (of("ann", "42"), of("1.5e-3"), of("it's"))


def test_quick_look_gives_up_where_the_text_must_be_read() -> None:
    assert quick("select 'a'\n'b'") is None


def test_no_more_literals_are_kept_than_agreed() -> None:
    many = [str(n) for n in range(100)]
    sql = f"select {', '.join(many)}"
    (facts,) = read(sql.encode())
    assert facts.literals == tuple(many[:LITERALS_MAX])
    assert quick(sql) == (of(*many[:LITERALS_MAX]),)
    assert quick(f"{sql}; select 1") is None
    assert len(parameters([b"7"] * 100, [], [])) == LITERALS_MAX * DIGEST_BYTES


def test_remembered_values_are_bounded() -> None:
    digests = Literals(KEY)
    for n in range(5000):
        assert quickly(digests, b"select %d" % n, [1]) == (of(str(n)),)
    assert len(digests._values) <= 4096
    long = b"select '" + b"x" * 5000 + b"'"
    assert quickly(digests, long, [1]) == (of("x" * 5000),)
    assert b"x" * 5000 not in digests._values


@pytest.mark.parametrize(
    ("value", "oid", "text"),
    [
        (struct.pack("!h", -7), 21, "-7"),
        (struct.pack("!i", 4711), 23, "4711"),
        (struct.pack("!q", 1 << 40), 20, str(1 << 40)),
        (struct.pack("!I", 4_000_000_000), 26, "4000000000"),
        (b"\1", 16, "t"),
        (b"\0", 16, "f"),
        (uuid.UUID(int=0x1234).bytes, 2950, str(uuid.UUID(int=0x1234))),
        ("Åsa".encode(), 25, "Åsa"),
        ("Åsa".encode(), 1043, "Åsa"),
    ],
)
def test_binary_parameter_has_the_digest_of_its_text(value: bytes, oid: int, text: str) -> None:
    assert parameters([value], [1], [oid]) == of(text) == parameters([text.encode()], [], [oid])
    assert parameters([value], [1], [0], [oid]) == of(text)  # the server's word where the client gave none
    assert parameters([value], [1], [], [oid]) == of(text)


def test_other_binary_parameters_are_equal_among_themselves_alone() -> None:
    value = struct.pack("!d", 1.5)
    assert parameters([value], [1], [701]) == parameters([value], [1], [701]) != parameters([value], [1], [1184])
    assert parameters([value], [1], [701]) != parameters([value], [0], [701])


def test_formats_are_none_one_for_all_or_one_each() -> None:
    one, two = struct.pack("!i", 1), struct.pack("!i", 2)
    assert parameters([one, two], [1], [23, 23]) == of("1", "2")
    assert parameters([one, b"2"], [1, 0], [23, 23]) == of("1", "2")
    assert parameters([b"1", two], [0, 1], [23, 23]) == of("1", "2")
    assert parameters([b"1", None, b"2"], [], [23, 23, 23]) == of("1") + NULL + of("2")


def test_what_is_no_bind_has_no_digests() -> None:
    whole = bind("", "", [b"abc", None, b"d"], [0, 0, 0], [1])[7:]
    assert len(DIGESTS.of_parameters(whole, b"", b"")) == 3 * DIGEST_BYTES
    for cut in range(len(whole)):
        assert len(DIGESTS.of_parameters(whole[:cut], b"", b"")) in (0, 3 * DIGEST_BYTES)


@given(st.binary(max_size=64), st.binary(max_size=16), st.binary(max_size=16))
def test_nothing_of_a_peer_breaks_it(values: bytes, types: bytes, described: bytes) -> None:
    assert len(DIGESTS.of_parameters(values, types, described)) % DIGEST_BYTES == 0


WORDS = st.sampled_from(
    (
        *("a", "t.c", "a1", "=", "<", "and", ",", "(", ")", "+", "- ", "::int", "in", "1", "42", "1.5", ".5", "7.", "1e5"),
        *("2.5E-3", "'x'", "''", "'it''s'", "'a;b'", "'1'", "1_000", "array[", "]", "\n"),
    )
)


@given(st.lists(WORDS, max_size=12))
def test_quick_look_agrees_with_the_tokenizer_or_gives_up(words: list[str]) -> None:
    sql = "select " + " ".join(words)
    if look(sql.encode()) is None:
        return
    facts = read(sql.encode())
    found = quickly(DIGESTS, sql.encode(), [one.literal_count for one in facts]) if facts else None
    assert found is None or found == tuple(DIGESTS.of(one.literals) for one in facts)
