"""Chains without an end: killed writers, torn and damaged files, and recoveries that were themselves cut short."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from tests.workers.audit_rig import LITERALS, SAID, Cards, T, entries, grades
from workers import audit_trail
from workers.audit_disk import Disk
from workers.audit_log import RESERVE_BYTES, AuditLog
from workers.audit_recovery import Recoveries, recover, recover_at_last

# A worker that tells on standard output which intents were promised and which answered, until it is killed.
WRITER = """
import sys, time
from gateway.audit.defined import *
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


@pytest.fixture
def cards() -> Cards:
    return Cards()


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
    assert (outcome.literals, outcome.declared) == (asked.literals, asked.declared) == (LITERALS, SAID)
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


def test_records_behind_damage_are_read_and_their_intents_answered(tmp_path: Path, cards: Cards) -> None:
    """A hole swallows definitions: what refers to them is there all the same, and says that it is not known."""
    log = AuditLog(tmp_path, "db1", 0)
    cards.answer(log, cards.ask(log))
    log.commit()
    hole = log.chain.length
    other = Cards()
    first = other.ask(log)
    log.commit()
    behind = log.chain.length
    second = other.ask(log)
    log.commit()
    log._release()
    file = log.path / "00000000.seg"
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[:hole] + bytes(behind - hole) + data[behind:])
    (found,) = recover(tmp_path, "db1")
    assert (found.damage, found.beyond, found.unresolved) == ("zero-filled", 1, 1)
    read = entries(tmp_path)
    assert log.chain.record_id(first) not in {entry.id for entry in read}
    (intent,) = [entry for entry in read if entry.id == log.chain.record_id(second)]
    assert intent.ruling is not None
    assert intent.ruling.statement == "unknown"
    (outcome,) = [entry for entry in read if entry.intent == intent.id]
    assert outcome.outcome is not None
    assert outcome.outcome.status == "unresolved"
    (said,) = [entry.data for entry in read if entry.kind == "system"]
    assert (said["damage"], said["records_beyond"]) == ("zero-filled", 1)
    assert recover(tmp_path, "db1") == []


def test_open_intents_are_found_across_segments_that_hold_nothing(tmp_path: Path, cards: Cards) -> None:
    """Each attempt on a broken disk may leave a segment with a header alone."""
    log = AuditLog(tmp_path, "db1", 0)
    intent = cards.ask(log)
    log.commit()
    for _ in range(3):
        log.chain.next_segment(T)
        log._prepare(T)
    log._release()
    (found,) = recover(tmp_path, "db1")
    assert found.unresolved == 1
    assert [each.intent for each in entries(tmp_path) if each.outcome] == [log.chain.record_id(intent)]
    assert grades(tmp_path) == set()


def test_a_dead_workers_reserve_is_given_back(tmp_path: Path, cards: Cards) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    reserve = log.path / "reserve"
    assert reserve.stat().st_size == RESERVE_BYTES
    recover(tmp_path, "db1")
    assert reserve.exists(), "it lives"
    log._release()
    recover(tmp_path, "db1")
    assert not reserve.exists()


def test_a_recovery_that_cannot_be_written_leaves_nothing_and_is_tried_again(
    tmp_path: Path, cards: Cards
) -> None:
    crashed(tmp_path, cards)
    before = sorted(tmp_path.iterdir())

    class Full(Disk):
        def write(self, file: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            recover(tmp_path, "db1", disk=Full())
        assert refused.value.refused.sqlstate == "53100"
    assert sorted(tmp_path.iterdir()) == before
    assert recover_at_last(tmp_path) == 0
    assert grades(tmp_path) == set()


def test_who_ends_waits_for_recoveries_and_does_the_rest(tmp_path: Path, cards: Cards) -> None:
    crashed(tmp_path, cards)
    recoveries = Recoveries()
    hangs = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    ends = subprocess.Popen([sys.executable, "-c", ""])
    recoveries.pids = {hangs.pid, ends.pid}
    recoveries.finish(tmp_path, 0.3)
    for child in (hangs, ends):
        child.returncode = 0  # reaped by its number, which Popen cannot know
    assert grades(tmp_path) == set()
    assert recover(tmp_path) == []
