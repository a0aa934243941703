"""How many different rows were seen, in a sketch of fixed size: HyperLogLog over the keyed digests of their keys.

A sketch (P. Flajolet and others, 2007) is 2^15 registers of a byte, 32 KiB. A key's hash chooses a register with its first
15 bits, and the register keeps the longest run of zeros, and one, that the other 49 bits of its keys began with. Sketches of
the same registers are united by their maxima: it is all the same who saw a key, when, and how often. Keys are counted apart
by what they are of: a table of a database.

The estimate is that of O. Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6), which
is linear counting where few registers are set and goes over into Flajolet's without a step and without a table of
corrections (S. Heule and others, 2013). Its relative standard error is 1.04 / sqrt(2^15) = 0.57 %, so that three of them
are 1.7 %, and less where few were seen: below 2 % from a hundred to a million keys and far beyond.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

PRECISION: Final = 15
REGISTERS: Final = 1 << PRECISION
_REST_BITS: Final = 64 - PRECISION
_REST: Final = np.uint64((1 << _REST_BITS) - 1)
_STRIDE: Final = 2  # words of a digest, of which the first is enough
_MIXERS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # as in SplitMix64
_FEW_RANKS: Final = _REST_BITS + 2

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Rows that a piece of a result showed: the hashes of their keys, and how many there were of which no key tells."""

    hashes: Hashes
    unknown: int = 0

    @property
    def most(self) -> int:
        """How many different ones these can be."""
        return len(self.hashes) + self.unknown


def seen(digests: Iterable[tuple[bytes, str]], unknown: int = 0) -> Seen:
    """Of digests, 16 bytes each, of keys of what is named beside them."""
    runs = [_hashes(some, name) for some, name in digests if some]
    if len(runs) == 1:
        return Seen(runs[0], unknown)
    return Seen(np.concatenate(runs) if runs else np.empty(0, np.uint64), unknown)


def _hashes(digests: bytes, name: str) -> Hashes:
    """The digests say of which key; the name says of what, and so the same key of another table is another hash."""
    words = np.frombuffer(digests, ">u8")[::_STRIDE] ^ _salt(name)
    for shift, mixer in zip((30, 27), _MIXERS, strict=True):
        words = (words ^ (words >> np.uint64(shift))) * mixer
    mixed: Hashes = words ^ (words >> np.uint64(31))
    return mixed


@lru_cache(maxsize=4096)
def _salt(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big"))


def add(sketch: memoryview, hashes: Hashes) -> None:
    """Has the sketch know these keys."""
    places = (hashes >> np.uint64(_REST_BITS)).astype(np.intp)
    rest = (hashes & _REST).astype(np.float64)  # 49 bits: exact
    ranks = (_REST_BITS + 1 - np.frexp(rest)[1]).astype(np.uint8)
    np.maximum.at(np.frombuffer(sketch, np.uint8), places, ranks)


def take_in(sketch: memoryview, other: bytes) -> None:
    """Has the sketch know what another one has seen. Raises ValueError where that is none."""
    theirs = np.frombuffer(other, np.uint8)
    if len(theirs) != REGISTERS or int(theirs.max()) > _REST_BITS + 1:
        raise ValueError("not a sketch")
    registers = np.frombuffer(sketch, np.uint8)
    np.maximum(registers, theirs, out=registers)


def united(sketches: Iterable[memoryview]) -> memoryview:
    """One sketch of all that these have seen."""
    made = memoryview(bytearray(REGISTERS))
    registers = np.frombuffer(made, np.uint8)
    for one in sketches:
        np.maximum(registers, np.frombuffer(one, np.uint8), out=registers)
    return made


def estimate(sketch: memoryview) -> int:
    """How many different keys it has seen."""
    counts = np.bincount(np.frombuffer(sketch, np.uint8), minlength=_FEW_RANKS).tolist()
    rate = REGISTERS * _tau(1 - counts[-1] / REGISTERS)
    for count in reversed(counts[1:-1]):
        rate = 0.5 * (rate + count)
    rate += REGISTERS * _sigma(counts[0] / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * math.log(2) * rate))


def _sigma(share: float) -> float:
    """Of registers that are not set (Ertl, algorithm 6)."""
    if share == 1.0:
        return math.inf
    weight, total, before = 1.0, share, -1.0
    while total != before:
        share *= share
        before = total
        total += share * weight
        weight += weight
    return total


def _tau(share: float) -> float:
    """Of registers that cannot rise any more."""
    if share in (0.0, 1.0):
        return 0.0
    weight, total, before = 1.0, 1 - share, -1.0
    while total != before:
        share = math.sqrt(share)
        before = total
        weight *= 0.5
        total -= (1 - share) ** 2 * weight
    return total / 3
