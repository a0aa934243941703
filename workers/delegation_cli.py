"""Verbs for rights to decide that are lent: lend yours, see what is lent, take it back."""

import datetime

import click
from rich.markup import escape
from rich.table import Table

from workers.admin_client import ask, part
from workers.cli import config_option, fail
from workers.operations_cli import json_option, moment, print_json, print_table


@click.command("delegate")
@config_option
@json_option
@click.option("--to", required=True, metavar="USER", help="Who decides in your stead, as tokens name him.")
@click.option("--issuer", default="", help="The issuer of his tokens; else yours.")
@click.option("--from", "since", default="", metavar="TIME", help="From when, as 2026-12-01 or 2026-12-01T08:00; else now.")
@click.option("--until", required=True, metavar="TIME", help="Until when; a day alone ends with it. Both are UTC.")
@click.option("--rule", default="", help="One approval rule; else all that name you.")
@click.option("--reason", required=True, help="Why: leave, a rota.")
def delegate(
    config: str | None, as_json: bool, to: str, issuer: str, since: str, until: str, rule: str, reason: str
) -> None:
    """Lend your right to approve to somebody else for a time. Prints the delegation's id."""
    body = {
        "to": to, "issuer": issuer, "since": seconds(since) if since else 0.0, "until": seconds(until, end=True),
        "rule": rule, "reason": reason,
    }  # fmt: skip
    answer = ask(config, "POST", "/v1/delegations", body)
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["delegation"]["id"])


@click.group("delegations")
def delegations() -> None:
    """Rights to approve that are lent."""


@delegations.command("list")
@config_option
@json_option
def list_verb(config: str | None, as_json: bool) -> None:
    """List what you have lent, and what was lent to you."""
    answer = ask(config, "GET", "/v1/delegations")
    if as_json:
        print_json(answer)
        return
    table = Table("id", "state", "from", "to", "rules", "since", "until", "reason")
    for one in answer["delegations"]:
        to, rules = f"{one['to']} ({one['to_issuer']})", ", ".join(one["rules"])
        cells = (one["id"], one["state"], one["by"], to, rules, moment(one["since"]), moment(one["until"]), one["reason"])
        table.add_row(*map(escape, cells))
    print_table(table)


@delegations.command("revoke")
@config_option
@json_option
@click.option("--reason", default="", help="Why; for the record.")
@click.argument("delegation_id", metavar="ID")
def revoke(config: str | None, as_json: bool, reason: str, delegation_id: str) -> None:
    """Take it back, or give it back."""
    answer = ask(config, "POST", f"/v1/delegations/{part(delegation_id)}/revoke", {"reason": reason})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{delegation_id}: {answer['delegation']['state']}")
    if not answer["recorded"]:
        click.echo("sluice: it is not on record yet: see `sluice status`", err=True)


def seconds(text: str, *, end: bool = False) -> float:
    """A moment as POSIX seconds; in UTC unless it says otherwise. A day alone is its beginning, or its end."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        fail(f'"{text}" is no time: write it as 2026-12-01 or 2026-12-01T08:00', 2)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    day = len(text) == len("2026-12-01")
    return (moment + datetime.timedelta(days=1) if end and day else moment).timestamp()
