"""Static credentials: who may be asked for one, which passwords count, and mistakes in their file."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import ConfigError, Refusal
from gateway.identity import credential_changes, credentials
from gateway.identity.credentials import CredentialFile, Credentials
from gateway.identity.principal import Principal

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = b"k" * 32


def made() -> CredentialFile:
    return credential_changes.add(CredentialFile(), "svc-report", ["reporting"], "first", b"s" * 16, NOW, 90 * DAY)


def read(file: CredentialFile) -> Credentials:
    return credentials.read(credential_changes.dump(file), "credentials.toml", ["svc-*"], KEY)


def test_who_has_proven_a_password_is_a_weak_principal() -> None:
    held = read(made())
    old, same = held.challenge("svc-report", NOW.timestamp())
    assert old is same
    assert held.principal("svc-report", old, NOW.timestamp()) == Principal(
        user="svc-report",
        issuer="credentials",
        groups=("reporting",),
        actors=(),
        expires=(NOW + 90 * DAY).timestamp(),
        token_id="",
        method="scram",
        weak=True,
    )


def test_expired_password_is_told_to_whoever_knows_it() -> None:
    held, late = read(made()), (NOW + 90 * DAY).timestamp()
    with pytest.raises(Refusal, match="the password has expired"):
        held.principal("svc-report", held.challenge("svc-report", late)[0], late)


def test_both_passwords_count_until_the_grace_ends() -> None:
    rotated = credential_changes.rotate(made(), "svc-report", "second", b"x" * 16, NOW + DAY, 90 * DAY, 7 * DAY)
    held = read(rotated)
    old, new = held.challenge("svc-report", (NOW + 2 * DAY).timestamp())
    assert old != new
    assert (old.salt, old.iterations) == (new.salt, new.iterations)
    assert held.principal("svc-report", old, NOW.timestamp()).expires == (NOW + 8 * DAY).timestamp()
    assert held.principal("svc-report", new, NOW.timestamp()).expires == (NOW + 91 * DAY).timestamp()
    assert held.challenge("svc-report", (NOW + 8 * DAY).timestamp()) == (new, new)


def came_in(held: Credentials, place: int = 0, now: datetime = NOW) -> Principal:
    """By the password that counts longest or, at place 1, the newer of two."""
    return held.principal("svc-report", held.challenge("svc-report", now.timestamp())[place], now.timestamp())


def test_who_is_in_stays_as_long_as_the_password_counts_as_the_same() -> None:
    file, now = made(), NOW.timestamp()
    who = came_in(read(file))
    assert read(file).renewed(who, now) == who
    rotated = credential_changes.rotate(file, "svc-report", "second", b"x" * 16, NOW, 90 * DAY, 7 * DAY)
    at_most = read(rotated).renewed(who, now)
    assert at_most is not None
    assert at_most.expires == (NOW + 7 * DAY).timestamp()
    assert read(rotated).renewed(came_in(read(rotated), 1), now) is not None
    assert read(rotated).renewed(who, now + 8 * DAY.total_seconds()) is None


@pytest.mark.parametrize(
    "file",
    [
        CredentialFile(),
        credential_changes.add(CredentialFile(), "svc-report", ["reporting"], "other", b"s" * 16, NOW, 90 * DAY),
        credential_changes.add(CredentialFile(), "svc-report", ["owners"], "first", b"s" * 16, NOW, 90 * DAY),
        credential_changes.add(CredentialFile(), "svc-report", ["reporting"], "first", b"s" * 16, NOW - 2 * DAY, DAY),
        credential_changes.add(CredentialFile(), "svc-other", ["reporting"], "first", b"s" * 16, NOW, 90 * DAY),
    ],
    ids=["removed", "another password", "other groups", "expired", "another user"],
)
def test_who_is_in_by_what_counts_no_more_does_not_stay(file: CredentialFile) -> None:
    assert read(file).renewed(came_in(read(made())), NOW.timestamp()) is None


def test_unknown_names_are_asked_alike() -> None:
    held = read(made())
    known, unknown = (held.challenge(user, NOW.timestamp()) for user in ("svc-report", "svc-nobody"))
    assert unknown == held.challenge("svc-nobody", (NOW + DAY).timestamp())
    one, other = ((len(each), each[0].iterations, len(each[0].salt)) for each in (known, unknown))
    assert one == other


def test_nothing_that_proves_is_shown() -> None:
    file = made()
    assert file.credentials[0].verifier not in repr(file)


TEXT = credential_changes.dump(made())
OTHER = TEXT[TEXT.index("[[credential]]") :]
SALTED = OTHER.split("verifier = ")[1].split("\n")[0].replace("c3Nz", "eHh4", 1)
WRONG = {
    "the name of nobody who is asked": (TEXT.replace('"svc-report"', '"alice"'), "no pattern of scram_users fits it"),
    "a name twice": (TEXT + OTHER, 'there is already a credential "svc-report"'),
    "a password": (TEXT.replace("SCRAM-SHA-256$", ""), "it is not spelled SCRAM-SHA-256"),
    "an unknown key": (TEXT.replace("groups =", "group ="), "unknown key"),
    "no end": ("\n".join(line for line in TEXT.splitlines() if "expires" not in line), 'the key "expires" is missing'),
    "an end before its beginning": (TEXT.replace("2027-02-26", "2020-02-26"), "it is not after created"),
    "next without grace": (TEXT.replace("created", 'next = "x"\ncreated'), "next and grace belong together"),
    "another salt": (
        TEXT + f"next = {SALTED}\ngrace = 2027-01-01T00:00:00Z\n",
        "salt and iterations differ from verifier's",
    ),
    "a name in another spelling": (TEXT.replace("svc-report", "svc-e\u0301"), "not a printable text in NFC"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_in_the_file_are_told_without_quoting_a_verifier(name: str) -> None:
    text, why = WRONG[name]
    with pytest.raises(ConfigError) as caught:
        credentials.read(text, "credentials.toml", ["svc-*"], KEY)
    assert why in str(caught.value)
    assert "c3Nz" not in str(caught.value)


def test_one_text_for_everybody_who_does_not_know_the_password() -> None:
    assert credentials.refusal("svc-x").message == 'password authentication failed for user "svc-x"'
