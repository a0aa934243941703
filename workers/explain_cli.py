"""`sluice policy explain`: what would become of a statement, asked of the real catalogue; nothing is run."""

import os
import time
from typing import Any

import click
import orjson
import trio
from rich.console import Console
from rich.table import Table

from gateway.classify.catalog import Catalog
from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.masking.basis import MaskBasis, basis
from gateway.policy.explain import explain
from gateway.policy.rights import Rights
from gateway.policy.table import PolicyTable
from gateway.settings import Database
from parser import statements
from parser.facts import Facts
from workers import catalog, configuration
from workers.cli import config_option, fail, words
from workers.configuration import Loaded
from workers.targets import target
from workers.upstream import connect

_OWN_SESSION = [("application_name", "sluice"), ("search_path", ""), ("client_encoding", "UTF8")]


@click.group()
def policy() -> None:
    """Ask what the policy says."""


@policy.command("explain")
@config_option
@click.option("--user", required=True, help="Who would send it.")
@click.option("--groups", default="", metavar="A,B", help="The user's groups.")
@click.option(
    "--actor",
    "actors",
    multiple=True,
    help="An agent acting for the user; more for a chain, outermost first.",
)
@click.option("--issuer", help="The token's issuer by name; the first of sluice.toml when left out.")
@click.option("--database", "name", required=True, help="The database as clients name it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("sql")
def explain_verb(
    config: str | None,
    user: str,
    groups: str,
    actors: tuple[str, ...],
    issuer: str | None,
    name: str,
    as_json: bool,
    sql: str,
) -> None:
    """Show the decision on SQL, the rule that made it, and each output column's origin and mask."""
    loaded = configuration.load(configuration.find(config, os.environ), os.environ)
    database = loaded.settings.database(name)
    issuers = [one.name for one in loaded.settings.issuers]
    if database is None:
        fail(f'--database: sluice.toml has no database "{name}"', 2)
    if issuer is not None and issuer not in issuers:
        fail(f'--issuer: sluice.toml has no issuer "{issuer}"', 2)
    now = time.time()
    chosen = issuer or (issuers[0] if issuers else "")
    principal = Principal(user, chosen, tuple(words(groups)), actors, now, "explain")
    try:
        found = _explain(loaded, principal, database, now, sql)
    except Refusal as refusal:
        fail(refusal.refused.message, 1)
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found)


def _explain(
    loaded: Loaded, principal: Principal, database: Database, now: float, sql: str
) -> dict[str, Any]:
    """As `gateway.policy.explain`, with "mask" in every column; a sign-in that the policy refuses has no statements.

    Raises Refusal when the catalogue cannot be read.
    """
    try:
        rights = PolicyTable(loaded.policy).rights(principal, database.name, database.environment, now, 0)
    except Refusal as refusal:
        where = {"database": database.name, "environment": database.environment}
        return {**where, "sign_in": refusal.refused.message, "statements": []}
    read = trio.run(_catalog, loaded, database, rights)
    facts = statements.read(sql.encode())
    found = explain(facts, rights, read)
    for one, statement in zip(facts, found["statements"], strict=True):
        _add_masks(one, statement, basis(one, rights, read, key=loaded.secrets.mask_key))
    return found


async def _catalog(loaded: Loaded, database: Database, rights: Rights) -> Catalog:
    upstream = await connect(target(database, loaded.secrets, loaded.folder), _OWN_SESSION)
    try:
        return await catalog.read(upstream, 0, rights.classify)
    finally:
        await upstream.close()


def _add_masks(facts: Facts, statement: dict[str, Any], masks: MaskBasis) -> None:
    for output, column in zip(facts.outputs or (), statement["columns"] or (), strict=True):
        hidden = [source for source in masks.lineage(output) if not masks.visible(source)]
        column["mask"] = masks.method(hidden)[0] if hidden else "clear"


def _show(found: dict[str, Any]) -> None:
    if "sign_in" in found:
        click.echo(f"deny: {found['sign_in']}")
    for statement in found["statements"]:
        rules = ", ".join(statement["rules"])
        click.echo(f"{statement['decision']}: {statement['statement']}")
        click.echo(f"  by {rules}" if rules else "  by no rule")
        for key in ("message", "hint", "reason"):
            if statement[key]:
                click.echo(f"  {key}: {statement[key]}")
        if statement["columns"] is None:
            click.echo("  columns: known when the server describes the result; each is masked by its origin")
            continue
        table = Table("column", "origin", "labels", "mask")
        for column in statement["columns"]:
            origin = ", ".join(column["origin"]) + ("" if column["proven"] else " and more")
            table.add_row(str(column["column"]), origin, ", ".join(column["labels"]), column["mask"])
        if table.row_count:
            Console(highlight=False).print(table)
