"""The conditions that verbs of `sluice audit` share, and the search they make."""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from gateway.audit.filters import DECISIONS, KINDS, STATUSES, Filter
from gateway.audit.literals import literal_digest
from gateway.audit.query import moment
from workers.audit_group import digest_key
from workers.audit_search import Search

_WHEN = "2026-01-31, 2026-01-31T10:00:00Z, or an age: 15m, 2h, 7d."
_TEXTS = {  # option: what `--help` says of it
    "user": "The person or machine.",
    "actor": "An agent anywhere in the chain that acts for the user.",
    "group": "A group the token named.",
    "issuer": "Who issued the token, by its name in sluice.toml.",
    "token": "The token's id (jti).",
    "model": "The model the agent says it is.",
    "run": "The run or task the agent is on.",
    "session": "",
    "client": "Address, address:port or network (10.0.0.0/8).",
    "application": "",
    "database": "",
    "environment": "",
    "role": "The role on the server.",
    "table": "schema.table, or table.",
    "column": "schema.table.column, or its last parts; read, written or shown.",
    "label": "A label of these columns.",
    "rule": "A rule that decided.",
    "grant": "The grant it ran under.",
    "fingerprint": "The statement's shape.",
    "statement-kind": "UPDATE, DROP TABLE, or first words: DROP.",
    "text": "In the statement, whatever the case.",
    "approval": "",
    "ticket": "The declared ticket.",
    "reason": "In the declared reason, whatever the case.",
    "sqlstate": "How it failed.",
    "masked": "A column that was handed out masked.",
    "clear": "A column that was handed out in clear.",
}


def times(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --since and --until; the command gets `since` and `until` in nanoseconds, 0 where not given."""

    @functools.wraps(command)
    def timed(*arguments: Any, since: str, until: str, **rest: Any) -> Any:
        now = time.time_ns()
        try:
            begin, end = (moment(text, now) if text else 0 for text in (since, until))
        except (ValueError, OverflowError):
            raise click.UsageError(
                "--since and --until take 2026-01-31T10:00:00Z, 2026-01-31, 15m, 2h or 7d"
            ) from None
        return command(*arguments, since=begin, until=end, **rest)

    return click.option("--since", default="", help=_WHEN)(click.option("--until", default="", help="As --since.")(timed))


def conditions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds every condition; the command gets `asked`, a Filter."""

    @times
    @functools.wraps(command)
    def asking(*arguments: Any, **given: Any) -> Any:
        wanted = {name: given.pop(name) for name in (each.replace("-", "_") for each in _TEXTS)}
        try:
            asked = Filter(
                **wanted,
                kinds=tuple(given.pop("kind")),
                tags=tuple(_tag(each) for each in given.pop("tag")),
                literal=_literal(given.pop("literal_digest"), given.pop("literal")),
                **{name: given.pop(name) for name in ("decision", "status", "policy", "min_rows", "since", "until")},
            )
        except ValueError as wrong:
            raise click.UsageError(str(wrong)) from None
        return command(*arguments, asked=asked, **given)

    options = [
        click.option("--kind", multiple=True, type=click.Choice(KINDS), help="More than one may be given."),
        *(click.option(f"--{name}", default="", help=text) for name, text in _TEXTS.items()),
        click.option("--decision", default="", type=click.Choice(["", *DECISIONS]), metavar="|".join(DECISIONS)),
        click.option("--status", default="", type=click.Choice(["", *STATUSES]), metavar="|".join(STATUSES)),
        click.option("--min-rows", default=0, type=click.IntRange(min=0), help="Outcomes of at least so many rows."),
        click.option("--policy", default=0, metavar="GENERATION", type=click.IntRange(min=0)),
        click.option("--tag", multiple=True, metavar="NAME=VALUE", help="Of the statement's comment; all must be there."),
        click.option("--literal", metavar="VALUE", help="A literal or parameter of the statement; needs the mask.key."),
        click.option("--literal-digest", default="", metavar="DIGEST", help="As `literals` of a record shows it."),
    ]
    for option in reversed(options):
        asking = option(asking)
    return asking


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("--tag takes NAME=VALUE")
    return name, value


def _literal(text: str, value: str | None) -> bytes:
    if value is not None:
        return literal_digest(digest_key(click.get_current_context()), value)
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b"?"
    if digest and len(digest) != 8:
        raise ValueError("--literal-digest takes a digest of 16 hexadecimal digits, as `literals` of a record shows it")
    return digest


@contextmanager
def searching(
    directories: list[Path], asked: Filter, *, indexed: bool = True, prints: bool = False
) -> Iterator[Search]:
    """A search whose progress stands on a terminal, and whose troubles on standard error. `prints`: what is found is
    printed at once, so that progress ends with the choice of segments.
    """
    with Progress(transient=True, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("segments", total=None)

        def seen(total: int, done: int) -> None:
            progress.update(task, total=total, completed=done)

        search = Search(directories, asked, told=lambda text: click.echo(text, err=True), seen=seen, indexed=indexed)
        if prints:
            progress.stop()
        yield search
