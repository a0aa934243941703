"""The signed log's files: written whole or not at all, and read back."""

import resource
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit import merkle
from gateway.audit.heads import Checkpoint, Entry, Key
from tests.workers.notary_rig import T, read_log, signer
from workers import notary_log
from workers.notary_log import HeadsLog, Signer, log_files, log_id, verify

EMPTY = Checkpoint(merkle.EMPTY, ())


def opened(directory: Path, seen: list[Entry] | None = None) -> HeadsLog:
    return HeadsLog(directory, "db1", (seen if seen is not None else []).append)


def test_log_is_read_back_by_the_next_one(tmp_path: Path) -> None:
    key = signer()
    assert log_id(tmp_path) == b""
    said: list[Entry] = []
    for number in range(4):
        seen: list[Entry] = []
        log = opened(tmp_path, seen)
        assert seen == said
        assert log.fresh is (number == 0)
        assert log.public == (key.public if number else b"")
        log.sign_with(key)
        added: list[Entry] = [Key(key.public)] if not number else [EMPTY, EMPTY]
        assert log.append(T + number, added)
        said += added
        assert log.size == len(said)
        assert log.signed_ns == T + number
        log.close()
    assert read_log(tmp_path) == said
    assert len(log_files(tmp_path)) == 4
    assert len(log_id(tmp_path)) == 16


def test_failed_write_is_made_good_in_a_file_of_its_own(tmp_path: Path) -> None:
    key = signer()
    log = opened(tmp_path)
    log.sign_with(key)
    assert log.append(T, [Key(key.public)])
    (file,) = log_files(tmp_path)
    size = file.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
    try:
        assert not log.append(T + 1, [EMPTY])  # half of it fits
        assert file.stat().st_size == size
        assert not log.settle() or log_files(tmp_path)[1:]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.settle()
    assert log.append(T + 2, [EMPTY])
    assert log.signed_ns == T + 2
    log.close()
    assert read_log(tmp_path) == [Key(key.public), EMPTY, EMPTY]
    seen: list[Entry] = []
    opened(tmp_path, seen).close()
    assert len(seen) == 3


def test_header_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    key = signer()
    log = opened(tmp_path)
    log.sign_with(key)
    log.append(T, [Key(key.public)])
    log.close()
    (tmp_path / "heads" / "00000001.log").write_bytes(b"SLUICEH1\0")
    log = opened(tmp_path)
    log.sign_with(key)
    log.append(T, [EMPTY])
    log.close()
    assert [each.name for each in log_files(tmp_path)] == ["00000000.log", "00000001.log", "00000002.log"]
    seen: list[Entry] = []
    opened(tmp_path, seen).close()
    assert seen == [Key(key.public), EMPTY]


def test_file_that_is_full_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notary_log, "FILE_BYTES", 1000)
    key = signer()
    log = opened(tmp_path)
    log.sign_with(key)
    for number in range(20):
        log.append(T + number, [EMPTY])
    log.close()
    assert len(log_files(tmp_path)) > 2
    assert len(read_log(tmp_path)) == 20
    seen: list[Entry] = []
    opened(tmp_path, seen).close()
    assert len(seen) == 20


def test_key_of_another_kind_does_not_sign() -> None:
    other = ed448.Ed448PrivateKey.generate()
    with pytest.raises(TypeError):
        Signer(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="PEM"):
        Signer(b"hello")


def test_signature_of_anybody_else_is_told() -> None:
    one, other = signer(), signer()
    assert verify(one.public, one.sign(b"x"), b"x")
    assert not verify(other.public, one.sign(b"x"), b"x")
    assert not verify(one.public, one.sign(b"x"), b"y")
    assert not verify(b"short", one.sign(b"x"), b"x")
