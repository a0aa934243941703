"""The demo, played for real: the story is complete, plain in a pipe, and nothing is left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workers.demo_shop import SCENES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for the demo's temporary files that its server may enter."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def play(temporary: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "HOME": str(temporary)}
    command = [sys.executable, "-m", "workers.cli", "demo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


def using(folder: Path) -> list[psutil.Process]:
    """Processes whose command line names something below `folder`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in part for part in process.info["cmdline"] or ()):
            found.append(process)
    return found


def test_demo_tells_its_story_and_leaves_nothing(temporary: Path) -> None:
    done = play(temporary)
    assert done.returncode == 0, done.stdout + done.stderr
    for scene in SCENES:
        assert scene.statement[:40] in done.stdout
        assert scene.remark in done.stdout
    assert "\x1b" not in done.stdout, "plain in a pipe"
    assert "@mail.example" not in done.stdout, "nobody saw an address"
    assert not re.search(r"\b\d{3}-\d{2}-\d{4}\b", done.stdout), "nobody saw a number"
    assert done.stdout.count("42501") >= 2 * 2, "two refusals, told to the client and on record"
    assert "max_rows_per_hour of grant" in done.stdout
    assert "mia  presses Approve  Nothing happened. Nobody decides about what he, or an agent of his," in done.stdout
    assert "bo  presses Approve  Your decision is taken. It is approved." in done.stdout
    assert "UPDATE 100" in done.stdout
    assert re.search(r"approval h[0-9a-f]+: used by 1 statements", done.stdout), "who granted"
    assert "mia > trainer > orchestrator" in done.stdout, "who touched production"
    assert "400" in done.stdout, "the customers are all there"
    assert using(temporary) == []
    assert list(temporary.glob("sluice-demo-*")) == []


def test_kept_demo_can_be_connected_to_and_ended_as_it_says(temporary: Path) -> None:
    done = play(temporary, "--keep")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line.strip() for line in done.stdout.splitlines()]
        connect = next(line for line in lines if line.startswith("PGPASSWORD="))
        end = next(line for line in lines if line.startswith("kill "))
        sluice = re.match(r"PGPASSWORD=\$\(\S+ (?P<arguments>.*)\) (?P<psql>\S+ \".*\")", connect)
        assert sluice, connect
        minted = subprocess.run(
            [sys.executable, "-m", "workers.cli", *sluice["arguments"].split()],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        asked = subprocess.run(
            ["sh", "-c", sluice["psql"] + " -X -A -t -c 'select email from customers limit 1'"],
            env=os.environ | {"PGPASSWORD": minted.stdout.strip()}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.strip()
        assert "@mail.example" not in asked.stdout
        ended = subprocess.run(["sh", "-c", end], capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stderr
        assert using(temporary) == []
        assert list(temporary.glob("sluice-demo-*")) == []
    finally:
        for process in using(temporary):
            process.kill()


def test_demo_that_is_told_to_end_leaves_nothing(temporary: Path) -> None:
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    demo = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "demo"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    assert "PostgreSQL" in demo.stdout.readline()
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal.SIGTERM
    assert using(temporary) == []
    assert list(temporary.glob("sluice-demo-*")) == []
