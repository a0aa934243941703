"""`sluice policy explain`: what would become of a statement, asked of the real catalogue; nothing is run."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.decision import SPANS
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import Database
from workers import configuration, explanations
from workers.cli import config_option, fail, words
from workers.configuration import Loaded
from workers.policy_test_cli import run_tests


@click.group()
def policy() -> None:
    """Ask what the policy says, and test that it says what it should."""


policy.add_command(run_tests)


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
@click.option("--intent", default="", metavar="TEXT", help="What SET sluice.reason would have declared before it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("sql")
def explain_verb(
    config: str | None,
    user: str,
    groups: str,
    actors: tuple[str, ...],
    issuer: str | None,
    name: str,
    intent: str,
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
        found = _explain(loaded, principal, database, now, sql, intent)
    except Refusal as refusal:
        fail(refusal.refused.message, 1)
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found)


def _explain(
    loaded: Loaded, principal: Principal, database: Database, now: float, sql: str, intent: str
) -> dict[str, Any]:
    """See `workers.explanations.explained`; a sign-in that the policy refuses has no statements.

    Raises Refusal when the catalogue cannot be read.
    """
    rights = explanations.sign_in(PolicyTable(loaded.policy), principal, database, now)
    if isinstance(rights, dict):
        return rights
    catalog, search_path = explanations.read_database(loaded, database, rights)
    scope = Scope(rights, catalog, "", mask_key=loaded.secrets.mask_key, search_path=search_path)
    return explanations.explained(scope, sql, None, intent)


def _show(found: dict[str, Any]) -> None:
    if "sign_in" in found:
        click.echo(f"deny: {found['sign_in']}")
    _show_sides(found.get("sides", ()), found.get("allow", ()))
    for statement in found["statements"]:
        rules = ", ".join(statement["rules"])
        click.echo(f"{statement['decision']}: {statement['statement']}")
        click.echo(f"  by: {rules}" if rules else "  by no rule")
        for key in ("message", "hint"):
            if statement[key]:
                click.echo(f"  {key}: {statement[key]}")
        if statement["wants_estimate"]:
            click.echo("  then decided again, with the planner's estimate of its rows")
        for key in ("kinds", "effects", "tables", "functions"):
            if statement[key]:
                click.echo(f"  {key}: {', '.join(statement[key])}")
        if statement["mismatch"]:
            click.echo(f"  not as declared: {', '.join(statement['mismatch'])}")
        if not statement["complete"]:
            click.echo(f"  not read completely: {statement['reason']}")
        for limit in _limits(statement["limits"]):
            click.echo(f"  limit: {limit}")
        for one in statement["loops"]:
            often = f"{one['loop']} {one['after']} in {one['window_seconds']} seconds"
            click.echo(f"  loop: {one['effect']} by {one['rule']}, {often}")
        _show_columns(statement["columns"])


def _show_sides(sides: Sequence[dict[str, Any]], allow: Sequence[str]) -> None:
    """Of an agent what each side may do, those of the agents first, and what that comes to."""
    if len(sides) > 1:
        for side in sides:
            click.echo(f"side: {', '.join(side['allow'])}, by {', '.join(side['grants'])}")
        click.echo(f"together: {', '.join(allow) or 'nothing'}")


def _limits(limits: dict[str, Any]) -> list[str]:
    found = []
    for key, unit in (("affected_rows", "rows changed"), ("statement_seconds", "seconds")):
        if limits[key] is not None:
            found.append(f"{limits[key]['most']:g} {unit}, by {limits[key]['rule']}")
    for one in limits["budgets"]:
        found.append(f"{one['most']} {one['what']} per {SPANS[one['window_seconds']]}, by {one['grant']}")
    for one in limits["guesses"]:
        found.append(f"{one['most']} values compared with {one['label']} columns an hour")
    return found


def _show_columns(columns: list[dict[str, Any]] | None) -> None:
    if columns is None:
        click.echo("  columns: known when the server describes the result; each is masked by its origin")
        return
    table = Table("column", "name", "origin", "bases", "labels", "mask")
    for column in columns:
        origin = ", ".join(column["origin"]) + ("" if column["proven"] else " and more")
        cells = (origin, ", ".join(column["bases"]), ", ".join(column["labels"]), column["mask"])
        table.add_row(str(column["column"]), column["name"], *cells)
    if table.row_count:  # in a pipe no line is broken
        Console(width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)
