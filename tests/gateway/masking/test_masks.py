"""What takes the place of a cell."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.masks import REDACTED, CellMask, How, constant
from gateway.masking.tokens import mint


@pytest.mark.parametrize(
    ("cell", "keep", "out"),
    [
        (b"4111-1111-1111-1234", 4, b"****1234"),
        (b"12345678", 4, b"****5678"),
        (b"1234567", 4, b"****567"),  # never more than half
        (b"ab", 4, b"****b"),
        (b"a", 4, b"****"),
        (b"", 4, b"****"),
        (b"secret", 0, b"****"),
        (b"DE89 3704 0044 05-3", 4, b"****05*3"),
        ("jürgen@exämple".encode(), 5, b"****" + b"***mple"[-5:]),
        (None, 4, None),
    ],
)
def test_partial_keeps_the_end_and_never_more_than_half(
    cell: bytes | None, keep: int, out: bytes | None
) -> None:
    assert CellMask(How.PARTIAL, keep=keep).cell(cell) == out


@given(st.binary(max_size=60), st.integers(0, 64))
def test_partial_shows_at_most_half_in_letters_digits_and_stars(cell: bytes, keep: int) -> None:
    out = CellMask(How.PARTIAL, keep=keep).cell(cell)
    assert out is not None
    assert out.startswith(b"****")
    assert len(out) - 4 == min(keep, len(cell) // 2)
    assert all(byte == 42 or (byte < 128 and chr(byte).isalnum()) for byte in out)


def test_hash_is_keyed_by_secret_and_label_and_says_which_label() -> None:
    mask = CellMask(How.HASH, label="email", key=b"k" * 32)
    out = mask.cell(b"alice@example.com")
    assert out == mint(b"k" * 32, "email").token(b"alice@example.com")
    assert out.startswith(b"tok_email_")
    assert mask.cell(b"alice@example.com") == out
    assert mask.cell(b"alice@example.con") != out
    assert CellMask(How.HASH, label="email", key=b"l" * 32).cell(b"alice@example.com") != out
    assert CellMask(How.HASH, label="name", key=b"k" * 32).cell(b"alice@example.com") != out
    assert mask.cell(None) is None


def test_blanks_at_the_end_of_a_char_change_no_token() -> None:
    text, padded = (CellMask(How.HASH, label="ssn", key=b"k", blanks=blanks) for blanks in (False, True))
    assert padded.cell(b"123   ") == padded.cell(b"123") == text.cell(b"123") != text.cell(b"123   ")
    assert padded.tokens([b"123 ", b"4"]) == text.tokens([b"123", b"4"])


def test_token_of_an_odd_label_holds_nothing_that_ends_a_csv_cell() -> None:
    token = CellMask(How.HASH, label='my "own", label', key=b"k").cell(b"x")
    assert token is not None
    assert token.startswith(b"tok_my_own_label_")


def test_key_is_not_shown() -> None:
    assert "kkkk" not in repr(CellMask(How.HASH, label="ssn", key=b"k" * 32))


@pytest.mark.parametrize(
    ("type_oid", "text", "binary"),
    [
        (25, b"[redacted]", b"[redacted]"),
        (114, b'"[redacted]"', b'"[redacted]"'),
        (3802, b'"[redacted]"', b'\x01"[redacted]"'),
        (142, b"<redacted/>", b"<redacted/>"),
        (1009, b"{[redacted]}", struct.pack(">iiIiii", 1, 0, 25, 1, 1, 10) + b"[redacted]"),
        (1015, b"{[redacted]}", struct.pack(">iiIiii", 1, 0, 1043, 1, 1, 10) + b"[redacted]"),
        *((oid, None, None) for oid in (16, 17, 18, 20, 23, 700, 869, 1082, 1184, 1700, 2950, 2249, 99999)),
    ],
)
def test_constant_keeps_the_type_in_both_formats(type_oid: int, text: bytes | None, binary: bytes | None) -> None:
    assert constant(type_oid) == text
    assert constant(type_oid, binary=True) == binary


def test_constant_fits_a_short_varchar_or_char() -> None:
    assert constant(1043, 4 + 3) == constant(1042, 4 + 3) == b"***"
    assert constant(1043, 4 + 10) == constant(1043) == constant(25, 7) == REDACTED


def test_constant_stands_for_null_too_where_a_null_would_tell() -> None:
    assert CellMask(How.FIXED, REDACTED).cell(None) is None
    assert CellMask(How.FIXED, REDACTED, nulls=False).cell(None) == REDACTED
    assert CellMask(How.FIXED, None, nulls=False).cell(b"x") is None


def test_masks_have_the_names_of_the_policy() -> None:
    masks = [
        CellMask(How.FIXED, b"x"),
        CellMask(How.FIXED),
        CellMask(How.PARTIAL, keep=1),
        CellMask(How.HASH),
    ]
    assert [mask.name for mask in masks] == ["redact", "null", "partial", "hash"]
