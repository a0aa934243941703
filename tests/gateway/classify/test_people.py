"""The lists of names are written as names are compared: lower case, accents gone, none of them a word of the street."""

from gateway.classify.people import CHINESE, FAMILY, GIVEN, JAPANESE, KOREAN, NOT_IN_NAMES
from gateway.classify.persons import plain


def test_names_are_plain_and_in_one_list_only() -> None:
    for names in (GIVEN, FAMILY):
        assert {plain(name) for name in names} == names
    assert not GIVEN & FAMILY
    assert not (GIVEN | FAMILY) & (NOT_IN_NAMES | {"street", "green", "stone", "paris", "london"})


def test_family_names_begin_with_single_characters() -> None:
    assert all(len(character) == 1 for character in CHINESE | JAPANESE | KOREAN)
