"""Bars on the disk."""

import os
import time
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.identity.barred import Bar, Bars
from workers import barred_file


def test_what_was_written_is_read_again_by_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert list(barred_file.read(folder)) == []
    bars = [Bar("actor", "bot", user="ann", by="dora", reason="why", since=1.5, until=2.5), Bar("user", "zoë")]
    for kept in (bars, bars[:1], []):
        barred_file.write(folder, Bars(kept))
        assert list(barred_file.read(folder)) == kept
    assert [path.name for path in folder.iterdir()] == ["barred"]
    assert (folder / "barred").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x91\x01", b"\xc0"])
def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "barred").write_bytes(content)
    with pytest.raises(ConfigError, match="would come in"):
        barred_file.read(tmp_path)


def test_where_it_cannot_be_written_the_old_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    barred_file.write(tmp_path, Bars([Bar("user", "ann")]))

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        barred_file.write(tmp_path, Bars())
    assert [bar.name for bar in barred_file.read(tmp_path)] == ["ann"]
    assert not (tmp_path / "barred.new").exists()


def test_a_hundred_thousand_are_kept_in_a_moment(tmp_path: Path) -> None:
    bars = Bars(Bar("token", f"{number:032x}", by="dora (local)", until=2e9) for number in range(100_000))
    began = time.monotonic()
    barred_file.write(tmp_path, bars)
    assert len(barred_file.read(tmp_path)) == 100_000
    assert time.monotonic() - began < 5
