"""Samples of a database's rows, read on the gateway's own connection to tell what its columns hold. No value is kept or
logged.

Small statements in read-only transactions, each with a time limit and a short wait for locks, until a budget of seconds is
used up; what is left is looked at the next time. A table is read once: again only when it was rewritten or has grown to
twice its size, or had no rows. What cannot be read is not, and nothing is said of it.
"""

import datetime
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import trio

from gateway.classify.content import Finding, SampledColumn, judge
from gateway.classify.names import of_people
from gateway.errors import Unavailable

FIRST_SECONDS = 1.0  # sessions wait for the first reading
MOVED_SECONDS = 0.25  # and for that after a change of the catalogue
QUIET_SECONDS = 4.0  # nobody waits
ROWS = 120
_STATEMENT_MS = 250
_LOCK_MS = 50
_COLUMNS_MAX = 60  # of a table in one statement
_TEXT_CHARACTERS = 300
_DOCUMENT_CHARACTERS = 2000
_STORED_BYTES_MAX = 65536  # a value that takes more is not unpacked for a look at its beginning
_PAGES = 64  # larger tables are read here and there, smaller ones from their beginning

_OPENING = f"""
SET TRANSACTION READ ONLY;
SET LOCAL statement_timeout = {_STATEMENT_MS};
SET LOCAL lock_timeout = {_LOCK_MS};
SET LOCAL search_path = '';
SET LOCAL datestyle = 'ISO';
SET LOCAL max_parallel_workers_per_gather = 0;
"""

Row = list[bytes | None]


class Connection(Protocol):
    """The gateway's own session with a database."""

    async def query(self, sql: str) -> list[Row]:
        """The rows of all statements, in text format. Raises Unavailable."""


class Wanted(NamedTuple):
    """A column to look at: `kind` as in SampledColumn, `label` by what the catalogue says of it."""

    name: str
    kind: str
    label: str | None


class Table(NamedTuple):
    """A table to look at. `filenode` changes when it is rewritten; `pages` and `rows` are the server's estimates, 0 and -1
    where it has none."""

    oid: int
    schema: str
    name: str
    filenode: int
    pages: int
    rows: int
    columns: tuple[Wanted, ...]

    @property
    def state(self) -> tuple[object, ...]:
        """What must stay the same for a sample to be good still; sizes by powers of two."""
        return self.filenode, self.pages.bit_length(), max(self.rows, 0).bit_length(), self.columns


@dataclass(slots=True)
class Samples:
    """What was found in the tables of one database, by oid and column. `unfinished`: the budget did not reach all."""

    unfinished: bool = False
    _known: dict[int, tuple[tuple[object, ...], dict[str, Finding]]] = field(default_factory=dict)

    @property
    def hollow(self) -> bool:
        """Whether in some table nothing was seen: it was empty, or could not be read then."""
        return not all(found for _, found in self._known.values())

    async def look(
        self, connection: Connection, tables: Iterable[Table], seconds: float
    ) -> Mapping[int, Mapping[str, Finding]]:
        """Reads what is new among the tables, for so many seconds, and returns all that is known of them. Never raises. With
        QUIET_SECONDS and more, tables in which nothing was seen are looked at again."""
        wanted = {table.oid: table for table in tables}
        self._known = {
            oid: known for oid, known in self._known.items() if oid in wanted and known[0] == wanted[oid].state
        }
        again = seconds >= QUIET_SECONDS
        fresh = [
            table
            for table in wanted.values()
            if table.oid not in self._known or (again and not self._known[table.oid][1])
        ]
        fresh.sort(key=lambda table: (table.oid in self._known, not of_people(table.name), -table.pages, table.oid))
        end = time.monotonic() + seconds
        self.unfinished = False
        for table in fresh:
            if time.monotonic() >= end:
                self.unfinished = any(each.oid not in self._known for each in fresh)
                break
            self._known[table.oid] = (table.state, await _found(connection, table))
        return {oid: found for oid, (_, found) in self._known.items()}


async def _found(connection: Connection, table: Table) -> dict[str, Finding]:
    columns: list[SampledColumn] = []
    try:
        for at in range(0, len(table.columns), _COLUMNS_MAX):
            columns += await _read(connection, table, table.columns[at : at + _COLUMNS_MAX])
    except Unavailable:
        return {}
    seen = [column for column in columns if column.values]
    today = datetime.datetime.now(datetime.UTC).date()
    return await trio.to_thread.run_sync(partial(judge, table.name, seen, today)) if seen else {}


async def _read(connection: Connection, table: Table, columns: Sequence[Wanted]) -> list[SampledColumn]:
    """Raises Unavailable."""
    rows: list[Row] = []
    if table.pages > _PAGES:
        share = min(100.0, 100.0 * _PAGES / table.pages)
        rows = await connection.query(_statement(table, columns, f"TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (1)"))
    if not rows:
        rows = await connection.query(_statement(table, columns, ""))
    return [
        SampledColumn(
            column.name,
            column.kind,
            [cell.decode("utf-8", "replace") for row in rows if (cell := row[at])],
            column.label,
            len(rows) < ROWS and table.pages <= _PAGES,
        )
        for at, column in enumerate(columns)
    ]


def _statement(table: Table, columns: Sequence[Wanted], sample: str) -> str:
    values = ", ".join(map(_value, columns))
    place = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    return f"{_OPENING} SELECT {values} FROM ONLY {place} {sample} LIMIT {ROWS}"  # noqa: S608 - names, quoted


def _value(column: Wanted) -> str:
    name = _quoted(column.name)
    if column.kind in ("number", "date"):
        return f"{name}::pg_catalog.text"
    length = _DOCUMENT_CHARACTERS if column.kind == "document" else _TEXT_CHARACTERS
    small = f"pg_catalog.pg_column_size({name}) < {_STORED_BYTES_MAX}"
    return f"CASE WHEN {small} THEN pg_catalog.substr({name}::pg_catalog.text, 1, {length}) END"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
