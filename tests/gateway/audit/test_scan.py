"""A scan finds what joining everything and filtering finds, in pieces of any size, and reads nothing that is damaged."""

import random

import pytest

from gateway.audit import records
from gateway.audit.filters import Filter
from gateway.audit.query import Entry, Joiner
from gateway.audit.records import Carried, Intent, Outcome, SessionInfo
from gateway.audit.scan import Scan
from gateway.audit.segment import Header, SegmentReader, frame

from .trail_rig import Segment, T, encode, fill, question, ruling

HEADER = Header(1, bytes(16), 0, bytes(32), 0, "db1", "", 0, "process", T)


def trail(seed: int, count: int = 60) -> bytes:
    segment = Segment(HEADER, 100)
    fill(random.Random(seed), segment, [Carried(7, T, 1, 1), Carried(8, T, 1, 1)], count)
    return segment.data


def plain(data: bytes, asked: Filter) -> list[str]:
    joiner, reader = Joiner(), SegmentReader()
    frames = reader.feed(data)
    assert reader.header is not None
    joiner.begin(reader.header)
    entries = [entry for entry in map(joiner.read, frames) if entry is not None]
    return [f"{each.id} {each.kind} {each.intent}" for each in entries if asked.matches(each)]


def scanned(data: bytes, asked: Filter, size: int = 1 << 20) -> list[str]:
    scan, found = Scan(asked), list[Entry]()
    for at in range(0, len(data), size):
        found += scan.feed(data[at : at + size])
    assert scan.damage is None
    return [f"{each.id} {each.kind} {each.intent}" for each in found]


def test_a_scan_finds_what_a_plain_reading_finds() -> None:
    rng, hits = random.Random(5), 0
    for seed in range(40):
        data = trail(seed)
        for _ in range(25):
            asked = question(rng)
            expected = plain(data, asked)
            assert scanned(data, asked, rng.choice((1 << 20, 997))) == expected, asked
            hits += bool(expected)
    assert hits > 300


def test_pieces_of_one_byte_make_no_difference() -> None:
    data = trail(3)
    assert scanned(data, Filter(), 1) == plain(data, Filter()) != []
    assert scanned(data, Filter(decision="allow", status="ok"), 1) == plain(data, Filter(decision="allow", status="ok"))


def test_every_flip_is_told_or_changes_nothing_that_is_shown() -> None:
    data = trail(11, 30)
    rng = random.Random(1)
    for asked in (Filter(), Filter(user="alice"), Filter(status="ok")):
        expected = plain(data, asked)
        for _ in range(400):
            spoilt = bytearray(data)
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
            scan = Scan(asked)
            found = [f"{each.id} {each.kind} {each.intent}" for each in scan.feed(bytes(spoilt))]
            if scan.damage is not None:
                assert scan.feed(b"more") == []
            # What is shown is right: flips in what was passed over may hide a record, and verify finds them.
            assert set(found) <= set(expected)


def test_cut_anywhere_shows_a_beginning() -> None:
    data = trail(2, 30)
    expected = plain(data, Filter())
    for end in range(0, len(data), 7):
        scan = Scan(Filter())
        found = [f"{each.id} {each.kind} {each.intent}" for each in scan.feed(data[:end])]
        assert found == expected[: len(found)]
        assert scan.damage is None


def test_zeros_a_gap_and_a_foreign_file_are_damage() -> None:
    data = trail(4, 10)
    for spoilt, why in (
        (data + bytes(100), "zero-filled"),
        (data + frame(records.STATE, 10**6, T, encode(records.State("full"))), "number does not follow"),
        (data + b"\xff" * 60, "out of range"),
        (b"PK\x03\x04" * 20, "not an audit segment"),
    ):
        scan = Scan(Filter())
        scan.feed(spoilt)
        assert scan.damage is not None
        assert why in scan.damage.why


def test_a_statement_whose_definition_is_missing_is_an_error() -> None:
    segment = Segment(HEADER, 0)
    segment.put(records.SESSION, (1, SessionInfo("s1", "alice")))
    segment.put(records.RULING, (2, ruling(random.Random(1))))
    segment.put(records.INTENT, Intent(1, 2))
    segment.put(records.OUTCOME, Outcome(3, "ok", 1, 1, 99, "", "", 1))
    with pytest.raises(ValueError, match="definition"):
        Scan(Filter()).feed(segment.data)


def test_an_outcome_question_keeps_no_statement_that_was_lost() -> None:
    segment = Segment(HEADER, 0)
    segment.put(records.SESSION, (1, SessionInfo("s1", "alice")))
    segment.put(records.RULING, (2, ruling(random.Random(1))))
    segment.put(records.INTENT, Intent(1, 2))
    segment.put(records.LOST, records.Lost(3, 3, 1, 0, "58030"))
    segment.put(records.OUTCOME, Outcome(3, "ok", 1, 1, 0, "", "", 1))
    assert scanned(segment.data, Filter(status="ok")) == plain(segment.data, Filter(status="ok")) == []
