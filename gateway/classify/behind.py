"""What stands behind views and functions: their texts, read while the catalogue they belong to is built.

`Drafts` answers the parser's questions (parser.known.Known) from the rows of the catalogue queries. A function's body is
read when a text first calls it; one that calls itself, however far around, stays opaque where it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.classify.catalog import CatalogFunction
from gateway.classify.resolver import computes
from parser.facts import Column, Facts, Output, Relation
from parser.following import follow
from parser.known import SYSTEM_COLUMNS, Body, Calls, Routine, Table

_SYSTEM = "pg_catalog"
_TEMPORARY = "pg_temp"
_DEPTH_MAX = 20  # functions that call functions; what lies deeper is opaque


class BodyRow(NamedTuple):
    """A function LANGUAGE sql. `sql`: its statements, or what `pg_get_function_sqlbody` prints of a body that was `bound`
    when it was made; `parameters`: the names of those that come in; `path`: the search_path it sets, None for the
    session's."""

    function: CatalogFunction
    sql: bytes
    parameters: tuple[str, ...]
    bound: bool
    path: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Calling:
    """Operators and casts that call functions: see parser.known.Known."""

    operators: Calls = field(default_factory=dict)
    casts: Calls = field(default_factory=dict)
    implicit: tuple[tuple[str, str], ...] = ()
    assigning: tuple[tuple[str, str], ...] = ()


NO_CALLS = Calling()


@dataclass(slots=True)
class _Function:
    function: CatalogFunction
    row: BodyRow | None = None
    routine: Routine | None = None
    being_read: bool = False


class Drafts:
    """See the module. `tables`: (schema, name, kind, column names in their order)."""

    def __init__(
        self,
        tables: Iterable[tuple[str, str, str, tuple[str, ...]]],
        functions: Iterable[CatalogFunction],
        bodies: Iterable[BodyRow],
        calls: Calling,
    ) -> None:
        self.calls = calls
        self._depth = 0
        self._tables: dict[str, list[Table]] = {}
        for schema, name, kind, columns in tables:
            one = Table(Relation(schema, name), columns, frozenset(columns), kind != "v")
            self._tables.setdefault(name, []).append(one)
        self._functions: dict[str, list[_Function]] = {}
        for function in dict.fromkeys(functions):
            self._functions.setdefault(function.name, []).append(_Function(function))
        for row in bodies:
            self._functions.setdefault(row.function.name, []).append(_Function(row.function, row))

    def note_calls(self, schema: str, name: str, calls: frozenset[tuple[str | None, str]]) -> None:
        """The view of this name was read: reading it calls these functions."""
        tables = self._tables.get(name, [])
        for at, one in enumerate(tables):
            if one.relation.schema == schema:
                tables[at] = replace(one, calls=calls)

    def meant(self, path: tuple[str, ...] | None, schema: str | None, name: str) -> Table | None:
        """The one relation that a name can mean; see Resolver, whose rules these are."""
        found = self._tables.get(name, [])
        if schema is None and path != () and any((t.relation.schema or "").startswith(_TEMPORARY) for t in found):
            return None
        found = [one for one in found if _searched(path, schema, one.relation.schema or "")]
        return found[0] if len(found) == 1 else None

    def called(self, path: tuple[str, ...] | None, schema: str | None, name: str) -> tuple[Routine, ...]:
        """Every function that a call may mean, bodies read."""
        found = self._functions.get(name, ())
        return tuple(self._routine(one) for one in found if _searched(path, schema, one.function.schema))

    def functions(self) -> dict[str, tuple[CatalogFunction, ...]]:
        """All functions by bare name, with their bodies."""
        found = {}
        for name, functions in self._functions.items():
            for one in functions:
                self._routine(one)
            bodied = (
                replace(one.function, body=one.routine.body) if one.routine is not None else one.function
                for one in functions
            )
            found[name] = tuple(dict.fromkeys(bodied))
        return found

    def _routine(self, one: _Function) -> Routine:
        if one.routine is not None:
            return one.routine
        function = one.function
        body: Body | None = None
        if one.row is not None and not one.being_read and self._depth < _DEPTH_MAX:
            one.being_read = True
            self._depth += 1
            body = self._follow(one.row)
            self._depth -= 1
            one.being_read = False
        routine = Routine(
            function.schema, function.name, function.language, function.volatility, function.security_definer,
            function.returns_set, function.builtin, computes(function), function.columns, body,
        )  # fmt: skip
        if not one.being_read:
            one.routine = routine
        return routine

    def _follow(self, row: BodyRow) -> Body | None:
        names = (row.function.name, *row.parameters)
        if not row.bound:
            return follow(row.sql, names, Shown(self, row.path), bound=False)
        text = row.sql.strip()
        if text.startswith(b"BEGIN ATOMIC") and text.endswith(b"END"):
            text = text[len(b"BEGIN ATOMIC") : -len(b"END")]
        elif text.startswith(b"RETURN "):
            text = b"SELECT " + text[len(b"RETURN ") :]
        else:
            return None
        return follow(text, names, Shown(self, ()), bound=True)


class Shown:
    """The drafts as a text with this search_path sees them; () is that of what the server itself prints."""

    def __init__(self, drafts: Drafts, path: tuple[str, ...] | None) -> None:
        self._drafts = drafts
        self._path = path
        self.operators = drafts.calls.operators
        self.casts = drafts.calls.casts
        self.implicit = drafts.calls.implicit
        self.assigning = drafts.calls.assigning

    def table(self, schema: str | None, name: str) -> Table | None:
        """See Known."""
        return self._drafts.meant(self._path, schema, name)

    def routines(self, schema: str | None, name: str) -> tuple[Routine, ...]:
        """See Known."""
        return self._drafts.called(self._path, schema, name)

    def after(self, facts: Facts) -> "Shown":
        """See Known. Bodies that change what names mean are not followed at all."""
        return self


def _searched(path: tuple[str, ...] | None, schema: str | None, candidate: str) -> bool:
    if schema is not None:
        return candidate == schema
    return path is None or candidate == _SYSTEM or candidate in path


def base_columns(
    output: Output, bases: Mapping[Relation, Mapping[str, frozenset[Column] | None]]
) -> frozenset[Column] | None:
    """The base columns that may flow into an output. `bases`: for views, those of each of their columns; every other known
    relation has its columns mapped to themselves. None: not known."""
    found: set[Column] = set()
    if output.opaque:
        return None
    for column in output.columns:
        known = bases.get(column.relation)
        if known is None:
            return None
        if column.name in SYSTEM_COLUMNS and column.name not in known:
            continue  # holds no stored data
        for name in known if column.name == "*" else (column.name,):
            behind = known.get(name)
            if behind is None:
                return None
            found |= behind
    return frozenset(found)
