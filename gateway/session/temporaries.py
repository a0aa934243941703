"""The session's own temporary relations: bare names that certainly mean one of them now.

pg_temp is searched before every other schema for relations (manual, section 20.11.1, search_path), so such a name cannot
mean anything else, and to drop or empty it touches nobody. What is not certain is left out: a rollback may have taken the
relation away, and the name then means another.
"""

from gateway.scope import Ruling

_TEMPORARY = "pg_temp"
_ENDS_WITH_COMMIT = " on commit drop"


class Temporaries:
    """See the module. `names` is replaced, never changed: scopes are kept by it."""

    __slots__ = ("_doubt", "_fleeting", "_lasting", "names")

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._lasting: frozenset[str] = frozenset()  # those that no rollback takes away
        self._fleeting: frozenset[str] = frozenset()  # those that go with the transaction
        self._doubt = False  # something of the transaction failed or was taken back

    def completed(self, ruling: Ruling) -> None:
        """A statement went through."""
        facts = ruling.facts
        first = facts.kinds[0]
        if ruling.moves_path or first.startswith("DISCARD"):  # code of somebody's own may have dropped any of them
            self.names = self._lasting = frozenset()
            return
        if first.startswith("ROLLBACK"):
            self._doubt = True
            self.names &= self._lasting
        if "ddl" not in facts.effects and not facts.creates:
            return
        self._leave({relation.name for relation in facts.writes} if first.startswith(("DROP", "ALTER")) else set())
        made = frozenset(relation.name for relation in facts.creates if relation.schema == _TEMPORARY)
        if made:
            self.names |= made
            if _ENDS_WITH_COMMIT in facts.shape.lower():
                self._fleeting |= made

    def failed(self) -> None:
        """A statement failed: what its transaction made goes with it."""
        self._doubt = True

    def settled(self, *, ended: bool) -> None:
        """ReadyForQuery. `ended`: outside of a transaction."""
        if not ended:
            return
        if self._doubt:
            self.names &= self._lasting
        self._leave(self._fleeting)
        self._lasting = self.names
        self._fleeting = frozenset()
        self._doubt = False

    def _leave(self, gone: frozenset[str] | set[str]) -> None:
        if not self.names.isdisjoint(gone):
            self.names -= gone
            self._lasting -= gone
