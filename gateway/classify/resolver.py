"""What names mean in one session: the catalogue seen through its search_path and its own temporary objects.

This is what the parser asks while it reads (parser.known.Known). It is made with a scope, costs nothing until it is asked,
and remembers its answers.
"""

from gateway.classify.catalog import Catalog, CatalogFunction, CatalogTable
from parser.facts import Facts, Relation
from parser.known import Calls, Routine, Table
from parser.routines import ABOUT_DEFINITIONS, COUNTING, EFFECTS, PURE

_SYSTEM = "pg_catalog"  # searched first unless the path names it (manual, section 5.10.5)
_STANDARD = "information_schema"
_TEMPORARY = "pg_temp"
_COMPUTING = PURE | ABOUT_DEFINITIONS | COUNTING
# Arrays of bool, bytea, "char", name, int8, int2, int4, text, oid, bpchar, varchar, float4, float8, inet, numeric, times,
# bit, varbit, uuid, json, jsonb, xml and cidr (pg_type.dat).
_ARRAYS = frozenset(
    (
        *(1000, 1001, 1002, 1003, 1016, 1005, 1007, 1009, 1028, 1014, 1015, 1021, 1022, 1041, 1231, 1182, 1183, 1270),
        *(1115, 1185, 1187, 1561, 1563, 2951, 199, 3807, 143, 651),
    )
)
_COMPILED = frozenset(("internal", "c"))  # only a superuser makes such functions
_MOVES_NAMES = frozenset(("search_path", "role", "session_authorization", "*"))  # "$user" follows the role


class Resolver:
    """See the module. `search_path`: the schemas in force in their order, "$user" already replaced; None: not known, so any
    schema may be meant. `made`: bare names of relations that the session made itself, which may shadow any other. `moved`:
    names of relations, in whatever schema, that it defined or changed since the catalogue was read.

    Where several schemas of the path have a relation of the name it is not known which is meant: the server passes over
    those that its role may not use.
    """

    def __init__(
        self,
        catalog: Catalog,
        search_path: tuple[str, ...] | None = None,
        made: frozenset[str] = frozenset(),
        moved: frozenset[str] = frozenset(),
    ) -> None:
        self._catalog = catalog
        self._path = search_path
        self._made = made
        self._moved = moved
        self._tables: dict[tuple[str | None, str], Table | None] = {}
        self._routines: dict[tuple[str | None, str], tuple[Routine, ...]] = {}

    @property
    def operators(self) -> Calls:
        """See Known."""
        return self._catalog.operators

    @property
    def casts(self) -> Calls:
        """See Known."""
        return self._catalog.casts

    @property
    def implicit(self) -> tuple[tuple[str, str], ...]:
        """See Known."""
        return self._catalog.implicit

    @property
    def assigning(self) -> tuple[tuple[str, str], ...]:
        """See Known."""
        return self._catalog.assigning

    def table(self, schema: str | None, name: str) -> Table | None:
        """See Known."""
        key = (schema, name)
        if key not in self._tables:
            found = self._meant(schema, name)
            self._tables[key] = _table(found) if found is not None else None
        return self._tables[key]

    def routines(self, schema: str | None, name: str) -> tuple[Routine, ...]:
        """See Known."""
        key = (schema, name)
        found = self._routines.get(key)
        if found is None:
            candidates = self._catalog.functions.get(name, ())
            found = tuple(self._routine(one) for one in candidates if self._searched(schema, one.schema))
            self._routines[key] = found
        return found

    def after(self, facts: Facts) -> "Resolver":
        """See Known."""
        moved = not facts.complete or "procedural" in facts.effects
        moved = moved or any(setting.name in _MOVES_NAMES for setting in facts.settings)
        made = {relation.name for relation in facts.creates if relation.schema == _TEMPORARY}
        changed: set[str] = set()
        if "ddl" in facts.effects:
            changed.update(relation.name for relation in (*facts.creates, *facts.writes))
        if not moved and not made and not changed:
            return self
        path = None if moved else self._path
        return Resolver(self._catalog, path, self._made | made, self._moved | (changed - made))

    def _searched(self, schema: str | None, candidate: str) -> bool:
        if schema is not None:
            return candidate == schema
        return self._path is None or candidate == _SYSTEM or candidate in self._path

    def _meant(self, schema: str | None, name: str) -> CatalogTable | None:
        """The one relation that the name can mean."""
        if name in self._moved or (schema is None and name in self._made):
            return None
        found = self._catalog.find(None, name)
        if schema is None and any(table.schema.startswith(_TEMPORARY) for table in found):
            return None  # it may be this session's
        found = tuple(table for table in found if self._searched(schema, table.schema))
        if len(found) > 1 and schema is None and self._path is not None and _SYSTEM not in self._path:
            found = tuple(table for table in found if table.schema == _SYSTEM) or found
        return found[0] if len(found) == 1 else None

    def _routine(self, function: CatalogFunction) -> Routine:
        body = function.body
        if body is not None and not (
            body.relies.isdisjoint(self._made)
            and self._moved.isdisjoint(relation.name for relation in (*body.reads, *body.writes))
        ):
            body = None
        return Routine(
            function.schema,
            function.name,
            function.language,
            function.volatility,
            function.security_definer,
            function.returns_set,
            function.builtin,
            computes(function),
            function.columns,
            body,
        )


def computes(function: CatalogFunction) -> bool:
    """Whether its result is made of its arguments alone: the server's own or compiled, and either immutable or known to."""
    if not function.builtin and function.language not in _COMPILED and function.schema != _STANDARD:
        return False
    return function.name in _COMPUTING or (function.volatility == "i" and function.name not in EFFECTS)


def _table(table: CatalogTable) -> Table:
    columns = tuple(column.name for column in table.columns)
    types = tuple(column.declared for column in table.columns)
    return Table(
        Relation(table.schema, table.name), columns, frozenset(columns), table.kind != "v",
        types if all(types) else (), table.calls,
        frozenset(column.name for column in table.columns if column.type_oid in _ARRAYS),
    )  # fmt: skip
