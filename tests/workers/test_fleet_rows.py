"""What travels between hosts is small, names nobody, and is read with care."""

import pytest

from workers.crowds import REGISTERS
from workers.fleet_rows import Crowd, pack_crowd, pack_pair, unpack_crowd, unpack_pair


def test_counts_and_crowds_come_back_as_they_were() -> None:
    assert unpack_pair(pack_pair((1, (1 << 64) - 1))) == (1, (1 << 64) - 1)
    crowd = Crowd(7, 1 << 39, 12, 5 << 32, bytes(range(32)) * (REGISTERS // 32))
    assert unpack_crowd(pack_crowd(crowd)) == crowd
    assert len(pack_crowd(Crowd(1, 0, 0, 0, bytes(REGISTERS)))) < 100


@pytest.mark.parametrize("content", [b"", b"x" * 15, b"x" * 17])
def test_what_is_no_pair_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="pair"):
        unpack_pair(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x" * 50,
        pack_crowd(Crowd(1, 0, 0, 0, bytes(REGISTERS - 1))),
        pack_crowd(Crowd(1, 0, 0, 0, bytes(REGISTERS + 1))),
        pack_crowd(Crowd(1, 0, 0, 0, bytes(1 << 26))),
        pack_crowd(Crowd(1, 0, 0, 0, bytes(REGISTERS)))[:-3],
    ],
    ids=["nothing", "noise", "short", "long", "a bomb", "cut"],
)
def test_what_is_no_crowd_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        unpack_crowd(content)
