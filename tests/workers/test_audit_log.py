"""The audit on real disks: rotation, failures, kills and recovery."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from gateway.audit import records
from gateway.audit.segment import SegmentReader
from gateway.errors import Unavailable
from tests.workers.audit_rig import SECOND, Cards, Clock, checks, entries, grades, lone
from workers import audit_trail
from workers.audit_disk import Disk
from workers.audit_log import AuditLog, clean_host


@pytest.fixture
def cards() -> Cards:
    return Cards()


def test_what_is_committed_is_in_the_file_at_once_and_the_close_is_clean(
    tmp_path: Path, cards: Cards
) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    intent = cards.ask(log)
    log.commit()
    assert [entry.kind for entry in entries(tmp_path)] == ["intent"]
    assert lone(log).is_live()
    cards.answer(log, intent)
    log.close()
    log.close()
    assert [entry.kind for entry in entries(tmp_path)] == ["intent", "outcome"]
    assert lone(log).is_closed()
    assert not lone(log).is_live()
    assert grades(tmp_path) == set()


def test_files_cannot_be_written_by_others_and_are_never_opened_twice(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path / "deep" / "audit", "db1", 0)
    file = log.path / "00000000.seg"
    assert file.stat().st_mode & 0o777 == 0o440
    assert log.path.stat().st_mode & 0o027 == 0
    with pytest.raises(Unavailable):
        AuditLog(tmp_path / "deep" / "audit", "db1", 0, chain_id=log.chain.chain_id)
    log.close()


def test_segments_turn_by_size_and_open_intents_are_known_in_the_next(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path, "db1", 0, segment_bytes=4096)
    first = cards.ask(log)
    for _ in range(200):
        cards.answer(log, cards.ask(log))
        log.commit()
    cards.answer(log, first)
    log.close()
    numbers = lone(log).segments()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 3
    assert grades(tmp_path) == set()
    assert Counter(entry.kind for entry in entries(tmp_path)) == {"intent": 201, "outcome": 201}
    last = list(audit_trail.read_segment(lone(log), numbers[-1], audit_trail.Joiner()))
    assert last[-1].intent == log.chain.record_id(first)


def test_segments_turn_by_the_hour(tmp_path: Path, cards: Cards) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    for _ in range(3):
        cards.ask(log)
        log.commit()
        clock.now += 3600 * SECOND
    log.close()
    assert lone(log).segments() == [0, 1, 2]
    assert grades(tmp_path) == set()


def test_an_idle_worker_brings_its_records_under_a_checkpoint(tmp_path: Path, cards: Cards) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    cards.ask(log)
    log.commit()
    assert checks(tmp_path)[0].uncovered > 0
    clock.now += SECOND
    log.commit()
    assert checks(tmp_path)[0].uncovered == 0
    log.close()


def test_power_mode_writes_the_same_records(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path, "db1", 0, durability="power")
    cards.answer(log, cards.ask(log))
    log.commit()
    log.close()
    header = lone(log).header(0)
    assert header is not None
    assert header.mode == "power"
    assert grades(tmp_path) == set()


def test_a_directory_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable) as refused:
        AuditLog(tmp_path / "file", "db1", 0)
    assert refused.value.refused.sqlstate == "58030"


LIMITED = """
import resource, signal, sys, json
from pathlib import Path
from gateway.audit.defined import *
from gateway.audit.records import *
from gateway.errors import Unavailable
from workers.audit_log import AuditLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
now = [1]
log = AuditLog(sys.argv[1], "db1", 0, on_failure=sys.argv[2], clock=lambda: now[0])
who = SessionCard(SessionInfo("s1", "alice", database="prod"))
what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
before = log.chain.intent(1, who, what)
log.commit()
resource.setrlimit(resource.RLIMIT_FSIZE, (log.chain.length + int(sys.argv[3]), resource.RLIM_INFINITY))
log.chain.outcome(2, before, "ok", 1, 2, None, "SELECT", "", 5)
asked = [log.chain.intent(3, who, what) for _ in range(5)]
states = []
try:
    log.commit()
except Unavailable as error:
    states.append(error.refused.sqlstate)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
now[0] += 199_999_999
early = log.chain.intent(4, who, what)  # too early for another attempt
try:
    log.commit()
except Unavailable as error:
    states.append(error.refused.sqlstate)
now[0] += 1
log.commit()
again = log.chain.intent(4, who, what)
log.commit()
log.chain.outcome(5, again, "ok", 1, 2, None, "SELECT", "", 5)
late = log.chain.outcome(6, asked[0], "ok", 1, 2, None, "SELECT", "", 5)
log.close()
print(json.dumps([states, log.unrecorded, late, log.failures]))
"""


def limited(directory: Path, on_failure: str, room: int) -> str:
    command = [sys.executable, "-c", LIMITED, str(directory), on_failure, str(room)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd()).stdout.strip()


@pytest.mark.parametrize("room", [0, 1, 30, 60, 100])
def test_a_write_cut_short_refuses_the_turn_and_the_next_one_is_recorded(tmp_path: Path, room: int) -> None:
    assert limited(tmp_path, "refuse", room) == '[["58030", "58030"], 0, 0, 1]'
    assert grades(tmp_path) == ({"note"} if room else set())
    kinds = [entry.kind for entry in entries(tmp_path)]
    assert Counter(kinds) == {"intent": 2, "outcome": 2, "system": 3}
    lost, failed, resumed = [entry.data for entry in entries(tmp_path) if entry.kind == "system"]
    assert (lost["statements"], lost["statements_ran"]) == (6, False)
    assert failed == {"what": "audit state", "state": "failed", "sqlstate": "58030"}
    assert resumed == {"what": "audit state", "state": "resumed"}


def test_with_continue_the_statements_run_and_their_number_is_on_record(tmp_path: Path) -> None:
    assert limited(tmp_path, "continue", 30) == "[[], 6, 0, 1]"
    assert grades(tmp_path) == {"gap", "note"}
    lost = next(entry.data for entry in entries(tmp_path) if entry.kind == "system")
    assert (lost["statements"], lost["statements_ran"]) == (6, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A tmpfs of 256 KiB in a mount namespace of this test's own is not to be had everywhere: mounted
    plainly.
    """
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    return place


def test_a_full_disk_refuses_with_53100_and_heals_by_itself(small_disk: Path, cards: Cards) -> None:
    try:
        clock = Clock()
        log = AuditLog(
            small_disk / "audit", "db1", 0, segment_bytes=32768, reserve_bytes=65536, clock=clock
        )
        ballast = small_disk / "ballast"
        promised, refused = 1, 0
        states: set[str] = set()
        open_intent = cards.ask(log)
        running = [cards.ask(log) for _ in range(100)]
        log.commit()
        promised += len(running)
        ballast.write_bytes(b"x" * 150_000)
        for _ in range(400):
            clock.now += SECOND // 10
            intents = [cards.ask(log) for _ in range(10)]
            try:
                log.commit()
                promised += 10
                for each in intents:
                    cards.answer(log, each)
            except Unavailable as failure:
                refused += 10
                states.add(failure.refused.sqlstate)
                if running:
                    cards.answer(log, running.pop())
        assert promised > 101
        assert refused > 1000
        assert states == {"53100"}
        assert log.health == "full"
        assert running == [], "what ran when the disk became full ended meanwhile"
        on_record = Counter(entry.kind for entry in entries(small_disk / "audit"))
        assert on_record["outcome"] == promised - 1, "and is on record, thanks to the reserve"
        assert len(lone(log).segments()) < 40  # a full disk makes no files without end
        ballast.unlink()
        cards.answer(log, open_intent)
        clock.now += SECOND // 5
        log.commit()
        assert log.health == "ok"
        log.close()
        assert grades(small_disk / "audit") <= {"note"}
        everything = entries(small_disk / "audit")
        kinds = Counter(entry.kind for entry in everything)
        assert kinds["intent"] == kinds["outcome"] == promised
        said = [entry.data for entry in everything if entry.kind == "system"]
        assert sum(each["statements"] for each in said if each["what"] == "audit failed") == refused
        assert [each["state"] for each in said if each["what"] == "audit state"] == ["full", "resumed"]
        assert not list(small_disk.rglob("reserve"))
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_on_a_full_disk_statements_that_run_all_the_same_are_counted(
    small_disk: Path, cards: Cards
) -> None:
    try:
        clock = Clock()
        log = AuditLog(
            small_disk / "audit", "db1", 0, on_failure="continue", reserve_bytes=65536, clock=clock
        )
        (small_disk / "ballast").write_bytes(b"x" * 180_000)
        for _ in range(2000):
            clock.now += SECOND // 100
            cards.answer(log, cards.ask(log))
            log.commit()
        assert log.health == "full"
        assert 0 < log.unrecorded < 2000
        (small_disk / "ballast").unlink()
        clock.now += SECOND
        log.commit()
        log.close()
        kinds = Counter(entry.kind for entry in entries(small_disk / "audit"))
        assert kinds["intent"] == kinds["outcome"] == 2000 - log.unrecorded
        assert grades(small_disk / "audit") == {"gap", "note"}
        said = [entry.data for entry in entries(small_disk / "audit") if entry.data.get("statements_ran")]
        assert sum(each["statements"] for each in said) == log.unrecorded
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_a_failed_fsync_ends_its_segment_for_good(
    tmp_path: Path, cards: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, "db1", 0, durability="power", clock=clock)
    cards.ask(log)
    log.commit()
    synced: list[int] = []

    def broken(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        cards.ask(log)
        with pytest.raises(Unavailable) as refused:
            log.commit()
    assert refused.value.refused.sqlstate == "58030"
    before = (log.path / "00000000.seg").stat().st_size
    clock.now += SECOND
    log.commit()
    cards.ask(log)
    log.commit()
    assert len(synced) == 1
    assert (log.path / "00000000.seg").stat().st_size == before
    log.close()
    assert lone(log).segments() == [0, 1]
    assert grades(tmp_path) == {"note"}
    assert Counter(entry.kind for entry in entries(tmp_path)) == {"intent": 2, "outcome": 2, "system": 3}


def refused(log: AuditLog, cards: Cards) -> str:
    """The SQLSTATE that the next statement gets, empty where it passes."""
    intent = cards.ask(log)
    try:
        log.commit()
    except Unavailable as failure:
        return failure.refused.sqlstate
    cards.answer(log, intent)
    return ""


def test_a_directory_that_was_removed_is_noticed_and_made_again(tmp_path: Path, cards: Cards) -> None:
    clock = Clock()
    log = AuditLog(tmp_path / "audit", "db1", 0, clock=clock)
    open_intent = cards.ask(log)
    assert refused(log, cards) == ""
    shutil.rmtree(tmp_path / "audit")
    clock.now += SECOND // 10
    assert refused(log, cards) == "58030"
    assert log.health == "failed"
    clock.now += SECOND // 5
    log.commit()
    assert log.health == "ok"
    assert refused(log, cards) == ""
    cards.answer(log, open_intent)
    log.close()
    assert lone(log).segments() == [1]
    assert "tampered" in grades(tmp_path / "audit"), "what is gone was taken by somebody"
    read = list(audit_trail.read_chain(lone(log)))
    assert [entry.data.get("state") for entry in read if "state" in entry.data] == ["failed", "resumed"]
    assert log.chain.record_id(open_intent) in {entry.intent for entry in read}


def test_a_directory_that_was_moved_away_for_a_while_loses_nothing(tmp_path: Path, cards: Cards) -> None:
    clock = Clock()
    log = AuditLog(tmp_path / "audit", "db1", 0, clock=clock)
    assert refused(log, cards) == ""
    (tmp_path / "audit").rename(tmp_path / "elsewhere")
    clock.now += SECOND // 10
    assert refused(log, cards) == "58030"
    (tmp_path / "elsewhere").rename(tmp_path / "audit")
    clock.now += SECOND
    log.commit()
    assert refused(log, cards) == ""
    log.close()
    assert lone(log).segments() == [0, 1]
    assert grades(tmp_path / "audit") == set()


UNPRIVILEGED = """
import codecs, os, sys
from pathlib import Path
from gateway.audit.defined import *
from gateway.audit.records import *
from gateway.errors import Unavailable
from workers.audit_log import AuditLog
place = Path(sys.argv[1])
now = [10**9]
codecs.lookup("ascii")  # found while everything can be read
if os.getuid() == 0:  # root has all rights
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
log = AuditLog(place / "audit", "db1", 0, clock=lambda: now[0])
who = SessionCard(SessionInfo("s1", "alice", database="prod"))
what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
def ask():
    now[0] += 10**9
    intent = log.chain.intent(now[0], who, what)
    try:
        log.commit()
    except Unavailable as failure:
        return failure.refused.sqlstate
    log.chain.outcome(now[0], intent, "ok", 1, 2, None, "SELECT", "", 5)
    return "ok"
said = [ask()]
os.chmod(place, 0)
said += [ask(), ask()]
os.chmod(place, 0o700)
now[0] += 10**9
log.commit()
said += [ask()]
log.close()
print(*said)
"""


def test_lost_rights_refuse_statements_until_they_are_given_back(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, folder],
            capture_output=True, text=True, check=False, cwd=Path.cwd(),
        )  # fmt: skip
        assert done.stdout.split() == ["ok", "58030", "58030", "ok"], done.stderr
        assert grades(Path(folder) / "audit") == set()


def test_the_background_sync_tells_checkpoints_how_far_the_disk_is(tmp_path: Path, cards: Cards) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, "db1", 0, clock=clock)
    assert log.begin_sync() is None
    cards.answer(log, cards.ask(log))
    log.commit()
    assert log.unsynced > 0
    sync = log.begin_sync()
    assert sync is not None
    sync.run()
    log.end_sync(sync)
    assert log.unsynced == 0
    synced = log.chain.length
    cards.answer(log, cards.ask(log))
    clock.now += SECOND
    log.commit()
    frames = SegmentReader().feed((log.path / "00000000.seg").read_bytes())
    assert records.decode(frames[-1].kind, frames[-1].payload).synced == synced
    log.close()


def test_a_worker_without_a_free_descriptor_syncs_later(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    cards.answer(log, cards.ask(log))
    log.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert log.begin_sync() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert log.unsynced > 0
    sync = log.begin_sync()
    assert sync is not None
    sync.run()
    log.end_sync(sync)
    assert log.unsynced == 0
    log.close()


def test_a_failed_background_sync_ends_its_segment_and_that_is_on_record(
    tmp_path: Path, cards: Cards
) -> None:
    broken = [False]

    class Breaks(Disk):
        def sync(self, file: int) -> None:
            if broken[0]:
                raise OSError(5, "Input/output error")
            super().sync(file)

    clock = Clock()
    log = AuditLog(tmp_path, "db1", 0, clock=clock, disk=Breaks())
    open_intent = cards.ask(log)
    log.commit()
    length, synced = log.chain.length, log.chain.synced
    sync = log.begin_sync()
    assert sync is not None
    broken[0] = True
    sync.run()
    broken[0] = False
    log.end_sync(sync)
    assert log.begin_sync() is None, "never asked for again"
    assert refused(log, cards) == "", "statements go on"
    cards.answer(log, open_intent)
    log.close()
    assert lone(log).segments() == [0, 1]
    header = lone(log).header(1)
    assert header is not None
    assert header.previous_synced == synced < length < header.previous_length
    said = [entry.data for entry in entries(tmp_path) if entry.kind == "system"]
    assert said == [
        {"what": "audit state", "state": "unsynced", "sqlstate": "58030", "segment": 0, "offset": synced}
    ]
    assert grades(tmp_path) == {"note"}


def test_a_patient_worker_starts_on_a_broken_disk_and_heals(tmp_path: Path, cards: Cards) -> None:
    broken = [True]

    class Breaks(Disk):
        def create(self, path: Path) -> int:
            if broken[0]:
                raise OSError(28, "No space left on device")
            return super().create(path)

    clock = Clock()
    with pytest.raises(Unavailable):
        AuditLog(tmp_path, "db1", 0, clock=clock, disk=Breaks())
    log = AuditLog(tmp_path, "db1", 0, clock=clock, disk=Breaks(), patient=True)
    assert (log.health, refused(log, cards)) == ("full", "53100")
    broken[0] = False
    clock.now += SECOND
    log.commit()
    assert refused(log, cards) == ""
    log.close()
    assert grades(tmp_path) == set()


def test_host_names_are_made_fit_for_record_ids() -> None:
    assert clean_host("db-1.example.com") == "db-1.example.com"
    assert clean_host("bö se/host\n") == "b__se_host_"
    assert clean_host("") == "host"
