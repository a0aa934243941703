"""The chain: what is promised is whole, what fails is accounted for, numbers are never used twice."""

import hashlib
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import records
from gateway.audit.chain import CHECKPOINT_NS, HELD_EVENTS, HELD_ROWS, Chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.query import Entry, Joiner
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo
from gateway.audit.segment import Frame, SegmentReader

T = 1_700_000_000_000_000_000
CHAIN_ID = bytes(range(16))


def session(name: str = "s1") -> SessionCard:
    return SessionCard(SessionInfo(name, "alice", database="prod"))


def ruling(statement: str = "SELECT $1::int") -> RulingCard:
    return RulingCard(RulingInfo(1, "abc", statement, "ff", ("SELECT",)))


class Disk:
    """Keeps what a chain's owner would have written, segment by segment."""

    def __init__(self) -> None:
        self.chain = Chain("db1", 0, CHAIN_ID, now_ns=T)
        self.segments = {0: bytearray(self.chain.header)}

    def write(self, now: int = T, end: Literal["", "segment", "chain"] = "") -> None:
        batch = self.chain.take(now, end)
        self.segments.setdefault(self.chain.segment, bytearray(self.chain.header)).extend(batch)
        self.chain.committed()

    def rotate(self, now: int = T) -> None:
        self.write(now, "segment")
        self.chain.next_segment(now)

    def frames(self, number: int) -> list[Frame]:
        return SegmentReader().feed(bytes(self.segments[number]))

    def entries(self) -> list[Entry]:
        joiner = Joiner()
        found = []
        for number in sorted(self.segments):
            reader = SegmentReader()
            frames = reader.feed(bytes(self.segments[number]))
            assert reader.header is not None
            joiner.begin(reader.header)
            found += [entry for entry in map(joiner.read, frames) if entry is not None]
        return found


@pytest.fixture
def disk() -> Disk:
    return Disk()


def answer(chain: Chain, intent: int, columns: ColumnsCard | None = None) -> int:
    return chain.outcome(T, intent, "ok", 1, 10, columns, "SELECT", "", 5)


def test_definitions_are_written_once_a_segment(disk: Disk) -> None:
    who, what, shown = session(), ruling(), ColumnsCard(ColumnsInfo((("t.c", "email", "redact"),), ("t.id",)))
    for _ in range(3):
        answer(disk.chain, disk.chain.intent(T, who, what), shown)
    disk.write()
    kinds = [frame.kind for frame in disk.frames(0)]
    assert kinds == [1, 2, 4, 3, 5, 4, 5, 4, 5]
    disk.rotate()
    answer(disk.chain, disk.chain.intent(T, who, what), shown)
    disk.write()
    assert [frame.kind for frame in disk.frames(1)] == [1, 2, 4, 3, 5]


def test_one_card_serves_two_chains(disk: Disk) -> None:
    other, who, what = Disk(), session(), ruling()
    for chain in (disk.chain, other.chain, disk.chain):
        chain.intent(T, who, what)
    disk.write()
    other.write()
    assert [entry.kind for entry in disk.entries()] == ["intent", "intent"]
    assert [entry.kind for entry in other.entries()] == ["intent"]


def test_the_checkpoint_proves_all_bytes_before_it(disk: Disk) -> None:
    disk.chain.intent(T, session(), ruling())
    disk.write()
    disk.chain.intent(T, session(), ruling())
    disk.write(T + CHECKPOINT_NS)
    frame = disk.frames(0)[-1]
    said = records.decode(records.CHECKPOINT, frame.payload)
    assert said.digest == hashlib.sha256(disk.segments[0][: frame.offset]).digest()
    assert said.records == frame.seq - 1


def test_a_thousand_records_bring_a_checkpoint_without_time_passing(disk: Disk) -> None:
    who, what = session(), ruling()
    for _ in range(500):
        answer(disk.chain, disk.chain.intent(T, who, what))
    disk.write()
    assert disk.frames(0)[-1].kind == records.CHECKPOINT


def test_an_idle_chain_is_due_once_a_second_and_only_while_something_is_unproven(disk: Disk) -> None:
    assert not disk.chain.due(T + 10 * CHECKPOINT_NS)
    answer(disk.chain, disk.chain.intent(T, session(), ruling()))
    disk.write()
    assert not disk.chain.due(T + 1)
    assert disk.chain.due(T + CHECKPOINT_NS)
    disk.write(T + CHECKPOINT_NS)
    assert not disk.chain.due(T + 10 * CHECKPOINT_NS)


def test_an_open_intent_is_repeated_in_the_next_segment(disk: Disk) -> None:
    intent = disk.chain.intent(T, session(), ruling(), (("traceparent", "00-1"),), "A-7")
    disk.write()
    disk.rotate()
    answer(disk.chain, intent)
    disk.write()
    joiner = Joiner()
    reader = SegmentReader()
    frames = reader.feed(bytes(disk.segments[1]))
    assert reader.header is not None
    joiner.begin(reader.header)
    (outcome,) = [entry for entry in map(joiner.read, frames) if entry is not None]
    assert outcome.intent == disk.chain.record_id(intent)
    assert (outcome.tags, outcome.approval) == ((("traceparent", "00-1"),), "A-7")
    assert outcome.session == session().info


def test_an_outcome_is_given_once(disk: Disk) -> None:
    intent = disk.chain.intent(T, session(), ruling())
    assert answer(disk.chain, intent) > intent
    assert answer(disk.chain, intent) == 0
    assert answer(disk.chain, 999) == 0


def test_what_cannot_be_packed_leaves_the_intent_open_and_uses_no_number(disk: Disk) -> None:
    chain = disk.chain
    intent = chain.intent(1, session(), ruling())
    before = chain.seq
    with pytest.raises((OverflowError, ValueError)):  # compiled or interpreted
        chain.outcome(2, intent, "ok", 1 << 70, 0, None, "SELECT", "", 0)
    assert (chain.seq, chain.open_intents) == (before, 1)
    assert chain.outcome(3, intent, "unresolved", 0, 0, None, "", "", 0) == before + 1
    assert chain.open_intents == 0


@pytest.mark.parametrize("abandon", [False, True])
def test_a_failed_batch_withdraws_intents_and_says_outcomes_again(disk: Disk, abandon: bool) -> None:
    who, what = session(), ruling()
    forwarded = disk.chain.intent(T, who, what)
    disk.write()
    answer(disk.chain, forwarded)
    disk.chain.event(T, "session", {"what": "closed"}, who)
    withdrawn = disk.chain.intent(T, who, what)
    refused = disk.chain.intent(T, who, what)
    answer(disk.chain, refused)
    disk.chain.take(T)
    assert disk.chain.failed(T, "53100", abandon=abandon) == 2
    disk.chain.again(T)
    assert answer(disk.chain, withdrawn) == 0
    disk.write()
    kinds = [(entry.kind, entry.intent) for entry in disk.entries()]
    assert kinds == [
        ("intent", ""),
        ("system", ""),
        ("session", ""),
        ("outcome", disk.chain.record_id(forwarded)),
    ]
    lost = disk.entries()[1].data
    assert lost["statements"] == 2
    assert lost["sqlstate"] == "53100"
    assert disk.chain.segment == (1 if abandon else 0)
    assert disk.chain.open_intents == 0


def test_the_header_after_a_failed_write_vouches_for_what_was_promised(disk: Disk) -> None:
    disk.chain.intent(T, session(), ruling())
    disk.write()
    good = bytes(disk.segments[0])
    disk.chain.intent(T, session(), ruling())
    disk.segments[0] += disk.chain.take(T)[:20]
    disk.chain.failed(T, "58030", abandon=True)
    reader = SegmentReader()
    reader.feed(disk.chain.header)
    assert reader.header is not None
    assert reader.header.previous == hashlib.sha256(good).digest()
    assert reader.header.previous_length == len(good)


def test_repeated_failures_add_up_and_hold_a_bounded_number_of_events(disk: Disk) -> None:
    for _ in range(3):
        for _ in range(HELD_EVENTS):
            disk.chain.event(T, "session", {"what": "refused"})
        disk.chain.intent(T, session(), ruling())
        disk.chain.take(T)
        disk.chain.failed(T, "53100", abandon=False)
    disk.chain.again(T)
    disk.write()
    entries = disk.entries()
    assert len(entries) == HELD_EVENTS + 1
    assert entries[0].data["statements"] == 3
    assert entries[0].data["events"] == 2 * HELD_EVENTS


def test_the_end_answers_what_is_open(disk: Disk) -> None:
    disk.chain.intent(T, session(), ruling())
    disk.write()
    disk.write(T, "chain")
    assert [frame.kind for frame in disk.frames(0)][-2:] == [records.OUTCOME, records.CLOSED]
    outcome = disk.entries()[-1].outcome
    assert outcome is not None
    assert outcome.status == "unresolved"


def test_huge_tags_are_cut_and_stay_pairs(disk: Disk) -> None:
    tags = tuple((f"key{n}", "v" * 1000) for n in range(100))
    disk.chain.intent(T, session(), ruling(), tags)
    disk.write()
    kept = disk.entries()[0].tags
    assert kept is not None
    assert all(len(pair) == 2 for pair in kept)
    assert kept[0][0] == "key0"


def test_a_command_tag_that_is_no_unicode_is_still_recorded(disk: Disk) -> None:
    intent = disk.chain.intent(T, session(), ruling("SELECT '\ud800'"))
    disk.chain.outcome(T, intent, "ok", 0, 0, None, "\udcff", "", 1)
    disk.write()
    outcome = disk.entries()[-1].outcome
    assert outcome is not None
    assert outcome.command == "?"


STEPS = st.lists(st.sampled_from(["ask", "answer", "event", "write", "rotate", "fail", "tear"]), max_size=40)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_whatever_fails_each_promised_intent_has_one_outcome_and_no_number_comes_twice(
    steps: list[str],
) -> None:
    disk, who, what = Disk(), session(), ruling()
    asked: list[int] = []
    promised: set[int] = set()
    for step in [*steps, "write"]:
        if step == "ask":
            asked.append(disk.chain.intent(T, who, what))
        elif step == "answer" and promised & set(asked):
            intent = min(promised & set(asked))
            asked.remove(intent)
            answer(disk.chain, intent)
        elif step == "event":
            disk.chain.event(T, "policy", {"what": "published"})
        elif step == "write":
            disk.write()
            promised |= set(asked)
        elif step == "rotate":
            promised |= set(asked)
            disk.rotate()
        elif step in ("fail", "tear"):
            disk.chain.take(T)
            disk.chain.failed(T, "58030", abandon=step == "tear")
            disk.chain.again(T)
            asked = [each for each in asked if each in promised]
    disk.write(T, "chain")
    entries = disk.entries()
    answered = [entry.intent for entry in entries if entry.kind == "outcome"]
    assert sorted(answered) == sorted(disk.chain.record_id(each) for each in promised)
    assert {entry.seq for entry in entries if entry.kind == "intent"} == promised
    seqs = [frame.seq for number in sorted(disk.segments) for frame in disk.frames(number)]
    assert seqs == sorted(set(seqs))


def test_rows_shown_survive_a_failed_write_and_those_of_withdrawn_statements_do_not() -> None:
    chain = Chain("db1", 0, CHAIN_ID, now_ns=T)
    who, what = session(), ruling()
    running = chain.intent(T, who, what)
    first = chain.header + chain.take(T)
    chain.committed()
    chain.rows(T, running, "public.t", False, 1, b"\1\1i123456")
    withdrawn = chain.intent(T, who, what)
    chain.rows(T, withdrawn, "public.t", False, 1, b"\1\1i654321")
    chain.take(T)
    chain.failed(T, "53100", abandon=False)
    chain.outcome(T, running, "ok", 1, 1, None, "SELECT 1", "", 1)
    chain.again(T)
    frames = SegmentReader().feed(first + chain.take(T))
    shown = [records.decode(one.kind, one.payload) for one in frames if one.kind == records.ROWS]
    assert [one.intent for one in shown] == [running]
    assert chain.rows(T, running, "public.t", False, 1, b"") == 0


def test_rows_shown_while_nothing_can_be_written_are_bounded_and_counted() -> None:
    chain = Chain("db1", 0, CHAIN_ID, now_ns=T)
    running = chain.intent(T, session(), ruling())
    chain.take(T)
    chain.committed()
    for _ in range(HELD_ROWS + 7):
        chain.rows(T, running, "public.t", False, 1, b"\1\1i123456")
    chain.take(T)
    chain.failed(T, "53100", abandon=True)
    chain.again(T)
    frames = SegmentReader().feed(chain.header + chain.take(T))
    assert sum(one.kind == records.ROWS for one in frames) == HELD_ROWS
    (lost,) = [records.decode(one.kind, one.payload) for one in frames if one.kind == records.LOST]
    assert lost.events == 7
