"""A summary never says no to a segment that holds what is asked, and seldom says maybe to one that does not."""

import random

from gateway.audit.filters import Filter
from gateway.audit.query import Joiner
from gateway.audit.segment import Header, SegmentReader
from gateway.audit.sidecar import (
    Needs,
    Summarizer,
    Summary,
    beginnings,
    bloom,
    fact,
    from_bytes,
    suffixes,
    to_bytes,
)

from .trail_rig import Segment, T, fill, question

HEADER = Header(1, bytes(16), 0, bytes(32), 0, "db1", "", 0, "process", T)


def summed(seed: int) -> tuple[bytes, Summary]:
    segment = Segment(HEADER, 0)
    fill(random.Random(seed), segment, [], 30)
    reader, summarizer = SegmentReader(), Summarizer(HEADER)
    for frame in reader.feed(segment.data):
        summarizer.read(frame)
    return segment.data, summarizer.summary(len(segment.data))


def holds(data: bytes, asked: Filter) -> bool:
    joiner, reader = Joiner(), SegmentReader()
    frames = reader.feed(data)
    joiner.begin(HEADER)
    return any(entry is not None and asked.matches(entry) for entry in map(joiner.read, frames))


def test_nothing_that_is_there_is_passed_over() -> None:
    rng, there, spared = random.Random(9), 0, 0
    for seed in range(40):
        data, summary = summed(seed)
        summary_again = from_bytes(to_bytes(summary))
        assert summary_again == summary
        for _ in range(30):
            asked = question(rng)
            may = Needs(asked).may_match(summary)
            if holds(data, asked):
                there += 1
                assert may, asked
            elif not may:
                spared += 1
    assert there > 300
    assert spared > 300


def test_a_bloom_filter_errs_as_rarely_as_it_says() -> None:
    inside = [fact("session", str(each)) for each in range(5000)]
    made = bloom(inside)
    assert len(made.bits) == 5000 * 12 // 8
    assert all(made.may_hold(each) for each in inside)
    wrong = sum(made.may_hold(fact("session", str(each))) for each in range(5000, 25_000))
    assert wrong / 20_000 < 0.01


def test_an_empty_filter_holds_nothing_and_one_without_bits_may_hold_all() -> None:
    assert not bloom([]).may_hold(fact("user", "alice"))
    assert type(bloom([]))(b"").may_hold(fact("user", "alice"))


def test_counts_and_times_are_those_of_the_segment() -> None:
    data, summary = summed(1)
    joiner, reader = Joiner(), SegmentReader()
    frames = reader.feed(data)
    joiner.begin(HEADER)
    entries = [entry for entry in map(joiner.read, frames) if entry is not None]
    assert (summary.first_ns, summary.last_ns) == (frames[0].time_ns, frames[-1].time_ns)
    assert summary.kinds["intent"] == sum(entry.kind == "intent" for entry in entries)
    assert summary.length == len(data)
    assert summary.users is not None
    assert set(summary.users) <= {"alice", "bob", "carol"}


def test_too_many_names_are_not_named() -> None:
    summarizer = Summarizer(HEADER)
    segment = Segment(HEADER, 0)
    for each in range(300):
        segment.define(1, (f"s{each}", f"user{each}"))
    for frame in SegmentReader().feed(segment.data):
        summarizer.read(frame)
    summary = summarizer.summary(len(segment.data))
    assert summary.users is None
    assert Needs(Filter(user="user7")).may_match(summary)
    assert sum(Needs(Filter(user=f"nobody{each}")).may_match(summary) for each in range(100)) < 5


def test_names_are_found_by_their_last_parts() -> None:
    assert suffixes(["a.b.c", "b.c"]) == {"a.b.c", "b.c", "c"}
    assert beginnings("DROP TABLE X") == ["DROP", "DROP TABLE", "DROP TABLE X"]


def test_what_is_no_summary_is_none() -> None:
    data = to_bytes(summed(1)[1])
    assert from_bytes(b"") is None
    assert from_bytes(b"\x00" + data) is None
    assert from_bytes(data[:-3]) is None
    assert from_bytes(data.replace(b"\x01", b"\x02", 1)) is None  # another version
