"""What each client is asked for."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Refusal, State
from gateway.identity import credential_changes
from gateway.identity.credentials import CredentialFile
from parser.startup import Startup
from tests.gateway.identity.certificate_rig import authority
from tests.workers.wire_rig import make_certificate
from tests.workers.worker_rig import make_slot
from workers import doors
from workers.doors import Doors
from workers.proofs import OAuth, Password, Scram
from workers.sockets import Wire

SCRAM = 'credentials = "credentials.toml"\nscram_users = ["svc-*"]'


def made(folder: Path, gateway: str = "", **files: bytes) -> Doors:
    slot, control = make_slot(folder, 1, gateway)
    slot.door_files = {name: (name, content) for name, content in files.items()}
    try:
        return Doors(slot)
    finally:
        for end in (control, slot.control, slot.listener):
            end.close()


def packet(user: str, **more: str) -> Startup:
    pairs = {"user": user, **{name.replace("__", "."): value for name, value in more.items()}}
    return Startup(tuple(pairs.items()), 0, False, ())


@pytest.fixture
def wire() -> Iterator[Wire]:
    ours, theirs = socket.socketpair()
    theirs.close()
    made = Wire(ours)
    made.address = "10.0.0.1:5"
    yield made
    ours.close()


@pytest.mark.parametrize(
    ("auth", "more", "asked"),
    [
        ("password", {}, "password"),
        ("oauth", {}, "oauth"),
        ("password", {"sluice__auth": "oauth"}, "oauth"),
        ("oauth", {"sluice__auth": "password"}, "password"),
        ("password", {"SLUICE__AUTH": "oauth"}, "oauth"),
        ("password", {"options": "-c sluice.auth=oauth -c a=b"}, "oauth"),
        ("password", {"options": "-c sluice.auth=oauth", "sluice__auth": "password"}, "password"),
        ("oauth", {"options": "-c a=sluice.auth=password"}, "oauth"),
    ],
)
def test_client_or_settings_say_how_the_token_is_asked_for(
    tmp_path: Path, wire: Wire, auth: str, more: dict[str, str], asked: str
) -> None:
    found, said = made(tmp_path, f'auth = "{auth}"'), packet("alice", **more)
    ask = found.ask(said, wire)
    assert isinstance(ask, OAuth if asked == "oauth" else Password)
    assert found.is_plain(said) is (asked == "password")


@pytest.mark.parametrize(
    "more", [{"sluice__auth": "x"}, {"options": "-c"}, {"sluice__auth": "oauth", "sluice__issuer": "x"}]
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, wire: Wire, more: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        made(tmp_path).ask(packet("alice", **more), wire)
    assert caught.value.refused.sqlstate == State.NOT_SIGNED_IN


def test_names_of_the_pattern_are_asked_by_scram_whatever_they_want(tmp_path: Path, wire: Wire) -> None:
    found = made(tmp_path, SCRAM)
    for more in ({}, {"sluice__auth": "oauth"}):
        assert isinstance(found.ask(packet("svc-nobody", **more), wire), Scram)
        assert not found.is_plain(packet("svc-nobody", **more))
    assert isinstance(found.ask(packet("alice"), wire), Password)


def test_guesses_are_counted_and_then_not_looked_at(tmp_path: Path, wire: Wire) -> None:
    found = made(tmp_path, SCRAM)
    asks = [found.ask(packet("svc-a"), wire) for _ in range(30)]  # many at once
    told = []
    for ask in asks:
        assert isinstance(ask, Scram)
        with pytest.raises(Refusal) as caught:
            ask.judge(None)
        told.append(caught.value.refused.message)
    assert told[:20] == ['password authentication failed for user "svc-a"'] * 20
    assert all("too many sign-ins have failed" in text for text in told[20:])
    with pytest.raises(Refusal, match="too many"):
        found.ask(packet("svc-a"), wire)


def test_reload_brings_credentials_and_certificates_and_keeps_what_cannot_be_replaced(
    tmp_path: Path, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = make_certificate(tmp_path, "localhost")
    root = authority()
    (tmp_path / "here").mkdir()
    tls = f'tls = "optional"\ntls_cert = "{cert}"\ntls_key = "{key}"\ntls_client_ca = "x"\n{SCRAM}'
    found = made(tmp_path / "here", tls, tls_client_ca=root.pem)
    before = found.tls_context
    now = credential_changes.datetime.now(credential_changes.UTC)
    life = credential_changes.timedelta(days=1)
    file = credential_changes.add(CredentialFile(), "svc-a", [], "secret", b"s" * 16, now, life)
    found.renew({"credentials": ("c", credential_changes.dump(file).encode()), "tls_client_ca": ("x", root.pem)})
    assert found.tls_context is not before
    ask = found.ask(packet("svc-a"), wire)
    assert isinstance(ask, Scram)
    assert ask.judge(ask.verifiers[0]).expires > time.time()
    kept = found.tls_context
    key.write_bytes(b"nothing")
    found.renew({})
    assert found.tls_context is kept
    assert "TLS goes on as it was" in caplog.text


def test_a_socket_without_tls_has_no_certificate() -> None:
    assert doors.certificate_of(object()) is None
