"""The doors' files, read and checked before anybody relies on them."""

from pathlib import Path

import msgspec
import pytest

from gateway.door_settings import Certificate
from gateway.errors import ConfigError
from gateway.settings import Gateway, Settings
from tests.gateway.identity.certificate_rig import authority
from workers import door_files

ROOT = authority()
GATEWAY = Gateway(tls_client_ca="ca.crt", tls_client_crl="ca.crl", credentials="c.toml", scram_users=("svc-*",))
SETTINGS = Settings(gateway=GATEWAY)
GOOD = {
    "tls_client_ca": ("ca.crt", ROOT.pem),
    "tls_client_crl": ("ca.crl", ROOT.revocations()),
    "credentials": ("c.toml", b""),
}


def test_files_are_named_by_their_settings_and_travel_as_they_are() -> None:
    assert door_files.named(Path("/etc/sluice"), SETTINGS) == {
        "tls_client_ca": Path("/etc/sluice/ca.crt"),
        "tls_client_crl": Path("/etc/sluice/ca.crl"),
        "credentials": Path("/etc/sluice/c.toml"),
    }
    assert door_files.named(Path("/etc"), Settings()) == {}
    assert door_files.unpack(door_files.pack(GOOD)) == GOOD
    door_files.check(GOOD, SETTINGS, "sluice.toml", b"k")


@pytest.mark.parametrize(
    ("key", "content", "why"),
    [
        ("tls_client_ca", b"nothing", "it holds no certificates in PEM"),
        ("tls_client_ca", ROOT.revocations(), "it holds no certificates in PEM"),
        ("tls_client_crl", b"nothing", "it holds no revocation list in PEM"),
        ("tls_client_crl", ROOT.pem, "it holds no revocation list in PEM"),
        ("tls_client_crl", ROOT.revocations().replace(b"\nM", b"\nA", 1), "it holds no revocation list in PEM"),
        ("credentials", b"\xff", "the file is not UTF-8"),
        ("credentials", b"[credential]", "credential: it is of the type table"),
    ],
)
def test_a_file_that_could_not_be_used_is_told(key: str, content: bytes, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        door_files.check(GOOD | {key: ("file", content)}, SETTINGS, "sluice.toml", b"k")


def test_a_rule_whose_subject_cannot_be_read_is_told() -> None:
    rules = (Certificate(name="x", subject="nothing", user="x"),)
    with pytest.raises(ConfigError, match="not a name as of RFC 4514"):
        door_files.check(GOOD, msgspec.structs.replace(SETTINGS, certificates=rules), "sluice.toml", b"k")
