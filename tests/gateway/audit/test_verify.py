"""The proof: each kind of tampering is named where it is, an explained end is no tampering."""

import hashlib
from collections.abc import Callable

import pytest

from gateway.audit import records, segment
from gateway.audit.chain import Chain
from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import Recovered, RulingInfo, SessionInfo
from gateway.audit.segment import Damage, SegmentReader, read_header
from gateway.audit.verify import ChainCheck

T = 1_700_000_000_000_000_000
CHAIN = bytes(range(16))
Files = list[bytes]


def build(segments: int = 3, closed: bool = True) -> Files:
    """A chain of several segments, with a checkpoint in the middle of each."""
    chain, files = Chain("db1", 0, CHAIN, now_ns=T), []
    who = SessionCard(SessionInfo("s1", "alice"))
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    now = T
    for number in range(segments):
        data = chain.header
        for _ in range(3):
            for _ in range(4):
                chain.outcome(now, chain.intent(now, who, what), "ok", 1, 9, None, "SELECT", "", 7)
            now += 400_000_000
            data += chain.take(now)
            chain.committed()
        last = number == segments - 1
        if not last or closed:
            data += chain.take(now, "chain" if last else "segment")
            chain.committed()
        if not last:
            chain.next_segment(now)
        files.append(data)
    return files


def check(
    files: Files, live: bool = False, recovered: Recovered | None = None, chain: bytes = CHAIN
) -> ChainCheck:
    found = ChainCheck(chain)
    for number, data in enumerate(files):
        following = read_header(files[number + 1]) if number + 1 < len(files) else None
        after = None if following is None or isinstance(following, Damage) else following[0]
        if data:
            found.segment(number, data, after)
    found.end(live, recovered)
    return found


def grades(found: ChainCheck) -> set[str]:
    return {each.grade for each in found.findings}


def recovered_from(data: bytes, number: int, same_boot: bool = True) -> Recovered:
    reader = SegmentReader()
    frames = reader.feed(data)
    tail = data[reader.offset :]
    digest, torn = hashlib.sha256(data[: reader.offset]).digest(), hashlib.sha256(tail).digest()
    return Recovered(CHAIN, number, reader.offset, digest, len(tail), torn, frames[-1].seq, 0, same_boot)


def test_an_untouched_chain_is_good_and_counted() -> None:
    found = check(build())
    assert found.findings == []
    assert (found.intents, found.outcomes, found.open_intents, found.uncovered) == (36, 36, 0, 0)
    assert found.closed


def test_every_flipped_byte_of_a_closed_chain_is_tampering() -> None:
    files = build(2)
    for number, data in enumerate(files):
        for at in range(0, len(data), 3):
            spoilt = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
            found = check([*files[:number], spoilt, *files[number + 1 :]])
            closing = number == 1 and at >= SegmentReader().feed(data)[-1].offset
            assert grades(found) & {"gap" if closing else "tampered", "unreadable"}, (number, at)
            assert any(each.segment in (number, number + 1) and each.offset <= at for each in found.findings)


def reseal(data: bytes, edit: Callable[[list[segment.Frame]], list[segment.Frame]]) -> bytes:
    """The segment with its frames edited and every checksum made right again: only the digests can tell."""
    reader = SegmentReader()
    frames = reader.feed(data)
    head = data[: frames[0].offset]
    return head + b"".join(segment.frame(f.kind, f.seq, f.time_ns, f.payload) for f in edit(frames))


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (
            lambda f: [*f[:3], f[3]._replace(payload=f[3].payload.replace(b"SELECT", b"DELETE")), *f[4:]],
            "digest",
        ),
        (lambda f: [*f[:3], f[3]._replace(time_ns=1), *f[4:]], "digest"),
        (lambda f: [*f[:2], *f[3:]], "jump"),
        (lambda f: [*f[:2], f[3], f[2], *f[4:]], "jump"),
        (lambda f: [*f[:3], f[2], *f[3:]], "jump"),
    ],
    ids=["edit", "time", "drop", "swap", "insert"],
)
def test_edits_with_right_checksums_are_found(
    edit: Callable[[list[segment.Frame]], list[segment.Frame]], why: str
) -> None:
    files = build()
    found = check([files[0], reseal(files[1], edit), files[2]])
    assert grades(found) == {"tampered"}
    (first, *_) = [each for each in found.findings if why in each.why]
    assert first.segment == 1
    assert first.record.startswith("db1-0.00010203-")


def test_missing_swapped_and_foreign_segments_are_found() -> None:
    files = build()
    other = Chain("db1", 0, b"o" * 16, now_ns=T).header
    for spoilt in (
        [files[0], b"", files[2]],
        [files[0], files[2], files[1]],
        [files[0], other],
        [b"", *files[1:]],
    ):
        assert "tampered" in grades(check(spoilt))
    assert "tampered" in grades(check(files, chain=b"x" * 16))


def test_a_segment_cut_short_in_the_middle_of_a_chain_is_tampering() -> None:
    files = build()
    for size in range(len(files[0]) - 60, len(files[0])):
        assert "tampered" in grades(check([files[0][:size], *files[1:]]))


def test_what_follows_the_closing_record_is_tampering() -> None:
    files = build(1)
    extra = segment.frame(6, 99, T, b"\x93\xa6policy\x00\x80")
    assert grades(check([files[0] + extra])) == {"tampered"}
    assert grades(check([files[0] + b"junk"])) == {"tampered"}


def test_an_unclean_end_is_a_gap_until_it_is_recovered_and_none_while_it_is_written() -> None:
    files = build(1, closed=False)
    assert grades(check(files)) == {"gap"}
    assert grades(check(files, live=True)) == set()
    assert grades(check(files, recovered=recovered_from(files[0], 0))) == set()
    assert grades(check(files, recovered=recovered_from(files[0], 0, same_boot=False))) == {"gap"}


def test_a_torn_end_is_never_called_tampering_and_what_was_killed_in_mid_write_is_a_note() -> None:
    whole = build(1, closed=False)[0]
    reader = SegmentReader()
    end = reader.feed(whole)[-2].end
    for size in range(end + 1, len(whole)):
        torn = whole[:size]
        assert grades(check([torn])) == {"gap"}
        assert grades(check([torn], live=True)) == set()
        assert grades(check([torn], recovered=recovered_from(torn, 0))) == {"note"}


def test_what_changes_after_a_recovery_is_tampering() -> None:
    whole = build(1, closed=False)[0]
    torn = whole[:-5]
    said = recovered_from(torn, 0)
    for spoilt in (
        torn[:-1],
        torn + b"x",
        torn[:-1] + b"x",
        whole,
        SegmentReader().feed(whole) and torn[:-60],
    ):
        assert "tampered" in grades(check([bytes(spoilt)], recovered=said))


def test_damage_before_a_checkpoint_is_tampering_and_after_the_last_one_a_gap() -> None:
    data = build(1, closed=False)[0]
    frames = SegmentReader().feed(data)
    marks = [n for n, frame in enumerate(frames) if frame.kind == 9]
    early, late = frames[marks[-1] - 2].offset, frames[-3].offset
    assert marks[-1] < len(frames) - 3 or late < frames[marks[-1]].offset
    for at, grade in ((early, "tampered"), (frames[-1].offset, "gap")):
        spoilt = data[: at + 9] + bytes([data[at + 9] ^ 1]) + data[at + 10 :]
        assert grades(check([spoilt], live=True)) == {grade}
        assert grades(check([spoilt])) == {"gap"}, "the power may have gone"


def test_damage_before_what_a_checkpoint_says_is_on_disk_is_tampering_whatever_the_power_did() -> None:
    chain = Chain("db1", 0, CHAIN, now_ns=T)
    data = chain.header
    for n in range(3):
        chain.event(T, "system", {"what": "x" * 50})
        chain.synced = len(data)  # what was written before is on disk
        data += chain.take(T + n * 10**9)
        chain.committed()
    frames = SegmentReader().feed(data)
    assert [frame.kind for frame in frames] == [6, 6, 9, 6, 9]
    for frame, grade in ((frames[0], "tampered"), (frames[1], "tampered"), (frames[3], "gap")):
        spoilt = data[: frame.end - 1] + b"?" + data[frame.end :]
        assert grades(check([spoilt])) == {grade}


def test_bytes_that_a_failed_disk_lost_are_a_gap_where_the_writer_said_so() -> None:
    chain = Chain("db1", 0, CHAIN, now_ns=T)
    first = chain.header
    for _ in range(2):
        chain.event(T, "system", {"what": "x" * 50})
        half = len(first)
        first += chain.take(T)
        chain.committed()
    chain.next_segment(T, half)
    chain.state(T, records.State("unsynced", "58030", 0, half))
    second = chain.header + chain.take(T, "chain")
    assert grades(check([first, second])) == {"note"}
    assert grades(check([first[:-5], second])) == {"gap", "note"}
    assert grades(check([first[:half] + bytes(len(first) - half), second])) == {"gap", "note"}
    assert "tampered" in grades(check([first[: half - 1], second]))


def test_bytes_of_a_failed_write_are_noted_and_explained() -> None:
    chain = Chain("db1", 0, CHAIN, now_ns=T)
    who = SessionCard(SessionInfo("s1", "alice"))
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    data = chain.header
    chain.intent(T, who, what)
    data += chain.take(T)
    chain.committed()
    chain.intent(T, who, what)
    chain.intent(T, who, what)
    batch = chain.take(T)
    chain.failed(T, "53100", abandon=True)
    chain.again(T)
    rest = chain.header + chain.take(T, "chain")
    for size in range(1, len(batch)):
        found = check([data + batch[:size], rest])
        assert grades(found) == {"note"}
        assert (found.intents, found.outcomes) == (1, 1)


def test_statements_that_ran_unrecorded_are_a_gap() -> None:
    chain = Chain("db1", 0, CHAIN, now_ns=T)
    chain.intent(T, SessionCard(SessionInfo("s", "a")), RulingCard(RulingInfo(1, "", "", "", ())))
    chain.take(T)
    chain.failed(T, "58030", abandon=False, continued=True)
    chain.again(T)
    found = check([chain.header + chain.take(T, "chain")])
    assert grades(found) == {"gap"}
    assert "1 statements ran unrecorded" in found.findings[0].why


def test_a_file_that_is_no_segment_is_unreadable() -> None:
    assert "unreadable" in grades(check([b"PK\x03\x04 something else"]))
