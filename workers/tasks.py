"""The counters of tasks' budgets, shared by all workers as those of `workers.budgets` are: each writes its own table.

A task is what tokens say that they are for (their claim `run`), or else one token. It has no window: what it used counts for
as long as one of its tokens can live. An entry is three 8-byte words:

    key     of the task, its person, the grant and the sort: BLAKE2b under the supervisor's key, 0 for a free entry
    count   what was used
    life    the minute in which the last token known of it ends, and the minute in which it was used last: 32 bits each

Where there is no room, an entry gives way whose task has ended, or else the one that was not used for longest: that task
then starts anew in this worker's table, and the slab counts it.
"""

import mmap
from collections.abc import Iterable, Sequence

from gateway.policy.decision import Budget
from workers.probing import cut, find, home, places, sizes
from workers.slab import Counter, Row

ENTRIES = 8192  # in each slot's table: 192 KiB, of which the kernel gives only the pages that are used
MINUTE_NS = 60 * 10**9
WIDTH = 3
_MINUTES = (1 << 32) - 1
COUNT_MAX = (1 << 62) - 1


def life(until: float, now: int) -> int:
    """The word of a task whose token ends at `until` (POSIX seconds)."""
    return min(int(until) // 60 + 1, _MINUTES) << 32 | now // MINUTE_NS


def lived(word: int, until: float, now: int) -> int:
    """The same after it was used again, with this token or another."""
    return max(word >> 32, min(int(until) // 60 + 1, _MINUTES)) << 32 | now // MINUTE_NS


def giving_way(among: Iterable[tuple[int, int]], now: int) -> int:
    """Which of these entries (place, life) gives way to a new one."""
    minute = now // MINUTE_NS
    return min(among, key=lambda one: (one[1] >> 32 >= minute, one[1] & _MINUTES))[0]


class Tasks:
    """The whole mapping, with a table of so many entries for each of `slots` slots. Made before the forks."""

    def __init__(self, slots: int, entries: int = ENTRIES, *, fleet: bool = False) -> None:
        words = [WIDTH * size for size in sizes(slots, entries, fleet)]
        self._map = mmap.mmap(-1, 8 * sum(words))
        self.tables = tuple(cut(memoryview(self._map).cast("Q"), words))


class TaskLedger:
    """One worker's door to them."""

    def __init__(self, tables: Sequence[memoryview], index: int, row: Row) -> None:
        self.own = tables[index]
        self.others = tuple(table for table in tables if table is not self.own)
        self._row = row

    def claim(self, key: int, until: float, now: int) -> int:
        """The place of this key's entry in our table, made where there is none."""
        words = self.own
        taken = []
        for place in places(len(words), key, WIDTH):
            if words[place] == key:
                return place
            if not words[place]:
                break
            taken.append((place, words[place + 2]))
        else:
            place = giving_way(taken, now)
            if words[place + 2] >> 32 >= now // MINUTE_NS:
                self._row.add(Counter.BUDGETS_FULL)
            words[place] = 0  # under the old key nothing of the new one's may be read, nor the other way round
        words[place + 1] = 0
        words[place + 2] = life(until, now)
        words[place] = key
        return place


class TaskAccount:
    """A task's use of one budget (gateway.session.budgets.Purse). `until`: when its token ends, POSIX seconds."""

    __slots__ = ("_key", "_ledger", "_most", "_own", "_places", "_until")

    def __init__(self, ledger: TaskLedger, key: int, budget: Budget, until: float) -> None:
        self._ledger = ledger
        self._key = key
        self._most = budget.most
        self._until = until
        self._own = -1
        self._places = [home(len(table), key, WIDTH) for table in ledger.others]

    def left(self, now: int) -> int:
        """What is left of it, over all workers."""
        return max(self._most - self.used(), 0)

    def used(self) -> int:
        """What all workers counted."""
        key, own = self._key, self._ledger.own
        place = self._own if self._own >= 0 and own[self._own] == key else find(own, key, WIDTH)
        used = int(own[place + 1]) if place >= 0 else 0
        for index, words in enumerate(self._ledger.others):
            place = self._places[index]
            if words[place] != key:
                place = find(words, key, WIDTH)
                if place < 0:
                    continue
                self._places[index] = place
            used += words[place + 1]
        return used

    def spend(self, count: int, now: int) -> None:
        """Counts so many."""
        words = self._ledger.own
        place = self._own
        if place < 0 or words[place] != self._key:
            place = self._own = self._ledger.claim(self._key, self._until, now)
        words[place + 1] = min(words[place + 1] + count, COUNT_MAX)
        words[place + 2] = lived(words[place + 2], self._until, now)
