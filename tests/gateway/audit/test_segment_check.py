"""One segment's facts: whatever the pieces, up to what was promised, with what was signed compared on the way."""

import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import merkle, records, segment
from gateway.audit.heads import Head
from gateway.audit.segment import Header, SegmentReader, encode_header
from gateway.audit.segment_check import SegmentFacts, check_segment
from tests.gateway.audit.test_walk import BODY, FRAMES, HEADER

WHOLE = HEADER + BODY
CHAIN = bytes(range(16))


def check(
    data: bytes, following: Header | None = None, heads: tuple[Head, ...] = (), pieces: int = 1 << 20
) -> SegmentFacts:
    at = 0

    def read(count: int) -> bytes:
        nonlocal at
        taken = data[at : at + min(count, pieces)]
        at += len(taken)
        return taken

    return check_segment(0, read, following, heads)


def following(length: int) -> Header:
    return Header(1, CHAIN, 1, hashlib.sha256(WHOLE[:length]).digest(), length, "db1", "", 0, "process", 5)


def head(frames: int) -> Head:
    """What a notary that has read so many frames signs."""
    length = FRAMES[frames - 1].end
    leaves = [merkle.leaf(HEADER), *(merkle.leaf(WHOLE[f.offset : f.end]) for f in FRAMES[:frames])]
    digest = hashlib.sha256(WHOLE[:length]).digest()
    return Head(CHAIN, 0, length, digest, FRAMES[frames - 1].seq, frames, merkle.root(leaves))


def test_any_pieces_give_the_same_facts() -> None:
    whole = check(WHOLE, heads=(head(7), head(20)))
    assert (whole.length, whole.frames, whole.tail, whole.damage) == (len(WHOLE), len(FRAMES), 0, "")
    assert (whole.signed_frames, whole.unlike) == (20, [])
    assert whole.digest == hashlib.sha256(WHOLE).digest()
    for pieces in (1, 7, 26, 100, 1000):
        assert check(WHOLE, heads=(head(7), head(20)), pieces=pieces) == whole


def test_what_stands_behind_the_promised_bytes_is_only_counted() -> None:
    length = FRAMES[9].end
    facts = check(WHOLE, following(length))
    assert (facts.length, facts.frames, facts.tail) == (length, 10, len(WHOLE) - length)
    assert facts.digest == following(length).previous
    assert facts.behind == 0
    inside = check(WHOLE, following(length + 3))
    assert (inside.length, inside.promised) == (length, length + 3)


def test_a_cut_or_damaged_file_says_how_far_it_can_be_read_and_what_is_behind() -> None:
    for size in (0, 5, len(HEADER), FRAMES[3].end, FRAMES[3].end + 9, len(WHOLE) - 1):
        facts = check(WHOLE[:size])
        whole = [each.end for each in FRAMES if each.end <= size]
        assert facts.length == (whole[-1] if whole else len(HEADER) if size >= len(HEADER) else 0)
        assert (facts.size, facts.tail) == (size, size - facts.length)
        assert facts.tail_digest == hashlib.sha256(WHOLE[facts.length : size]).digest()
    at = FRAMES[5].offset + 30
    facts = check(WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :])
    assert (facts.length, facts.damage) == (FRAMES[5].offset, "frame checksum does not match")
    assert facts.behind == len(FRAMES) - 6
    assert facts.checkpoints == sum(each.kind == records.CHECKPOINT for each in FRAMES[6:])
    assert not facts.tail_blank
    blank = check(WHOLE[: FRAMES[5].offset] + bytes(100))
    assert (blank.damage, blank.behind, blank.tail_blank) == ("zero-filled", 0, True)


def test_what_is_not_as_it_was_signed_is_named_behind_what_is() -> None:
    early, late = head(7), head(20)
    wrong = Head(CHAIN, 0, late.length, bytes(32), late.seq, late.frames, late.root)
    facts = check(WHOLE, heads=(early, wrong))
    assert facts.unlike == [
        (early.length, f"the bytes from {early.length} on are not those that were signed")
    ]
    assert (facts.signed, facts.signed_frames) == (early.length, 7)
    cut = check(WHOLE[: late.length - 1], heads=(late,))
    assert cut.unlike == [(FRAMES[18].end, "bytes that were signed are missing or cannot be read")]
    crooked = Head(CHAIN, 0, late.length - 1, late.digest, late.seq, late.frames, late.root)
    assert check(WHOLE, heads=(crooked,)).unlike != []
    for other in (
        Head(CHAIN, 0, late.length, late.digest, late.seq, late.frames, bytes(32)),
        Head(CHAIN, 0, late.length, late.digest, late.seq, 19, late.root),
        Head(CHAIN, 0, late.length, late.digest, late.seq + 1, 20, late.root),
    ):
        assert check(WHOLE, heads=(other,)).unlike == [(0, "the signed root is not that of these records")]
    assert check(b"", heads=(late,)).unlike[0][0] == 0
    assert check(b"", heads=(Head(CHAIN, 0, 0, bytes(32), 0, 0, merkle.EMPTY),)).unlike == []


def test_checkpoints_behind_damage_say_what_was_on_disk() -> None:
    event = records.encode_bounded(("system", 0, {"what": "x"}))
    proof = records.encode_bounded(records.Checkpoint(bytes(32), 2, synced=777))
    header = encode_header(following(9))
    frames = [(6, 1, event), (6, 2, event), (9, 3, proof)]
    data = header + b"".join(segment.frame(kind, seq, 5, payload) for kind, seq, payload in frames)
    broken = data[: len(header)] + b"!" + data[len(header) + 1 :]
    facts = check(broken)
    assert (facts.length, facts.behind, facts.checkpoints, facts.vouching) == (len(header), 2, 1, 777)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400), seed=st.integers(0, 1000))
def test_nothing_makes_it_raise(data: bytes, seed: int) -> None:
    rng = random.Random(seed)
    at = rng.randrange(len(WHOLE))
    for spoilt in (data, WHOLE[:at] + data, WHOLE[:at] + data + WHOLE[at + len(data) :]):
        facts = check(spoilt, rng.choice((None, following(at))), rng.choice(((), (head(7),))), 1 + seed)
        assert facts.length + facts.tail == facts.size == len(spoilt)


def test_facts_count_the_frames_that_a_reader_reads() -> None:
    assert check(WHOLE).frames == len(SegmentReader().feed(WHOLE))
