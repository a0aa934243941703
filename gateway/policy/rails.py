"""The guardrails in force for somebody, found by what they look at: a statement asks only those that may speak of it.

A rule is kept under one of its conditions, that which fewest statements meet: a function, a column, a table, a kind. What is
found is asked again in full: a rule found in vain costs time, and one that is not found would be a hole. Of a wildcard the
ends are looked at, and what a name has found is remembered.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter

from gateway.policy.reach import Reach, ends, is_wild
from gateway.policy.rules import Guardrail
from parser.facts import Facts

NAMED_MAX = 100  # rules over one statement that cannot be read
_NAMES_MAX = 4096  # remembered by name in one index; a full memory starts anew
_COLUMN = "\0"  # between a table's name and its column's: no name holds it
_by_name: Callable[[Guardrail], str] = attrgetter("name")

Places = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement as rules are looked up for it. `kinds` are those that rules see; relations and columns are worked out when
    a rule looks at them."""

    facts: Facts
    kinds: tuple[str, ...]
    relations: Callable[[], Reach]
    columns: Callable[[], Reach]


class Rails:
    """All guardrails in force for a principal in the order of their names, in parts that principals share. `own` are the
    names of those that not everybody there has: with what everybody has they tell this set from others."""

    __slots__ = ("_parts", "_worst", "own")

    def __init__(self, parts: Iterable["RailIndex"], own: tuple[str, ...] = ()) -> None:
        self._parts = tuple(part for part in parts if part.rails)
        self._worst: dict[bool, tuple[Guardrail, ...]] = {}
        self.own = own

    def __len__(self) -> int:
        return sum(len(part.rails) for part in self._parts)

    def __iter__(self) -> Iterator[Guardrail]:
        return merge(*(part.rails for part in self._parts), key=_by_name)

    def worst(self, *, undeclared: bool) -> tuple[Guardrail, ...]:
        """Those to name over a statement that every one speaks of: the first to deny, the first to hold, and as many others
        as somebody would read; and those that count loops. `undeclared`: rules on what was declared speak too."""
        known = self._worst.get(undeclared)
        if known is None:
            speak = [rail for rail in self if undeclared or not rail.intent_mismatch]
            loops = [rail for rail in speak if rail.loop is not None]
            alone = [rail for rail in speak if rail.loop is None]
            first = [next((rail for rail in alone if rail.effect == effect), None) for effect in ("deny", "hold")]
            named = {rail.name: rail for rail in (*first, *loops, *alone[:NAMED_MAX]) if rail is not None}
            known = self._worst[undeclared] = tuple(sorted(named.values(), key=_by_name))
        return known

    def of(self, asked: Asked) -> Iterable[Guardrail]:
        """Those that may speak of the statement, in the order of their names; the others do not."""
        found = [part.of(asked) for part in self._parts]
        return found[0] if len(found) == 1 else merge(*found, key=_by_name)  # of none: nothing


class RailIndex:
    """Some guardrails, in the order of their names."""

    __slots__ = ("_columns", "_functions", "_kinds", "_tables", "_unfiltered", "_whole_rows", "rails")

    def __init__(self, rails: Iterable[Guardrail]) -> None:
        self.rails = tuple(rails)
        self._functions, self._tables, self._columns, self._whole_rows = _Names(), _Names(), _Names(), _Names()
        self._kinds: dict[str, list[int]] = {}  # by the first word; "*" are those that look at no name and no kind
        self._unfiltered: list[int] = []
        for place, rail in enumerate(self.rails):
            self._keep(place, rail)

    def _keep(self, place: int, rail: Guardrail) -> None:
        if rail.functions:
            self._functions.keep(place, (_bare(name.partition("(")[0]) for name in rail.functions))
        elif rail.columns:
            split = [name.rpartition(".") for name in rail.columns]
            self._columns.keep(place, (f"{_bare(table)}{_COLUMN}{name}" for table, _, name in split))
            self._whole_rows.keep(place, (_bare(table) for table, _, _ in split))
        elif rail.tables:
            self._tables.keep(place, map(_bare, rail.tables))
        elif rail.without_where:
            self._unfiltered.append(place)
        else:
            for word in dict.fromkeys(kind.partition(" ")[0] for kind in rail.statements or ("*",)):
                self._kinds.setdefault(word, []).append(place)

    def of(self, asked: Asked) -> list[Guardrail]:
        """Those of them that may speak of the statement."""
        found: set[int] = set(self._kinds.get("*", ()))
        for kind in asked.kinds:
            found.update(self._kinds.get(kind.partition(" ")[0], ()))
        if asked.facts.unfiltered:
            found.update(self._unfiltered)
        if self._functions:
            for _, name in asked.facts.functions:
                found.update(self._functions.of(name))
        if self._tables:
            reach = asked.relations()
            found.update(self._tables.every() if reach.unknown else ())
            for relation in reach.relations:
                found.update(self._tables.of(relation.name))
        if self._columns:
            found.update(self._of_columns(asked.columns()))
        return [self.rails[place] for place in sorted(found)]

    def _of_columns(self, reach: Reach) -> set[int]:
        if reach.unknown:
            return self._columns.every()
        found: set[int] = set()
        for column in reach.columns:
            table = column.relation.name
            if column.name == "*":
                found.update(self._whole_rows.of(table))
            else:
                found.update(self._columns.of(f"{table}{_COLUMN}{column.name}"))
        return found


class _Names:
    """Places of rules by the names that their patterns fit."""

    __slots__ = ("_known", "_plain", "_wild")

    def __init__(self) -> None:
        self._plain: dict[str, list[int]] = {}
        self._wild: list[tuple[str, str, int]] = []  # how a name must begin and end
        self._known: dict[str, Places] = {}

    def __bool__(self) -> bool:
        return bool(self._plain or self._wild)

    def keep(self, place: int, patterns: Iterable[str]) -> None:
        """One more rule, with its patterns."""
        for pattern in dict.fromkeys(patterns):
            if is_wild(pattern):
                self._wild.append((*ends(pattern), place))
            else:
                self._plain.setdefault(pattern, []).append(place)

    def of(self, name: str) -> Places:
        """The rules of which a pattern may fit the name."""
        plain = self._plain.get(name, ())
        if not self._wild:
            return tuple(plain)
        known = self._known.get(name)
        if known is None:
            wild = (place for begins, stops, place in self._wild if name.startswith(begins) and name.endswith(stops))
            known = tuple(dict.fromkeys((*plain, *wild)))
            if len(self._known) >= _NAMES_MAX:
                self._known.clear()
            self._known[name] = known
        return known

    def every(self) -> set[int]:
        """All rules."""
        return {place for places in self._plain.values() for place in places} | {place for *_, place in self._wild}


def _bare(name: str) -> str:
    return name.rpartition(".")[2]
