"""Our reader beside PostgreSQL's analyser: one statement at a time, and the tally over many."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
import trio

from gateway.classify.catalog import Catalog
from parser.facts import Column, Facts, Output, Relation
from parser.keywords import word_set
from tests.oracle.analysed import OPAQUE, Database, Flow, Node, lineage, nodes, queries
from workers.catalog import read as read_catalog

Verdict = Literal["less", "equal", "more"]

# PostgreSQL's own functions that read tables, files or large objects which their arguments only name.
READING = list(
    word_set(
        """
    query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema table_to_xml
    table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
    database_to_xml database_to_xmlschema database_to_xml_and_xmlschema ts_stat lo_get loread lo_export lo_import
    pg_read_file pg_read_binary_file pg_stat_get_activity pg_stat_get_backend_activity pg_prepared_statement
    pg_cursor pg_logical_slot_get_changes pg_logical_slot_peek_changes
        """
    )
)
_SYSTEM = {"tableoid": -6, "cmax": -5, "xmax": -4, "cmin": -3, "xmin": -2, "ctid": -1}

_FUNCTIONS = """
WITH foreign_code AS (
  SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
   WHERE (p.pronamespace <> ALL (ARRAY['pg_catalog', 'information_schema']::regnamespace[])
          AND l.lanname NOT IN ('internal', 'c'))
      OR (p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (%s))
)
SELECT oid::int8 FROM foreign_code
UNION SELECT a.aggfnoid::oid::int8 FROM pg_aggregate a JOIN foreign_code f
          ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn, a.aggminvtransfn)
"""
_COLUMNS = """
SELECT c.oid::int8, n.nspname::text, c.relname::text, pg_table_is_visible(c.oid), a.attnum::int4, a.attname::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't')
"""


_BODIES = """
SELECT p.oid::int8, p.prosqlbody::text, p.proname::text, p.prosrc,
       pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname = 'sql' AND p.prokind = 'f' AND p.proconfig IS NULL
   AND p.pronamespace <> ALL (ARRAY['pg_catalog', 'information_schema']::regnamespace[])
"""

# A body that is stored analysed cannot be polymorphic; what flows in it is the same for one type as for another.
_POLYMORPHIC = re.compile(r"\bany(?:compatible)?(element|nonarray|enum|array|range|multirange)?\b")
_EXAMPLES = (
    {"array": "integer[]", "range": "int4range", "multirange": "int4multirange", "": "integer"},
    {"array": "numeric[]", "range": "numrange", "multirange": "nummultirange", "": "numeric"},
    {"array": "text[]", "range": "int4range", "multirange": "int4multirange", "": "text"},
)


class Refused(Exception):
    """The analyser does not take the statement, or it returns no rows."""


class _OwnSession:
    """What the gateway reads a catalogue over, for a connection of the test's own."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    async def query(self, sql: str) -> list[list[bytes | None]]:
        """The rows of all statements of one message, in text format."""
        rows: list[list[bytes | None]] = []
        server = self._connection.pgconn
        server.send_query(sql.encode())
        while (result := server.get_result()) is not None:
            assert not result.error_message, result.error_message
            rows += [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]
        return rows


def catalog_of(connection: psycopg.Connection) -> Catalog:
    """The catalogue as the gateway reads it."""
    return trio.run(read_catalog, _OwnSession(connection), 1, ())


@dataclass(slots=True)
class Judge:
    """Asks a database what a statement's outputs are made of. The connection must be in autocommit mode."""

    connection: psycopg.Connection
    database: Database = field(init=False)
    _oids: dict[tuple[str | None, str], int] = field(init=False)
    _numbers: dict[int, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Reads the catalogue; to be called again when relations or functions were made."""
        ask = self.connection.execute
        self._oids, self._numbers = {}, {}
        for oid, schema, name, visible, number, column in ask(_COLUMNS):
            self._oids[schema, name] = oid
            if visible:
                self._oids[None, name] = oid
            numbers = self._numbers.setdefault(oid, {})
            if column is not None:
                numbers[column] = number
        named = "SELECT oid::int8 FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = %s"
        self.database = Database(
            columns={oid: frozenset((oid, n) for n in numbers.values()) for oid, numbers in self._numbers.items()},
            opaque=frozenset(oid for (oid,) in ask(_FUNCTIONS, [READING])),
            bodies={},
            operators=dict(ask("SELECT oid::int8, oprcode::oid::int8 FROM pg_operator").fetchall()),
            counting=frozenset(oid for (oid,) in ask(named, ["count"])),
            typing=frozenset(oid for (oid,) in ask(named, ["pg_typeof"])),
        )
        self._follow_bodies()

    def _follow_bodies(self) -> None:
        """What functions LANGUAGE sql return: they may call each other, so until nothing more is found."""
        bodies = self.database.bodies
        last: dict[int, Node] = {}
        for oid, analysed, name, source, arguments, result in self.connection.execute(_BODIES).fetchall():
            if not analysed and not source.strip():
                bodies[oid] = []  # nothing comes back: a call fails
                continue
            try:
                tree = nodes(analysed) if analysed else self._body(name, source, arguments, result)
                last[oid] = list(queries(tree))[-1]
            except (Refused, IndexError):
                continue  # stays opaque
        found: dict[int, list[Flow]] = {oid: [] for oid in last}
        grown = True
        while grown:
            bodies.update(found)
            again = {oid: lineage(query, self.database) or [] for oid, query in last.items()}
            grown, found = again != found, again

    def _body(self, name: str, source: str, arguments: str, result: str) -> Any:
        """The analyser's tree of a function's body that is stored as text. Raises Refused."""
        if not _POLYMORPHIC.search(arguments):
            return self._analysed(source, arguments, result, name)
        for example in _EXAMPLES:

            def typed(found: re.Match[str], example: dict[str, str] = example) -> str:
                return example.get(found[1] or "", example[""])

            try:
                return self._analysed(source, _POLYMORPHIC.sub(typed, arguments), _POLYMORPHIC.sub(typed, result), name)
            except Refused:
                continue
        raise Refused("not with any of the types tried")

    def _analysed(self, body: str, parameters: str, result: str, name: str = "the_judged") -> Any:
        """The analyser's tree of a function that is made for it and does not stay. Raises Refused."""
        quoted = '"' + name.replace('"', '""') + '"'
        made = f"CREATE FUNCTION pg_temp.{quoted} ({parameters}) RETURNS {result} LANGUAGE sql BEGIN ATOMIC\n{body}\n; END"
        stored = "SELECT prosqlbody::text FROM pg_proc WHERE pronamespace = pg_my_temp_schema() ORDER BY oid DESC LIMIT 1"
        try:
            cursor = self.connection.execute(f"BEGIN; {made}; {stored}".encode())
            while cursor.nextset():
                pass
            row = cursor.fetchone()
        except psycopg.Error as error:
            raise Refused(str(error)) from error
        finally:
            self.connection.execute("ROLLBACK")
        assert row is not None
        return nodes(row[0])

    def truth(self, statement: str) -> list[Flow]:
        """What flows into each output column. Raises Refused."""
        found = list(queries(self._analysed(statement, "", "SETOF record")))
        if len(found) != 1 or (flows := lineage(found[0], self.database)) is None:
            raise Refused("not one statement that returns rows")
        return flows

    def flow(self, output: Output) -> Flow:
        """Our output in the analyser's numbers, read as the masking reads it: a column that its relation has not drops out
        as long as another relation is listed that has one of the name; else it may be anything."""
        found: set[tuple[int, int]] = set(OPAQUE if output.opaque else ())
        names: dict[str, list[Flow | None]] = {}
        for column in output.columns:
            names.setdefault(column.name, []).append(self._column(column))
        for held in names.values():
            known = [flow for flow in held if flow is not None]
            found.update(*known, () if known else OPAQUE)
        return frozenset(found)

    def _column(self, column: Column) -> Flow | None:
        """None: the relation is not known, or has no such column."""
        oid = self._oid(column.relation)
        if oid is None:
            return None
        if column.name == "*":
            return self.database.columns[oid]
        number = self._numbers[oid].get(column.name, _SYSTEM.get(column.name))
        return None if number is None else frozenset({(oid, number)})

    def _oid(self, relation: Relation) -> int | None:
        schema = None if relation.schema == "pg_temp" else relation.schema
        return self._oids.get((schema, relation.name))

    def names(self, flow: Flow) -> str:
        """For people."""
        relations = {oid: name for (schema, name), oid in self._oids.items() if schema is not None}
        columns = {(oid, n): name for oid, numbers in self._numbers.items() for name, n in numbers.items()}
        columns |= {(oid, n): name for oid in relations for name, n in _SYSTEM.items()}
        names = ["anything" if pair == (0, 0) else f"{relations[pair[0]]}.{columns[pair]}" for pair in flow]
        return "{" + ", ".join(sorted(names)) + "}"

    def verdicts(self, truth: list[Flow], facts: Facts) -> list[Verdict]:
        """One verdict for each column. Where our count of columns differs all are less: places mean something else."""
        if facts.outputs is None:
            return ["more"] * len(truth)
        if len(facts.outputs) != len(truth):
            return ["less"] * max(1, len(truth))
        return [verdict(flow, self.flow(ours)) for flow, ours in zip(truth, facts.outputs, strict=True)]


def verdict(truth: Flow, ours: Flow) -> Verdict:
    if ours == truth or (ours >= OPAQUE and truth >= OPAQUE):
        return "equal"
    return "more" if ours >= truth or ours >= OPAQUE else "less"


@dataclass(slots=True)
class Tally:
    """Counts of verdicts over statements and columns. A statement is as bad as the worst of its columns."""

    judge: Judge
    statements: Counter[Verdict] = field(default_factory=Counter)
    columns: Counter[Verdict] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)  # by the analyser
    shown: dict[Verdict, list[str]] = field(default_factory=lambda: {"less": [], "more": [], "equal": []})

    def take(self, statement: str, truth: list[Flow], facts: Facts) -> Verdict:
        verdicts = self.judge.verdicts(truth, facts)
        worst: Verdict = next((one for one in ("less", "more") if one in verdicts), "equal")
        self.statements[worst] += 1
        self.columns.update(verdicts)
        if worst != "equal":
            self.shown[worst].append(self._described(statement, truth, facts, verdicts))
        return worst

    def _described(self, statement: str, truth: list[Flow], facts: Facts, verdicts: list[Verdict]) -> str:
        lines = [" ".join(statement.split())]
        if facts.outputs is None:
            lines.append(f"    no outputs: {facts.reason or 'not known'}")
        elif len(facts.outputs) != len(truth):
            lines.append(f"    {len(facts.outputs)} outputs, the analyser has {len(truth)}")
        else:
            for at, (flow, ours) in enumerate(zip(truth, facts.outputs, strict=True)):
                if verdicts[at] != "equal":
                    mine, names = self.judge.flow(ours), self.judge.names
                    lines.append(f"    {at + 1}: {verdicts[at]}: {names(mine)} for {names(flow)}")
        return "\n".join(lines)

    def add(self, other: "Tally") -> None:
        """Takes over what another tally counted."""
        self.statements.update(other.statements)
        self.columns.update(other.columns)
        self.refused += other.refused
        for one, texts in other.shown.items():
            self.shown[one] += texts

    def precision(self) -> float:
        """The part of the statements that are exactly as tainted as the analyser says."""
        return self.statements["equal"] / max(1, self.statements.total())

    def report(self, most: int = 20, verdicts: Iterable[Verdict] = ("less", "more")) -> str:
        lines = [
            f"statements {dict(self.statements)}, equal {self.precision():.2%}; columns {dict(self.columns)}, "
            f"equal {self.columns['equal'] / max(1, self.columns.total()):.2%}; "
            f"{len(self.refused)} refused by the analyser"
        ]
        for one in verdicts:
            lines += [f"--- {one} tainted: {len(self.shown[one])}", *self.shown[one][:most]]
        return "\n".join(lines)
