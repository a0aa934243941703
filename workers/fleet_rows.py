"""One host's word on one key, as it travels to the others: a sort of counters, the key, a part of it, and counts.

Nothing in it names anybody: keys are digests under a key that the hosts share, and sketches are of such digests. Each is
signed under that key: the store's administrators are not the gateways'.
"""

import hmac
import struct
from hashlib import blake2b
from typing import Final, NamedTuple

import zstandard

from workers.crowds import REGISTERS

WINDOWS, TASKS, HOURS_MET, TASKS_MET = range(4)  # sorts
_PAIR: Final = struct.Struct(">QQ")
_CROWD: Final = struct.Struct(">QQQQ")
_WHICH: Final = struct.Struct(">BQB")
_TAG_BYTES: Final = 16
_LEVEL: Final = 1  # of zstd: a sketch is random where it is full, and empty where it is not


class Row(NamedTuple):
    """`seconds`: for how long it says something."""

    sort: int
    key: int
    part: int
    content: bytes
    seconds: int


class Crowd(NamedTuple):
    """Whom a host has met in one span: see `workers.crowds`."""

    stamp: int
    unknown: int
    offered: int
    life: int
    sketch: bytes


def signed(row: Row, host: bytes, secret: bytes) -> Row:
    """As this host says it."""
    return row._replace(content=row.content + _tag(row, host, secret))


def proven(row: Row, host: bytes, secret: bytes) -> Row:
    """What it said. Raises ValueError where no host of the fleet has."""
    content, tag = row.content[:-_TAG_BYTES], row.content[-_TAG_BYTES:]
    row = row._replace(content=content)
    if not hmac.compare_digest(tag, _tag(row, host, secret)):
        raise ValueError("no host of this fleet has said so")
    return row


def _tag(row: Row, host: bytes, secret: bytes) -> bytes:
    which = _WHICH.pack(row.sort & 0xFF, row.key, row.part & 0xFF)
    return blake2b(host + which + row.content, digest_size=_TAG_BYTES, key=secret, person=b"sluice fleet").digest()


def pack_pair(pair: tuple[int, int]) -> bytes:
    """Of a pair, or a tally (`workers.fleet_values`)."""
    return _PAIR.pack(*pair)


def unpack_pair(content: bytes) -> tuple[int, int]:
    """Raises ValueError where it is none."""
    try:
        one, other = _PAIR.unpack(content)
    except struct.error as error:
        raise ValueError("not a pair of counts") from error
    return one, other


def pack_crowd(crowd: Crowd) -> bytes:
    """With its sketch compressed."""
    return _CROWD.pack(*crowd[:4]) + zstandard.ZstdCompressor(_LEVEL).compress(crowd.sketch)


def unpack_crowd(content: bytes) -> Crowd:
    """Raises ValueError where it is none."""
    try:
        stamp, unknown, offered, life = _CROWD.unpack_from(content)
        sketch = zstandard.ZstdDecompressor().decompress(content[_CROWD.size :], max_output_size=REGISTERS)
    except (struct.error, zstandard.ZstdError) as error:
        raise ValueError("not a crowd") from error
    if len(sketch) != REGISTERS:
        raise ValueError("not a sketch")
    return Crowd(stamp, unknown, offered, life, sketch)
