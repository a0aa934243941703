"""Changes to the static credentials: made, rotated, taken out, and written as the TOML of credentials.toml."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from gateway.identity.credentials import Credential, CredentialFile
from gateway.identity.scram import read_verifier, verifier_of

_HEAD: Final = """\
# Static credentials: for clients that know nothing but a password. Written by `sluice credential`; SIGHUP reads it again.
# What stands here are SCRAM verifiers, no passwords; mode 0600 all the same.
"""


class NotPossible(Exception):
    """One line: why the change cannot be made."""


def add(
    file: CredentialFile, user: str, groups: Sequence[str], password: str, salt: bytes, now: datetime, ttl: timedelta
) -> CredentialFile:
    """With a new credential. Raises NotPossible."""
    if any(one.user == user for one in file.credentials):
        raise NotPossible(f'there is already a credential "{user}": `sluice credential rotate` gives it a new password')
    verifier = str(verifier_of(password, salt))
    made = Credential(user=user, verifier=verifier, created=now, expires=now + ttl, groups=tuple(groups))
    return CredentialFile((*file.credentials, made))


def rotate(
    file: CredentialFile, user: str, password: str, salt: bytes, now: datetime, ttl: timedelta, grace: timedelta
) -> CredentialFile:
    """With a new password for `user`; the one before counts for as long as `grace`, and not at all where that is nothing.
    `salt` is for the latter case. Raises NotPossible."""
    old = find(file, user)
    if not grace:
        verifier = str(verifier_of(password, salt))
        fresh = msgspec.structs.replace(old, verifier=verifier, created=now, expires=now + ttl, next="", grace=None)
        return _replaced(file, fresh)
    if old.grace is not None and now < old.grace:
        why = f'two passwords of "{user}" count until {_moment(old.grace)}'
        raise NotPossible(f"{why}: wait, or end both with --at-once")
    current = old.next or old.verifier
    held = read_verifier(current)
    made = str(verifier_of(password, held.salt, held.iterations))
    fresh = msgspec.structs.replace(
        old, verifier=current, next=made, created=now, expires=now + ttl, grace=min(now + grace, now + ttl)
    )
    return _replaced(file, fresh)


def remove(file: CredentialFile, user: str) -> CredentialFile:
    """Without it. Raises NotPossible."""
    gone = find(file, user)
    return CredentialFile(tuple(one for one in file.credentials if one is not gone))


def find(file: CredentialFile, user: str) -> Credential:
    """The credential of `user`. Raises NotPossible."""
    for one in file.credentials:
        if one.user == user:
            return one
    raise NotPossible(f'there is no credential "{user}"')


def _replaced(file: CredentialFile, fresh: Credential) -> CredentialFile:
    return CredentialFile(tuple(fresh if one.user == fresh.user else one for one in file.credentials))


def dump(file: CredentialFile) -> str:
    """The text of the file."""
    return _HEAD + "".join(map(_entry, file.credentials))


def _entry(one: Credential) -> str:
    groups = ", ".join(map(_text, one.groups))
    lines = [
        "",
        "[[credential]]",
        f"user = {_text(one.user)}",
        f"groups = [{groups}]",
        f"verifier = {_text(one.verifier)}",
        f"created = {_moment(one.created)}",
        f"expires = {_moment(one.expires)}",
    ]
    if one.grace is not None:
        lines += [f"next = {_text(one.next)}  # both count until grace", f"grace = {_moment(one.grace)}"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
