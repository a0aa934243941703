"""One object for what is equal in thousands of sessions: the server's parameters, where it is, what the client set.

Only for values that never change. What has not been asked for in a while is forgotten, and made equal anew.
"""

from collections.abc import Hashable
from functools import lru_cache
from typing import TypeVar, cast

KEPT = 4096

T = TypeVar("T", bound=Hashable)


@lru_cache(maxsize=KEPT)
def _first(value: Hashable) -> Hashable:
    return value


def shared(value: T) -> T:
    """The first of all values that are equal to this one."""
    return cast(T, _first(value))
