"""Cutting frames: any chunking gives the same frames, bad lengths are refused at once, nothing is reserved."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser.errors import ProtocolError
from parser.frames import Frame, cut

FRAMES = st.lists(
    st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=50)).map(lambda pair: Frame(*pair)),
    max_size=8,
)


def encoded(frames: list[Frame]) -> bytes:
    return b"".join(kind + (len(body) + 4).to_bytes(4, "big") + body for kind, body in frames)


def drained(held: bytearray) -> list[Frame]:
    found = []
    while (frame := cut(held, 50)) is not None:
        found.append(frame)
    return found


@given(FRAMES, st.binary(max_size=4), st.integers(0, 2**32))
def test_any_chunking_gives_the_same_frames(frames: list[Frame], rest: bytes, seed: int) -> None:
    stream = encoded(frames) + rest
    whole = bytearray(stream)
    assert drained(whole) == frames
    assert whole == rest

    for longest in (1, 20):
        chance = Random(seed)
        held, found, at = bytearray(), [], 0
        while at < len(stream):
            size = chance.randint(1, longest)
            held += stream[at : at + size]
            at += size
            found += drained(held)
        assert found == frames
        assert held == rest


@pytest.mark.parametrize("cap", [0, 100, 65_536])
def test_lengths_are_checked_as_soon_as_they_are_there(cap: int) -> None:
    for length in (0, 1, 2, 3, cap + 5, 2**31 - 1, 2**31, 2**32 - 1):
        with pytest.raises(ProtocolError):
            cut(bytearray(b"Q" + length.to_bytes(4, "big")), cap)
    for length in {4, max(cap + 3, 4), cap + 4}:
        held = bytearray(b"Q" + length.to_bytes(4, "big"))
        held += bytes(length - 4)
        assert cut(held, cap) == (b"Q", bytes(length - 4))
        assert not held


def test_an_announced_length_reserves_nothing() -> None:
    held = bytearray(b"Q" + (2**30).to_bytes(4, "big") + b"x")
    assert cut(held, 2**30) is None
    assert held.__sizeof__() < 200
