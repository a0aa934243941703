"""The notary's process, forked as the supervisor forks it, over real files."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.heads import Alarm, Checkpoint, Key, Seal
from gateway.settings import Audit
from tests.workers.notary_rig import of, problems, read_log
from workers import notary_process, spawn
from workers.audit_log import AuditLog
from workers.audit_trail import chains, read_all, read_chain, segment_path
from workers.init import init
from workers.notary_process import Born
from workers.notary_seat import NotarySeat
from workers.positions import Positions
from workers.run_folder import RunFolder

PATIENCE = 20.0


class Inherited:
    """The worker's lock, which a forked child would hold on to."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log

    def close(self) -> None:
        self.log._release()


class Host:
    """A folder with a configuration, one worker's chain and a notary."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.audit, self.run = folder, folder / "var" / "audit", folder / "var" / "run"
        init(folder)
        RunFolder.make(self.run).close()
        self.positions = Positions(1)
        self.settings = Audit(**settings)
        self.log = AuditLog(self.audit, "db1", 0, segment_bytes=4096)
        self.seat = NotarySeat(self.main)

    def main(self, control: Any) -> int:
        born = Born(control, self.positions, self.settings, self.folder, self.run, self.audit, "db1", {})
        return notary_process.run(born, 200_000_000)

    def start(self) -> None:
        parent, _ = os.pipe()
        self.seat.process.start(parent, [Inherited(self.log)], time.monotonic())

    def write(self, count: int) -> None:
        for number in range(count):
            self.log.chain.event(
                time.time_ns(), "system", {"what": "event", "number": number, "text": "x" * 500}
            )
            self.log.commit()
        position = self.log.position()
        if position is not None:
            self.positions.post(0, position)

    def until(self, what: str, true: Callable[[], Any]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < give_up, f"{what}: {self.seat.describe()}"
            assert self.seat.process.control is not None
            select.select([self.seat.process.control], [], [], 0.05)
            self.seat.turn()

    def finish(self) -> int:
        self.seat.finish(time.monotonic())
        _, status = os.waitpid(self.seat.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.seat.buried(self.seat.process.pid, code, time.monotonic())
        return code

    def end(self) -> None:
        if self.seat.process.pid:
            os.kill(self.seat.process.pid, signal.SIGKILL)
            os.waitpid(self.seat.process.pid, 0)
        if self.seat.process.control is not None:
            self.seat.process.control.close()
        if not self.log.closed:
            self.log.close()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' libraries have left threads in this process, of which nothing that is forked here uses anything."""
    monkeypatch.setattr(spawn, "threads", lambda: 1)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(**settings: Any) -> Host:
        made.append(Host(tmp_path / "host", **settings))
        return made[-1]

    yield make
    for host in made:
        host.end()


def test_it_signs_compresses_and_ends_when_told(hosts: Callable[..., Host]) -> None:
    host = hosts(compress=True)
    host.write(20)
    host.start()
    host.until("it signs", lambda: host.seat.describe()["signed_age_seconds"] is not None)
    host.seat.happened("system", "gateway started")
    host.until("a segment is compressed", lambda: list(host.log.path.glob("*.zst")))
    host.log.close()
    position = host.log.position()
    assert position is not None
    host.positions.post(0, position)
    assert host.finish() == 0
    entries = read_log(host.audit)
    assert {each.head.chain for each in of(Seal, entries) if each.head.closed} >= {host.log.chain.chain_id}
    assert len(of(Checkpoint, entries)) >= 2
    said = [each.data["what"] for each in read_all(host.audit) if each.label.startswith("db1-s")]
    assert said[0] == "gateway started"
    assert said[-1] == "gateway stopped"


def test_without_a_key_all_else_goes_on_and_status_says_why(hosts: Callable[..., Host]) -> None:
    host = hosts()
    key = (host.folder / "audit.key").read_bytes()
    (host.folder / "audit.key").unlink()
    host.start()
    host.until("it says why", lambda: host.seat.describe()["notary"] == "not signed: no audit.key")
    assert host.seat.describe()["signed_age_seconds"] is None
    (host.folder / "audit.key").write_bytes(key)
    (host.folder / "audit.key").chmod(0o600)
    host.seat.reread()
    host.until("it signs", lambda: host.seat.describe()["notary"] == "signing")
    assert host.finish() == 0
    assert len(of(Key, read_log(host.audit))) == 1


def test_log_that_was_changed_is_not_continued_and_status_says_so(hosts: Callable[..., Host]) -> None:
    host = hosts()
    host.start()
    host.until("it signs", lambda: host.seat.describe()["signed_age_seconds"] is not None)
    host.finish()
    file = host.audit / "heads" / "00000000.log"
    file.chmod(0o640)
    data = bytearray(file.read_bytes())
    data[150] ^= 1
    file.write_bytes(data)
    host.seat = NotarySeat(host.main)
    host.start()
    host.until("it says so", lambda: host.seat.describe()["alarms"])
    assert "cannot be continued" in host.seat.describe()["alarm"]
    assert "not signed" in host.seat.describe()["notary"]
    assert file.read_bytes() == data
    assert host.finish() == 0


def test_log_that_is_taken_away_is_told(hosts: Callable[..., Host]) -> None:
    host = hosts()
    host.start()
    host.until("it signs", lambda: host.seat.describe()["signed_age_seconds"] is not None)
    (host.audit / "heads").rename(host.folder / "taken")
    host.until("it says so", lambda: host.seat.describe()["alarms"])
    assert "taken away" in host.seat.describe()["alarm"]
    (host.folder / "taken").rename(host.audit / "heads")
    host.seat.reread()
    host.until("it signs again", lambda: host.seat.describe()["notary"] == "signing")
    assert host.finish() == 0
    assert problems(host.audit) == []


def test_directory_that_cannot_be_read_for_a_while_is_no_alarm(hosts: Callable[..., Host]) -> None:
    host = hosts()
    host.start()
    host.until("it signs", lambda: host.seat.describe()["signed_age_seconds"] is not None)
    host.audit.rename(host.folder / "elsewhere")
    host.until("it says so", lambda: "not signed" in host.seat.describe()["notary"])
    (host.folder / "elsewhere").rename(host.audit)
    host.until("it signs again", lambda: host.seat.describe()["notary"] == "signing")
    assert host.seat.describe()["alarms"] == 0
    assert host.finish() == 0
    assert problems(host.audit) == []


def test_alarm_reaches_log_status_and_record(hosts: Callable[..., Host]) -> None:
    host = hosts()
    host.write(3)
    file = segment_path(host.log.path, 0)
    file.chmod(0o640)
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    host.start()
    host.until("the alarm is told", lambda: host.seat.describe()["alarms"] == 1)
    host.finish()
    assert len(of(Alarm, read_log(host.audit))) == 1
    (told,) = [each.data for each in read_all_of_system(host.audit) if each.data["what"] == "alarm"]
    assert (told["chain"], told["segment"]) == (host.log.chain.chain_id.hex(), 0)


def read_all_of_system(directory: Path) -> list[Any]:
    """The system's own chain; the changed one would stop a reader."""
    found = []
    for chain in chains(directory):
        first = chain.first()
        if first is not None and first.worker == -2:
            found += list(read_chain(chain))
    return found
