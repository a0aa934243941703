"""Verbs for whoever runs the gateway: `check` and `status`."""

import dataclasses
import datetime
import os
import sys
import time
from typing import Any

import click
import msgspec
import orjson
import trio
from rich.console import Console
from rich.table import Table

from gateway.classify.catalog import Catalog
from gateway.errors import Refusal
from gateway.policy import rules
from gateway.policy.review import Doubt, review
from gateway.policy.table import PolicyTable
from gateway.settings import Database
from workers import catalog, configuration, key_fetcher, status, store_review
from workers.cli import config_option, fail
from workers.configuration import Loaded
from workers.explanations import OWN_SESSION
from workers.http_out import NotReached
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
    policy = PolicyTable(loaded.policy)
    results, catalogs = trio.run(_reach_all, loaded, policy)
    doubts = _doubts(loaded, catalogs)
    issuers = trio.run(_ask_issuers, loaded)
    stores = trio.run(store_review.reach_all, loaded, os.environ)
    reached = all(result["reached"] for result in (*results, *issuers, *stores))
    if as_json:
        warnings = [dataclasses.asdict(one) for one in doubts]
        found = {"config": str(loaded.file), "notes": policy.notes, "warnings": warnings, "databases": results}
        _print_json({**found, "issuers": issuers, "stores": stores})
    else:
        table = Table("database", "environment", "address", "server", "reached")
        for result in results:
            answer = "yes" if result["reached"] else f"no: {result['why']}"
            table.add_row(result["name"], result["environment"], result["address"], result["server"], answer)
        _print_table(table)
        _show_issuers(issuers)
        _show_reached(stores)
        for note in policy.notes:
            click.echo(f"note: {note}", err=True)
        for doubt in doubts:
            click.echo(f"warning: {doubt}", err=True)
        if reached:
            click.echo(f"{loaded.file}: good")
    sys.exit(0 if reached else 1)


def _doubts(loaded: Loaded, catalogs: dict[str, Catalog]) -> list[Doubt]:
    policies = configuration.read_policies(loaded.file, loaded.settings)
    return review(rules.merge(policies), loaded.settings, catalogs, time.time())


async def _ask_issuers(loaded: Loaded) -> list[dict[str, Any]]:
    """What `check` prints of each issuer whose keys are fetched: one fetch."""
    results = [
        {"name": one.name, "place": one.jwks_url or one.discovery, "reached": False, "keys": 0, "why": ""}
        for one in loaded.settings.issuers
        if one.fetches_keys
    ]

    async def fetch(result: dict[str, Any]) -> None:
        issuer = next(one for one in loaded.settings.issuers if one.name == result["name"])
        try:
            found = await key_fetcher.fetch(issuer, loaded.folder)
        except NotReached as error:
            result["why"] = str(error)
        else:
            result |= {"reached": True, "keys": len(found.keys.thumbprints)}

    async with trio.open_nursery() as nursery:
        for result in results:
            nursery.start_soon(fetch, result)
    return results


def _show_issuers(results: list[dict[str, Any]]) -> None:
    if results:
        table = Table("issuer", "keys from", "keys", "fetched")
        for one in results:
            table.add_row(one["name"], one["place"], str(one["keys"]), "yes" if one["reached"] else f"no: {one['why']}")
        _print_table(table)


def _show_reached(stores: list[dict[str, Any]]) -> None:
    if stores:
        table = Table("store", "address", "reached")
        for one in stores:
            table.add_row(one["name"], one["address"], "yes" if one["reached"] else f"no: {one['why']}")
        _print_table(table)


async def _reach_all(
    loaded: Loaded, policy: PolicyTable
) -> tuple[list[dict[str, Any]], dict[str, Catalog]]:
    """What `check` prints of each database, and the catalogues of those that could be read."""
    results: list[dict[str, Any]] = [{} for _ in loaded.settings.databases]
    catalogs: dict[str, Catalog] = {}

    async def reach(index: int, database: Database) -> None:
        results[index], found = await _reach(loaded, database, policy)
        if found is not None:
            catalogs[database.name] = found

    async with trio.open_nursery() as nursery:
        for index, database in enumerate(loaded.settings.databases):
            nursery.start_soon(reach, index, database)
    return results, catalogs


async def _reach(
    loaded: Loaded, database: Database, policy: PolicyTable
) -> tuple[dict[str, Any], Catalog | None]:
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
        upstream = await connect(target(asked, loaded.secrets, loaded.folder), OWN_SESSION)
    except Refusal as refusal:
        return {**result, "why": refusal.refused.message}, None
    result |= {"reached": True, "server": dict(upstream.parameters).get("server_version", "")}
    try:
        return result, await catalog.read(upstream, 0, policy.classify)
    except Refusal as refusal:
        return {**result, "reached": False, "why": refusal.refused.message}, None
    finally:
        await upstream.close()


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
    click.echo(f"audit in {audit['dir']}, {_audit_words(audit)}, {audit['lag_bytes']} bytes not yet on disk")
    click.echo(_signing(audit))
    if answer["open_reviews"]:
        click.echo(f"{answer['open_reviews']} break-glass access to be reviewed: see `sluice approvals list`")
    if answer["barred"] or answer["access"]:
        click.echo(f"{answer['barred']} kept out (`sluice barred list`), {answer['access']} with access on request")
    table = Table("worker", "pid", "state", "sessions", "statements", "refused", "rows", "restarts")
    for one in answer["workers"]:
        cells = ("slot", "pid", "state", "sessions", "statements", "refused", "rows", "restarts")
        table.add_row(*(str(one[cell]) for cell in cells))
    _print_table(table)
    databases = Table("database", "environment", "last reached", "last failure")
    for one in answer["databases"]:
        databases.add_row(one["name"], one["environment"], _time(one["reached"]), _time(one["failed"]))
    _print_table(databases)
    _show_keys(answer["issuers"])
    _show_channels(answer["channels"])
    _show_stores(answer["stores"])


def _show_stores(stores: list[dict[str, Any]]) -> None:
    """How the stores fare that several gateways share."""
    if not stores:
        return
    table = Table("store", "reached", "since", "gateways there", "amiss")
    for one in stores:
        there = ", ".join(one["hosts"])
        table.add_row(one["name"], "yes" if one["reached"] else "NO", _time(int(one["since"])), there, one["why"])
    _print_table(table)


def _show_channels(channels: list[dict[str, Any]]) -> None:
    """Where people are told of what waits for them, if it is anywhere but on the console."""
    if not channels:
        return
    table = Table("channel", "told", "waiting", "given up", "last told", "fails now")
    for one in channels:
        counts = (str(one[key]) for key in ("told", "waiting", "given_up"))
        table.add_row(one["name"], *counts, _time(int(one["last_told"])), one["why"])
    _print_table(table)


def _show_keys(issuers: list[dict[str, Any]]) -> None:
    """How old the fetched keys are, why the last fetch failed if it did, and until when they count nevertheless."""
    if not issuers:
        return
    table = Table("issuer", "keys", "age", "count until", "last failure")
    for one in issuers:
        age = "never fetched" if one["age_seconds"] is None else f"{one['age_seconds']:.0f} s"
        until = "" if one["until"] is None else _time(one["until"])
        failure = f"{_time(one['failed'])}: {one['failure']}" if one["failure"] else ""
        table.add_row(one["name"], str(one["keys"]), age, until, failure)
    _print_table(table)


def _audit_words(audit: dict[str, Any]) -> str:
    words = {"ok": "can be written", "full": "DISK FULL: statements are refused", "failed": "CANNOT BE WRITTEN"}
    ran = f", {audit['unrecorded']} statements ran unrecorded" if audit["unrecorded"] else ""
    return words[audit["state"]] + ran


def _signing(audit: dict[str, Any]) -> str:
    """Whether the trail is signed, since when, and what the notary found wrong."""
    age = audit["signed_age_seconds"]
    said = str(audit["notary"]) if age is None else f"{audit['notary']}, last signed {age:.0f} s ago"
    if audit["alarms"]:
        said += f"; ALARM, {audit['alarms']} in all: {audit['alarm']} (run `sluice audit verify`)"
    return f"notary: {said}"


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
