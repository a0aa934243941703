"""Whom people, and tasks, have met: a worker's accounts in the shared sketches of `workers.crowds`.

**Work.** To unite and to estimate takes a tenth of a millisecond, so it is not done where it cannot matter: no more can have
come since the last estimate than was offered since, and as long as both together are within the budget that is enough.
"""

from gateway.identity.principal import Principal
from gateway.masking.distinct import REGISTERS, Seen, add, estimate, united
from gateway.policy.decision import Budget
from workers.budgets import ENTRIES, Budgets, key_of
from workers.crowds import COUNT_BITS, COUNT_MAX, HEAD, LIFE, OFFERED, Crowds
from workers.crowds import REGISTERS as SKETCH_BYTES
from workers.probing import find, places
from workers.slab import Counter, Row
from workers.tasks import MINUTE_NS, giving_way, life, lived

_NOT_KNOWN = 1 << 62
assert REGISTERS == SKETCH_BYTES


class Meetings:
    """The accounts of one worker; an estimate serves all of its sessions."""

    def __init__(self, budgets: Budgets, index: int, row: Row) -> None:
        self._secret = budgets.secret
        self._hours = CrowdLedger(budgets.hours_met, index, row)
        self._tasks = CrowdLedger(budgets.tasks_met, index, row)
        self._known: dict[tuple[int, int], CrowdAccount] = {}

    def crowd(self, principal: Principal, budget: Budget) -> "CrowdAccount":
        """The account of one principal, or of his task, under one budget; see workers.budgets.Ledger.purse."""
        key = key_of(self._secret, principal, budget)
        found = self._known.get((key, budget.most))
        if found is None:
            if len(self._known) >= ENTRIES:
                self._known.clear()
            ledger = self._hours if budget.window_seconds else self._tasks
            found = self._known[key, budget.most] = CrowdAccount(ledger, key, budget, principal.expires)
        return found


class CrowdLedger:
    """One worker's door to a mapping of crowds."""

    def __init__(self, crowds: Crowds, index: int, row: Row) -> None:
        self.crowds = crowds
        self.own = crowds.tables[index]
        self._row = row

    def claim(self, key: int, until: float, now: int) -> int:
        """The place of this key's entry in our table, made where there is none; -1 when there is no room."""
        head, width = self.own.head, self.crowds.width
        taken = []
        for place in places(len(head), key, width):
            if head[place] == key:
                return place
            if not head[place]:
                break
            taken.append((place, head[place + LIFE]))
        else:
            place = self._room(taken, now)
            if place < 0:
                return -1
        head[place] = 0
        for word in range(place + OFFERED, place + width):
            head[word] = 0
        head[place + LIFE] = life(until, now)
        head[place] = key
        return place

    def _room(self, taken: list[tuple[int, int]], now: int) -> int:
        crowds = self.crowds
        if not crowds.span_ns:
            place = giving_way(taken, now)
            if self.own.head[place + LIFE] >> 32 >= now // MINUTE_NS:
                self._row.add(Counter.BUDGETS_FULL)
            return place
        number = crowds.number(now)
        for place, _ in taken:
            if all(stamp + crowds.spans <= number for stamp, _ in crowds.stamps(self.own, place)):
                return place
        self._row.add(Counter.BUDGETS_FULL)
        return -1


class CrowdAccount:
    """Whom one principal, or task, has met under one budget (gateway.session.budgets.Crowd)."""

    __slots__ = ("_found", "_key", "_ledger", "_most", "_offered", "_own", "_places", "_until")

    def __init__(self, ledger: CrowdLedger, key: int, budget: Budget, until: float) -> None:
        self._ledger = ledger
        self._key = key
        self._most = budget.most
        self._until = until
        self._found = _NOT_KNOWN  # by the last estimate, when so much was offered to each table
        self._offered: list[int] = []
        tables = ledger.crowds.tables
        self._places = [-1] * len(tables)  # where the entry was found in each
        self._own = next(index for index, table in enumerate(tables) if table is ledger.own)

    def exceeded(self, now: int) -> bool:
        """Whether more were met than the budget allows, or what comes cannot be counted."""
        if self._claim(now) < 0:
            return True
        return self._at_most() > self._most and self.met(now) > self._most

    def met(self, now: int) -> int:
        """How many different ones all workers have met in the hour that ends now, or in the task."""
        offered = self._offered_now()
        sketch, unknown = self._united(now)
        return self._remember(estimate(sketch) + unknown, offered)

    def meet(self, seen: Seen, now: int, *, must: bool = False) -> bool:
        """Whether these too are within the budget; only then they are counted. `must`: they are in any case."""
        place = self._claim(now)
        if place < 0:
            return must
        within = self._at_most() + seen.most <= self._most
        if not within:
            offered = self._offered_now()
            sketch, unknown = self._united(now)
            add(sketch, seen.hashes)
            found = estimate(sketch) + unknown + seen.unknown
            within = found <= self._most
            if not within and not must:
                return False
            self._remember(found, offered)
            self._offered[self._own] += seen.most
        self._write(place, seen, now)
        return within

    def _claim(self, now: int) -> int:
        place = self._places[self._own]
        if place < 0 or self._ledger.own.head[place] != self._key:
            place = self._places[self._own] = self._ledger.claim(self._key, self._until, now)
        return place

    def _write(self, place: int, seen: Seen, now: int) -> None:
        crowds, own = self._ledger.crowds, self._ledger.own
        number = crowds.number(now)
        index = number % crowds.spans
        word = place + HEAD + index
        sketch = crowds.sketch(own, place, index)
        if own.head[word] >> COUNT_BITS != number:
            own.head[word] = 0  # nobody takes what is left of the old span for the new one's
            sketch[:] = bytes(REGISTERS)
            own.head[word] = number << COUNT_BITS
        add(sketch, seen.hashes)
        own.head[word] += min(seen.unknown, COUNT_MAX - (own.head[word] & COUNT_MAX))
        own.head[place + LIFE] = lived(own.head[place + LIFE], self._until, now)
        own.head[place + OFFERED] += seen.most  # last: who sees this sees what was offered

    def _at_most(self) -> int:
        """How many can have been met since the last estimate, and before."""
        if self._found == _NOT_KNOWN:
            return _NOT_KNOWN
        more = 0
        for now, then in zip(self._offered_now(), self._offered, strict=True):
            if now < then:
                return _NOT_KNOWN  # the entry gave way to another and came back
            more += now - then
        return self._found + more

    def _remember(self, found: int, offered: list[int]) -> int:
        self._found, self._offered = found, offered
        return found

    def _offered_now(self) -> list[int]:
        """What was offered to each table. Looked at before they are united: what comes in between is then counted twice, and
        never not at all."""
        places = self._found_places()
        tables = self._ledger.crowds.tables
        return [table.head[place + OFFERED] if place >= 0 else 0 for table, place in zip(tables, places, strict=True)]

    def _united(self, now: int) -> tuple[memoryview, int]:
        crowds = self._ledger.crowds
        number = crowds.number(now)
        sketches, unknown = [], 0
        for table, place in zip(crowds.tables, self._found_places(), strict=True):
            if place < 0:
                continue
            for index, (stamp, rows) in enumerate(crowds.stamps(table, place)):
                if number - crowds.spans < stamp <= number and stamp:
                    sketches.append(crowds.sketch(table, place, index))
                    unknown += rows
        return united(sketches), unknown

    def _found_places(self) -> list[int]:
        """Of the entry in each table, -1 where it has none."""
        key, places, crowds = self._key, self._places, self._ledger.crowds
        for index, table in enumerate(crowds.tables):
            if places[index] < 0 or table.head[places[index]] != key:
                places[index] = find(table.head, key, crowds.width)
        return places
