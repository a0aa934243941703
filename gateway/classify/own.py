"""The temporary relations of one session, by the bare names that certainly mean them now."""

from typing import NamedTuple


class Own(NamedTuple):
    """`names`: all of them, with indexes, sequences and views. `tables` and `clean` are among these: what is a table, and
    what holds or shows nothing that the session's principal may not see."""

    names: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    clean: frozenset[str] = frozenset()

    def within(self, names: frozenset[str]) -> "Own":
        """What is left of them when only these names are certain."""
        if self.names <= names:
            return self
        return Own(self.names & names, self.tables & names, self.clean & names)


NOTHING = Own()
