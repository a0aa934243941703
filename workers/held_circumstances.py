"""What is known around a statement that waits: its risk, what waits that is alike, what was approved before."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.approvals import risk, since_last
from gateway.approvals.grouping import Groups
from gateway.approvals.history import History
from gateway.approvals.statements import Held, Look
from gateway.identity.principal import Principal
from workers.holds_link import Waits

LOOKS_MAX: Final = 16  # people of whom it is noted that they were shown one


class Circumstances:
    """In the admin process's memory; bounded by what waits, and by what is remembered."""

    def __init__(self) -> None:
        self.groups = Groups()
        self._history = History()

    def remember(self, held: Sequence[Held]) -> None:
        """What is kept of before, newest first."""
        for one in reversed(held):
            self.learn(one)

    def learn(self, held: Held) -> None:
        """It was decided."""
        self._history.learn(held)

    def assessed(self, held: Held, waits: Waits) -> Held:
        """With its risk."""
        asks = risk.Asks(
            held.environment, held.kinds, held.labels, held.actors, held.in_transaction, waits.by_text,
            self._history.new(held),
        )  # fmt: skip
        level, why = risk.assess(asks, waits.signs)
        return msgspec.structs.replace(held, risk=level, risk_why=why, rows=waits.signs.rows)

    def opened(self, held: Held) -> None:
        """It waits, and is so."""
        self.groups.add(held)

    def ended(self, held: Held) -> None:
        """It waits no more."""
        self.groups.drop(held)
        self.learn(held)

    def new(self, held: Held) -> tuple[str, ...]:
        """What is new against the last of its kind that was approved, as long as it waits."""
        return since_last.lines(held, self._history.last(held)) if held.state == "pending" else ()

    def told(self, held: Held) -> dict[str, Any]:
        """For those who read a list."""
        return {"alike": self.groups.count(held) if held.state == "pending" else 0}

    def told_in_full(self, held: Held) -> dict[str, Any]:
        """For those who read about one."""
        alike = list(self.groups.alike(held)) if held.state == "pending" else []
        return {"alike": len(alike), "alike_ids": alike, "since_last": list(self.new(held))}


def looked(held: Held, who: Principal, now: float) -> Held:
    """With the note that this person was shown it; the first time counts."""
    known = any((one.user, one.issuer) == (who.user, who.issuer) for one in held.looks)
    if known or len(held.looks) >= LOOKS_MAX:
        return held
    return msgspec.structs.replace(held, looks=(*held.looks, Look(who.user, who.issuer, now)))
