"""The verb that shows how people decide."""

from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from workers.admin_client import ask
from workers.cli import Duration, config_option
from workers.operations_cli import json_option, moment, print_json, print_table


@click.command("stats")
@config_option
@json_option
@click.option("--since", default="7d", show_default=True, type=Duration(), help="How far to look back.")
def stats(config: str | None, as_json: bool, since: int) -> None:
    """Show how many requests there were, how fast they were decided, and how often without being read."""
    answer = ask(config, "GET", f"/v1/statistics/approvals/{since}")
    if as_json:
        print_json(answer)
        return
    click.echo(f"since {moment(answer['since'])}")
    print_table(_rules(answer["rules"]))
    print_table(_approvers(answer["approvers"]))
    shapes = Table("requests", "approved", "statement")
    for one in answer["shapes"]:
        shapes.add_row(str(one["requests"]), str(one["approved"]), escape(one["statement"]))
    print_table(shapes)


def _rules(rules: list[dict[str, Any]]) -> Table:
    counts = ("requests", "approved", "denied", "expired", "withdrawn", "waiting", "escalated", "remembered")
    table = Table("rule", *counts, "approved of decided", "median", "p95")
    for one in rules:
        times = (_seconds(one["median_seconds"]), _seconds(one["p95_seconds"]))
        table.add_row(escape(one["rule"]), *(str(one[key]) for key in counts), _share(one["approved_share"]), *times)
    return table


def _approvers(approvers: list[dict[str, Any]]) -> Table:
    counts = ("approved", "denied", "in_stead", "unread", "quick")
    titles = ("approved", "denied", "for others", "unread", "quick")
    table = Table("approver", *titles, "rubber-stamped", "approved of decided", "median", "p95", "through")
    for one in approvers:
        rates = (_share(one["rubber_stamp_rate"]), _share(one["approved_share"]))
        times = (_seconds(one["median_seconds"]), _seconds(one["p95_seconds"]))
        through = ", ".join(f"{how} {count}" for how, count in one["channels"].items())
        table.add_row(escape(one["approver"]), *(str(one[key]) for key in counts), *rates, *times, escape(through))
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
