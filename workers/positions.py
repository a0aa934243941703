"""How far each worker's chain is promised, in memory that all processes share: one anonymous mapping made before the
forks, a record a slot.

A worker writes its own record and nobody else's. A record is longer than a word, so it carries a CRC-32: who reads one
that is being written sees that it does not match, and reads again.
"""

import mmap
import struct
import zlib
from typing import Final

from gateway.audit.chain import Position

_RECORD: Final = struct.Struct("<16sIQQ32s")  # chain, segment, length, seq, digest
_CRC: Final = struct.Struct("<I")
_BYTES: Final = 128  # two cache lines a slot
_TRIES: Final = 100


class Positions:
    """The mapping, for `slots` workers."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._map = mmap.mmap(-1, _BYTES * slots)

    def post(self, slot: int, position: Position) -> None:
        """Says how far the chain of the worker in `slot` (0-based) is promised."""
        record = _RECORD.pack(*position)
        at = _BYTES * slot
        self._map[at : at + _CRC.size + len(record)] = _CRC.pack(zlib.crc32(record)) + record

    def read(self, slot: int) -> Position | None:
        """What was posted last; None before the first time, and where a writer was killed while it wrote."""
        at = _BYTES * slot
        for _ in range(_TRIES):
            data = self._map[at : at + _CRC.size + _RECORD.size]
            record = data[_CRC.size :]
            if _CRC.unpack_from(data)[0] == zlib.crc32(record) and record.strip(b"\0"):
                return Position(*_RECORD.unpack(record))
            if not data.strip(b"\0"):
                break
        return None
