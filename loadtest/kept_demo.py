"""The demo, kept running: where it is, its tokens, and one grant more, for batch jobs: the demo's analyst only reads."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLUICE = (sys.executable, "-m", "workers.cli")
RELOAD_SECONDS = 30.0
AGENT = "agent-7"
GRANT = """
[[grant]]
name = "batch jobs work in the shop"
groups = ["batch"]
databases = ["shop"]
allow = ["read", "write"]
granted_by = "data-lead@example.com"
reason = "LOAD-1"
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """What `sluice demo --keep` printed."""

    dsn: str
    config: Path
    gateway: int
    end: str  # the shell's line

    def sluice(self, *arguments: str) -> str:
        command = [*SLUICE, *arguments, "--config", str(self.config)]
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=True
        ).stdout.strip()

    def token(self, groups: str, actor: str = "") -> str:
        user = re.search(r"user=(\S+)", self.dsn)
        assert user
        acting = ["--actor", actor] if actor else []
        return self.sluice("token", "mint", "--user", user[1], "--groups", groups, "--ttl", "12h", *acting)

    def let_batch_jobs_in(self) -> None:
        """Puts the grant in force."""
        before = self._generation()
        with self.config.with_name("policy.toml").open("a") as policy:
            policy.write(GRANT)
        os.kill(self.gateway, signal.SIGHUP)
        deadline = time.monotonic() + RELOAD_SECONDS
        while self._generation() == before:
            if time.monotonic() > deadline:
                sys.exit("the demo's gateway did not take the policy of the batch jobs")
            time.sleep(0.1)

    def _generation(self) -> int:
        return int(json.loads(self.sluice("status", "--json"))["policy"]["generation"])


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "SLUICE_"))}
    return kept | {"PYTHONPATH": str(ROOT)}


def read(printed: str) -> Demo:
    """Finds the lines to copy in what the demo printed."""
    connect = re.search(r'PGPASSWORD=\$\(.* --config (\S+) .*\) \S+ "([^"]+)"', printed)
    end = re.search(r"^\s*(kill (\d+) && .*)$", printed, re.MULTILINE)
    if not connect or not end:
        sys.exit(f"the demo did not say how to connect:\n{printed[-2000:]}")
    return Demo(connect[2], Path(connect[1]), int(end[2]), end[1])


@contextmanager
def demo() -> Iterator[Demo]:
    """Starts it, and ends it as it says."""
    played = subprocess.run(
        [*SLUICE, "demo", "--keep"], env=environment(), capture_output=True, text=True, check=False
    )
    if played.returncode:
        sys.exit(f"the demo failed:\n{(played.stdout + played.stderr)[-2000:]}")
    running = read(played.stdout)
    try:
        running.let_batch_jobs_in()
        yield running
    finally:
        subprocess.run(["sh", "-c", running.end], check=False, stdout=subprocess.DEVNULL)
