"""How an approver says at the command line what is allowed besides."""

from collections.abc import Callable
from typing import Any

import click

from workers.cli import Duration, fail

Verb = Callable[..., None]


def allowance_options(verb: Verb) -> Verb:
    """The options of one."""
    verb = click.option("--scope", type=click.Choice(("task", "person")), help="Of the same task (default) or person.")(verb)
    verb = click.option("--for", "seconds", type=Duration(), metavar="2h", help="… for so long.")(verb)
    verb = click.option("--rows", type=click.IntRange(min=1), help="… that change at most so many rows in all, …")(verb)
    return click.option(
        "--times", type=click.IntRange(min=1), help="Allow so many of this shape, this one among them, …"
    )(verb)


def allowance(
    times: int | None, rows: int | None, seconds: int | None, scope: str | None
) -> dict[str, Any]:
    """The part of the body; ends the command where it is half an allowance."""
    if (times, rows, seconds, scope) == (None, None, None, None):
        return {}
    if times is None or rows is None or seconds is None:
        fail("an allowance says --times, --rows and --for", 2)
    return {"allowance": {"times": times, "rows": rows, "seconds": seconds, "scope": scope or "task"}}
