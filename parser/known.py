"""What a reader may ask of the database that a statement is for: relations, functions, operators and casts by name.

The parser knows no catalogue. Whoever has one hands the reader something of this shape; without it names alone decide.
"""

from dataclasses import dataclass, field
from typing import Protocol

from parser.facts import Column, Effect, Facts, Output, Relation, Use

# Every table has them (manual, section 5.6); they hold no stored data, but `*` leaves them out.
SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))


@dataclass(frozen=True, slots=True)
class Table:
    """A relation that a name is proven to mean. `columns` in the order of `*`; `types` beside them: equal texts are equal
    types, () where they are not known. `system`: it has the system columns too. `calls`: functions that run when it is
    read, because it is a view. `arrays`: columns that are arrays of values without fields."""

    relation: Relation  # with its schema
    columns: tuple[str, ...]
    names: frozenset[str] = field(repr=False)
    system: bool = True
    types: tuple[str, ...] = ()
    calls: frozenset[tuple[str | None, str]] = frozenset()
    arrays: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Body:
    """What a function LANGUAGE sql was read to do: all that its body's statements do together.

    `outputs`: its result, one for each column, or one that stands for all of them. `relies`: bare names of relations in
    it that the session of the call resolves. `kinds`, `changes`, `unfiltered`, `stored` and `uses`: as in Facts. None of it
    names parameters: what they carry is the call's business.
    """

    effects: frozenset[Effect]
    reads: tuple[Relation, ...]
    writes: tuple[Relation, ...]
    functions: frozenset[tuple[str | None, str]]
    columns_read: frozenset[Column]
    outputs: tuple[Output, ...]
    relies: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = ()
    changes: int = 0
    unfiltered: bool = False
    uses: tuple[Use, ...] = ()
    stored: tuple[tuple[Column, Output], ...] = ()


@dataclass(frozen=True, slots=True)
class Routine:
    """One function of a name.

    `computes`: its result is made of its arguments alone (or of definitions, the clock, chance). `columns`: the names of
    its result's columns; () for one value without a name of its own, None where the call decides or it is not known.
    `body`: of a function LANGUAGE sql that was read completely.
    """

    schema: str
    name: str
    language: str
    volatility: str  # i, s or v as in pg_proc
    security_definer: bool
    returns_set: bool
    builtin: bool  # in pg_catalog
    computes: bool
    columns: tuple[str, ...] | None = None
    body: Body | None = None


class Known(Protocol):
    """One database, as one session's search_path and temporary objects show it.

    `operators`: by symbol, the functions (schema, name) behind operators that are not PostgreSQL's own. `casts`: the same by
    the bare name of the type that a cast leads to. `implicit`: the functions of such casts that run without being
    written; `assigning`: of those that run when a value is stored.
    """

    @property
    def operators(self) -> "Calls": ...

    @property
    def casts(self) -> "Calls": ...

    @property
    def implicit(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def assigning(self) -> tuple[tuple[str, str], ...]: ...

    def table(self, schema: str | None, name: str) -> Table | None:
        """The relation that the name means, or None: not known, so nothing is proven of it."""

    def after(self, facts: Facts) -> "Known":
        """What names mean to the statements behind this one in the same text."""

    def routines(self, schema: str | None, name: str) -> tuple[Routine, ...]:
        """Every function that a call may mean, whatever its arguments. None of them: not known."""


Calls = dict[str, tuple[tuple[str, str], ...]]
