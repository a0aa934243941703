"""Verbs for whoever runs the gateway: `check` and `status`."""

import datetime
import os
import sys
from typing import Any

import click
import msgspec
import orjson
import trio
from rich.console import Console
from rich.table import Table

from gateway.errors import Refusal
from gateway.policy.table import PolicyTable
from gateway.settings import Database
from workers import configuration, status
from workers.cli import config_option, fail
from workers.configuration import Loaded
from workers.targets import target
from workers.upstream import connect

_MAINTENANCE = "postgres"  # the database that stands for all where sluice.toml says "*"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@config_option
@json_option
def check(config: str | None, as_json: bool) -> None:
    """Validate configuration and policy, and reach every database. Starts nothing."""
    loaded = configuration.load(configuration.find(config, os.environ), os.environ)
    notes = PolicyTable(loaded.policy).notes
    results = trio.run(_reach_all, loaded)
    reached = all(result["reached"] for result in results)
    if as_json:
        _print_json({"config": str(loaded.file), "notes": notes, "databases": results})
    else:
        table = Table("database", "environment", "address", "server", "reached")
        for result in results:
            answer = "yes" if result["reached"] else f"no: {result['why']}"
            table.add_row(result["name"], result["environment"], result["address"], result["server"], answer)
        _print_table(table)
        for note in notes:
            click.echo(f"note: {note}", err=True)
        if reached:
            click.echo(f"{loaded.file}: good")
    sys.exit(0 if reached else 1)


async def _reach_all(loaded: Loaded) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = [{} for _ in loaded.settings.databases]

    async def reach(index: int, database: Database) -> None:
        results[index] = await _reach(loaded, database)

    async with trio.open_nursery() as nursery:
        for index, database in enumerate(loaded.settings.databases):
            nursery.start_soon(reach, index, database)
    return results


async def _reach(loaded: Loaded, database: Database) -> dict[str, Any]:
    asked = msgspec.structs.replace(database, dbname=database.dbname or _MAINTENANCE)
    result = {
        "name": database.name,
        "environment": database.environment,
        "address": ", ".join(f"{host}:{port}" for host, port in database.addresses),
        "server": "",
        "reached": False,
        "why": "",
    }
    try:
        upstream = await connect(target(asked, loaded.secrets, loaded.folder), [])
    except Refusal as refusal:
        result["why"] = refusal.refused.message
    else:
        result |= {"reached": True, "server": dict(upstream.parameters).get("server_version", "")}
        await upstream.close()
    return result


@click.command("status")
@config_option
@json_option
def status_verb(config: str | None, as_json: bool) -> None:
    """Show the running gateway: its workers, sessions, policy, audit and databases."""
    file = configuration.find(config, os.environ)
    settings = configuration.load_settings(file, os.environ)
    try:
        answer = status.ask(configuration.run_dir(file, settings))
    except status.NotRunning as error:
        fail(str(error), 1)
    if as_json:
        _print_json(answer)
        return
    policy, audit = answer["policy"], answer["audit"]
    click.echo(f"{answer['state']} on {', '.join(answer['addresses'])}, up {answer['uptime_seconds']:.0f} s")
    click.echo(f"policy generation {policy['generation']}, sha256 {policy['sha256'][:16]}")
    click.echo(f"audit in {audit['dir']}, {audit['lag_bytes']} bytes not yet on disk")
    table = Table("worker", "pid", "state", "sessions", "statements", "refused", "rows", "restarts")
    for one in answer["workers"]:
        cells = ("slot", "pid", "state", "sessions", "statements", "refused", "rows", "restarts")
        table.add_row(*(str(one[cell]) for cell in cells))
    _print_table(table)
    databases = Table("database", "environment", "last reached", "last failure")
    for one in answer["databases"]:
        databases.add_row(one["name"], one["environment"], _time(one["reached"]), _time(one["failed"]))
    _print_table(databases)


def _time(seconds: int) -> str:
    if not seconds:
        return "never"
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _print_table(table: Table) -> None:
    """As wide as the terminal; in a pipe no line is broken."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)
