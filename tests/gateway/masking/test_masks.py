"""What takes the place of a cell."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.masks import REDACTED, CellMask, How


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
    assert (
        out
        == b"tok_email_" + hmac.digest(b"k" * 32, b"email\0alice@example.com", "sha256").hex()[:20].encode()
    )
    assert len(out) == mask.token_bytes
    assert mask.cell(b"alice@example.com") == out
    assert mask.cell(b"alice@example.con") != out
    assert CellMask(How.HASH, label="email", key=b"l" * 32).cell(b"alice@example.com") != out
    assert CellMask(How.HASH, label="name", key=b"k" * 32).cell(b"alice@example.com") != out
    assert mask.cell(None) is None


def test_token_of_an_odd_label_holds_nothing_that_ends_a_csv_cell() -> None:
    token = CellMask(How.HASH, label='my "own", label', key=b"k").cell(b"x")
    assert token is not None
    assert token.startswith(b"tok_my_own_label_")


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
