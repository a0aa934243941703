"""people.toml: which user of which issuer an e-mail address belongs to, and in which groups he is, for channels that know
people by their address alone."""

import unicodedata
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.channels import is_mail
from gateway.toml_source import convert, fail, parse

Text = Annotated[str, Meta(min_length=1, max_length=512)]
PEOPLE_MAX: Final = 100_000


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry."""

    email: Text
    user: Text
    issuer: Text
    groups: tuple[Text, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    person: Annotated[tuple[Person, ...], Meta(max_length=PEOPLE_MAX)] = ()


class People:
    """Persons by address."""

    def __init__(self, persons: tuple[Person, ...]) -> None:
        self._by_email = {_folded(one.email): one for one in persons}

    def __len__(self) -> int:
        return len(self._by_email)

    def of(self, email: str) -> Person | None:
        """Whose address this is."""
        return self._by_email.get(_folded(email)) if email else None


def load(text: str, file: str) -> People:
    """Raises ConfigError for the first mistake."""
    persons = convert(parse(text, file), _File, text, file).person
    known: set[str] = set()
    for index, one in enumerate(persons):
        path = ("person", index, "email")
        if not is_mail(one.email) or not one.email.isascii():
            fail(text, file, path, "not a mail address", 'write it as "dora@example.com"')
        if _folded(one.email) in known:
            fail(text, file, path, "the address is there twice", "keep one entry a person")
        known.add(_folded(one.email))
    return People(persons)


def _folded(email: str) -> str:
    """Upper and lower case are one; nothing else is: an address that looks alike is another."""
    return unicodedata.normalize("NFC", email).lower() if email.isascii() else email
