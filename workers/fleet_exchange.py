"""All that a host of a fleet tells the others and hears of them, without the way there: four sorts of counters.

This host's own words are never heard: they are in its workers' tables already.
"""

import logging
from collections.abc import Iterable
from typing import Protocol

from workers.budgets import Budgets
from workers.fleet_counts import Elsewhere, counts
from workers.fleet_crowds import CrowdCounts
from workers.fleet_rows import HOURS_MET, TASKS_MET, Row, proven, signed

log = logging.getLogger("sluice.admin")


class Sort(Protocol):
    """One of them: see `workers.fleet_counts`."""

    sort: int

    def moved(self, now: int) -> list[Row]:
        """What the store does not say yet."""

    def taken(self) -> None:
        """That is in the store."""

    def forget(self) -> None:
        """The store may have lost what it was told."""

    def hear(self, host: bytes, row: Row, now: int) -> None:
        """Raises ValueError where it says nothing."""

    def show(self, now: int, *, whole: bool = False) -> None:
        """Brings the table up to date."""

    def assume(self, hosts: int, now: int) -> None:
        """Each of so many others uses as much as this host."""

    def assume_nothing(self) -> None:
        """They are heard again."""

    def prune(self, now: int) -> None:
        """Forgets what counts no more."""


class Exchange:
    """`now`: POSIX nanoseconds."""

    def __init__(self, budgets: Budgets) -> None:
        self.host = budgets.name
        self._secret = budgets.secret
        self._elsewhere = Elsewhere(budgets)
        at = budgets.elsewhere
        self._met = CrowdCounts(HOURS_MET, budgets.hours_met, at), CrowdCounts(TASKS_MET, budgets.tasks_met, at)
        self._sorts: tuple[Sort, ...] = (*counts(budgets, self._elsewhere), *self._met)
        self._assumes = False
        self._whole = True  # this process has not written the table yet; a predecessor may have

    @property
    def full(self) -> int:
        """How many times there was no room for something that another host said."""
        return self._elsewhere.full + sum(one.full for one in self._met)

    def moved(self, now: int) -> list[Row]:
        """What is to be told."""
        return [signed(row, self.host, self._secret) for one in self._sorts for row in one.moved(now)]

    def taken(self) -> None:
        """It was told."""
        for one in self._sorts:
            one.taken()

    def forget(self) -> None:
        """Has everything be told again."""
        for one in self._sorts:
            one.forget()

    def hear(self, host: bytes, rows: Iterable[Row], now: int) -> None:
        """Takes in what a host says."""
        if host == self.host:
            return
        sorts = {one.sort: one for one in self._sorts}
        faults = []
        for row in rows:
            try:
                said = proven(row, host, self._secret)
                if said.sort in sorts:
                    sorts[said.sort].hear(host, said, now)
            except ValueError as error:
                faults.append(str(error))
        if faults:
            log.warning("%d rows of the fleet are passed over: %s", len(faults), faults[0])

    def show(self, now: int) -> None:
        """Has the workers know what was heard, and nothing else."""
        if self._assumes:
            self._assumes = False
            for one in self._sorts:
                one.assume_nothing()
        for one in self._sorts:
            one.show(now, whole=self._whole)
        self._whole = False

    def assume(self, hosts: int, now: int) -> None:
        """Nobody is heard: has the workers take it that so many others use as much as they do. 0: nobody was there."""
        if not hosts:
            return
        self._assumes = True
        for one in self._sorts:
            one.assume(hosts, now)
            one.show(now)

    def prune(self, now: int) -> None:
        """Forgets what counts no more."""
        for one in self._sorts:
            one.prune(now)
