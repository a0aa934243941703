"""Tokens in columns: a sequence of `Token` like any other."""

import pytest

from parser.tokenizer import tokenize
from parser.tokens import Kind, Token, Tokens

SQL = b"SELECT 'a' -- b\n, 1"
TOKENS = [
    Token(Kind.IDENT, "select", 0, 6),
    Token(Kind.STRING, "a", 7, 10),
    Token(Kind.COMMENT, "-- b", 11, 15),
    Token(Kind.SELF, ",", 16, 17),
    Token(Kind.INTEGER, "1", 18, 19),
]


def test_they_are_a_sequence() -> None:
    tokens = tokenize(SQL, comments=True)
    assert list(tokens) == TOKENS
    assert [tokens[at] for at in range(len(tokens))] == TOKENS
    assert (tokens[-1], tokens[0].text) == (TOKENS[-1], "select")
    assert list(reversed(tokens)) == TOKENS[::-1]
    assert TOKENS[3] in tokens
    assert all(isinstance(token, Token) for token in tokens)
    with pytest.raises(IndexError):
        tokens[5]


def test_a_slice_has_columns_of_its_own() -> None:
    tokens = tokenize(SQL, comments=True)
    part = tokens[1:-1]
    assert isinstance(part, Tokens)
    assert part == TOKENS[1:-1]
    part.texts[0] = "changed"
    assert tokens == TOKENS


def test_they_equal_any_sequence_of_the_same_tokens_and_nothing_else() -> None:
    tokens = tokenize(SQL, comments=True)
    assert tokens == tokenize(SQL, comments=True)
    assert tokens == TOKENS == tokens
    assert tokens != TOKENS[:-1]
    assert tokens != tokenize(SQL)
    assert tokens != 5
    assert str(TOKENS[0]) in repr(tokens)


def test_comments_can_be_taken_out() -> None:
    assert tokenize(SQL, comments=True).without_comments() == tokenize(SQL) == TOKENS[:2] + TOKENS[3:]
    assert not tokenize(b"/* a */", comments=True).without_comments()
