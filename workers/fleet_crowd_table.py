"""The table of a mapping of crowds that says whom other hosts met, for its only writer; see `workers.fleet_crowds`."""

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.masking.distinct import take_in
from workers.crowds import COUNT_BITS, COUNT_MAX, HEAD, LIFE, OFFERED, REGISTERS, Crowds
from workers.fleet_rows import Crowd
from workers.fleet_values import TASK_MINUTES_MORE, longest
from workers.meetings import CrowdLedger
from workers.probing import find
from workers.slab import Counter, Slab
from workers.tasks import MINUTE_NS


class _Span(NamedTuple):
    stamp: int
    unknown: int


@dataclass(slots=True)
class _Host:
    """What one host said of a key: rows without a key by the sketch's place, and the most that it ever was offered."""

    spans: dict[int, _Span] = field(default_factory=dict)
    offered: int = 0
    life: int = 0


class CrowdTable:
    """`now`: POSIX nanoseconds."""

    def __init__(self, crowds: Crowds, index: int) -> None:
        self._crowds = crowds
        self._table = crowds.tables[index]
        self._row = Slab(1).row(0)
        self._ledger = CrowdLedger(crowds, index, self._row)
        self._heard: dict[int, dict[bytes, _Host]] = {}  # by key, then host
        self._assumed: dict[int, dict[int, _Span]] = {}  # by key, then the sketch's place
        self._stale: set[int] = set()

    @property
    def full(self) -> int:
        """How many times there was no room for something."""
        return self._row.get(Counter.BUDGETS_FULL)

    def hear(self, host: bytes, key: int, crowd: Crowd, now: int) -> None:
        """Takes in what a host says of a key. Raises ValueError where it says nothing."""
        if not self._running(crowd.stamp, now):
            return
        self._unite(key, crowd, now)
        said = self._heard.setdefault(key, {}).setdefault(host, _Host())
        index = crowd.stamp % self._crowds.spans
        said.spans[index] = max(said.spans.get(index, _Span(0, 0)), _Span(crowd.stamp, crowd.unknown))
        said.offered = max(said.offered, crowd.offered)
        said.life = longest(said.life, crowd.life)
        self._stale.add(key)

    def assume(self, key: int, crowd: Crowd, others: int, now: int) -> None:
        """Takes it that others met so many more in the crowd's span."""
        if self._place(key, crowd.stamp, crowd.life, now) >= 0:
            self._assumed.setdefault(key, {})[crowd.stamp % self._crowds.spans] = _Span(crowd.stamp, others)
            self._stale.add(key)

    def assume_nothing(self) -> None:
        """Takes back all that."""
        self._stale.update(self._assumed)
        self._assumed.clear()

    def show(self, *, whole: bool = False) -> None:
        """Writes the sums that have changed; `whole`: and those of which only the table itself knows."""
        if whole:
            self._stale.update(key for key in self._table.head[:: self._crowds.width].tolist() if key)
        for key in self._stale:
            self._show(key)
        self._stale.clear()

    def prune(self, now: int) -> None:
        """Forgets hosts of which nothing counts any more."""
        for key, of_key in [*self._heard.items()]:
            living = {host: said for host, said in of_key.items() if self._lives(said, now)}
            if living:
                self._heard[key] = living
            else:
                del self._heard[key]

    def _lives(self, said: _Host, now: int) -> bool:
        if self._crowds.span_ns:
            return any(self._running(span.stamp, now) for span in said.spans.values())
        return (said.life >> 32) + TASK_MINUTES_MORE > now // MINUTE_NS

    def _running(self, stamp: int, now: int) -> bool:
        """Whether it is of a span that counts, or one that begins soon: clocks differ."""
        number = self._crowds.number(now)
        return max(0, number - self._crowds.spans) < stamp <= number + bool(self._crowds.span_ns)

    def _unite(self, key: int, crowd: Crowd, now: int) -> None:
        index = crowd.stamp % self._crowds.spans
        place = self._place(key, crowd.stamp, crowd.life, now)
        if place >= 0 and self._table.head[place + HEAD + index] >> COUNT_BITS == crowd.stamp:
            take_in(self._crowds.sketch(self._table, place, index), crowd.sketch)

    def _place(self, key: int, stamp: int, life: int, now: int) -> int:
        """The entry of this key, whose sketch is of this span or a later one; -1 where there is no room for it."""
        head = self._table.head
        place = self._ledger.claim(key, 60.0 * ((life >> 32) - 1), now)
        word = place + HEAD + stamp % self._crowds.spans
        if place >= 0 and head[word] >> COUNT_BITS < stamp:
            head[word] = 0  # as in `workers.meetings`
            self._crowds.sketch(self._table, place, stamp % self._crowds.spans)[:] = bytes(REGISTERS)
            head[word] = stamp << COUNT_BITS
        return place

    def _show(self, key: int) -> None:
        head = self._table.head
        place = find(head, key, self._crowds.width)
        if place < 0:
            return
        hosts, assumed = self._heard.get(key, {}).values(), self._assumed.get(key, {})
        offered = sum(said.offered for said in hosts) + sum(span.unknown for span in assumed.values())
        for index in range(self._crowds.spans):
            word = place + HEAD + index
            stamp = head[word] >> COUNT_BITS
            spans = [said.spans.get(index, _Span(0, 0)) for said in hosts] + [assumed.get(index, _Span(0, 0))]
            unknown = sum(span.unknown for span in spans if span.stamp == stamp)
            head[word] = stamp << COUNT_BITS | min(unknown, COUNT_MAX)
        for said in hosts:
            head[place + LIFE] = longest(head[place + LIFE], said.life)
        head[place + OFFERED] = offered  # last: who sees this sees what was offered
