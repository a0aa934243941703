"""The vocabulary holds together: words as they are compared, and every exception about a label there is."""

import re

from gateway.classify.vocabulary import (
    ABOUT,
    ABOUT_KEPT,
    NOT_WITH,
    PEOPLE,
    PERSON_QUALIFIERS,
    PHRASES,
    TABLE_TRIMMINGS,
)


def test_phrases_are_words_as_names_are_split_into() -> None:
    for text in PHRASES.values():
        for phrase in text.split(","):
            assert re.fullmatch(r"[a-z]+( [a-z]+)*", phrase.strip()), phrase


def test_exceptions_speak_of_labels_that_exist() -> None:
    assert ABOUT_KEPT.keys() <= PHRASES.keys()
    assert NOT_WITH.keys() <= PHRASES.keys()
    for kept in ABOUT_KEPT.values():
        assert kept <= ABOUT


def test_no_phrase_belongs_to_two_labels() -> None:
    seen: dict[str, str] = {}
    for found, text in PHRASES.items():
        for phrase in text.split(","):
            assert seen.setdefault(phrase.strip(), found) == found, phrase


def test_a_trimming_is_no_person() -> None:
    assert not TABLE_TRIMMINGS & (PEOPLE | PERSON_QUALIFIERS)
