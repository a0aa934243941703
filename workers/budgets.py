"""The counters of budgets, shared by all workers: one anonymous mapping made before the forks, as in `workers.slab`.

Each slot has a table of its own with one writer, the worker on that slot; a successor goes on with its predecessor's. A
reader adds up what all tables say. A table is open addressing over entries of three aligned 8-byte words:

    key      of grant, sort, window, user, issuer and actors: BLAKE2b under the supervisor's key, 0 for a free entry
    counts   two words, of the windows with even and with odd numbers: 24 bits for the minute in which the window began
             (modulo 2^24, which is 31 years) and 40 bits for the count

A word says by itself which window it counts: a reader never mixes two windows, and what is too old counts as nothing.

The window slides by weight: used = current + previous * (1 - elapsed share of the current window), rounded up. That is
exact where the previous window was used evenly. Where all of it was used at its very end, up to twice the budget can
pass within one window's length; within the windows that the clock cuts never more than the budget.

What tasks use is counted in `workers.tasks`, and different people in `workers.crowds` and `workers.meetings`.

Where gateways share their budgets (`workers.fleet`) there is one table more of each kind: what other hosts have used,
written by the admin process. Workers add it up as they do any other's.
"""

import mmap
import secrets
from hashlib import blake2b

import msgspec

from gateway.identity.principal import Principal
from gateway.policy.decision import Budget
from workers.crowds import HOURS, SPAN_SECONDS, SPANS, TASKS, Crowds
from workers.probing import cut, find, home, places, sizes
from workers.slab import Counter, Row
from workers.tasks import TaskAccount, TaskLedger, Tasks

ENTRIES = 16384  # in each slot's table: 384 KiB, of which the kernel gives only the pages that are used
WINDOW_SECONDS_MAX = 3600

WIDTH = 3
COUNT_BITS = 40
COUNT_MAX = (1 << COUNT_BITS) - 1
MINUTES = (1 << 24) - 1
MINUTE_NS = 60 * 10**9
OLD_MINUTES = 2 * WINDOW_SECONDS_MAX // 60  # no window counts an entry that has stood still for so long
_USED_UP = 1 << 62


class Budgets:
    """The whole mapping, with a table of so many entries for each of `slots` slots. Made before the forks. With a
    `fleet_key`, the same on all hosts of a fleet, the last table is of what other hosts used: `elsewhere` is its index."""

    def __init__(self, slots: int, entries: int = ENTRIES, fleet_key: bytes | None = None) -> None:
        assert slots >= 1
        self.elsewhere = slots
        fleet = fleet_key is not None
        words = [WIDTH * size for size in sizes(slots, entries, fleet)]
        self._map = mmap.mmap(-1, 8 * sum(words))
        self.tables = tuple(cut(memoryview(self._map).cast("Q"), words))
        self.tasks = Tasks(slots, fleet=fleet)
        self.hours_met = Crowds(slots, HOURS, SPANS, SPAN_SECONDS, fleet=fleet)
        self.tasks_met = Crowds(slots, TASKS, 1, 0, fleet=fleet)
        self.secret = fleet_key or secrets.token_bytes(32)
        self.name = secrets.token_bytes(16)  # of these counters, among a fleet's: another start begins others

    def ledger(self, index: int, row: Row) -> "Ledger":
        """What the worker on slot `index` writes and reads; where its table is full it says so in its `row` of the slab."""
        return Ledger(self, index, row)


class Ledger:
    """One worker's door to the counters."""

    def __init__(self, budgets: Budgets, index: int, row: Row) -> None:
        own = budgets.tables[index]
        self.own = own
        self.others = tuple(table for table in budgets.tables if table is not own)
        self._secret = budgets.secret
        self._row = row
        self._tasks = TaskLedger(budgets.tasks.tables, index, row)

    def purse(self, principal: Principal, budget: Budget) -> "Account | TaskAccount":
        """The account of one principal, or of his task, under one budget. `most` is no part of its key: a policy that
        changes it goes on with what was counted."""
        key = key_of(self._secret, principal, budget)
        if not budget.window_seconds:
            return TaskAccount(self._tasks, key, budget, principal.expires)
        assert budget.window_seconds % 60 == 0
        assert budget.window_seconds <= WINDOW_SECONDS_MAX
        return Account(self, key, budget)

    def claim(self, key: int, now: int) -> int:
        """The place of this key's entry in our table, made where there is none; -1 when there is no room."""
        words = self.own
        minute = now // MINUTE_NS
        free = -1
        for place in places(len(words), key, WIDTH):
            found = words[place]
            if found == key:
                return place
            if free < 0 and (not found or _is_old(words, place, minute)):
                free = place
            if not found:
                break
        if free < 0:
            self._row.add(Counter.BUDGETS_FULL)
            return -1
        # The counts first: under a new key nothing of the old one's may be read. They bear the time, so that
        # the entry is not taken for an old one before anything was spent.
        words[free + 1] = words[free + 2] = (minute & MINUTES) << COUNT_BITS
        words[free] = key
        return free


def key_of(secret: bytes, principal: Principal, budget: Budget) -> int:
    """Under which a principal's use of a budget, or his task's, is counted."""
    actors = () if budget.personal else principal.actors
    task: tuple[str, ...] = ()
    if not budget.window_seconds:
        task = ("run", principal.run) if principal.run else ("token", principal.token_id)
    who = (principal.user, principal.issuer, actors, *task)
    name = msgspec.msgpack.encode((budget.grant, budget.what, budget.window_seconds, *who))
    return int.from_bytes(blake2b(name, digest_size=8, key=secret).digest(), "big") or 1


class Account:
    """A principal's use of one budget (gateway.session.budgets.Purse), with its places in the tables found once.

    `now` is in POSIX nanoseconds. A clock that is set back by more than a window forgets what was counted since.
    """

    __slots__ = ("_key", "_ledger", "_minutes", "_most", "_own", "_places", "_window")

    def __init__(self, ledger: Ledger, key: int, budget: Budget) -> None:
        self._ledger = ledger
        self._key = key
        self._most = min(budget.most, COUNT_MAX)  # a count that has reached its highest leaves nothing
        self._window = budget.window_seconds * 10**9
        self._minutes = budget.window_seconds // 60
        self._own = -1  # a place, once it is known
        self._places = [home(len(table), key, WIDTH) for table in ledger.others]

    def left(self, now: int) -> int:
        """What is left, 0 when nothing is or when what will be spent cannot be counted here."""
        left = self._most - self.used(now)
        return left if left > 0 else 0

    def used(self, now: int) -> int:
        """What all workers counted in the window that ends now, rounded up; 2^62 when it cannot be counted."""
        key, ledger = self._key, self._ledger
        own = self._own
        if own < 0 or ledger.own[own] != key:
            own = self._own = ledger.claim(key, now)
            if own < 0:
                return _USED_UP
        number, elapsed = divmod(now, self._window)
        began = number * self._minutes & MINUTES
        before = began - self._minutes & MINUTES
        at = 1 + (number & 1)
        current = previous = 0
        counts = ledger.own[own + at]
        if counts >> COUNT_BITS == began:
            current = counts & COUNT_MAX
        counts = ledger.own[own + 3 - at]
        if counts >> COUNT_BITS == before:
            previous = counts & COUNT_MAX
        for index, words in enumerate(ledger.others):
            place = self._places[index]
            if words[place] != key:
                place = self._look(index, words)
                if place < 0:
                    continue
            counts = words[place + at]
            if counts >> COUNT_BITS == began:
                current += counts & COUNT_MAX
            counts = words[place + 3 - at]
            if counts >> COUNT_BITS == before:
                previous += counts & COUNT_MAX
        if previous:
            current -= previous * (elapsed - self._window) // self._window
        return current

    def _look(self, index: int, words: memoryview) -> int:
        """The place of our entry in another worker's table, remembered; -1 while it has none."""
        place = find(words, self._key, WIDTH)
        if place >= 0:
            self._places[index] = place
        return place

    def spend(self, count: int, now: int) -> None:
        """Counts so many in the current window, at most 2^40 - 1: more than that no budget allows."""
        ledger = self._ledger
        own = self._own
        if own < 0 or ledger.own[own] != self._key:
            own = self._own = ledger.claim(self._key, now)
            if own < 0:
                return  # `used` says that nothing is left
        number = now // self._window
        began = (number * self._minutes & MINUTES) << COUNT_BITS
        place = own + 1 + (number & 1)
        counts = ledger.own[place]
        if counts & ~COUNT_MAX == began:
            count += counts & COUNT_MAX
        ledger.own[place] = began | (count if count < COUNT_MAX else COUNT_MAX)


def _is_old(words: memoryview, place: int, minute: int) -> bool:
    """Whether no window counts this entry any more. One of a time to come, after a clock was set back, is not old."""
    ages = ((minute - (words[place + word] >> COUNT_BITS)) & MINUTES for word in (1, 2))
    return all(OLD_MINUTES < age < MINUTES // 2 for age in ages)
