"""`sluice audit rotate-key` and `compress`, run as commands."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from gateway.audit.heads import Key
from tests.workers.cli_rig import folder, sluice
from tests.workers.notary_rig import Rig, of, read_log
from workers import audit_keeping_cli, notary_key

__all__ = ["folder"]


def told(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line that a verb ended with."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    return done.stderr


def test_rotated_keys_are_vouched_for_one_by_the_other(folder: Path) -> None:
    rig = Rig(folder / "var" / "audit")
    rig.directory.mkdir(parents=True)
    rig.key = notary_key.load(folder, {})
    rig.turn()
    rig.stop()
    first = rig.key.public
    for _ in range(2):  # and nobody was there in between
        done = sluice("audit", "rotate-key", "--json", cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
        said = json.loads(done.stdout)
        assert not said["gateway_signs"]
        assert said["old"] == rig.key.public.hex()
        rig.key = notary_key.load(folder, {})
        assert said["new"] == rig.key.public.hex()
        kept = Path(said["kept"])
        assert kept.name.startswith("audit-")
        assert kept.stat().st_mode & 0o777 == 0o600
        kept.rename(folder / f"old-{said['old'][:8]}.key")  # the next one may come within this second
    rig.rotations = notary_key.rotations(folder, {})
    rig.turn()
    rig.end()
    keys = of(Key, read_log(rig.directory))
    assert [each.public for each in keys][::2] == [first, rig.key.public]
    assert [bool(each.endorsed) for each in keys] == [False, True, True]
    assert [each for each, _ in rig.told] == ["key rotated"]


def test_key_that_cannot_be_rotated_stays(folder: Path) -> None:
    before = (folder / "audit.key").read_bytes()
    said = told(sluice("audit", "--dir", str(folder), "rotate-key", cwd=folder), 2)
    assert "--config" in said
    (folder / "audit.key").chmod(0o644)
    assert "chmod 600" in told(sluice("audit", "rotate-key", cwd=folder), 1)
    (folder / "audit.key").unlink()
    assert "no audit.key" in told(sluice("audit", "rotate-key", cwd=folder), 1)
    (folder / "audit.key").write_bytes(before)


def test_key_of_the_service_manager_is_not_rotated_here(folder: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "audit.key").write_bytes((folder / "audit.key").read_bytes())
    done = sluice("audit", "rotate-key", cwd=folder, CREDENTIALS_DIRECTORY=str(credentials))
    assert "credential" in told(done, 2)


def test_segments_that_are_complete_are_compressed_and_read_as_before(folder: Path) -> None:
    rig = Rig(folder / "var" / "audit")
    closed, live = rig.worker(0, segment_bytes=8192), rig.worker(1, segment_bytes=8192)
    for log in (closed, live):
        rig.now = time.time_ns()
        rig.write(log, 400)
    closed.close()
    before = sluice("audit", "query", "--json", cwd=folder)
    done = sluice("audit", "compress", "--older-than", "1h", cwd=folder)
    assert done.stdout == "0 segments, 0 bytes before, 0 after\n"
    done = sluice("audit", "compress", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["segments"] > 4
    assert not list(closed.path.glob("*.seg"))
    assert len(list(live.path.glob("*.seg"))) == 1
    after = sluice("audit", "query", "--json", cwd=folder)
    assert (after.returncode, after.stdout) == (0, before.stdout)
    assert json.loads(sluice("audit", "compress", "--json", cwd=folder).stdout)["segments"] == 0
    rig.end()


@pytest.mark.parametrize("age", ["", "d", "1", "-1d", "1w", "x1d", "١d"])
def test_age_that_is_none_is_told(age: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        audit_keeping_cli._seconds(age)
    assert ended.value.code == 2
    assert "as in 1d" in capsys.readouterr().err


def test_ages_are_seconds_minutes_hours_and_days() -> None:
    assert [audit_keeping_cli._seconds(each) for each in ("0s", "2m", "12h", "1d")] == [
        0,
        120,
        43_200,
        86_400,
    ]
