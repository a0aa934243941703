"""`sluice init`: what it writes works, is kept from others, and never overwrites."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from workers import configuration
from workers.init import init

SECRET = {"local-issuer.key", "audit.key", "mask.key"}


def test_what_it_writes_is_a_configuration_without_faults(tmp_path: Path) -> None:
    written = init(tmp_path / "new" / "folder")
    assert {path.name for path in written} == SECRET | {
        "sluice.toml",
        "policy.toml",
        "policy.test.toml",
        "local-issuer.pub",
        "audit.pub",
    }
    loaded = configuration.load(tmp_path / "new" / "folder" / "sluice.toml", {})
    assert [issuer.name for issuer in loaded.settings.issuers] == ["local"]
    assert len(loaded.secrets.mask_key) >= 32


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    for path in init(tmp_path):
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.name in SECRET else 0o644)


@pytest.mark.parametrize("name", ["local-issuer", "audit"])
def test_public_keys_belong_to_the_private_ones(tmp_path: Path, name: str) -> None:
    init(tmp_path)
    key = load_pem_private_key((tmp_path / f"{name}.key").read_bytes(), None)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public == (tmp_path / f"{name}.pub").read_bytes()


def test_every_key_is_new(tmp_path: Path) -> None:
    for path in init(tmp_path / "a"):
        if path.name in SECRET:
            init(tmp_path / path.name)
            assert path.read_bytes() != (tmp_path / path.name / path.name).read_bytes()


@pytest.mark.parametrize("name", ["sluice.toml", "mask.key"])
def test_nothing_is_overwritten_and_nothing_else_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=name):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
