"""Policy test files: what is expected of a policy, written beside it, and how an outcome compares with it.

A file may bring the tables and functions that its statements name; then it needs no database.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogFunction, CatalogTable
from gateway.classify.names import label
from gateway.errors import ConfigError, ConfigFault
from gateway.policy.builtin import DEFAULT_DENY
from gateway.policy.decision import STRICTNESS, Verdict
from gateway.policy.functions import HARMLESS
from gateway.policy.rules import Classify, Names, Text
from gateway.toml_source import Path, convert, fail, lines_of, nearest, nearest_line, parse
from parser.plpgsql import Plain
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE

# pg_type.oid by the names of types as people write them (manual, table 8.1).
TYPES = {
    "boolean": 16, "bool": 16, "bytea": 17, "name": 19, "bigint": 20, "int8": 20, "smallint": 21,
    "int2": 21, "integer": 23, "int": 23, "int4": 23, "text": 25, "oid": 26, "json": 114, "xml": 142, "point": 600,
    "cidr": 650, "real": 700, "float4": 700, "double precision": 701, "float8": 701, "money": 790, "macaddr": 829,
    "inet": 869, "character": 1042, "char": 1042, "character varying": 1043, "varchar": 1043, "date": 1082, "time": 1083,
    "timestamp": 1114, "timestamp without time zone": 1114, "timestamptz": 1184, "timestamp with time zone": 1184,
    "interval": 1186, "timetz": 1266, "time with time zone": 1266, "numeric": 1700, "decimal": 1700, "uuid": 2950,
    "tsvector": 3614, "jsonb": 3802, "text[]": 1009, "integer[]": 1007, "int[]": 1007, "jsonb[]": 3807, "uuid[]": 2951,
}  # fmt: skip
_VOLATILITY = {"immutable": "i", "stable": "s", "volatile": "v"}
_READS = Plain(frozenset(("read",)), frozenset(), frozenset(), frozenset())  # a function that is taken at its word
_MORE_BUILT_IN = frozenset(("current_setting", "pg_typeof", "pg_backend_pid", "inet_client_addr"))


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table the tests may name: "schema.table" (or "table", in public), and the type of each column in their order. `key`:
    the columns of a unique key."""

    name: Text
    columns: dict[str, str]
    key: Names = ()


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function of the database's own. As in CREATE FUNCTION, one that says nothing is volatile."""

    name: Text
    volatility: Literal["immutable", "stable", "volatile"] = "volatile"
    language: Text = "plpgsql"
    security_definer: bool = False


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement of one person, and what is to become of it. `masked` and `clear` name columns of its result.

    `issuer` "": the first of sluice.toml. `rule`: the grant or guardrail that decides, "": any. `intent`: what
    SET sluice.reason declared before.
    """

    name: Text
    user: Text
    database: Text
    sql: Text
    expect: Verdict
    groups: Names = ()
    actors: Names = ()
    issuer: str = ""
    rule: str = ""
    masked: Names = ()
    clear: Names = ()
    intent: str = ""
    estimated_rows: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    test: tuple[Expectation, ...] = ()
    table: tuple[Table, ...] = ()
    function: tuple[Function, ...] = ()


class Expectations(msgspec.Struct, frozen=True):
    """The tests of a file with the line of each. `alone`: the file has its own tables, so no database is asked."""

    file: str
    tests: tuple[Expectation, ...]
    lines: tuple[int, ...]
    tables: tuple[Table, ...]
    functions: tuple[Function, ...]

    @property
    def alone(self) -> bool:
        return bool(self.tables or self.functions)


def load(text: str, file: str) -> Expectations:
    """The tests of one file. Raises ConfigError for the first mistake."""
    read = convert(parse(text, file), _File, text, file)
    if not read.test:
        raise ConfigError(ConfigFault(file, 0, "test", "it holds no [[test]]", "write one, or leave the file out"))
    for index, table in enumerate(read.table):
        _table(table, ("table", index), text, file)
    for index, function in enumerate(read.function):
        _dotted(function.name, ("function", index, "name"), text, file)
    names: set[str] = set()
    for index, test in enumerate(read.test):
        if test.name in names:
            mend = "give each test a name of its own"
            fail(text, file, ("test", index, "name"), "another test has this name", mend)
        names.add(test.name)
        for key in ("masked", "clear"):
            if getattr(test, key) and test.expect in ("deny", "hold"):
                why = f'no column is shown of a statement that meets "{test.expect}"'
                fail(text, file, ("test", index, key), why, f"take {key} out")
    found = lines_of(text)
    lines = tuple(nearest_line(found, ("test", index)) for index in range(len(read.test)))
    return Expectations(file, read.test, lines, read.table, read.function)


def catalog(tests: Expectations, corrections: Sequence[Classify]) -> Catalog:
    """The catalogue of the file's own tables and functions, beside PostgreSQL's functions that only read."""
    labels = {column: rule.label for rule in sorted(corrections, key=_milder) for column in rule.columns}
    made = Catalog(0, {}, {}, {})
    for oid, table in enumerate(tests.tables, start=16384):
        schema, _, name = table.name.rpartition(".")
        columns = []
        for number, (column, kind) in enumerate(table.columns.items(), start=1):
            type_oid = TYPES[_plain(kind)]
            found = labels.get(f"{schema or 'public'}.{name}.{column}", label(column, name, type_oid))
            columns.append(CatalogColumn(number, column, type_oid, None if found == "none" else found))
        by_number = {one.number: one for one in columns}
        by_name = {one.name: one for one in columns}
        one = CatalogTable(oid, schema or "public", name, "r", tuple(columns), by_number, by_name)
        made.tables[oid] = one
        if table.key:
            made.keys[oid] = (frozenset(table.key),)
        made.names[name] = (*made.names.get(name, ()), one)
    for built_in in PURE | ABOUT_DEFINITIONS | COUNTING | HARMLESS | _MORE_BUILT_IN:
        made.functions[built_in] = (CatalogFunction("pg_catalog", built_in, "s", "internal", False, True),)
    for function in tests.functions:
        schema, _, name = function.name.rpartition(".")
        volatility = _VOLATILITY[function.volatility]
        own = CatalogFunction(
            schema or "public", name, volatility, function.language, function.security_definer, schema == "pg_catalog",
            plain=None if volatility == "v" else _READS,
        )  # fmt: skip
        made.functions[name] = (*made.functions.get(name, ()), own)
    return made


def failures(test: Expectation, outcome: dict[str, Any]) -> list[str]:
    """What differs from the expectation, in words; empty where nothing does.

    `outcome`: as `gateway.policy.explain` gives it, with "mask" in every column; with "sign_in" where nobody got that far.
    """
    if "sign_in" in outcome:
        expected = test.expect == "deny" and test.rule in ("", DEFAULT_DENY)
        return [] if expected else [f"expected {test.expect}, got: {outcome['sign_in']}"]
    statements = outcome["statements"]
    if not statements:
        return ["the text holds no statement"]
    worst = max(statements, key=lambda one: STRICTNESS[one["decision"]])
    decided, rule = worst["decision"], next(iter(worst["rules"]), "")
    found: list[str] = []
    if decided != test.expect:
        why = f": {worst['message']}" if worst["message"] else ""
        found.append(f'expected {test.expect}, got {decided} by "{rule}"{why}')
    elif test.rule and rule != test.rule:
        found.append(f'expected {decided} by "{test.rule}", got {decided} by "{rule}"')
    if any(one["wants_estimate"] for one in statements):
        found.append("the verdict depends on how many rows the planner expects: give estimated_rows")
    for mask, names in (("masked", test.masked), ("clear", test.clear)):
        for name in names:
            found += _column(name, mask, statements)
    return found


def _column(name: str, wanted: str, statements: Sequence[dict[str, Any]]) -> list[str]:
    if any(one["columns"] is None for one in statements):
        return [f'whether column "{name}" is {wanted} is known only when the server describes the result']
    columns = [column for one in statements for column in one["columns"]]
    held = [column for column in columns if column["name"] == name]
    if not held:
        there = ", ".join(column["name"] for column in columns) or "none"
        return [f'the result has no column "{name}"; its columns are: {there}']
    for column in held:
        if (column["mask"] == "clear") != (wanted == "clear"):
            mask = f"masked ({column['mask']})" if column["mask"] != "clear" else "clear"
            return [f'expected column "{name}" {wanted}, got {mask}']
    return []


def _table(table: Table, path: Path, text: str, file: str) -> None:
    _dotted(table.name, (*path, "name"), text, file)
    for kind in table.columns.values():
        if _plain(kind) not in TYPES:
            fail(text, file, (*path, "columns"), f'"{kind}" is not a type known here', nearest(_plain(kind), list(TYPES)))
    for index, name in enumerate(table.key):
        if name not in table.columns:
            fail(text, file, (*path, "key", index), "not one of the columns", nearest(name, list(table.columns)))


def _dotted(name: str, path: Path, text: str, file: str) -> None:
    if name.count(".") > 1 or "" in name.split(".") or "(" in name:
        fail(text, file, path, "not a name", 'write it as "name" or "schema.name"')


def _plain(kind: str) -> str:
    """The type's name without its length: "numeric(10,2)" is "numeric"."""
    head, bracket, rest = kind.partition("(")
    return " ".join(f"{head} {rest.partition(')')[2] if bracket else ''}".lower().split())


def _milder(rule: Classify) -> tuple[bool, str]:
    """Of several corrections of one column a label beats "none", then the alphabet decides: the strictest comes last."""
    return rule.label != "none", rule.label
