"""Whom people and tasks have met (`workers.crowds`), between this host's shared memory and a fleet's.

As in `workers.fleet_counts`. A sketch travels when its registers moved, not when somebody is met again. What others met is
united into the table's sketches as it comes, since it is the same however often it comes; rows of which no key tells, and
what was offered, are added up.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from gateway.masking.distinct import estimate, united
from workers.crowds import COUNT_BITS, COUNT_MAX, HEAD, LIFE, OFFERED, Crowds, Table
from workers.fleet_crowd_table import CrowdTable
from workers.fleet_rows import Crowd, Row, pack_crowd, unpack_crowd
from workers.fleet_values import TASK_MINUTES_MORE, longest
from workers.fleet_watch import Watch
from workers.probing import find
from workers.tasks import MINUTE_NS

SKETCHES_MAX: Final = 256  # that travel at once
Part = tuple[int, int]  # a key, and which of its sketches


class _Told(NamedTuple):
    stamp: int
    unknown: int
    sketch: bytes  # its digest
    met: int  # by estimate


class CrowdCounts:
    """Those of one mapping. `now`: POSIX nanoseconds."""

    def __init__(self, sort: int, crowds: Crowds, elsewhere: int) -> None:
        self.sort = sort
        self._crowds = crowds
        self._own = crowds.tables[:elsewhere]
        self._table = CrowdTable(crowds, elsewhere)
        self._watches = [Watch(table.head, crowds.width) for table in self._own]
        self._pending: set[int] = set()  # as in `workers.fleet_counts`
        self._underway: set[int] = set()
        self._unassumed: set[int] = set()
        self._told: dict[Part, _Told] = {}
        self._again: set[Part] = set()
        self._telling: dict[Part, _Told] = {}

    @property
    def full(self) -> int:
        """How many times there was no room for whom others met."""
        return self._table.full

    def moved(self, now: int) -> list[Row]:
        """What the store does not say yet, or some of it where it is much."""
        self._look()
        self._pending |= self._underway
        self._underway.clear()
        self._telling = {}
        rows: list[Row] = []
        while self._pending and len(rows) < SKETCHES_MAX:
            key = self._pending.pop()
            self._underway.add(key)
            for index, crowd in self._new(key, now):
                rows.append(Row(self.sort, key, index, pack_crowd(crowd), self._seconds(crowd, now)))
        return rows

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
        self._table.hear(host, row.key, unpack_crowd(row.content), now)

    def show(self, now: int, *, whole: bool = False) -> None:
        """Brings the table up to date; `whole`: also of what is only in it, written by a predecessor of this process."""
        self._table.show(whole=whole)

    def assume(self, hosts: int, now: int) -> None:
        """Nobody is heard: each of so many others meets as many, and other ones, as this host has since they were."""
        self._look()
        for key in self._unassumed:
            for index, crowd in self._fresh(key, now):
                told = self._told.get((key, index))
                met = estimate(memoryview(crowd.sketch)) + crowd.unknown
                if told is not None and told.stamp == crowd.stamp:
                    met -= told.met + told.unknown
                if met > 0:
                    self._table.assume(key, crowd, hosts * met, now)
        self._unassumed.clear()

    def assume_nothing(self) -> None:
        """They are heard again."""
        self._table.assume_nothing()

    def prune(self, now: int) -> None:
        """Forgets what counts no more."""
        number = self._crowds.number(now)
        self._table.prune(now)
        if self._crowds.span_ns:
            kept = {part: told for part, told in self._told.items() if told.stamp + self._crowds.spans > number}
        else:
            kept = {part: told for part, told in self._told.items() if next(self._places(part[0]), None)}
        self._told = kept
        self._again.intersection_update(kept)

    def _look(self) -> None:
        for watch in self._watches:
            moved = {*watch.moved()}
            self._pending |= moved
            self._unassumed |= moved

    def _new(self, key: int, now: int) -> Iterator[tuple[int, Crowd]]:
        """The key's sketches of which the store says something else, which are then on their way there."""
        for index, crowd in self._fresh(key, now):
            digest = blake2b(crowd.sketch, digest_size=16).digest()
            told = self._told.get((key, index))
            if told is None or (key, index) in self._again or told[:3] != (crowd.stamp, crowd.unknown, digest):
                met = estimate(memoryview(crowd.sketch))
                self._telling[key, index] = _Told(crowd.stamp, crowd.unknown, digest, met)
                yield index, crowd

    def _fresh(self, key: int, now: int) -> Iterator[tuple[int, Crowd]]:
        """What this host's workers have met, but for spans long past that were told: nobody writes those any more."""
        number = self._crowds.number(now)
        for index in range(self._crowds.spans):
            stamp = number - (number - index) % self._crowds.spans
            told = self._told.get((key, index))
            if told is None or (key, index) in self._again or told.stamp != stamp or stamp >= number - 1:
                crowd = self._crowd(key, index, stamp)
                if crowd is not None:
                    yield index, crowd

    def _crowd(self, key: int, index: int, stamp: int) -> Crowd | None:
        """Whom all workers met in the span of this number."""
        sketches, unknown = [], 0
        for table, place in self._places(key):
            word = table.head[place + HEAD + index]
            if word >> COUNT_BITS == stamp:
                sketches.append(self._crowds.sketch(table, place, index))
                unknown += word & COUNT_MAX
        if not sketches:
            return None
        sketch = bytes(united(sketches))
        offered = life = 0
        for table, place in self._places(key):  # afterwards: what is in the sketch was offered, and now counted as such
            offered += table.head[place + OFFERED]
            life = longest(life, table.head[place + LIFE])
        return Crowd(stamp, unknown, offered, life, sketch)

    def _places(self, key: int) -> Iterator[tuple[Table, int]]:
        for table in self._own:
            place = find(table.head, key, self._crowds.width)
            if place >= 0:
                yield table, place

    def _seconds(self, crowd: Crowd, now: int) -> int:
        if self._crowds.span_ns:
            return ((crowd.stamp + self._crowds.spans) * self._crowds.span_ns - now) // 10**9
        return 60 * max(0, (crowd.life >> 32) + TASK_MINUTES_MORE - now // MINUTE_NS)
