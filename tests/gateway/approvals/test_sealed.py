"""Literals of a statement that waits: sealed for its request alone, and told as people write them."""

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approvals.sealed import (
    NONCE_BYTES,
    TEXT_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    Secret,
    seal,
    shown,
    unseal,
)

KEY, NONCE = bytes(range(32)), bytes(range(NONCE_BYTES))
SECRET = Secret(b"update t set a = 'geheim-4711'", b"\0\1\0\0\0\x17", b"\0\0\0\1\0\0\0\0024\x32\0\0")


def types(*oids: int) -> bytes:
    return struct.pack(f"!H{len(oids)}I", len(oids), *oids)


def values(formats: tuple[int, ...], *given: bytes | None) -> bytes:
    """Of a Bind, behind both names."""
    parts = [struct.pack(f"!H{len(formats)}H", len(formats), *formats), struct.pack("!H", len(given))]
    parts += [struct.pack("!i", -1) if one is None else struct.pack("!i", len(one)) + one for one in given]
    return b"".join((*parts, b"\0\0"))


def test_what_is_sealed_is_read_again_and_shows_nothing_itself() -> None:
    sealed = seal(SECRET, "h1", KEY, NONCE)
    assert b"4711" not in sealed
    assert unseal(sealed, "h1", KEY) == SECRET


def test_it_is_read_for_its_request_under_its_key_and_whole_alone() -> None:
    sealed = seal(SECRET, "h1", KEY, NONCE)
    flipped = (bytes((*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :])) for at in range(len(sealed)))
    for content, request, key in (
        (sealed, "h2", KEY), (sealed, "H1", KEY), (sealed, "h1", KEY[::-1]), (sealed[:-1], "h1", KEY), (b"", "h1", KEY),
        *((one, "h1", KEY) for one in flipped),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r".+") as failed:
            unseal(content, request, key)
        assert "4711" not in str(failed.value)


@pytest.mark.parametrize(
    ("oid", "sent", "read"),
    [
        (16, b"\1", "True"),
        (21, struct.pack("!h", -7), "-7"),
        (23, struct.pack("!i", -4711), "-4711"),
        (20, struct.pack("!q", 1 << 40), str(1 << 40)),
        (26, struct.pack("!I", 1 << 31), str(1 << 31)),
        (701, struct.pack("!d", 2.5), "2.5"),
        (700, struct.pack("!f", 0.5), "0.5"),
        (25, "Größe".encode(), "Größe"),
        (1043, b"a\xff", "a\ufffd"),
        (2950, uuid.UUID(int=5).bytes, str(uuid.UUID(int=5))),
        (2950, b"short", "\\x73686f7274"),
        (23, b"\0\0\1", "\\x000001"),
        (1114, bytes(8), "\\x" + "00" * 8),
        (0, b"\1", "\\x01"),
    ],
)
def test_a_binary_parameter_is_told_as_people_write_its_type(oid: int, sent: bytes, read: str) -> None:
    assert shown(Secret(b"", types(oid), values((1,), sent))).parameters == (read,)


def test_formats_are_none_one_for_all_or_one_each() -> None:
    number = struct.pack("!i", 65)
    assert shown(Secret(b"", types(23, 23), values((), b"42", None))).parameters == ("42", None)
    assert shown(Secret(b"", types(23, 23), values((1,), number, number))).parameters == ("65", "65")
    assert shown(Secret(b"", types(23, 23), values((1, 0), number, b"7"))).parameters == ("65", "7")
    assert shown(Secret(b"", types(23), values((1, 1), number, number))).parameters == ("65", "\\x00000041")
    assert shown(Secret(b"", None, values((0,), b"x"))).parameters == ("x",)
    assert shown(Secret(b"select 1")).parameters == ()


def test_what_is_cut_says_so() -> None:
    read = shown(Secret(b"a" * (TEXT_CHARACTERS_MAX + 3), None, values((), b"b" * (VALUE_CHARACTERS_MAX + 2))))
    assert read.text.endswith("a… (3 characters more)")
    assert read.parameters == ("b" * VALUE_CHARACTERS_MAX + "… (2 characters more)",)


@given(st.binary(max_size=60), st.none() | st.binary(max_size=14), st.none() | st.binary(max_size=60), st.integers(0, 40))
def test_nothing_that_a_client_sends_keeps_it_from_being_shown(
    text: bytes, oids: bytes | None, bind: bytes | None, cut: int
) -> None:
    shown(Secret(text, oids, bind))
    shown(Secret(text, types(23, 16, 2950), values((1,), text, None, b"12")[:cut]))


def test_values_that_cannot_be_read_say_so() -> None:
    assert shown(Secret(b"", None, b"\0\0\0\1\0\0\0\7x")).parameters == ("(they cannot be read)",)
