"""`sluice audit report`: the period's figures and exceptions, by control, as one page."""

import heapq
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from gateway.audit.controls import CATALOGUE, Framework
from gateway.audit.figures import Figures, Terms
from gateway.audit.query import Entry, moment
from gateway.audit.summary import report
from workers import audit_evidence, audit_trail
from workers.audit_group import audit_directories, stop, unreadable

_BATCH: Final = 2000  # entries between two looks at the clock
_KNOWN_DAYS: Final = 30  # before the period: what people used then is not a first access
_DAY_NS: Final = 86_400_000_000_000


@click.command("report")
@click.option("--framework", required=True, type=click.Choice(sorted(CATALOGUE)), help="Whose controls.")
@click.option("--since", default="90d", show_default=True, help="2026-01-31, 2026-01-31T10:00:00Z, or an age: 15m, 2h, 7d.")
@click.option("--until", default="0s", help="As --since; now where it is not given.")
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path),
              help="The page's file, or a directory for it; beside it goes the same as JSON.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The report as one object on standard output; a page only with --out.")
@click.option("--hours", default="7-19", show_default=True, metavar="FROM-TO", help="Working hours, Monday to Friday.")
@click.option("--zone", default="UTC", show_default=True, help="Whose hours: a time zone as in Europe/Oslo.")
@click.option("--bulk-rows", default=10_000, show_default=True, type=click.IntRange(min=1), help="A bulk read from here on.")
@click.option("--pub", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
              help="audit.pub of the gateway, got from somebody you trust.")  # fmt: skip
@click.option("--no-verify", is_flag=True, help="Leave out the proof of the trail, which reads all of it.")
@click.pass_context
def report_verb(
    context: click.Context, framework: Framework, since: str, until: str, out: Path | None, as_json: bool,
    hours: str, zone: str, bulk_rows: int, pub: str | None, no_verify: bool,
) -> None:  # fmt: skip
    """A page for auditors: what the trail evidences for each control of a framework, the period's figures, and the
    exceptions with their records. Exits 1 where the trail is not whole.
    """
    directories = audit_directories(context)
    now = time.time_ns()
    terms = _terms(now, since, until, hours, zone, bulk_rows)
    figures = Figures(terms)
    try:
        _read(figures, directories)
        trusted = audit_evidence.Trusted(context.obj[0], pub, named=bool(context.obj[1]))
        evidence = audit_evidence.gather(directories, trusted, not no_verify)
    except (OSError, ValueError) as error:
        unreadable(error)
    made = report(framework, figures, evidence, now)
    if as_json:
        click.echo(orjson.dumps(made))
    if not as_json or out is not None:
        try:
            page = _write(made, out or Path())
        except OSError as error:
            stop(f"the page cannot be written: {error}", 1)
        if not as_json:
            click.echo(f"{made['verdict']['text']}\n{page}")
    sys.exit(1 if made["verdict"]["grade"] == "bad" else 0)


def _terms(now: int, since: str, until: str, hours: str, zone: str, bulk_rows: int) -> Terms:
    try:
        period = moment(since, now), moment(until, now)
    except (ValueError, OverflowError):
        raise click.UsageError("--since and --until take 2026-01-31T10:00:00Z, 2026-01-31, 15m, 2h or 7d") from None
    if period[0] >= period[1]:
        raise click.UsageError("the period is empty: --since is not before --until")
    opens, _, closes = hours.partition("-")
    if not (opens.isdigit() and closes.isdigit() and 0 <= int(opens) < int(closes) <= 24):
        raise click.UsageError("--hours takes two full hours, as in 7-19")
    try:
        where: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise click.UsageError(f"--zone {zone}: no such time zone; UTC and names like Europe/Oslo are") from None
    return Terms(*period, where, int(opens), int(closes), bulk_rows)


def _read(figures: Figures, directories: Sequence[Path]) -> None:
    """One pass over the trails, with the records read so far on a terminal."""
    terms = figures.terms
    since = max(0, terms.since_ns - _KNOWN_DAYS * _DAY_NS)
    trails = [audit_trail.read_all(each, since, terms.until_ns) for each in directories]
    entries = heapq.merge(*trails, key=lambda each: each.time_ns)
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)
        while batch := _some(entries):
            figures.feed(batch)
            progress.update(task, description=f"read {figures.records:,} records")


def _some(entries: Iterator[Entry]) -> list[Entry]:
    return [each for each, _ in zip(entries, range(_BATCH), strict=False)]


def _write(made: dict[str, Any], out: Path) -> Path:
    """The page and its JSON, for their owner alone; where the page is."""
    from workers.report_page import render  # jinja2 takes a while, and --json needs none of it

    if out.is_dir():
        out /= f"sluice-{made['framework']}-{made['since'][:10]}-to-{made['until'][:10]}.html"
    page = out if out.suffix else out.with_suffix(".html")
    for path, content in (
        (page, render(made).encode()),
        (page.with_suffix(".json"), orjson.dumps(made, option=orjson.OPT_INDENT_2)),
    ):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
    return page
