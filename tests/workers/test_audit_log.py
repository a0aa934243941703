"""The audit on real disks: rotation, failures, kills and recovery."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.audit.query import Entry
from gateway.audit.records import RulingCard, RulingInfo, SessionCard, SessionInfo
from gateway.audit.verify import ChainCheck
from gateway.errors import Unavailable
from workers import audit_trail
from workers.audit_log import AuditLog, clean_host, recover

T = 1_700_000_000_000_000_000
SECOND = 10**9

# A worker that tells on standard output which intents were promised and which answered, until it is killed.
WRITER = """
import sys, time
from gateway.audit.records import *
from workers.audit_log import AuditLog
log = AuditLog(sys.argv[1], "db1", 0, segment_bytes=int(sys.argv[2]))
who = SessionCard(SessionInfo("s1", "alice", database="prod"))
what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
while True:
    asked = [log.chain.intent(time.time_ns(), who, what) for _ in range(50)]
    log.commit()
    print("asked", *map(log.chain.record_id, asked), flush=True)
    for each in asked:
        log.chain.outcome(time.time_ns(), each, "ok", 1, 2, None, "SELECT", "", 5)
    log.commit()
    print("answered", *map(log.chain.record_id, asked), flush=True)
"""


class Clock:
    def __init__(self) -> None:
        self.now = T

    def __call__(self) -> int:
        return self.now


class Cards:
    def __init__(self) -> None:
        self.who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        self.what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))

    def ask(self, log: AuditLog) -> int:
        return log.chain.intent(T, self.who, self.what)

    def answer(self, log: AuditLog, intent: int) -> None:
        log.chain.outcome(T, intent, "ok", 1, 2, None, "SELECT", "", 5)


@pytest.fixture
def cards() -> Cards:
    return Cards()


def checks(directory: Path) -> list[ChainCheck]:
    said = audit_trail.recoveries(directory)
    done = []
    for chain in audit_trail.chains(directory):
        check = ChainCheck(chain.id)
        for number, data, following in audit_trail.segment_bytes(chain, chain.segments()):
            check.segment(number, data, following)
        check.end(chain.is_live(), said.get(chain.id))
        done.append(check)
    return done


def grades(directory: Path) -> set[str]:
    return {each.grade for check in checks(directory) for each in check.findings}


def entries(directory: Path) -> list[Entry]:
    return list(audit_trail.read_all(directory))


def lone(log: AuditLog) -> audit_trail.ChainFiles:
    return audit_trail.ChainFiles(log.path)


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
from gateway.audit.records import *
from gateway.errors import Unavailable
from workers.audit_log import AuditLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = AuditLog(sys.argv[1], "db1", 0, on_failure=sys.argv[2])
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
    assert limited(tmp_path, "refuse", room) == '[["58030"], 0, 0, 1]'
    assert grades(tmp_path) == ({"note"} if room else set())
    kinds = [entry.kind for entry in entries(tmp_path)]
    assert Counter(kinds) == {"intent": 2, "outcome": 2, "system": 1}
    (lost,) = [entry.data for entry in entries(tmp_path) if entry.kind == "system"]
    assert (lost["statements"], lost["statements_ran"]) == (5, False)


def test_with_continue_the_statements_run_and_their_number_is_on_record(tmp_path: Path) -> None:
    assert limited(tmp_path, "continue", 30) == "[[], 5, 0, 1]"
    assert grades(tmp_path) == {"gap", "note"}
    (lost,) = [entry.data for entry in entries(tmp_path) if entry.kind == "system"]
    assert (lost["statements"], lost["statements_ran"]) == (5, True)


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
        log = AuditLog(small_disk / "audit", "db1", 0, segment_bytes=32768)
        ballast = small_disk / "ballast"
        promised, refused = 0, 0
        states: set[str] = set()
        open_intent = cards.ask(log)
        log.commit()
        ballast.write_bytes(b"x" * 200_000)
        for _ in range(400):
            intents = [cards.ask(log) for _ in range(10)]
            try:
                log.commit()
                promised += 10
                for each in intents:
                    cards.answer(log, each)
            except Unavailable as failure:
                refused += 10
                states.add(failure.refused.sqlstate)
        assert promised > 0
        assert refused > 1000
        assert states == {"53100"}
        assert len(lone(log).segments()) < 40  # a full disk makes no files without end
        ballast.unlink()
        cards.answer(log, open_intent)
        log.commit()
        assert not log.failing
        log.close()
        assert grades(small_disk / "audit") <= {"note"}
        kinds = Counter(entry.kind for entry in entries(small_disk / "audit"))
        assert kinds["intent"] == kinds["outcome"] == promised + 1
        lost = [entry.data["statements"] for entry in entries(small_disk / "audit") if entry.kind == "system"]
        assert sum(lost) == refused
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_a_failed_fsync_ends_its_segment_for_good(
    tmp_path: Path, cards: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path, "db1", 0, durability="power")
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
    cards.ask(log)
    log.commit()
    assert len(synced) == 1
    assert (log.path / "00000000.seg").stat().st_size == before
    log.close()
    assert lone(log).segments() == [0, 1]
    assert grades(tmp_path) == {"note"}
    assert Counter(entry.kind for entry in entries(tmp_path)) == {"intent": 2, "outcome": 2, "system": 1}


def kill_after(directory: Path, lines: int, segment_bytes: int) -> tuple[set[str], set[str]]:
    """Runs a writer, kills it with SIGKILL in mid work; what it had been promised, and what of it was
    answered.
    """
    command = [sys.executable, "-c", WRITER, str(directory), str(segment_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().split() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        told += [line.split() for line in writer.stdout if line.endswith("\n")]
    asked = {each for line in told if line and line[0] == "asked" for each in line[1:]}
    return asked, {each for line in told if line and line[0] == "answered" for each in line[1:]}


def test_after_a_kill_every_promised_intent_is_there_with_exactly_one_outcome(tmp_path: Path) -> None:
    asked: set[str] = set()
    answered: set[str] = set()
    for lines in (3, 40, 41, 90):
        more = kill_after(tmp_path, lines, 20_000)
        asked |= more[0]
        answered |= more[1]
    assert grades(tmp_path) == {"gap"}  # unclean ends
    found = recover(tmp_path, "db1")
    assert len(found) == 4
    assert grades(tmp_path) <= {"note"}
    everything = entries(tmp_path)
    intents = [entry.id for entry in everything if entry.kind == "intent"]
    outcomes = Counter(entry.intent for entry in everything if entry.kind == "outcome")
    status = {entry.intent: entry.outcome.status for entry in everything if entry.outcome}
    assert asked <= set(intents)
    assert outcomes == Counter(intents)
    assert all(status[each] == "ok" for each in answered)
    assert sum(each.unresolved for each in found) == sum(said == "unresolved" for said in status.values())


def test_a_second_recovery_does_nothing_and_nothing_found_is_changed(tmp_path: Path) -> None:
    kill_after(tmp_path, 11, 8_000)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.seg")}
    assert len(recover(tmp_path, "db1")) == 1
    after = {file: file.read_bytes() for file in tmp_path.rglob("*.seg")}
    assert recover(tmp_path, "db1") == []
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.seg")} == after
    assert {file: after[file] for file in before} == before


def test_a_chain_that_is_still_written_is_not_recovered(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    cards.ask(log)
    log.commit()
    assert recover(tmp_path, "db1") == []
    log.close()
    assert recover(tmp_path, "db1") == []


def crashed(tmp_path: Path, cards: Cards) -> tuple[Path, str]:
    """A chain whose worker ended between intent and outcome, as if killed; its one open intent's id."""
    log = AuditLog(tmp_path, "db1", 0)
    cards.answer(log, cards.ask(log))
    intent = cards.ask(log)
    log.commit()
    log._release()
    return log.path / "00000000.seg", log.chain.record_id(intent)


def test_a_tail_cut_at_every_byte_is_recovered_with_an_exact_prefix(tmp_path: Path, cards: Cards) -> None:
    file, _ = crashed(tmp_path / "whole", cards)
    whole = file.read_bytes()
    for size in range(0, len(whole), 2):
        copy = tmp_path / str(size)
        place = copy / file.parent.name
        place.mkdir(parents=True)
        (place / file.name).write_bytes(whole[:size])
        (found,) = recover(copy, "db1")
        read = entries(copy)
        intents = [entry.id for entry in read if entry.kind == "intent"]
        assert sorted(entry.intent for entry in read if entry.kind == "outcome") == sorted(intents)
        assert [entry.kind for entry in read].count("system") == 1
        assert found.damage == ""
        assert grades(copy) <= {"note"} or found.torn == size  # a torn header names no boot
        assert recover(copy, "db1") == []


def test_the_unresolved_outcome_has_its_intents_facts(tmp_path: Path, cards: Cards) -> None:
    _, intent = crashed(tmp_path, cards)
    recover(tmp_path, "db1")
    asked, outcome = audit_trail.find(tmp_path, intent)
    assert (asked.kind, asked.id) == ("intent", intent)
    assert outcome.intent == intent
    assert outcome.session == cards.who.info
    assert outcome.ruling == cards.what.info
    assert audit_trail.find(tmp_path, outcome.id) == [asked, outcome]


def test_a_recovery_cut_short_is_done_again_and_counted_once(tmp_path: Path, cards: Cards) -> None:
    file, intent = crashed(tmp_path, cards)
    recover(tmp_path, "db1")
    (cut,) = [each for each in tmp_path.rglob("*.seg") if each != file]
    data = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(data[:-20])
    assert len(recover(tmp_path, "db1")) == 1
    assert recover(tmp_path, "db1") == []
    assert [entry.intent for entry in entries(tmp_path) if entry.outcome][-1] == intent
    assert Counter(entry.kind for entry in entries(tmp_path)) == {"intent": 2, "outcome": 2, "system": 1}


def test_damage_in_the_middle_is_reported_by_recovery(tmp_path: Path, cards: Cards) -> None:
    file, _ = crashed(tmp_path, cards)
    data = file.read_bytes()
    file.unlink()
    at = len(data) - 45
    file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    (found,) = recover(tmp_path, "db1")
    assert found.damage == "frame checksum does not match"


def test_host_names_are_made_fit_for_record_ids() -> None:
    assert clean_host("db-1.example.com") == "db-1.example.com"
    assert clean_host("bö se/host\n") == "b__se_host_"
    assert clean_host("") == "host"
