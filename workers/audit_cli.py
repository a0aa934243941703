"""`sluice audit`: follow, search and show the trail."""

import time
import unicodedata
from collections.abc import Iterable
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.audit.query import Entry, Filter, moment, timestamp, to_json
from workers import audit_trail
from workers.audit_group import audit_directory, stop, unreadable
from workers.audit_trail import Follower

_POLL_SECONDS = 0.2
_STYLES = {
    "allow": "green",
    "deny": "red",
    "hold": "yellow",
    "warn": "yellow",
    "ok": "green",
    "refused": "red",
}
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


@click.command()
@click.option(
    "-n", "count", default=10, show_default=True, type=click.IntRange(min=0), help="Records to start with."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_context
def tail(context: click.Context, count: int, follow: bool, as_json: bool) -> None:
    """The last records, and the next ones."""
    follower = Follower(audit_directory(context))
    console = Console(highlight=False, soft_wrap=True)
    try:
        _print(console, follower.start(count), as_json)
        while follow:
            time.sleep(_POLL_SECONDS)
            _print(console, follower.poll(), as_json)
    except KeyboardInterrupt:
        return
    except (OSError, ValueError) as error:
        unreadable(error)


@click.command()
@click.option("--user", default="", help="The person or machine.")
@click.option("--actor", default="", help="An agent anywhere in the chain that acts for the user.")
@click.option("--database", default="")
@click.option("--environment", default="")
@click.option("--table", default="", help="schema.table, or table.")
@click.option("--column", default="", help="schema.table.column, or its last parts; read, written or shown.")
@click.option("--decision", default="", type=click.Choice(["", "allow", "deny", "hold", "warn"]))
@click.option("--since", default="", help="2026-01-31, 2026-01-31T10:00:00Z, or an age: 15m, 2h, 7d.")
@click.option("--until", default="", help="As --since.")
@click.option("--session", default="")
@click.option("--approval", default="")
@click.option("--text", default="", help="In the statement, whatever the case.")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, oldest first.")
@click.pass_context
def query(
    context: click.Context, /, since: str, until: str, as_json: bool, limit: int | None, **wanted: str
) -> None:
    """Records that meet all the given conditions, by time."""
    now = time.time_ns()
    try:
        times = {name: moment(text, now) for name, text in (("since", since), ("until", until)) if text}
    except (ValueError, OverflowError):
        raise click.UsageError(
            "--since and --until take 2026-01-31T10:00:00Z, 2026-01-31, 15m, 2h or 7d"
        ) from None
    conditions: dict[str, Any] = {**wanted, **times}
    asked = Filter(**conditions)
    try:
        entries = audit_trail.read_all(audit_directory(context), asked.since, asked.until)
        found: Iterable[Entry] = (each for each in entries if asked.matches(each))
        if limit is not None:
            found = (each for each, _ in zip(found, range(limit), strict=False))
        console = Console(highlight=False, soft_wrap=True)
        if console.is_terminal and not as_json:
            console.print(_table(found), soft_wrap=False)
        else:
            _print(console, found, as_json)
    except (OSError, ValueError) as error:
        unreadable(error)


@click.command()
@click.argument("record")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_context
def show(context: click.Context, record: str, as_json: bool) -> None:
    """A record in full, with its intent or outcome."""
    try:
        found = audit_trail.find(audit_directory(context), record)
    except (OSError, ValueError) as error:
        unreadable(error)
    if not found:
        stop("no record has this id", 1)
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        _print(console, found, as_json)
        return
    for entry in found:
        for name, value in to_json(entry).items():
            console.print(Text(f"{name:16} "), Text(visible(_plain(value))), sep="")
        console.print()


def visible(text: str) -> str:
    """The text with what a terminal would act on (control characters, direction marks, invisible ones) spelt
    out.
    """
    if text.isprintable():
        return text
    return "".join(
        f"\\u{{{ord(each):x}}}" if unicodedata.category(each) in _HIDDEN else each for each in text
    )


def _print(console: Console, entries: Iterable[Entry], as_json: bool) -> None:
    for entry in entries:
        if as_json:
            click.echo(orjson.dumps(to_json(entry)))
        else:
            console.print(Text(" ").join(_cells(entry)))


def _cells(entry: Entry) -> list[Text]:
    """time, kind or status, who, where, what, id."""
    said, ruling, session = entry.outcome, entry.ruling, entry.session
    state = said.status if said is not None else (ruling.decision if ruling is not None else entry.kind)
    who = "-" if session is None else ">".join((session.user, *session.actors))
    where = "-" if session is None else session.database or "-"
    if ruling is None:
        what = _plain(entry.data)
    elif said is None:
        what = ruling.statement
    else:
        shown = f" {said.sqlstate}" if said.sqlstate else f" {said.rows} rows"
        masked = f", {len(entry.columns.masked)} masked" if entry.columns and entry.columns.masked else ""
        what = f"{said.command or ruling.statement}{shown}{masked}"
    kind = Text(f"{entry.kind}:{state}" if state != entry.kind else state, style=_STYLES.get(state, ""))
    rest = [Text(visible(each)) for each in (who, where, what)]
    return [Text(timestamp(entry.time_ns), style="dim"), kind, *rest, Text(entry.id, style="dim")]


def _table(entries: Iterable[Entry]) -> Table:
    table = Table(box=None, header_style="bold")
    for name in ("time", "what", "who", "database", "statement", "id"):
        table.add_column(name, overflow="ellipsis", no_wrap=name in ("time", "what", "id"))
    for entry in entries:
        table.add_row(*_cells(entry))
    return table


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)
    return "" if value is None else str(value)
