"""The keyword lists against PostgreSQL 18's own scanner (libpg_query)."""

import postgast
import pytest

from parser.keywords import FUNCTION_ONLY, RESERVED, word_set


def keyword_kind(word: str) -> str:
    (token,) = postgast.scan(word).tokens
    kinds = token.DESCRIPTOR.fields_by_name["keyword_kind"].enum_type.values_by_number
    return str(kinds[token.keyword_kind].name)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_reserved_there(word: str) -> None:
    assert keyword_kind(word) == "RESERVED_KEYWORD"


@pytest.mark.parametrize("word", sorted(FUNCTION_ONLY))
def test_words_for_functions_alone_are_so_there(word: str) -> None:
    assert keyword_kind(word) == "TYPE_FUNC_NAME_KEYWORD"


def test_no_keyword_of_the_grammar_is_missing() -> None:
    enum = postgast.scan("x").tokens[0].DESCRIPTOR.fields_by_name["token"].enum_type
    words = {value.name.lower().removesuffix("_p") for value in enum.values if value.name.isupper()}
    for word in words:
        if not word.isidentifier():
            continue
        kind = keyword_kind(word)
        assert (kind == "RESERVED_KEYWORD") is (word in RESERVED), word
        assert (kind == "TYPE_FUNC_NAME_KEYWORD") is (word in FUNCTION_ONLY), word


def test_word_sets_are_made_of_words() -> None:
    assert word_set(" a  b\n c ") == {"a", "b", "c"}
