"""`sluice audit disclosed`: every session that was shown one row of a table, or that changed it."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from gateway.audit.disclosed import Sought, Tally, names, to_json
from gateway.audit.query import Entry, moment
from gateway.errors import ConfigError
from gateway.masking.key_sets import Digester, Probe
from workers import configuration
from workers.audit_cli import visible
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_trail import DAMAGED, ChainFiles, chains, read_segment


@click.command()
@click.option("--table", required=True, help="schema.table, or table; of a partition, the partitioned table.")
@click.option(
    "--key", "parts", multiple=True, required=True, help="The row's primary key; once for each column, in the key's order."
)
@click.option("--since", default="", help="2026-01-31, 2026-01-31T10:00:00Z, or an age: 15m, 2h, 7d.")
@click.option("--until", default="", help="As --since.")
@click.option("--changed", is_flag=True, help="Who changed the row, rather than who was shown it.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, and a last one that sums up.")
@click.pass_context
def disclosed(
    context: click.Context, table: str, parts: tuple[str, ...], since: str, until: str, changed: bool, as_json: bool
) -> None:
    """Who was shown, or changed, one row of a table.

    The trail holds no key, only keyed digests of keys: this reads mask.key beside sluice.toml. How often a line is
    expected to be wrong, and which statements may have shown the row without its key, is said at the end.
    """
    now = time.time_ns()
    try:
        begin, end = (moment(text, now) if text else 0 for text in (since, until))
    except (ValueError, OverflowError):
        raise click.UsageError(
            "--since and --until take 2026-01-31T10:00:00Z, 2026-01-31, 15m, 2h or 7d"
        ) from None
    probe = Probe(_digester(context.obj[0]), parts)
    tally = Tally()
    try:
        wanted = [chain for each in audit_directories(context) for chain in _within(each, begin, end, tally)]
        with Progress(transient=True, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            found = [
                entry
                for chain in progress.track(wanted, description="searching")
                for entry in _search(chain, Sought(probe, table, tally, changed=changed, since=begin, until=end))
            ]
    except (OSError, ValueError, DAMAGED) as error:
        unreadable(error)
    rows = [to_json(entry) for entry in sorted(found, key=lambda entry: entry.time_ns)]
    _print(rows, _summary(rows, tally), table, as_json)


def _digester(config: str | None) -> Digester:
    try:
        return Digester(configuration.load_digest_key(configuration.find(config, os.environ), os.environ))
    except ConfigError as error:
        stop(str(error), 2)


def _within(directory: Path, since: int, until: int, tally: Tally) -> Iterator[ChainFiles]:
    for chain in chains(directory):
        first = chain.first()
        if first is None:
            tally.unreadable += bool(chain.segments())
            continue
        if chain.is_void() or chain.modified_ns() < since:
            continue
        if not until or first.time_ns < until:
            yield chain


def _search(chain: ChainFiles, sought: Sought) -> Iterator[Entry]:
    for number in chain.segments():
        yield from read_segment(chain, number, sought)
    yield from sought.unfinished()


def _summary(rows: list[dict[str, Any]], tally: Tally) -> dict[str, Any]:
    return {
        "statements": len(rows),
        "sessions": len({row["session"] for row in rows}),
        "sets_searched": tally.sets,
        "expected_false_matches": tally.expected_false,
        "chains_unreadable": tally.unreadable,
        "keys_not_known": dict(sorted(tally.unread.items())),
    }


def _print(rows: list[dict[str, Any]], summary: dict[str, Any], table: str, as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row))
        click.echo(orjson.dumps({"summary": summary}))
        return
    for row in rows:
        for line in _lines(row, table):
            click.echo(visible(line))
    click.echo(f"{summary['statements']} statements of {summary['sessions']} sessions")
    click.echo(f"expected to be wrong among them: {summary['expected_false_matches']:.1g}")
    if summary["chains_unreadable"]:
        click.echo(f"{summary['chains_unreadable']} chains could not be read: run `sluice audit verify`")
    for why, count in summary["keys_not_known"].items():
        click.echo(f"{count} more statements on the table may have met the row: {why}")


def _lines(row: dict[str, Any], table: str) -> Iterator[str]:
    """Who and when; what of the row; through which statement."""
    who = ">".join((row["user"], *row["actor"]))
    application = row["client"]["application"]
    through = f" through {application}" if application else ""
    yield f"{row['time']}  {who} on {row['database']}{through} ({row['session']})"
    masked = ", ".join(f"{_column(each['column'], table)} ({each['mask']})" for each in row["masked"])
    shown = {"masked": masked}
    shown |= {name: ", ".join(_column(column, table) for column in row[name]) for name in ("clear", "other")}
    yield "    " + "; ".join(f"{name}: {columns}" for name, columns in shown.items() if columns)
    yield f"    {row['status']}: {row['statement']}  {row['id']}"


def _column(name: str, table: str) -> str:
    """A column of the table by its own name, of another by its whole one."""
    of, _, column = name.rpartition(".")
    return column if names(of, table) else name
