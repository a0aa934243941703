"""What a column holds, told by its name, its table's name and its type."""

import re
import unicodedata
from functools import lru_cache

from gateway.classify.languages import NATIVE
from gateway.classify.vocabulary import (
    ABOUT,
    ABOUT_KEPT,
    NAME_IN_PEOPLE,
    NAME_WORDS,
    NOT_PERSONS,
    NOT_WITH,
    PEOPLE,
    PERSON_QUALIFIERS,
    PHRASES,
    PLACES,
    TABLE_TRIMMINGS,
)

_BOOL = frozenset({16, 1000})
_WHOLE = frozenset({20, 21, 23, 26, 1005, 1007, 1016})  # int8 int2 int4 oid and arrays
_REAL = frozenset({700, 701, 1700, 790, 1021, 1022, 1231})  # float4 float8 numeric money and arrays
_MOMENT = frozenset({1082, 1083, 1114, 1184, 1186, 1266, 1115, 1182, 1185})  # dates, times, interval
_UUID = frozenset({2950, 2951})
_INET = frozenset({869, 829, 774, 1041, 1040, 775})  # inet macaddr macaddr8 and arrays
_SHAPE = frozenset({600, 601, 602, 603, 604, 628, 718})  # point and the like
_SERVER = frozenset(
    {24, 27, 28, 29, 194, 1033, 1034, 2205, 2206, 3220, 5069}
)  # the server's own bookkeeping

_NUMBER = _WHOLE | _REAL
# The types in which a label's values are never written.
_UNFIT: dict[str, frozenset[int]] = {
    "email": _BOOL | _NUMBER | _MOMENT | _UUID | _INET | _SHAPE,
    "secret": _BOOL | _REAL | _MOMENT | _INET | _SHAPE,
    "card": _BOOL | _MOMENT | _UUID | _INET | _SHAPE,
    "iban": _BOOL | _MOMENT | _UUID | _INET | _SHAPE,
    "ssn": _BOOL | _MOMENT | _UUID | _INET | _SHAPE,
    "passport": _BOOL | _REAL | _MOMENT | _UUID | _INET | _SHAPE,
    "licence": _BOOL | _REAL | _MOMENT | _UUID | _INET | _SHAPE,
    "biometric": _BOOL | _MOMENT | _INET,
    "dob": _BOOL | _UUID | _INET | _SHAPE,
    "ip": _BOOL | _REAL | _MOMENT | _UUID | _SHAPE,
    "phone": _BOOL | _MOMENT | _UUID | _INET | _SHAPE,
    "salary": _BOOL | _MOMENT | _UUID | _INET | _SHAPE,
    "health": _MOMENT | _UUID | _INET | _SHAPE,
    "address": _BOOL | _MOMENT | _UUID | _INET | _REAL,
    "geo": _BOOL | _MOMENT | _UUID | _INET,
    "name": _BOOL | _NUMBER | _MOMENT | _UUID | _INET | _SHAPE,
    "free_text": _BOOL | _NUMBER | _MOMENT | _UUID | _INET | _SHAPE,
}
# Tokens are counted, PINs are not: a number is a secret only under these whole names.
_NUMERIC_SECRETS = frozenset({"pin", "pin code", "passcode", "otp"})

_CUTS = re.compile(
    r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)
_COMPACT_LETTERS_MIN = 8  # shorter phrases occur inside other words by chance
_TAIL_LETTERS_MIN = 4  # "contact no" is not the beginning of "contact notes"
# What NFKD leaves as it is.
_PLAIN = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "\u0131": "i", "æ": "ae", "œ": "oe"}
)


def _phrases() -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """(label, phrase) by the phrase's first word."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for each, text in PHRASES.items():
        for phrase in text.split(","):
            words = tuple(phrase.split())
            found.setdefault(words[0], []).append((each, words))
    return found


def _joined() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """For each label its longer phrases written as one word."""
    found = []
    for each, text in PHRASES.items():
        words = {"".join(phrase.split()): phrase.split()[-1] for phrase in text.split(",")}
        long = [
            word + ("(?![a-z])" if len(last) < _TAIL_LETTERS_MIN else "")
            for word, last in words.items()
            if len(word) >= _COMPACT_LETTERS_MIN or word == "email"
        ]
        if long:
            found.append((each, re.compile("|".join(sorted(long)))))
    return tuple(found)


def _native_form(word: str) -> str:
    if not "\u0430" <= word[0] <= "\u044f":  # Cyrillic
        return word
    return f"(?<![^\\W_]){word}" + ("(?![^\\W_])" if len(word) < _TAIL_LETTERS_MIN else "")


def _native() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """For each label its words in other letters. Where words stand apart they begin with it, and short ones are it."""
    found = []
    for each, words in NATIVE:
        found.append((each, re.compile("|".join(_native_form(word) for word in words))))
    return tuple(found)


_BY_WORD = _phrases()
_JOINED = _joined()
_NATIVE = _native()


def label(column: str, table: str, type_oid: int) -> str | None:
    """The label of a column, None where nothing speaks for one. `type_oid` is pg_type's, of the base type for domains.

    Quasi-identifiers (city, region, country, gender, job title) have none. A type that cannot hold the value has none
    either: `email_verified boolean` is no e-mail address.
    """
    if type_oid in _SERVER:
        return None
    words, spoken = _heard(column)
    for found in spoken:
        if found == "geo" and of_places(table):
            continue
        if found == "secret" and type_oid in _NUMBER:
            if " ".join(words) in _NUMERIC_SECRETS:
                return found
        elif type_oid not in _UNFIT[found]:
            return found
    if type_oid in _INET:
        return "ip"
    if type_oid not in _UNFIT["name"] and _persons_name(words, table):
        return "name"
    return None


@lru_cache(maxsize=16384)
def _heard(column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a column's name, and the labels they speak for, the first first, whatever the type."""
    words = tuple(split(column))
    hits: dict[str, tuple[str, ...]] = {}
    for at, word in enumerate(words):
        for found, phrase in _BY_WORD.get(word, ()):
            if words[at : at + len(phrase)] == phrase and len(hits.get(found, ())) < len(phrase):
                hits[found] = phrase
    whole = "".join(words)
    for found, pattern in _JOINED:
        if found not in hits and pattern.search(whole):
            hits[found] = ()
    if not column.isascii():
        lower = column.lower()
        hits.update({found: () for found, pattern in _NATIVE if found not in hits and pattern.search(lower)})
    last = next((word for word in reversed(words) if not word.isdigit()), "")
    return words, tuple(
        found for found in PHRASES if found in hits and _speaks(found, words, hits[found], last)
    )


def _speaks(found: str, words: tuple[str, ...], hit: tuple[str, ...], last: str) -> bool:
    """Whether a phrase that was found means the value itself: not another thing of that name, nor something about it."""
    if not NOT_WITH.get(found, frozenset()).isdisjoint(words):
        return False
    about = last in ABOUT and last not in ABOUT_KEPT.get(found, ())
    return not about or (bool(hit) and hit[-1] == last)


def split(name: str) -> list[str]:
    """The words of a name: snake_case, camelCase and digits apart, lower case, accents gone."""
    plain = unicodedata.normalize("NFKD", name.translate(_PLAIN))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [word.lower() for word in _CUTS.split(plain) if word]


def _persons_name(name: tuple[str, ...], table: str) -> bool:
    """`name` alone says nothing: a person's is told by the word before it or by a table of people."""
    words = [word for word in name if not word.isdigit()]
    if not words:
        return False
    unfit_words = NOT_WITH["name"]
    if words[-1] in NAME_WORDS and len(words) > 1 and unfit_words.isdisjoint(words):
        if words[-2] in PERSON_QUALIFIERS or words[0] in PERSON_QUALIFIERS:
            return True
        return words[-2] == "display" and of_people(table)
    if len(words) > 1:
        return False
    if words[0] in NAME_IN_PEOPLE:
        return of_people(table)
    return words[0].endswith("name") and words[0].removesuffix("name") in PERSON_QUALIFIERS


def of_people(table: str) -> bool:
    """Whether the table's rows are persons, by its name: `user_roles` are roles, `tbl_users_2024` are users."""
    return _rows(table) in PEOPLE


def of_places(table: str) -> bool:
    """Whether the table's rows are places that anybody may know, by its name: where an airport lies tells of nobody."""
    return _rows(table) in PLACES


def of_things(table: str) -> bool:
    """Whether the table's rows are places, firms, products or the like: their names are no persons'."""
    row = _rows(table)
    return row in PLACES or row in NOT_PERSONS or row.removesuffix("s") in NOT_PERSONS


@lru_cache(maxsize=4096)
def _rows(table: str) -> str:
    """What a row is, by the table's name."""
    words = [word for word in split(table) if not word.isdigit() and word not in TABLE_TRIMMINGS]
    return words[-1] if words else ""
