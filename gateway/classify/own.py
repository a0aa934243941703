"""The temporary relations of one session, by the bare names that certainly mean them now."""

from typing import NamedTuple

from gateway.classify.system import DERIVED

ALL = "*"
CARRIES_MAX = 1000


class Own(NamedTuple):
    """`names`: all of them, with indexes, sequences and views. `tables` and `clean` are among these: what is a table, and
    what holds or shows nothing that the session's principal may not see. `unproven`: those of them into which cells went
    that nobody labelled or proved clean. `carries`: (name, label, lasting) of what went into relations that the session
    made, certain or not; a lasting one counts until the catalogue shows it. The name ALL stands for every one."""

    names: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    clean: frozenset[str] = frozenset()
    carries: frozenset[tuple[str, str, bool]] = frozenset()
    unproven: frozenset[str] = frozenset()

    def within(self, names: frozenset[str]) -> "Own":
        """What is left of them when only these names are certain."""
        if self.names <= names:
            return self
        return Own(
            self.names & names, self.tables & names, self.clean & names, self.carries, self.unproven & names
        )

    def carrying(self, name: str, label: str, *, lasting: bool) -> "Own":
        """The same when values of this label have gone into one of them. Too many to be told apart, all carry anything."""
        if (name, label, lasting) in self.carries or (ALL, DERIVED, False) in self.carries:
            return self
        if len(self.carries) >= CARRIES_MAX:
            return self._replace(carries=frozenset(((ALL, DERIVED, False), (ALL, DERIVED, True))))
        return self._replace(carries=self.carries | {(name, label, lasting)})

    def uncertain(self) -> "Own":
        """What is left of them when no name is certain."""
        return Own(carries=self.carries) if self.carries else NOTHING


NOTHING = Own()
