"""Framing: any chunking reads the same, every cut keeps an exact prefix, every flip is seen."""

import random

import google_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import segment
from gateway.audit.segment import Damage, Header, SegmentReader, encode_header, read_header

HEADER = Header(1, b"c" * 16, 0, bytes(32), 0, "db1", "boot", 3, "process", 1_700_000_000_000_000_000)
BODIES = [b"\x91\x01", b"x" * 300, b"\xc0", b"payload" * 20]
BYTES = encode_header(HEADER) + b"".join(segment.frame(4, n + 1, 7, body) for n, body in enumerate(BODIES))
ENDS = [len(encode_header(HEADER))]
for body in BODIES:
    ENDS.append(ENDS[-1] + segment.FRAME_HEAD + len(body))


def read(pieces: list[bytes]) -> tuple[SegmentReader, list[segment.Frame]]:
    reader = SegmentReader()
    return reader, [frame for piece in pieces for frame in reader.feed(piece)]


def test_the_checksum_is_crc_32c() -> None:
    """The check value of the CRC catalogue for "123456789"."""
    frame = segment.frame(4, 1, 2, b"abc")
    assert google_crc32c.value(b"123456789") == 0xE3069283
    assert int.from_bytes(frame[:4], "little") == google_crc32c.value(frame[4:])


def test_a_whole_segment_reads_back() -> None:
    reader, frames = read([BYTES])
    assert reader.header == HEADER
    assert HEADER.label == "db1-3.63636363"
    assert [frame.payload for frame in frames] == BODIES
    assert [frame.seq for frame in frames] == [1, 2, 3, 4]
    assert [frame.end for frame in frames] == ENDS[1:]
    assert (reader.offset, reader.pending, reader.damage) == (len(BYTES), 0, None)


def test_byte_by_byte_gives_the_same_frames() -> None:
    assert read([BYTES[n : n + 1] for n in range(len(BYTES))])[1] == read([BYTES])[1]


def test_random_cuts_give_the_same_frames() -> None:
    rng = random.Random(2)
    for _ in range(100):
        cuts = sorted(rng.sample(range(len(BYTES)), 6))
        pieces = [BYTES[a:b] for a, b in zip([0, *cuts], [*cuts, len(BYTES)], strict=True)]
        assert read(pieces)[1] == read([BYTES])[1]


def test_a_cut_at_every_byte_keeps_exactly_the_whole_frames_before_it() -> None:
    for size in range(len(BYTES)):
        reader, frames = read([BYTES[:size]])
        whole = [end for end in ENDS if end <= size]
        assert reader.damage is None
        assert len(frames) == max(0, len(whole) - 1)
        assert reader.offset == (whole[-1] if whole else 0)
        assert reader.pending == size - reader.offset


def test_every_flipped_bit_stops_the_reader_at_its_frame() -> None:
    for at in range(len(BYTES)):
        for bit in (0, 7):
            spoilt = bytearray(BYTES)
            spoilt[at] ^= 1 << bit
            reader, frames = read([bytes(spoilt)])
            good = [end for end in ENDS if end <= at]
            assert len(frames) == max(0, len(good) - 1)
            assert reader.damage is not None or reader.pending > 0


def test_a_zero_filled_end_is_named() -> None:
    reader, frames = read([BYTES + bytes(512)])
    assert len(frames) == len(BODIES)
    assert reader.damage == Damage(len(BYTES), "zero-filled")


@given(st.binary(max_size=200), st.integers(0, len(BYTES)))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_the_reader_raise_or_invent_a_frame(noise: bytes, at: int) -> None:
    reader, frames = read([BYTES[:at], noise])
    genuine = [(n + 1, body) for n, body in enumerate(BODIES)]
    assert [(frame.seq, frame.payload) for frame in frames] == genuine[: len(frames)]
    assert reader.offset + reader.pending == at + len(noise)


def test_what_is_no_segment_is_said_to_be_none() -> None:
    assert read_header(b"PK\x03\x04") == Damage(0, "not an audit segment")
    assert read_header(b"SLUICEA1" + b"\xff" * 8) == Damage(0, "header length out of range")


def test_frames_behind_damage_are_found() -> None:
    spoilt = bytearray(BYTES)
    spoilt[ENDS[0] + 8] ^= 1
    found = segment.beyond(bytes(spoilt), ENDS[0], 0)
    assert found is not None
    assert (found.seq, found.offset) == (2, ENDS[1])
    assert segment.beyond(bytes(spoilt), ENDS[3] + 1, 0) is None


def test_the_closing_frame_is_recognised_only_whole_and_last() -> None:
    closed = BYTES + segment.frame(11, 5, 9, b"z" * 40)
    assert segment.is_closed(closed[-256:], 11)
    assert not segment.is_closed(closed[-256:-1], 11)
    assert not segment.is_closed(closed[-255:] + b"\0", 11)
    assert not segment.is_closed(BYTES[-256:], 11)
    assert not segment.is_closed(b"", 11)


def test_the_recovery_chains_have_a_label_of_their_own() -> None:
    assert segment.label("db-1", -1, b"\x01\x02\x03\x04rest") == "db-1-r.01020304"
