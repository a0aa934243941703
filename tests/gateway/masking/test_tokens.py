"""Tokens: the same value and label, the same token; back only with the key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.tokens import SHAPE, TOKEN_BYTES_MAX, VALUE_BYTES_MAX, is_token, mint

KEY = b"0123456789abcdef0123456789abcdef"
values = st.binary(max_size=VALUE_BYTES_MAX)


@given(values, st.sampled_from(["ssn", "free_text", 'my "own", Label']))
def test_token_leads_back_to_its_value_whatever_the_case(value: bytes, label: str) -> None:
    made = mint(KEY, label)
    token = made.token(value)
    assert made.value(token) == made.value(token.upper()) == value
    assert is_token(token)
    assert is_token(token.upper())
    assert len(token) <= TOKEN_BYTES_MAX
    assert token.startswith(made.head)


@given(st.lists(st.binary(max_size=120), max_size=30))
def test_many_tokens_at_once_are_those_of_each_alone(cells: list[bytes]) -> None:
    made = mint(KEY, "email")
    assert made.tokens(cells) == [made.token(cell) for cell in cells]


def test_tokens_are_equal_in_every_process_and_differ_by_value_label_and_key() -> None:
    token = mint(KEY, "ssn").token(b"123-45-6789")
    assert token == b"tok_ssn_ild4kbriioiuqamjy3uechqd3edc6d666atkgwvpwavb6ooyl3rq"
    assert mint(KEY, "ssn").token(b"123-45-6780") != token
    assert mint(KEY, "phone").token(b"123-45-6789")[-52:] != token[-52:]
    assert mint(KEY[::-1], "ssn").token(b"123-45-6789") != token


def test_body_is_base32() -> None:
    for value in (b"", b"x", b"x" * 16, b"y" * 200):
        body = mint(KEY, "ssn").token(value)[8:].upper()
        raw = base64.b32decode(body + b"=" * (-len(body) % 8))
        assert base64.b32encode(raw).rstrip(b"=") == body


def test_token_tells_the_length_in_blocks_alone() -> None:
    lengths = {size: len(mint(KEY, "ssn").token(b"x" * size)) for size in range(VALUE_BYTES_MAX + 40)}
    assert len({lengths[size] for size in range(16)}) == 1
    assert lengths[15] < lengths[16] == lengths[31] < lengths[32]
    assert len({lengths[size] for size in range(VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX + 40)}) == 1


def test_long_value_has_a_token_that_does_not_lead_back() -> None:
    made = mint(KEY, "free_text")
    long = b"x" * (VALUE_BYTES_MAX + 1)
    assert made.token(long) == made.token(long) != made.token(long + b"x")
    assert is_token(made.token(long))
    assert made.value(made.token(long)) is None


@given(values, st.integers(0, 51), st.sampled_from(list("abcdefghijklmnopqrstuvwxyz234567")))
def test_altered_token_is_none(value: bytes, at: int, letter: str) -> None:
    made = mint(KEY, "ssn")
    token = made.token(value)
    place = len(made.head) + at
    altered = token[:place] + letter.encode() + token[place + 1 :]
    assert made.value(altered) == (value if altered == token else None)


@given(st.binary(max_size=80))
def test_any_bytes_are_no_token_or_one_of_ours(noise: bytes) -> None:
    assert mint(KEY, "ssn").value(noise) is None
    assert mint(KEY, "ssn").value(b"tok_ssn_" + noise) is None


def test_token_of_another_label_or_key_is_none() -> None:
    token = mint(KEY, "ssn").token(b"123-45-6789")
    assert mint(KEY, "phone").value(token) is None
    assert mint(KEY, "phone").value(token.replace(b"_ssn_", b"_phone_")) is None
    assert mint(KEY[::-1], "ssn").value(token) is None


@pytest.mark.parametrize(
    "text",
    [
        b"tok_1J2k3L4m5N6o7P8q9R0sT", b"tok_visa", b"tok_id", b"tok_live_" + b"abcdefgh" * 4, b"tok_user_" + b"0" * 52,
        b"tok_ssn_" + b"a" * 53, b"Tok_ssn_" + b"a" * 52,
    ],
)  # fmt: skip
def test_what_other_people_call_tokens_is_not_taken_for_ours(text: bytes) -> None:
    assert SHAPE.search(text) is None
