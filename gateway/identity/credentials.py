"""Static credentials (credentials.toml): for clients that can do nothing but SCRAM, kept as verifiers, always with an end.

While a password is rotated both count: `verifier` until `grace`, and `next`, which has the same salt, so that one challenge
fits both. Who comes in by one is marked `weak`: what proves it is used over and over.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.door_settings import CREDENTIALS
from gateway.errors import ConfigError, ConfigFault, Refusal, Refused, State
from gateway.identity import scram
from gateway.identity.principal import Principal
from gateway.identity.scram import Verifier
from gateway.toml_source import convert, fail, parse
from gateway.wildcards import fits

_FILE_BYTES_MAX: Final = 4 * 1024 * 1024
_RENEW: Final = "Ask for a new password."
Text = Annotated[str, Meta(min_length=1, max_length=512)]
Moment = Annotated[datetime, Meta(tz=True)]


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the file. `next` and `grace`: where the password is being rotated."""

    user: Text
    verifier: Text
    created: Moment
    expires: Moment
    groups: tuple[Text, ...] = ()
    next: str = ""
    grace: Moment | None = None

    def __repr__(self) -> str:
        return f"Credential({self.user!r})"


class CredentialFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of credentials.toml."""

    credentials: tuple[Credential, ...] = msgspec.field(name="credential", default=())


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    credential: Credential
    old: Verifier
    new: Verifier | None

    def counting(self, now: float) -> tuple[Verifier, ...]:
        """Always two, so that a check takes the same time for everybody."""
        grace = self.credential.grace
        if self.new is None:
            return self.old, self.old
        return (self.new, self.new) if grace is not None and now >= grace.timestamp() else (self.old, self.new)


class Credentials:
    """The credentials in force, and the challenge that others get."""

    def __init__(self, entries: Sequence[_Entry], mock_key: bytes) -> None:
        self._entries = {one.credential.user: one for one in entries}
        self._verifiers = [one.old for one in entries]
        self._mock_key = mock_key

    def challenge(self, user: str, now: float) -> tuple[Verifier, ...]:
        """What `user` is asked by, whether there is such a credential or not."""
        entry = self._entries.get(_plain(user))
        made = scram.mock(user, self._mock_key, self._verifiers)  # for everybody: it takes a moment
        return (made, made) if entry is None else entry.counting(now)

    def principal(self, user: str, proven: Verifier, now: float) -> Principal:
        """Who knows the password behind `proven`. Raises Refusal: it is theirs, and it has expired."""
        entry = self._entries[_plain(user)]
        credential = entry.credential
        expires = credential.expires.timestamp()
        if credential.grace is not None and proven == entry.old and entry.new is not None:
            expires = min(expires, credential.grace.timestamp())
        if now >= expires:
            raise Refusal(Refused(State.BAD_TOKEN, "sign-in refused: the password has expired", _RENEW, "sign-in"))
        return Principal(
            user=credential.user,
            issuer=CREDENTIALS,
            groups=credential.groups,
            actors=(),
            expires=expires,
            token_id="",
            method="scram",
            weak=True,
            key=_thumbprint(proven),
        )

    def renewed(self, principal: Principal, now: float) -> Principal | None:
        """Somebody who came in by one of them, with the end that it has now; None where it would not let the same in."""
        entry = self._entries.get(principal.user)
        for verifier in () if entry is None else entry.counting(now):
            if _thumbprint(verifier) == principal.key:
                with suppress(Refusal):
                    found = self.principal(principal.user, verifier, now)
                    return found if replace(found, expires=principal.expires) == principal else None
        return None


def _thumbprint(verifier: Verifier) -> str:
    return hashlib.sha256(verifier.stored_key).hexdigest()


def _plain(user: str) -> str:
    return unicodedata.normalize("NFC", user)


def refusal(user: str) -> Refused:
    """What everybody reads who does not know the password, in PostgreSQL's words."""
    return Refused(State.BAD_TOKEN, f'password authentication failed for user "{user}"', "", "sign-in")


def load(text: str, file: str) -> CredentialFile:
    """The file's entries, as they stand there. Raises ConfigError."""
    if len(text) > _FILE_BYTES_MAX:
        raise ConfigError(ConfigFault(file, 0, "credentials", "it is larger than 4 MiB", "give machines tokens instead"))
    return convert(parse(text, file), CredentialFile, text, file)


def read(text: str, file: str, patterns: Sequence[str], mock_key: bytes) -> Credentials:
    """The credentials for sign-in; all must be for names that are asked by SCRAM (`patterns`). Raises ConfigError."""
    entries: list[_Entry] = []
    seen: set[str] = set()
    for index, one in enumerate(load(text, file).credentials):
        path: tuple[str | int, ...] = ("credential", index)
        if one.user in seen:
            fail(text, file, (*path, "user"), f'there is already a credential "{one.user}"', "take one of the two out")
        seen.add(one.user)
        if not one.user.isprintable() or _plain(one.user) != one.user:
            fail(text, file, (*path, "user"), "it is not a printable text in NFC", "give it another name")
        if not any(fits(one.user, pattern) for pattern in patterns):
            mend = "name it in gateway.scram_users, or take the credential out"
            fail(text, file, (*path, "user"), "no pattern of scram_users fits it, so nobody would be asked for it", mend)
        entries.append(_entry(one, path, text, file))
    return Credentials(entries, mock_key)


def _entry(one: Credential, path: tuple[str | int, ...], text: str, file: str) -> _Entry:
    old = _verifier(one.verifier, (*path, "verifier"), text, file)
    if bool(one.next) != (one.grace is not None):
        here = "next" if one.next else "grace"
        fail(text, file, (*path, here), "next and grace belong together", "`sluice credential rotate` writes both")
    if one.expires <= one.created:
        fail(text, file, (*path, "expires"), "it is not after created", "give a later moment")
    if not one.next:
        return _Entry(one, old, None)
    new = _verifier(one.next, (*path, "next"), text, file)
    if (new.salt, new.iterations) != (old.salt, old.iterations):
        why = "salt and iterations differ from verifier's, so that one challenge would not fit both"
        fail(text, file, (*path, "next"), why, "`sluice credential rotate` makes one that fits")
    return _Entry(one, old, new)


def _verifier(text_of: str, path: tuple[Any, ...], text: str, file: str) -> Verifier:
    try:
        return scram.read_verifier(text_of)
    except ValueError as error:
        fail(text, file, path, str(error), "`sluice credential add` makes one")
