"""Fetched keys on a real disk."""

import json
import stat
from pathlib import Path

import msgspec
import pytest

from gateway.identity.keys import FetchedSet, source_of
from gateway.issuers import Issuer
from tests.gateway.identity.token_rig import ED, NOW, jwk, jwks
from workers import key_store

ISSUER = Issuer(name="../id p/ü", issuer="https://id.example", audience="sluice", jwks_url="https://id.example/keys")
KEPT = FetchedSet(source_of(ISSUER), jwks(jwk(ED, kid="k1")), NOW)


def test_keys_come_back_as_they_were_and_are_their_owners_alone(tmp_path: Path) -> None:
    home = key_store.folder(tmp_path / "var" / "audit")
    assert home == tmp_path / "var" / "state" / "keys"
    assert key_store.read_all(home, [ISSUER]) == {}
    key_store.write(home, ISSUER, KEPT)
    key_store.write(home, ISSUER, KEPT)
    assert key_store.read_all(home, [ISSUER]) == {ISSUER.name: KEPT}
    (file,) = home.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", json.dumps({"source": source_of(ISSUER), "content": "e30=", "fetched": 1}).encode()],
)
def test_what_is_no_key_set_is_passed_over(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    key_store.write(tmp_path, ISSUER, KEPT)
    next(tmp_path.iterdir()).write_bytes(content)
    assert key_store.read_all(tmp_path, [ISSUER]) == {}
    assert "cannot be used" in caplog.text


def test_an_issuer_that_is_another_now_has_none(tmp_path: Path) -> None:
    key_store.write(tmp_path, ISSUER, KEPT)
    for change in ({"issuer": "https://other.example"}, {"jwks_url": "https://id.example/other"}):
        assert key_store.read_all(tmp_path, [msgspec.structs.replace(ISSUER, **change)]) == {}
    assert key_store.read_all(tmp_path, [msgspec.structs.replace(ISSUER, jwks_url="", key_file="k")]) == {}


def test_a_disk_that_takes_nothing_leaves_what_was_there(tmp_path: Path) -> None:
    key_store.write(tmp_path, ISSUER, KEPT)
    with pytest.raises(OSError, match="Not a directory"):
        key_store.write(next(tmp_path.iterdir()) / "keys", ISSUER, KEPT)
    assert key_store.read_all(tmp_path, [ISSUER]) == {ISSUER.name: KEPT}
