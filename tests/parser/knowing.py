"""A database that the reader's tests know all of: relations with their columns, and functions."""

from dataclasses import dataclass, field

from parser.facts import Facts, Output, Relation
from parser.known import Body, Calls, Routine, Table
from parser.statements import read

TABLES = {
    "a": "id x y",
    "b": "id x z",
    "c": "id w",
    "customers": "id email city",
    "orders": "id customer_id total",
    "people": "id name",  # a view
}
TYPED = ("orders", "people")  # relations whose columns' types are known: one for each name


def routine(
    name: str,
    columns: tuple[str, ...] | None = (),
    *,
    schema: str = "pg_catalog",
    computes: bool = True,
    body: Body | None = None,
) -> Routine:
    language = "internal" if computes else "sql" if body is not None else "plpgsql"
    many = name not in ("lower", "count", "sum", "opaque")
    return Routine(schema, name, language, "i", False, many, schema == "pg_catalog", computes, columns, body)


_NO_FUNCTION = Body(frozenset({"read"}), (), (), frozenset(), frozenset(), ())
ROUTINES = (
    routine("generate_series"),
    routine("json_each", ("key", "value")),
    routine("json_array_elements", ("value",)),
    routine("json_to_record", None),
    routine("unnest", None),
    routine("lower"),
    routine("count"),
    routine("sum"),
    routine("opaque", (), schema="public", computes=False),
    routine("pairs", ("k", "v"), schema="public", computes=False),
)


@dataclass(slots=True)
class Shown:
    """All relations are in public. `made`: names that are not known."""

    extra: tuple[Routine, ...] = ()
    operators: Calls = field(default_factory=dict)
    casts: Calls = field(default_factory=dict)
    implicit: tuple[tuple[str, str], ...] = ()
    assigning: tuple[tuple[str, str], ...] = ()
    made: frozenset[str] = frozenset()

    def table(self, schema: str | None, name: str) -> Table | None:
        if schema not in (None, "public") or name not in TABLES or name in self.made:
            return None
        columns = tuple(TABLES[name].split())
        types = tuple(f"type of {column}" for column in columns) if name in TYPED else ()
        return Table(Relation("public", name), columns, frozenset(columns), name != "people", types)

    def routines(self, schema: str | None, name: str) -> tuple[Routine, ...]:
        found = (*ROUTINES, *self.extra)
        return tuple(one for one in found if one.name == name and schema in (None, one.schema))

    def after(self, facts: Facts) -> "Shown":
        return self


def facts(sql: str, known: Shown | None = None) -> Facts:
    """The facts of one statement, read completely."""
    (found,) = read(sql.encode(), known=known or Shown())
    assert found.complete, (sql, found.reason)
    return found


def flows(sql: str, known: Shown | None = None) -> list[str] | None:
    """What flows into each output, as `a.x b.x`, `!` in front where anything may."""
    found = facts(sql, known).outputs
    return None if found is None else [flow(output) for output in found]


def flow(output: Output) -> str:
    names = sorted(f"{column.relation.name}.{column.name}" for column in output.columns)
    return ("!" if output.opaque else "") + " ".join(names)
