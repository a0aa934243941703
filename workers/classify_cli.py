"""`sluice classify`: which columns of a database look sensitive, why, and how sure that is."""

import os
import sys
from typing import Any

import click
import orjson
import trio
from rich.console import Console
from rich.table import Table

from gateway.classify.catalog import Catalog
from gateway.classify.system import SYSTEM_SCHEMAS
from gateway.errors import Refusal
from gateway.policy.rules import Classify
from gateway.policy.table import PolicyTable
from gateway.settings import Database
from workers import configuration
from workers.cli import config_option, fail
from workers.configuration import Loaded
from workers.explanations import OWN_SESSION, read_catalog
from workers.targets import target
from workers.upstream import connect

SAMPLE_SECONDS = 60.0
_TYPES = """
SELECT a.attrelid, a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
"""
Types = dict[tuple[int, int], str]  # by the table's oid and the column's number


@click.command("classify")
@config_option
@click.option("--all", "every", is_flag=True, help="Also the columns in which nothing was found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("name", metavar="DB")
def classify_verb(config: str | None, every: bool, as_json: bool, name: str) -> None:
    """Show which columns of DB are sensitive, by what evidence, and how sure that is.

    A column without a label is scanned (its rows are looked into as they pass) unless a sample showed that it is clean.
    """
    loaded = configuration.load(configuration.find(config, os.environ), os.environ)
    database = loaded.settings.database(name)
    if database is None:
        fail(f'sluice.toml has no database "{name}"', 2)
    try:
        found = trio.run(_read, loaded, database, PolicyTable(loaded.policy).classify)
    except Refusal as refusal:
        fail(refusal.refused.message, 1)
    columns = rows(*found, every=every)
    if as_json:
        click.echo(orjson.dumps(columns, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(columns)


async def _read(loaded: Loaded, database: Database, corrections: tuple[Classify, ...]) -> tuple[Catalog, Types]:
    """Raises Refusal."""
    where = target(database, loaded.secrets, loaded.folder)
    upstream = await connect(where, OWN_SESSION)
    try:
        found = await read_catalog(upstream, where, loaded, corrections, SAMPLE_SECONDS)
        texts = [[(cell or b"").decode("utf-8", "replace") for cell in row] for row in await upstream.query(_TYPES)]
        return found, {(int(oid), int(number)): kind for oid, number, kind in texts}
    finally:
        await upstream.close()


def rows(found: Catalog, types: Types, *, every: bool) -> list[dict[str, Any]]:
    """One entry a column, of the database's own tables and views, in the order of their names: those with a label and those
    that are scanned, with `every` all."""
    tables = sorted(
        (table for table in found.tables.values() if table.schema not in SYSTEM_SCHEMAS and table.kind in "rpvmf"),
        key=lambda table: (table.schema, table.name),
    )
    return [
        {
            "schema": table.schema,
            "table": table.name,
            "column": column.name,
            "type": types.get((table.oid, column.number), ""),
            "label": column.label,
            "confidence": column.confidence,
            "evidence": list(column.evidence),
            "scan": column.scan or column.label == "free_text",
        }
        for table in tables
        if not table.schema.startswith("pg_")
        for column in table.columns
        if every or column.label is not None or column.scan
    ]


def _show(columns: list[dict[str, Any]]) -> None:
    table = Table("column", "type", "label", "sure", "evidence", "scanned")
    for one in columns:
        sure = f"{one['confidence']:.2f}" if one["label"] else ""
        place = f"{one['schema']}.{one['table']}.{one['column']}"
        scanned = "yes" if one["scan"] else ""
        table.add_row(place, one["type"], one["label"] or "", sure, "; ".join(one["evidence"]), scanned)
    Console(width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)
