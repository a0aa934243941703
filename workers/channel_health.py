"""How a channel fares, as `sluice status` tells it."""

import msgspec


class Health(msgspec.Struct):
    """Times are POSIX seconds, 0 for never."""

    name: str
    waiting: int = 0  # messages that are still to be told
    told: int = 0
    failed: int = 0  # tries
    given_up: int = 0  # messages
    last_told: float = 0.0
    last_failed: float = 0.0
    why: str = ""  # of the last failure; "" since it went well again
