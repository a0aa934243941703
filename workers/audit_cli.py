"""`sluice audit`: follow and show the trail."""

import time
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.text import Text

from gateway.audit.filters import Filter
from gateway.audit.query import Entry, timestamp, to_json
from workers import audit_trail
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_options import conditions, searching
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
@conditions
@click.pass_context
def tail(context: click.Context, /, count: int, follow: bool, as_json: bool, asked: Filter) -> None:
    """The last records, and the next ones; those that meet all the given conditions."""
    directories = audit_directories(context)
    followers = [Follower(each) for each in directories]
    console = Console(highlight=False, soft_wrap=True)
    try:
        last = _last(directories, followers, count, asked)
        print_entries(console, last, as_json)
        shown = {entry.id for entry in last}  # what was written between the followers' start and the search
        while follow:
            time.sleep(_POLL_SECONDS)
            new = [entry for each in followers for entry in each.poll() if asked.matches(entry)]
            fresh = (entry for entry in new if entry.id not in shown)
            print_entries(console, sorted(fresh, key=lambda entry: entry.time_ns), as_json)
    except KeyboardInterrupt:
        return
    except (OSError, ValueError) as error:
        unreadable(error)


def _last(directories: list[Path], followers: list[Follower], count: int, asked: Filter) -> list[Entry]:
    """The last `count` records asked for; the followers then go on behind them."""
    if asked == Filter():
        shown = [entry for each in followers for entry in each.start(count)]
        return sorted(shown, key=lambda entry: entry.time_ns)[-count:] if count else []
    for each in followers:
        each.start(0)
    with searching(directories, asked, prints=True) as search:
        return list(search.newest(count))[::-1]


@click.command()
@click.argument("record")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_context
def show(context: click.Context, record: str, as_json: bool) -> None:
    """A record in full, with its intent or outcome."""
    try:
        found = [entry for each in audit_directories(context) for entry in audit_trail.find(each, record)]
    except (OSError, ValueError) as error:
        unreadable(error)
    if not found:
        stop("no record has this id", 1)
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        print_entries(console, found, as_json)
        return
    for entry in found:
        for name, value in to_json(entry).items():
            console.print(Text(f"{name:16} "), Text(visible(plain(value))), sep="")
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


def print_entries(console: Console, entries: Iterable[Entry], as_json: bool) -> None:
    """A line each, as they come."""
    for entry in entries:
        if as_json:
            click.echo(orjson.dumps(to_json(entry)))
        else:
            console.print(Text(" ").join(cells(entry)))


def cells(entry: Entry) -> list[Text]:
    """time, kind or status, who, where, what, id."""
    said, ruling, session = entry.outcome, entry.ruling, entry.session
    state = said.status if said is not None else (ruling.decision if ruling is not None else entry.kind)
    who = "-" if session is None else ">".join((session.user, *session.actors))
    where = "-" if session is None else session.database or "-"
    if ruling is None:
        what = plain(entry.data)
    elif said is None:
        what = ruling.statement
    else:
        shown = f" {said.sqlstate}" if said.sqlstate else f" {said.rows} rows"
        masked = f", {len(entry.columns.masked)} masked" if entry.columns and entry.columns.masked else ""
        what = f"{said.command or ruling.statement}{shown}{masked}"
    kind = Text(f"{entry.kind}:{state}" if state != entry.kind else state, style=_STYLES.get(state, ""))
    rest = [Text(visible(each)) for each in (who, where, what)]
    return [Text(timestamp(entry.time_ns), style="dim"), kind, *rest, Text(entry.id, style="dim")]


def plain(value: Any) -> str:
    """A value of a record as text for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(plain(each) for each in value)
    return "" if value is None else str(value)
