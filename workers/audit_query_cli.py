"""`sluice audit query`: search the trail, and count what is found."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import click
import orjson
from rich.console import Console

from gateway.audit.filters import Filter
from gateway.audit.grouping import FIELDS, Count, Groups, TooManyGroups
from gateway.audit.query import Entry, timestamp
from workers.audit_cli import cells, print_entries, visible
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_options import conditions, searching
from workers.audit_tables import print_table

_TABLE_ROWS = 200  # more are printed a line each, as they come


@click.command()
@conditions
@click.option("--count", "counts", is_flag=True, help="Only how many.")
@click.option("--group-by", "groups", default="", metavar="FIELD,…", help="Counts by user, table, rule, hour, tag:NAME, …")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--reverse", is_flag=True, help="Newest first.")
@click.option("--no-index", is_flag=True, help="Read every segment, whatever its index says.")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_context
def query(
    context: click.Context,
    /,
    asked: Filter,
    counts: bool,
    groups: str,
    limit: int | None,
    reverse: bool,
    no_index: bool,
    as_json: bool,
) -> None:
    """Records that meet all the given conditions, by time."""
    fields = _fields(groups)
    console = Console(highlight=False, soft_wrap=True)
    try:
        directories = audit_directories(context)
        aggregates = counts or bool(fields)
        with searching(directories, asked, indexed=not no_index, prints=not aggregates) as search:
            if not aggregates:
                found = search.newest(limit) if reverse else islice(search.entries(), limit)
                _print_found(console, found, as_json)
            elif fields:
                grouped = _grouped(search.entries(), fields)
            else:
                total = _counted(search.entries())
        if fields:
            _print_groups(grouped, limit, as_json)
        elif counts:
            _print_total(total, as_json)
    except TooManyGroups as many:
        stop(f"{many}: narrow the question, with --since for one", 2)
    except (OSError, ValueError) as error:
        unreadable(error)


def _fields(text: str) -> list[str]:
    fields = [each.strip() for each in text.split(",") if each.strip()]
    for each in fields:
        if each not in FIELDS and not each.startswith("tag:"):
            raise click.UsageError(f"--group-by knows no {each}; it knows {', '.join(FIELDS)} and tag:NAME")
    return fields


def _grouped(entries: Iterable[Entry], fields: list[str]) -> Groups:
    groups = Groups(fields)
    for entry in entries:
        groups.add(entry)
    return groups


def _counted(entries: Iterable[Entry]) -> Count:
    total = Count()
    for entry in entries:
        total.add(entry)
    return total


def _print_found(console: Console, found: Iterator[Entry], as_json: bool) -> None:
    """A table where there are few and people look on, else line by line."""
    if as_json or not console.is_terminal:
        print_entries(console, found, as_json)
        return
    first = list(islice(found, _TABLE_ROWS + 1))
    if len(first) > _TABLE_ROWS:
        print_entries(console, chain(first, found), as_json)
        return
    names = ("time", "what", "who", "database", "statement", "id")
    print_table(names, map(cells, first), ("time", "what", "id"))


def _print_total(total: Count, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(total.to_json()))
        return
    span = f", {timestamp(total.first_ns)} to {timestamp(total.last_ns)}" if total.records else ""
    counts = f"{total.intents} intents, {total.outcomes} outcomes, {total.rows} rows, {total.nbytes} bytes"
    click.echo(f"{total.records} records: {counts}{span}")


def _print_groups(groups: Groups, limit: int | None, as_json: bool) -> None:
    if as_json:
        for key, count in groups.largest()[:limit]:
            click.echo(orjson.dumps(dict(zip(groups.fields, key, strict=True)) | count.to_json()))
        return
    figures = ("records", "intents", "outcomes", "rows", "bytes", "first", "last")
    rows = []
    for key, count in groups.largest()[:limit]:
        shown = count.to_json()
        rows.append([*map(visible, key), *(str(shown[name]) for name in figures)])
    print_table((*groups.fields, *figures), rows, ("first", "last"))
