"""The signing key's file, and how one key hands over to the next."""

import itertools
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audit import heads
from workers import notary_key
from workers.init import init
from workers.notary_key import NoKey, Rotation, endorsements

LOG = bytes(range(16))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def handed(old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> Rotation:
    return Rotation(public(new), old.sign(heads.endorsement(LOG, public(new))))


def test_key_is_read_beside_the_configuration_or_from_the_service_managers_credentials(
    tmp_path: Path,
) -> None:
    here, credentials = tmp_path / "here", tmp_path / "credentials"
    init(here)
    init(credentials)
    one = notary_key.load(here, {})
    assert one.public == notary_key.load(here, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).public
    assert one.public != notary_key.load(here, {"CREDENTIALS_DIRECTORY": str(credentials)}).public


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match=r"no audit\.key"):
        notary_key.load(tmp_path, {})
    file = tmp_path / "audit.key"
    file.write_bytes(b"no key")
    file.chmod(0o600)
    with pytest.raises(NoKey, match="no Ed25519 key"):
        notary_key.load(tmp_path, {})
    file.chmod(0o644)
    with pytest.raises(NoKey, match="chmod 600"):
        notary_key.load(tmp_path, {})


def test_way_over_several_keys_is_found_in_any_order_of_lines() -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]
    first, _, _, last = keys
    steps = [handed(old, new) for old, new in itertools.pairwise(keys)]
    stray = handed(first, Ed25519PrivateKey.generate())
    for order in itertools.permutations([*steps, stray]):
        assert endorsements(LOG, public(first), public(last), order) == steps
    assert endorsements(LOG, public(first), public(last), [steps[0], steps[2]]) == []
    assert endorsements(LOG[::-1], public(first), public(last), steps) == []
    assert endorsements(LOG, public(first), public(last), []) == []


def test_lines_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    assert notary_key.rotations(tmp_path, {}) == []
    step = handed(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
    line = f"{step.public.hex()} {step.endorsed.hex()}\n"
    (tmp_path / "audit.rotations").write_text(f"{line}xyz\n\n12 34 56\n{line}")
    assert notary_key.rotations(tmp_path, {}) == [step, step]


def test_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "audit.key"
    for content in (b"one", b"two"):
        notary_key.write(file, content, 0o600)
        assert file.read_bytes() == content
        assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["audit.key"]
