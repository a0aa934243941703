"""`sluice audit ship` as an operator types it."""

import importlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.workers import report_trail
from workers.audit_group import audit

MAIN = "from workers.audit_group import audit; audit()"


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    report_trail.write(tmp_path / "audit", 40, 4096)
    return tmp_path / "audit"


@pytest.fixture(autouse=True)
def kept_umask() -> Iterator[None]:
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(directory), *arguments])


def test_the_shipped_copy_is_verified_and_queried_like_the_original(trail: Path, tmp_path: Path) -> None:
    done = run(trail, "ship", "--to", f"file://{tmp_path}/copy", "--json")
    assert done.exit_code == 0, done.output
    said = orjson.loads(done.stdout)
    assert said["objects"] > 1
    copy = tmp_path / "copy" / "db1"
    assert run(copy, "verify").exit_code == 0
    assert run(copy, "query", "--json").stdout == run(trail, "query", "--json").stdout
    assert all(stat.S_IMODE(each.stat().st_mode) & 0o077 == 0 for each in copy.rglob("*.seg"))
    again = orjson.loads(run(trail, "ship", "--to", f"file://{tmp_path}/copy", "--json").stdout)
    assert (again["objects"], again["there"]) == (0, said["objects"])


def test_another_content_ends_with_1_and_stays(trail: Path, tmp_path: Path) -> None:
    run(trail, "ship", "--to", f"file://{tmp_path}/copy")
    victim = sorted((tmp_path / "copy").rglob("*.seg"))[0]
    victim.write_bytes(b"other")
    done = run(trail, "ship", "--to", f"file://{tmp_path}/copy")
    assert done.exit_code == 1
    assert "another content" in done.stderr
    assert victim.read_bytes() == b"other"


def test_parquet_goes_along(trail: Path, tmp_path: Path) -> None:
    done = run(trail, "ship", "--to", f"file://{tmp_path}/copy", "--parquet", str(tmp_path / "lake"))
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "copy" / "parquet").rglob("host=db1/part-*.parquet"))


def test_wrong_usage_exits_2_and_a_missing_extra_is_named(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(trail, "ship").exit_code == 2
    assert run(trail, "ship", "--to", "ftp://x").exit_code == 2
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "workers.audit_store":
            raise ModuleNotFoundError("No module named 'obstore'", name="obstore")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    done = run(trail, "ship", "--to", "file:///tmp/x")
    assert done.exit_code == 1
    assert "pip install 'sluice-gateway[s3]'" in done.stderr


def test_follow_goes_on_until_it_is_interrupted(trail: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAIN, "--dir", str(trail), "ship", "--to", f"file://{tmp_path}/copy", "--follow"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"shipped ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
