"""The temporary relations of one session, by the bare names that certainly mean them now."""

from typing import NamedTuple


class Own(NamedTuple):
    """`names`: all of them, with indexes, sequences and views. `tables` and `clean` are among these: what is a table, and
    what holds or shows nothing that the session's principal may not see. `carries`: (name, label, lasting) of what went into
    relations that the session made, certain or not; a lasting one counts until the catalogue shows it."""

    names: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    clean: frozenset[str] = frozenset()
    carries: frozenset[tuple[str, str, bool]] = frozenset()

    def within(self, names: frozenset[str]) -> "Own":
        """What is left of them when only these names are certain."""
        if self.names <= names:
            return self
        return Own(self.names & names, self.tables & names, self.clean & names, self.carries)

    def uncertain(self) -> "Own":
        """What is left of them when no name is certain."""
        return Own(carries=self.carries)


NOTHING = Own()
