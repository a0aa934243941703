"""Thousands of moments at which something is to be looked at, by the minute: asking which have come looks at no others."""

from collections.abc import Hashable
from typing import Generic, TypeVar

SECONDS = 60

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Whatever is put in comes out from the beginning of its minute on, again and again, until it is dropped or put off."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[T, None]] = {}

    def put(self, one: T, moment: float) -> int:
        """`one` is to be looked at by `moment` (POSIX seconds). The minute, for `drop`."""
        minute = int(moment) // SECONDS
        self._minutes.setdefault(minute, {})[one] = None
        return minute

    def drop(self, one: T, minute: int) -> None:
        """Harmless where it is not there."""
        ones = self._minutes.get(minute)
        if ones is not None:
            ones.pop(one, None)
            if not ones:
                del self._minutes[minute]

    def come(self, now: float) -> list[T]:
        """Those whose minute has begun."""
        current = int(now) // SECONDS
        begun = [ones for minute, ones in self._minutes.items() if minute <= current]
        return [one for ones in begun for one in ones]
