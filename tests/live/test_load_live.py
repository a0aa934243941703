"""Load users against a real gateway: every kind of them gets what it must, and a leak makes the run fail."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.live.rig import ROOT, Gateway, Postgres, database_entries
from tests.workers.wire_rig import make_certificate
from workers.demo_shop import POLICY

pytest.importorskip("matplotlib")
USERS = ("Analyst", "Agent", "BatchJob", "SignInStorm", "SlowReader")
KINDS = {"analyst", "agent", "batch job", "sign-in storm", "slow reader"}
WANTED = [
    ("analyst", "one person (masked)"),
    ("analyst", "a page of 100 (masked)"),
    ("agent", "UPDATE of one row (refused)"),
    ("batch job", "COPY in, 5,000 rows"),
    ("batch job", "a pipeline of 20"),
    ("sign-in storm", "connect, SELECT 1, close"),
    ("slow reader", "20,000 rows (masked), read slowly"),
]
BATCH_GRANT = """
[[grant]]
name = "batch jobs work in the shop"
groups = ["batch"]
databases = ["shop"]
allow = ["read", "write"]
"""


def load(out: Path, until: Sequence[tuple[str, str]], *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    told |= {"SLUICE_LOAD_SECRET": r"(?i)canary|\d{3}-\d{2}-\d{4}|\+1-555-", "LOAD_UNTIL": json.dumps(until)}
    command = [sys.executable, str(ROOT / "loadtest" / "load.py"), "--out", str(out), "--seconds", "60", *arguments]
    command += ["--", "-f", str(Path(__file__).with_name("load_until.py"))]
    return subprocess.run(command, env=kept | told, capture_output=True, text=True, timeout=100, check=False)


def test_every_kind_of_user_gets_what_it_must_over_tls(
    tmp_path: Path, postgres: Postgres, make_gateway: Callable[..., Gateway]
) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    entries = database_entries(postgres, {"shop": {"environment": "production"}})
    gateway = make_gateway(
        entries, POLICY + BATCH_GRANT, tls="required", tls_cert=str(certificate), tls_key=str(key)
    )
    done = load(
        tmp_path / "out",
        WANTED,
        *("--users", "10", "--gateway-pid", str(gateway.process.pid), *USERS),
        SLUICE_DSN=f"postgresql://ann@localhost:{gateway.port}/shop?sslmode=verify-full&sslrootcert={certificate}",
        SLUICE_TOKEN=gateway.token("ann", ("analysts",)),
        SLUICE_AGENT_TOKEN=gateway.token("ann", ("analysts",), "agent-7"),
        SLUICE_BATCH_TOKEN=gateway.token("ann", ("analysts", "batch")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    series = json.loads((tmp_path / "out" / "series.json").read_text())
    counts = {kind: sum(each["count"] for each in buckets) for kind, buckets in series["kinds"].items()}
    assert set(counts) == KINDS, "all of them were there"
    assert sum(each["refused"] for each in series["kinds"]["agent"]) > 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What went wrong" not in page
    assert page.count("<svg") == 4
    assert (tmp_path / "out" / "locust.html").exists()


def test_value_in_clear_makes_the_run_fail(tmp_path: Path, gateway: Gateway) -> None:
    done = load(
        tmp_path,
        [("analyst", "one person (masked)")],
        *("--users", "1", "Analyst"),
        SLUICE_DSN=f"{gateway.dsn('dev')} sslmode=disable",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    failures = json.loads((tmp_path / "series.json").read_text())["failures"]
    assert any("LEAK" in each["error"] for each in failures), done.stdout + done.stderr
    assert "anary" not in done.stdout + done.stderr + str(failures)
    assert "What went wrong" in (tmp_path / "report.html").read_text()
