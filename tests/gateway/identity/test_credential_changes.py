"""Credentials made, rotated and taken out."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.identity import credential_changes as changes
from gateway.identity import credentials
from gateway.identity.credential_changes import NotPossible
from gateway.identity.credentials import CredentialFile
from gateway.identity.scram import read_verifier, verifier_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def one() -> CredentialFile:
    return changes.add(CredentialFile(), 'svc-"a"', ["x", 'y"'], "first", b"s" * 16, NOW, 90 * DAY)


def rotated(file: CredentialFile, password: str, now: datetime, grace: timedelta) -> CredentialFile:
    return changes.rotate(file, 'svc-"a"', password, b"t" * 16, now, 90 * DAY, grace)


def test_what_is_written_is_what_is_read() -> None:
    for file in (one(), rotated(one(), "second", NOW, DAY)):
        assert credentials.load(changes.dump(file), "credentials.toml") == file


def test_rotating_keeps_the_old_password_for_a_while_and_then_forgets_it() -> None:
    file = rotated(one(), "second", NOW, 7 * DAY)
    found = file.credentials[0]
    assert read_verifier(found.verifier) == verifier_of("first", b"s" * 16)
    assert read_verifier(found.next) == verifier_of("second", b"s" * 16)
    with pytest.raises(NotPossible, match=r"two passwords of .* count until 2026-12-05T12:00:00Z: wait, or end both"):
        rotated(file, "third", NOW + DAY, DAY)
    found = rotated(file, "third", NOW + 8 * DAY, DAY).credentials[0]
    assert read_verifier(found.verifier) == verifier_of("second", b"s" * 16)
    assert read_verifier(found.next) == verifier_of("third", b"s" * 16)


def test_rotating_at_once_leaves_one_password() -> None:
    file = rotated(rotated(one(), "second", NOW, 7 * DAY), "third", NOW + DAY, timedelta())
    found = file.credentials[0]
    assert read_verifier(found.verifier) == verifier_of("third", b"t" * 16)
    assert (found.next, found.grace) == ("", None)


def test_a_grace_is_never_longer_than_the_credential() -> None:
    assert rotated(one(), "second", NOW, 999 * DAY).credentials[0].grace == NOW + 90 * DAY


def test_what_is_not_there_cannot_be_changed_and_what_is_there_not_added() -> None:
    with pytest.raises(NotPossible, match='already a credential "svc-"a""'):
        changes.add(one(), 'svc-"a"', [], "x", b"s" * 16, NOW, DAY)
    with pytest.raises(NotPossible, match='no credential "svc-b"'):
        changes.remove(one(), "svc-b")
    assert changes.remove(one(), 'svc-"a"') == CredentialFile()
