"""The session's own temporary relations: bare names that certainly mean one of them now.

pg_temp is searched before every other schema for relations (manual, section 20.11.1, search_path), so such a name cannot
mean anything else, and to drop or empty it touches nobody. What is not certain is left out: a rollback may have taken the
relation away, and the name then means another.

A temporary table is *clean* as long as no statement that reads masked values has written to it: what comes out of it
then needs no mask. Views are never clean: what stands behind them may change.
"""

import re

from gateway.scope import Ruling
from parser.facts import Facts

_TEMPORARY = "pg_temp"
_ENDS_WITH_COMMIT = " on commit drop"
_INDEX = re.compile(
    r'create (?:unique )?index (?:concurrently )?(?:([a-z_][a-z0-9_]*)|"([^"]+)") on ', re.IGNORECASE
)
_TABLES = ("CREATE TABLE", "CREATE TABLE AS", "SELECT INTO")
# Definitions after which rows of one table may be read or written through another.
_FAMILIES = re.compile(r"\b(inherit|inherits|partition|rule|trigger|view)\b", re.IGNORECASE)


class Temporaries:
    """See the module. `names` is replaced, never changed: scopes are kept by it."""

    __slots__ = ("_doubt", "_fleeting", "_marks", "clean", "lasting", "names")

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.clean: frozenset[str] = frozenset()  # of names
        self.lasting: frozenset[str] = frozenset()  # those that no rollback takes away
        self._fleeting: frozenset[str] = frozenset()  # those that go with the transaction
        self._marks: dict[str, frozenset[str]] = {}  # the names there were at each savepoint
        self._doubt = False  # something of the transaction failed or was taken back

    def completed(self, ruling: Ruling) -> None:
        """A statement went through."""
        facts = ruling.facts
        first = facts.kinds[0]
        if ruling.moves_path or first.startswith("DISCARD"):  # code of somebody's own may have done anything to them
            self.names = self.clean = self.lasting = frozenset()
            return
        if first == "SAVEPOINT":
            self._marks[facts.shape.split()[-1]] = self.names
        elif first.startswith("ROLLBACK"):
            self._doubt = True
            self._keep(self.lasting | self._marks.get(facts.shape.split()[-1], frozenset()))
        if "ddl" in facts.effects or facts.creates:
            self._defined(facts, first)
        if facts.creates:
            self.sent(ruling)

    def _defined(self, facts: Facts, first: str) -> None:
        renamed = any(kind.endswith(" RENAME TO") for kind in facts.kinds)
        gone = {relation.name for relation in facts.writes} if renamed or first.startswith("DROP") else set()
        made = frozenset(relation.name for relation in facts.creates if relation.schema == _TEMPORARY)
        clean = first in _TABLES or "SELECT INTO" in facts.kinds
        if not self.names.isdisjoint(gone):
            if renamed:
                made, clean = frozenset(relation.name for relation in facts.creates), gone <= self.clean
            self.lasting -= gone
            self._keep(self.names - gone)
        if first == "CREATE INDEX" and all(relation.name in self.names for relation in facts.writes):
            index = _INDEX.match(facts.shape)
            name = (index[2] or index[1].lower()) if index is not None else None
            made, clean = frozenset({name} if name is not None else ()), False
        if made:
            self.names |= made
            if clean:
                self.clean |= made
            if _ENDS_WITH_COMMIT in facts.shape.lower():
                self._fleeting |= made
        if self.clean and _FAMILIES.search(facts.shape):
            self.clean = frozenset()

    def sent(self, ruling: Ruling) -> None:
        """A statement is about to run. What one that reads masked values writes to is clean no more, before the next text is
        read; behind anything but a plain table may stand one of ours."""
        if not self.clean or not ruling.basis.reads_masked():
            return
        facts = ruling.facts
        targets = {relation.name for relation in (*facts.writes, *facts.creates)}
        others = [one for one in facts.writes if one.name not in self.names]
        plain = all(table.kind in "rp" for one in others for table in ruling.basis.catalog.find(one.schema, one.name))
        self.clean = self.clean - targets if plain else frozenset()

    def _keep(self, names: frozenset[str]) -> None:
        self.names &= names
        self.clean &= names

    def failed(self) -> None:
        """A statement failed: what its transaction made goes with it."""
        self._doubt = True

    def settled(self, *, ended: bool) -> None:
        """ReadyForQuery. `ended`: outside of a transaction."""
        if not ended:
            return
        if self._doubt:
            self._keep(self.lasting)
        if self._fleeting:
            self._keep(self.names - self._fleeting)
            self._fleeting = frozenset()
        self.lasting = self.names
        self._marks.clear()
        self._doubt = False
