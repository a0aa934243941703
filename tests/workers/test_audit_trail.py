"""Reading while others write: every record once, by time, over rotations, kills and new chains."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import RulingInfo, SessionInfo
from workers import audit_trail
from workers.audit_log import AuditLog
from workers.audit_recovery import recover
from workers.audit_trail import Follower

T = 1_700_000_000_000_000_000

WRITER = """
import sys, time
from gateway.audit.defined import *
from gateway.audit.records import *
from workers.audit_log import AuditLog
for _ in range(3):
    log = AuditLog(sys.argv[1], "db1", int(sys.argv[2]), segment_bytes=6000)
    who = SessionCard(SessionInfo("s" + sys.argv[2], "alice"))
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    for _ in range(1000):
        intent = log.chain.intent(time.time_ns(), who, what)
        log.commit()
        log.chain.outcome(time.time_ns(), intent, "ok", 1, 2, None, "SELECT", "", 5)
        log.commit()
    log.close()
"""


class Clock:
    def __init__(self) -> None:
        self.now = T

    def __call__(self) -> int:
        self.now += 1000
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def write(log: AuditLog, clock: Clock, count: int, user: str = "alice") -> list[str]:
    """Statements with their outcomes; the ids of both, in order."""
    who = SessionCard(SessionInfo("s1", user))
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    ids = []
    for _ in range(count):
        intent = log.chain.intent(clock(), who, what)
        outcome = log.chain.outcome(clock(), intent, "ok", 1, 2, None, "SELECT", "", 5)
        ids += [log.chain.record_id(intent), log.chain.record_id(outcome)]
        log.commit()
    return ids


def test_followers_of_real_writers_see_every_record_once(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(slot)]) for slot in range(2)
    ]
    followers = [Follower(tmp_path), Follower(tmp_path)]
    seen: list[list[str]] = [[entry.id for entry in each.start(10**6)] for each in followers]
    polls = 0
    while any(writer.poll() is None for writer in writers):
        for follower, ids in zip(followers, seen, strict=True):
            ids.extend(entry.id for entry in follower.poll())
        polls += 1
    for follower, ids in zip(followers, seen, strict=True):
        ids.extend(entry.id for entry in follower.poll())
        assert follower.poll() == []
    assert [writer.returncode for writer in writers] == [0, 0]
    assert polls > 3
    written = sorted(entry.id for entry in audit_trail.read_all(tmp_path))
    assert len(written) == 12_000
    assert sorted(seen[0]) == written
    assert sorted(seen[1]) == written


def test_the_last_records_come_from_all_chains_and_segments_by_time(tmp_path: Path, clock: Clock) -> None:
    first = AuditLog(tmp_path, "db1", 0, segment_bytes=4096, clock=clock)
    second = AuditLog(tmp_path, "db1", 1, clock=clock)
    ids = []
    for _ in range(30):
        ids += write(first, clock, 3) + write(second, clock, 1)
    for count in (0, 1, 7, 200, 240, 10_000):
        assert [entry.id for entry in Follower(tmp_path).start(count)] == (ids[-count:] if count else [])
    first.close()
    follower = Follower(tmp_path)
    assert [entry.id for entry in follower.start(50)] == ids[-50:]
    assert [entry.id for entry in follower.poll()] == []
    more = write(second, clock, 2)
    third = AuditLog(tmp_path, "db1", 2, clock=clock)
    more += write(third, clock, 2)
    assert [entry.id for entry in follower.poll()] == more
    second.close()
    third.close()
    assert follower.poll() == []


def test_a_follower_that_starts_with_nothing_shown_still_joins_later_outcomes(
    tmp_path: Path, clock: Clock
) -> None:
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    who = SessionCard(SessionInfo("s1", "alice"))
    intent = log.chain.intent(clock(), who, RulingCard(RulingInfo(1, "a", "SELECT", "f", ("SELECT",))))
    log.commit()
    follower = Follower(tmp_path)
    assert follower.start(0) == []
    log.chain.outcome(clock(), intent, "ok", 1, 2, None, "SELECT", "", 5)
    log.commit()
    (outcome,) = follower.poll()
    assert outcome.session == who.info
    log.close()


def test_a_follower_sees_a_recovery(tmp_path: Path, clock: Clock) -> None:
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    write(log, clock, 1)
    follower = Follower(tmp_path)
    assert len(follower.start(10)) == 2
    log._release()
    recover(tmp_path, "db1", clock)
    assert [entry.data["what"] for entry in follower.poll()] == ["audit recovered"]


def test_times_leave_out_chains_that_lie_outside(tmp_path: Path, clock: Clock) -> None:
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    ids = write(log, clock, 3)
    log.close()
    assert [entry.id for entry in audit_trail.read_all(tmp_path)] == ids
    assert list(audit_trail.read_all(tmp_path, until_ns=T)) == []
    assert list(audit_trail.read_all(tmp_path, since_ns=2**63)) == []


def test_a_record_is_found_by_its_id_with_its_counterpart(tmp_path: Path, clock: Clock) -> None:
    log = AuditLog(tmp_path, "db-1", 0, segment_bytes=4096, clock=clock)
    ids = write(log, clock, 50)
    log.close()
    for at in (0, 40, 98):
        assert [entry.id for entry in audit_trail.find(tmp_path, ids[at])] == ids[at : at + 2]
        assert [entry.id for entry in audit_trail.find(tmp_path, ids[at + 1])] == ids[at : at + 2]
    for unknown in ("db-1-0.00000000-3", "nonsense", "", ids[0] + "0000"):
        assert audit_trail.find(tmp_path, unknown) == []


def test_other_files_in_the_directory_do_not_matter(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "chain-short").mkdir()
    (tmp_path / ("chain-" + "0" * 32)).mkdir()
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    ids = write(log, clock, 1)
    assert [entry.id for entry in audit_trail.read_all(tmp_path)] == ids
    assert [entry.id for entry in Follower(tmp_path).start(9)] == ids
    assert recover(tmp_path, "db1") == []
    log.close()
