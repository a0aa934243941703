"""What hosts say of one key's use, and what that comes to.

Each host alone says what it has used: of two states of one host the later counts, of several hosts the sum. Both are so made
that it is all the same in which order states arrive, how often, and whether some are never heard that later ones include.
"""

from collections.abc import Iterable
from typing import Protocol

from workers.budgets import COUNT_BITS, COUNT_MAX, MINUTES, OLD_MINUTES
from workers.tasks import COUNT_MAX as TASK_COUNT_MAX

Said = tuple[int, int]  # two words of an entry
NOTHING: Said = (0, 0)
AHEAD_MINUTES = 1  # clocks differ: another host's window may have begun before ours
TASK_MINUTES_MORE = 60  # for which a task's use is known after the end of its last token
_LOW = (1 << 32) - 1


class Counting(Protocol):
    """How one sort of counters is read. `minute`: the one that runs."""

    def joined(self, one: Said, other: Said, minute: int) -> Said:
        """What one host says, of two states of it."""

    def added(self, said: Iterable[Said], minute: int) -> Said:
        """What several used together."""

    def grown(self, now: Said, then: Said) -> Said:
        """How much more was used, of two states of one writer."""

    def times(self, used: Said, factor: int) -> Said:
        """So many times as much."""

    def minutes(self, used: Said, minute: int) -> int:
        """For how long it counts yet; 0 when it does not."""


class Windows:
    """The two words of a windowed budget (`workers.budgets`): of windows with even and with odd numbers, each with the
    minute in which its window began, modulo 2^24, and the count."""

    def joined(self, one: Said, other: Said, minute: int) -> Said:
        """See Counting."""
        first, second = (max(_newest(words, minute), default=0) for words in zip(one, other, strict=True))
        return first, second

    def added(self, said: Iterable[Said], minute: int) -> Said:
        """See Counting."""
        first, second = (_sum(_newest(words, minute)) for words in zip(NOTHING, *said, strict=True))
        return first, second

    def grown(self, now: Said, then: Said) -> Said:
        """See Counting."""
        first, second = (_more(new, old) for new, old in zip(now, then, strict=True))
        return first, second

    def times(self, used: Said, factor: int) -> Said:
        """See Counting."""
        first, second = (_worded(word, (word & COUNT_MAX) * factor) for word in used)
        return first, second

    def minutes(self, used: Said, minute: int) -> int:
        """See Counting."""
        return max((OLD_MINUTES + 1 - _age(word, minute) for word in used if _counts(word, minute)), default=0)


class Tallies:
    """A task's count, and its life (`workers.tasks`): until when, and when it was used last, in minutes."""

    def joined(self, one: Said, other: Said, minute: int) -> Said:
        """See Counting. Of a task that gave way to another and came back the larger count stays."""
        return max(one[0], other[0]), longest(one[1], other[1])

    def added(self, said: Iterable[Said], minute: int) -> Said:
        """See Counting."""
        count = life = 0
        for one, its_life in said:
            count, life = count + one, longest(life, its_life)
        return min(count, TASK_COUNT_MAX), life

    def grown(self, now: Said, then: Said) -> Said:
        """See Counting."""
        return max(0, now[0] - then[0]), now[1]

    def times(self, used: Said, factor: int) -> Said:
        """See Counting."""
        return min(used[0] * factor, TASK_COUNT_MAX), used[1]

    def minutes(self, used: Said, minute: int) -> int:
        """See Counting."""
        return max(0, (used[1] >> 32) + TASK_MINUTES_MORE - minute) if used[0] else 0


def longest(one: int, other: int) -> int:
    """Of two lives of a task: each half is a minute."""
    return max(one >> 32, other >> 32) << 32 | max(one & _LOW, other & _LOW)


def _age(word: int, minute: int) -> int:
    """How many minutes before this one its window began; negative where it is still to begin."""
    ago = (minute - (word >> COUNT_BITS)) & MINUTES
    return ago - MINUTES - 1 if ago > MINUTES // 2 else ago


def _counts(word: int, minute: int) -> bool:
    """An entry that was just made bears a time and no count."""
    return word & COUNT_MAX > 0 and -AHEAD_MINUTES <= _age(word, minute) <= OLD_MINUTES


def _newest(words: Iterable[int], minute: int) -> list[int]:
    """Those that count, of the newest window among them."""
    counted = [word for word in words if _counts(word, minute)]
    least = min((_age(word, minute) for word in counted), default=0)
    return [word for word in counted if _age(word, minute) == least]


def _sum(words: list[int]) -> int:
    return _worded(words[0], sum(word & COUNT_MAX for word in words)) if words else 0


def _more(new: int, old: int) -> int:
    same = new >> COUNT_BITS == old >> COUNT_BITS
    return _worded(new, max(0, (new & COUNT_MAX) - (old & COUNT_MAX if same else 0)))


def _worded(word: int, count: int) -> int:
    """Of the same window, with this count."""
    return word & ~COUNT_MAX | min(count, COUNT_MAX)
