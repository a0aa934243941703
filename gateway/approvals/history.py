"""What was approved before, as far as it is remembered: for what is new about a request."""

from collections import OrderedDict
from typing import Final

import msgspec

from gateway.approvals.statements import Held

KEPT_MAX: Final = 2_000  # shapes, sets of tables, and people
NAMES_MAX: Final = 1_000  # tables and labels of one person


class History:
    """Bounded; what was not needed for longest goes first."""

    def __init__(self, most: int = KEPT_MAX) -> None:
        self._most = most
        self._last: OrderedDict[object, Held] = OrderedDict()  # by shape, and by person and tables
        self._touched: OrderedDict[object, dict[str, None]] = OrderedDict()  # by person

    def learn(self, held: Held) -> None:
        """Of one that was approved."""
        if held.state != "approved":
            return
        held = msgspec.structs.replace(held, statement="", words="", reason="", looks=())  # they may be long
        for key in (held.shape, _about(held)):
            before = self._last.get(key)
            if before is None or before.decided <= held.decided:
                self._last[key] = held
            self._last.move_to_end(key)
        touched = self._touched.setdefault(_who(held), {})
        self._touched.move_to_end(_who(held))
        for name in (*held.tables, *held.labels):
            if len(touched) < NAMES_MAX:
                touched[name] = None
        while len(self._last) > 2 * self._most:
            self._last.popitem(last=False)
        while len(self._touched) > self._most:
            self._touched.popitem(last=False)

    def last(self, held: Held) -> Held | None:
        """The last of its shape, else of the same person about the same tables."""
        found = self._last.get(held.shape) or self._last.get(_about(held))
        return None if found is None or found.id == held.id else found

    def new(self, held: Held) -> tuple[str, ...]:
        """The tables and labels of which nothing of this person's was approved."""
        touched = self._touched.get(_who(held), {})
        return tuple(dict.fromkeys(name for name in (*held.tables, *held.labels) if name not in touched))


def _who(held: Held) -> object:
    return held.user, held.issuer, held.actors, held.account, held.database


def _about(held: Held) -> object:
    return held.user, held.issuer, held.database, tuple(sorted(held.tables))
