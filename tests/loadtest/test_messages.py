"""The load client's reading of bytes: the same messages and answers, however the stream falls into pieces."""

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import Answers, Reader, WireError, cells, error, execution, message, startup

READY = message(b"Z", b"I")


def row(*values: bytes | None) -> bytes:
    parts = [struct.pack("!i", -1) if each is None else struct.pack("!i", len(each)) + each for each in values]
    return message(b"D", struct.pack("!h", len(values)) + b"".join(parts))


REFUSED = message(b"E", b"SERROR\0C42501\0Mno\0\0")
SENT = [
    message(b"T", b"\0\0"),
    row(b"1", None, b"\0\0\0\5Z"),
    row(b"", b"x" * 70_000, b"b"),
    message(b"C", b"SELECT 2\0"),
    message(b"d", b"1\tone\n"),
    message(b"C", b"COPY 1\0"),
    message(b"I", b""),
    REFUSED,
    READY,
]
STREAM = b"".join(SENT)


def read(pieces: list[bytes]) -> list[bytes]:
    reader = Reader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        found += [message(kind, body) for kind, body in reader]
    assert reader.received == sum(map(len, pieces))
    return found


def test_stream_is_read_whole() -> None:
    assert read([STREAM]) == SENT


def test_stream_is_read_byte_by_byte() -> None:
    short = [each for each in SENT if len(each) < 1000]
    stream = b"".join(short)
    assert read([stream[at : at + 1] for at in range(len(stream))]) == short


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_stream_is_read_at_random_cuts(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[a:b] for a, b in pairwise(places)]) == SENT


def test_reading_goes_on_where_it_was_left() -> None:
    reader = Reader()
    reader.feed(STREAM + READY[:3])
    found = []
    for _ in range(20):
        for kind, body in reader:
            found.append(message(kind, body))
            break
    assert found == SENT
    reader.feed(READY[3:])
    assert [message(*each) for each in reader] == [READY]


def test_long_stream_does_not_pile_up() -> None:
    reader, chance = Reader(), random.Random(1)
    stream = STREAM * 40
    at = count = 0
    while at < len(stream):
        size = chance.randrange(1, 50_000)
        reader.feed(stream[at : at + size])
        at += size
        count += sum(1 for _ in reader)
        assert len(reader._buffer) + sum(map(len, reader._later)) < 4 * len(STREAM)
    assert count == len(SENT) * 40


@pytest.mark.parametrize("length", [3, 0, -1, (1 << 30) + 1])
def test_impossible_length_is_told_at_once(length: int) -> None:
    reader = Reader()
    reader.feed(b"D" + struct.pack("!i", length))
    with pytest.raises(WireError, match="out of step"):
        list(reader)


def test_each_statement_has_its_answer() -> None:
    answers = Answers()
    reader = Reader()
    reader.feed(STREAM)
    assert [answers.take(*each) for each in reader] == [False] * (len(SENT) - 1) + [True]
    selected, copied, empty, refused = answers.done
    assert selected.tag == "SELECT 2"
    assert selected.rows[0] == [b"1", None, b"\0\0\0\5Z"]
    assert copied.raw == [b"1\tone\n"]
    assert empty.raw == []
    assert refused.error
    assert refused.error.sqlstate == "42501"
    assert answers.status == b"I"


@pytest.mark.parametrize("body", [b"\0\1\0\0\0\5abc", b"\0\1\0\0\0\1abc", b"\0\0x"])
def test_row_that_its_columns_do_not_fill_is_no_row(body: bytes) -> None:
    with pytest.raises(WireError):
        cells(body)


def test_error_says_its_state_first() -> None:
    assert str(error(b"SERROR\0C42501\0Mdenied\0\0")) == "42501 denied"


def test_startup_and_execution_are_what_the_protocol_says() -> None:
    assert startup({"user": "ann"}) == struct.pack("!ii", 18, 196608) + b"user\0ann\0\0"
    bound = b"\0person\0\0\0\0\2\0\0\0\0017\xff\xff\xff\xff\0\0"
    assert execution("person", ("7", None)) == message(b"B", bound) + message(b"E", b"\0\0\0\0\0")
