"""What tests of the command stand on: the command as a process, a fresh configuration, a real server."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.embedded import EmbeddedServer, wheel_programs

ROOT = Path(__file__).parents[2]


def sluice(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = sluice("init", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="sluice-cli-"))
    home.chmod(0o755)
    made = EmbeddedServer(wheel_programs(), home)
    try:
        made.create()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


def point_at(folder: Path, server: EmbeddedServer) -> None:
    (folder / "prod.password").write_text(server.password)
    (folder / "prod.password").chmod(0o600)
    file = folder / "sluice.toml"
    text = file.read_text().replace("port = 5432", f"port = {server.port}")
    file.write_text(text.replace("# password_file", "password_file"))


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("sluice: ")
    return done.stderr
