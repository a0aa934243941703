"""The walk says what a reader of whole frames would, however the bytes are fed, and names what cannot be honest."""

import hashlib
import random

import msgspec

from gateway.audit import merkle, records, segment
from gateway.audit.chain import Chain
from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.segment import Frame, SegmentReader
from gateway.audit.walk import Walk

T = 1_700_000_000_000_000_000
encode = msgspec.msgpack.encode


def written(statements: int = 40, end: bool = True) -> tuple[bytes, bytes]:
    """A segment's header and frames, with checkpoints in between."""
    chain = Chain("db1", 0, bytes(range(16)), now_ns=T)
    who = SessionCard(SessionInfo("s1", "alice"))
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    data, now = b"", T
    for number in range(statements):
        intent = chain.intent(now, who, what)
        if number % 7:
            chain.outcome(now, intent, "ok", 1, 9, None, "SELECT", "", 7)
        now += 100_000_000
        data += chain.take(now)
        chain.committed()
    if end:
        data += chain.take(now, "segment")
        chain.committed()
    return chain.header, data


HEADER, BODY = written()
FRAMES = SegmentReader().feed(HEADER + BODY)


def walk(data: bytes, pieces: int = 1 << 20) -> Walk:
    walked, rest = Walk(HEADER, 0), b""
    for at in range(0, len(data), pieces):
        fed = rest + data[at : at + pieces]
        rest = fed[walked.feed(fed) :]
    return walked


def rebuilt(frames: list[Frame]) -> bytes:
    return b"".join(segment.frame(f.kind, f.seq, f.time_ns, f.payload) for f in frames)


def test_what_is_walked_is_what_the_frames_say() -> None:
    walked, whole = walk(BODY), HEADER + BODY
    assert (walked.length, walked.frames, walked.seq) == (len(whole), len(FRAMES), FRAMES[-1].seq)
    assert (walked.first_seq, walked.first_ns) == (1, FRAMES[0].time_ns)
    assert walked.last_ns == max(each.time_ns for each in FRAMES)
    assert walked.digest() == hashlib.sha256(whole).digest()
    parts = [whole[: FRAMES[0].offset], *(whole[each.offset : each.end] for each in FRAMES)]
    assert walked.root() == merkle.root([merkle.leaf(each) for each in parts])
    assert (walked.intents, walked.outcomes, len(walked.open), walked.uncovered) == (40, 34, 6, 0)
    assert (walked.wrong, walked.told, walked.damage, walked.strays, walked.closed) == ([], [], "", 0, False)


def test_any_cutting_of_the_bytes_walks_the_same() -> None:
    whole = walk(BODY)
    rng = random.Random(5)
    for size in (1, 2, 25, 26, *(rng.randrange(3, 3000) for _ in range(20))):
        walked = walk(BODY, size)
        assert walked.digest() == whole.digest()
        assert walked.root() == whole.root()
        assert (walked.wrong, walked.open, walked.uncovered) == ([], whole.open, 0)


def test_reading_stops_at_the_first_frame_whose_checksum_is_wrong_and_is_never_taken_up_again() -> None:
    for number in (0, 5, len(FRAMES) - 1):
        at = FRAMES[number].offset - len(HEADER)
        walked = walk(BODY[: at + 30] + bytes([BODY[at + 30] ^ 1]) + BODY[at + 31 :])
        assert (walked.damage, walked.length) == ("frame checksum does not match", FRAMES[number].offset)
        assert walked.feed(BODY[at:]) == 0
    assert walk(BODY + bytes(64)).damage == "zero-filled"
    assert walk(BODY + b"\xff" * 64).damage == "frame length out of range"


def test_a_frame_dropped_added_or_moved_is_named() -> None:
    for frames in ([*FRAMES[:5], *FRAMES[6:]], [*FRAMES[:5], FRAMES[4], *FRAMES[5:]]):
        found = walk(rebuilt(frames)).wrong
        assert next(each.seq for each in found if "jump" in each.why) == frames[5].seq
        assert any("digest does not match" in each.why for each in found)


def test_an_edit_is_named_by_the_checkpoint_behind_it() -> None:
    edited = [*FRAMES[:4], FRAMES[4]._replace(time_ns=1), *FRAMES[5:]]
    (found,) = walk(rebuilt(edited)).wrong
    behind = next(f for f in FRAMES if f.kind == records.CHECKPOINT and f.offset > FRAMES[4].offset)
    assert (found.seq, found.offset) == (behind.seq, behind.offset)
    assert found.why == f"the digest does not match: bytes from {len(HEADER)} on were changed"


def test_records_that_do_not_decode_and_second_outcomes_are_named() -> None:
    _, data = written(3, end=False)
    frames = SegmentReader().feed(HEADER + data)
    last = frames[-1]
    for kind in (records.INTENT, records.OUTCOME, records.EVENT, records.CHECKPOINT, records.STATE, 31):
        spoilt = Frame(kind, last.seq + 1, T, b"\x91\xc1", 0, 0)
        (found,) = walk(data + rebuilt([spoilt])).wrong
        assert (found.seq, found.why) == (last.seq + 1, "the record does not decode")
    again = Frame(records.OUTCOME, last.seq + 1, T, frames[-1].payload, 0, 0)
    assert last.kind == records.OUTCOME
    walked = walk(data + rebuilt([again, again._replace(seq=last.seq + 2)]))
    (found,) = walked.wrong
    assert "has its outcome already" in found.why
    assert walked.strays == 2


def test_numbers_of_a_failed_write_are_explained_by_the_record_behind_them() -> None:
    lost = encode(records.Lost(1, 8, 3, 0, "58030"))
    for said, wrong in (
        (lost, []),
        (encode(records.Lost(2, 8, 3, 0, "58030")), ["record numbers jump from 0 to 9"]),
    ):
        walked = Walk(HEADER, 0, hash_leaves=False)
        data = segment.frame(records.LOST, 9, T, said)
        assert walked.feed(data) == len(data)
        assert [each.why for each in walked.wrong] == wrong
        assert [each.kind for each in walked.told] == [records.LOST]
    unknown = Walk(HEADER)  # what was before is not known
    unknown.feed(segment.frame(records.LOST, 9, T, lost))
    assert unknown.wrong == []


def test_carried_intents_are_open_and_lost_ones_are_not() -> None:
    frames = [
        (records.CARRIED, 20, encode(records.Carried(3, T, 1, 1))),
        (records.CARRIED, 21, encode(records.Carried(4, T, 1, 1, origin="db1-2.aaaaaaaa"))),
        (records.INTENT, 22, encode(records.Intent(1, 1))),
        (records.OUTCOME, 23, encode(records.Outcome(3, "ok", 1, 2, 0, "SELECT", "", 5))),
        (records.LOST, 24, encode(records.Lost(22, 22, 1, 0, "58030"))),
    ]
    walked = Walk(HEADER)
    walked.feed(b"".join(segment.frame(kind, seq, T, payload) for kind, seq, payload in frames))
    assert (walked.carried, walked.open) == ({3, 4}, {4})
    assert (walked.wrong, walked.strays) == ([], 0)


def test_nothing_may_follow_the_closing_record() -> None:
    chain = Chain("db1", 0, bytes(range(16)), now_ns=T)
    header, data = chain.header, chain.take(T, "chain")
    walked = Walk(header, 0)
    walked.feed(data + segment.frame(records.CHECKPOINT, 2, T, b"\x93\xc4\x00\x01\xc2"))
    assert walked.closed
    assert "a record follows the closing one" in [each.why for each in walked.wrong]
