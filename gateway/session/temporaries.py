"""The session's own temporary relations: bare names that certainly mean one of them now.

pg_temp is searched before every other schema for relations (manual, section 20.11.1, search_path), so such a name cannot
mean anything else, and to drop or empty it touches nobody. What is not certain is left out: a rollback may have taken the
relation away, and the name then means another.

A temporary table is *clean* as long as no statement that reads masked values has written to it: what comes out of it
then needs no mask. A view is clean as long as the policy and the catalogue say what they said when it was made.
"""

import re

from gateway.classify.learned import Learned
from gateway.classify.own import NOTHING
from gateway.scope import Ruling, Scope
from parser.facts import Facts

SAVEPOINTS_MAX = 1000  # of one transaction; behind them a rollback leaves only what is older than the transaction
_TEMPORARY = "pg_temp"
_ENDS_WITH_COMMIT = " on commit drop"
_FORGETTING = frozenset(("discard all", "discard temp", "discard temporary"))
_INDEX = re.compile(
    r'create (?:unique )?index (?:concurrently )?(?:([a-z_][a-z0-9_]*)|"([^"]+)") on ', re.IGNORECASE
)
_TABLES = ("CREATE TABLE", "CREATE TABLE AS", "SELECT INTO")
# Definitions after which rows of one table may be read or written through another.
_FAMILIES = re.compile(r"\b(inherit|inherits|partition|rule|trigger)\b", re.IGNORECASE)

Mark = tuple[int, object]  # the catalogue and the rights by which a view was found clean


class Temporaries:
    """See the module. `own` is replaced, never changed: scopes are kept by it. `lasting`: names that no rollback takes
    away."""

    __slots__ = ("_doubt", "_fleeting", "_marks", "_views", "lasting", "own")

    def __init__(self) -> None:
        self.own = NOTHING
        self.lasting = NOTHING.names
        self._fleeting = NOTHING.names  # those that go with the transaction
        self._marks: dict[str, frozenset[str]] = {}  # the names there were at each savepoint
        self._views: dict[str, Mark] = {}  # clean ones
        self._doubt = False  # something of the transaction failed or was taken back

    def completed(self, ruling: Ruling, scope: Scope) -> None:
        """A statement went through."""
        facts = ruling.facts
        first = facts.kinds[0]
        if ruling.moves_path or first.startswith("DISCARD"):  # code of somebody's own may have done anything to them
            kept = NOTHING if facts.shape.lower() in _FORGETTING else self.own.uncertain()
            self.own, self.lasting = kept, NOTHING.names
            return
        if first == "SAVEPOINT" and self.own.names and len(self._marks) < SAVEPOINTS_MAX:
            self._marks[facts.shape.split()[-1]] = self.own.names
        elif first.startswith("ROLLBACK"):
            self._doubt = True
            self.own = self.own.within(self.lasting | self._marks.get(facts.shape.split()[-1], frozenset()))
        if "ddl" in facts.effects or facts.creates:
            self._defined(ruling, first, scope)
        if facts.creates:
            self.sent(ruling)

    def _defined(self, ruling: Ruling, first: str, scope: Scope) -> None:
        facts, own = ruling.facts, self.own
        targets = frozenset(relation.name for relation in facts.writes)
        renamed = any(kind.endswith(" RENAME TO") for kind in facts.kinds)
        made = frozenset(relation.name for relation in facts.creates if relation.schema == _TEMPORARY)
        table = first in _TABLES or "SELECT INTO" in facts.kinds
        clean = table
        if first == "CREATE INDEX" and targets <= own.names:
            made = _index(facts)
        elif first == "CREATE VIEW" and made and _shows_nothing_masked(ruling):
            clean = True
            self._views.update((name, _mark(scope)) for name in made)
        elif renamed and not own.names.isdisjoint(targets):
            made = frozenset(relation.name for relation in facts.creates)
            table, clean = targets <= own.tables, targets <= own.clean & own.tables
        if renamed or first.startswith("DROP"):
            self.lasting -= targets
            own = own.within(own.names - targets)
        if made:
            own = own._replace(
                names=own.names | made,
                tables=own.tables | made if table else own.tables,
                clean=own.clean | made if clean else own.clean,
            )
            if _ENDS_WITH_COMMIT in facts.shape.lower():
                self._fleeting |= made
        if own.clean and _FAMILIES.search(facts.shape):
            own = own._replace(clean=frozenset())
        self.own = own

    def sent(self, ruling: Ruling) -> None:
        """A statement is about to run. What one that reads masked values writes to is clean no more, and what one writes to
        that reads unproven cells is unproven too, before the next text is read; behind anything but a plain table may stand
        one of ours."""
        own = self.own
        masked = bool(own.clean) and ruling.basis.reads_masked()
        if not own.clean or not (masked or ruling.basis.reads_unproven()):
            return
        facts = ruling.facts
        targets = {relation.name for relation in (*facts.writes, *facts.creates)}
        others = [one for one in facts.writes if one.name not in own.tables]
        catalog = ruling.basis.catalog
        plain = all(table.kind in "rp" for one in others for table in catalog.find(one.schema, one.name))
        plain = plain and not any(one.name in own.names for one in others)
        if masked:
            self.own = own._replace(clean=own.clean - targets if plain else frozenset())
        else:
            self.own = own._replace(unproven=own.unproven | (targets if plain else own.clean))

    def carry(self, one: Learned) -> None:
        """A statement is about to put labelled values into a relation of the session's making."""
        self.own = self.own.carrying(one.table, one.label, lasting=not one.sure)

    def pass_on(self) -> None:
        """Somebody else reads them from now on: what hid nothing of its writer may hide something of the next."""
        if self.own.clean:
            self.own = self.own._replace(clean=frozenset())

    def outdated(self, scope: Scope) -> bool:
        """Whether this scope says otherwise of views that were clean: they are so no more."""
        stale = [name for name, mark in self._views.items() if mark != _mark(scope)]
        if not stale:
            return False
        for name in stale:
            del self._views[name]
        clean = self.own.clean
        self.own = self.own._replace(clean=clean.difference(stale) | (clean & self.own.tables))
        return self.own.clean != clean

    def failed(self) -> None:
        """A statement failed: what its transaction made goes with it."""
        self._doubt = True

    def settled(self, *, ended: bool) -> None:
        """ReadyForQuery. `ended`: outside of a transaction."""
        if not ended:
            return
        if self._doubt:
            self.own = self.own.within(self.lasting)
        if self._fleeting:
            self.own = self.own.within(self.own.names - self._fleeting)
            self._fleeting = frozenset()
        self.lasting = self.own.names
        self._marks.clear()
        self._doubt = False


def _mark(scope: Scope) -> Mark:
    return scope.catalog.version, scope.rights


def _index(facts: Facts) -> frozenset[str]:
    """The name of an index that the statement gives it."""
    found = _INDEX.match(facts.shape)
    return frozenset({found[2] or found[1].lower()}) if found is not None else frozenset()


def _shows_nothing_masked(ruling: Ruling) -> bool:
    """Whether a view reads lasting relations alone, and of them nothing masked."""
    lasting = all(one.schema is not None and one.schema != _TEMPORARY for one in ruling.facts.reads)
    return lasting and not ruling.basis.reads_masked()
