"""`sluice audit export` as an operator types it."""

import importlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.workers import report_trail
from tests.workers.test_collector import Listener, frames
from workers import audit_trail
from workers.audit_group import audit
from workers.audit_log import AuditLog

MAIN = "from workers.audit_group import audit; audit()"


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trail") / "audit"
    report_trail.write(directory)
    return directory


def run(trail: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(trail), "export", *arguments])


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [orjson.loads(line) for line in result.stdout_bytes.splitlines()]


def test_json_lines_are_the_records(trail: Path) -> None:
    everything = [each.id for each in audit_trail.read_all(trail)]
    assert [each["id"] for each in objects(run(trail, "--format", "jsonl"))] == everything


def test_filters_choose(trail: Path) -> None:
    bob = objects(run(trail, "--format", "jsonl", "--user", "bob", "--kind", "outcome", "--database", "prod"))
    assert {(each["user"], each["kind"]) for each in bob} == {("bob", "outcome")}
    late = objects(run(trail, "--format", "jsonl", "--since", "2024-01-01T12:30:00Z", "--until", "2024-01-01T12:32:00Z"))
    assert {each["time"][:16] for each in late} == {"2024-01-01T12:30", "2024-01-01T12:31"}
    assert objects(run(trail, "--format", "jsonl", "--user", "nobody")) == []


def test_ocsf_has_one_event_a_statement(trail: Path) -> None:
    events = objects(run(trail, "--format", "ocsf"))
    assert sum(each["class_uid"] == 6005 for each in events) == 40
    assert {each["class_uid"] for each in events} == {6005, 3002, 6002}


def test_a_new_file_is_its_owners_and_an_old_one_is_left_alone(trail: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert run(trail, "--format", "jsonl", "--out", str(out)).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    again = run(trail, "--format", "ocsf", "--out", str(out))
    assert again.exit_code == 1
    assert "nothing is overwritten" in again.stderr
    assert out.read_bytes() == before


def test_syslog_reaches_a_collector_whole(trail: Path) -> None:
    listener = Listener()
    done = run(trail, "--format", "syslog", "--to", f"tcp://127.0.0.1:{listener.port}", "--enterprise", "99")
    assert done.exit_code == 0, done.output
    got = frames(listener.join())
    assert len(got) == len(list(audit_trail.read_all(trail)))
    assert all(b" [sluice@99 id=" in each for each in got)


def test_a_collector_that_is_not_there_is_told_with_exit_1(trail: Path) -> None:
    done = run(trail, "--format", "syslog", "--to", "tcp://127.0.0.1:1")
    assert done.exit_code == 1
    assert "refused" in done.stderr


def test_parquet_goes_to_a_directory(trail: Path, tmp_path: Path) -> None:
    done = run(trail, "--format", "parquet", "--out", str(tmp_path / "lake"))
    assert done.exit_code == 0, done.output
    assert "1 new files" in done.stderr
    assert "0 new files" in run(trail, "--format", "parquet", "--out", str(tmp_path / "lake")).stderr


def test_a_missing_extra_is_named(trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "workers.audit_parquet":
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    done = run(trail, "--format", "parquet", "--out", str(tmp_path / "lake"))
    assert done.exit_code == 1
    assert "pip install 'sluice-gateway[audit]'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--format", "xml"), ("--format", "parquet"), ("--format", "parquet", "--out", "x", "--user", "a"),
     ("--format", "jsonl", "--to", "tcp://h:1"), ("--format", "syslog", "--to", "http://h"), ("-f", "--format", "parquet"),
     ("--format", "jsonl", "--since", "soon"),
     ("--format", "syslog", "--to", "tcp://h:1", "--out", "x"), ("--format", "jsonl", "-f", "--until", "1h")],
)  # fmt: skip
def test_wrong_usage_exits_2(trail: Path, arguments: tuple[str, ...]) -> None:
    assert run(trail, *arguments).exit_code == 2


def test_follow_goes_on_and_sends_each_record_once(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    report_trail.write(directory, 4)
    log = AuditLog(directory, "db1", 1)
    log.chain.event(report_trail.BEGIN, "system", {"what": "first"})
    log.commit()
    command = [sys.executable, "-c", MAIN, "--dir", str(directory), "export", "--format", "jsonl", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}) as process:
        assert process.stdout is not None
        history = len(list(audit_trail.read_all(directory)))
        got = [orjson.loads(process.stdout.readline()) for _ in range(history)]
        for number in range(3):
            log.chain.event(report_trail.BEGIN + number, "system", {"what": f"more {number}"})
            log.commit()
            got.append(orjson.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == b""
    assert len({each["id"] for each in got}) == len(got) == history + 3
    log.close()
