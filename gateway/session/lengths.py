"""How long a client's messages may be."""

from functools import lru_cache
from typing import Final

_NAMES_BYTES_MAX: Final = 65536  # Describe, Execute, Close: names only
COPY_DATA_BYTES_MAX: Final = 0x3FFFFFFF  # PostgreSQL's own limit on a large message


@lru_cache
def limits(frame_bytes_max: int) -> dict[int, int]:
    """The longest length word of each message type, for a session that takes statements and values of so many bytes."""
    longest = dict.fromkeys(b"QPBF", frame_bytes_max) | dict.fromkeys(b"DECf", _NAMES_BYTES_MAX)
    return longest | dict.fromkeys(b"SHcX", 4) | {ord("d"): COPY_DATA_BYTES_MAX}
