"""The counts of budgets, of windows and of tasks, between this host's shared memory and a fleet's.

What this host's workers have used goes out; what other hosts say comes in and is written, summed, into the one table of
which this process is the writer (`workers.budgets.Budgets.elsewhere`).

**While nobody can be heard** this host takes it that each of the others uses as much as it does: of what was left when it
heard from them last it can use its share and no more, so that all of them together stay within the budget.
"""

from collections.abc import Callable, Iterator, Sequence

from workers.budgets import COUNT_BITS, MINUTES, WIDTH, Budgets
from workers.fleet_rows import TASKS, WINDOWS, Row, pack_pair, unpack_pair
from workers.fleet_values import NOTHING, Counting, Said, Tallies, Windows
from workers.fleet_watch import Watch
from workers.probing import find
from workers.slab import Counter, Slab
from workers.tasks import MINUTE_NS, TaskLedger

Write = Callable[[int, Said, int], None]  # under this key, what, now


class Counts:
    """One sort of them. `now`: POSIX nanoseconds. `write` has the table of elsewhere say so much of a key."""

    def __init__(
        self, sort: int, counting: Counting, own: Sequence[memoryview], elsewhere: memoryview, write: Write
    ) -> None:
        self.sort = sort
        self._counting = counting
        self._own = tuple(own)
        self._elsewhere = elsewhere
        self._write = write
        self._watches = [Watch(table, WIDTH) for table in own]
        self._pending: set[int] = set()  # keys that have moved and are to be told to the store,
        self._underway: set[int] = set()  # … are being told, or were without anybody knowing whether it heard,
        self._unassumed: set[int] = set()  # … and that others are to be taken to have moved likewise
        self._told: dict[int, Said] = {}  # what is in the store,
        self._again: set[int] = set()  # … unless it has lost that
        self._telling: dict[int, Said] = {}  # what is on its way there
        self._heard: dict[int, dict[bytes, Said]] = {}  # by key, then host
        self._assumed: dict[int, Said] = {}
        self._stale: set[int] = set()  # keys of which the table says something old

    def moved(self, now: int) -> list[Row]:
        """What the store does not say yet."""
        self._look()
        self._underway |= self._pending
        self._pending.clear()
        used = {key: self._used(key, now) for key in self._underway}
        known = {key: self._told.get(key) for key in used if key not in self._again}
        self._telling = {key: said for key, said in used.items() if said not in (NOTHING, known.get(key))}
        return [self._row(key, used, now) for key, used in self._telling.items()]

    def taken(self) -> None:
        """All that `moved` has given is in the store."""
        self._told.update(self._telling)
        self._again.difference_update(self._telling)
        self._underway.clear()
        self._unassumed.intersection_update(self._pending)

    def forget(self) -> None:
        """The store may have lost what it was told: all of it is to be told again."""
        for watch in self._watches:
            watch.forget()
        self._again = {*self._told}

    def hear(self, host: bytes, row: Row, now: int) -> None:
        """Takes in what another host says. Raises ValueError where that is nothing."""
        said = unpack_pair(row.content)
        of_key = self._heard.setdefault(row.key, {})
        joined = self._counting.joined(of_key.get(host, NOTHING), said, now // MINUTE_NS)
        if joined != of_key.get(host):
            of_key[host] = joined
            self._stale.add(row.key)

    def show(self, now: int, *, whole: bool = False) -> None:
        """Brings the table up to date; `whole`: also of what is only in it, written by a predecessor of this process."""
        if whole:
            self._stale.update(key for key in self._elsewhere[::WIDTH].tolist() if key)
        for key in self._stale:
            said = [*self._heard.get(key, {}).values(), self._assumed.get(key, NOTHING)]
            self._write(key, self._counting.added(said, now // MINUTE_NS), now)
        self._stale.clear()

    def assume(self, hosts: int, now: int) -> None:
        """Nobody is heard: each of so many others uses as much as this host has since they were."""
        self._look()
        for key in self._unassumed:
            grown = self._counting.grown(self._used(key, now), self._told.get(key, NOTHING))
            assumed = self._counting.times(grown, hosts)
            if assumed != self._assumed.get(key, NOTHING):
                self._assumed[key] = assumed
                self._stale.add(key)
        self._unassumed.clear()

    def assume_nothing(self) -> None:
        """They are heard again."""
        self._stale.update(self._assumed)
        self._assumed.clear()

    def prune(self, now: int) -> None:
        """Forgets what counts no more."""
        minute = now // MINUTE_NS
        for key, of_key in [*self._heard.items()]:
            living = {host: said for host, said in of_key.items() if self._counting.minutes(said, minute)}
            if living:
                self._heard[key] = living
            else:
                del self._heard[key]
        self._told = {key: said for key, said in self._told.items() if self._counting.minutes(said, minute)}
        self._again.intersection_update(self._told)

    def _look(self) -> None:
        for watch in self._watches:
            moved = {*watch.moved()}
            self._pending |= moved
            self._unassumed |= moved

    def _row(self, key: int, used: Said, now: int) -> Row:
        return Row(self.sort, key, 0, pack_pair(used), 60 * self._counting.minutes(used, now // MINUTE_NS))

    def _used(self, key: int, now: int) -> Said:
        """By this host's workers."""
        return self._counting.added(self._entries(key), now // MINUTE_NS)

    def _entries(self, key: int) -> Iterator[Said]:
        for words in self._own:
            place = find(words, key, WIDTH)
            if place < 0:
                continue
            said = words[place + 1], words[place + 2]
            if words[place] == key:  # still: it did not give way to another meanwhile
                yield said


class Elsewhere:
    """The writer of the tables that say what other hosts used."""

    def __init__(self, budgets: Budgets) -> None:
        self._row = Slab(1).row(0)
        self._windows = budgets.ledger(budgets.elsewhere, self._row)
        self._tasks = TaskLedger(budgets.tasks.tables, budgets.elsewhere, self._row)

    @property
    def full(self) -> int:
        """How many times there was no room for something."""
        return self._row.get(Counter.BUDGETS_FULL)

    def window(self, key: int, said: Said, now: int) -> None:
        """See Write. A word without a count bears the time, as that of a new entry does."""
        words = self._windows.own
        if said == NOTHING and find(words, key, WIDTH) < 0:
            return
        place = self._windows.claim(key, now)
        if place >= 0:
            nothing = (now // MINUTE_NS & MINUTES) << COUNT_BITS
            words[place + 1], words[place + 2] = said[0] or nothing, said[1] or nothing

    def task(self, key: int, said: Said, now: int) -> None:
        """See Write."""
        words = self._tasks.own
        place = find(words, key, WIDTH)
        if place < 0 and said == NOTHING:
            return
        if place < 0:
            place = self._tasks.claim(key, 60.0 * ((said[1] >> 32) - 1), now)
        words[place + 1] = said[0]
        words[place + 2] = said[1] or words[place + 2]


def counts(budgets: Budgets, elsewhere: Elsewhere) -> tuple[Counts, Counts]:
    """Those of windows and of tasks."""
    at, windows, tasks = budgets.elsewhere, budgets.tables, budgets.tasks.tables
    return (
        Counts(WINDOWS, Windows(), windows[:at], windows[at], elsewhere.window),
        Counts(TASKS, Tallies(), tasks[:at], tasks[at], elsewhere.task),
    )
