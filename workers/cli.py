"""The `sluice` command. Heavy modules are imported by the verbs that need them, so that help is quick."""

import importlib
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from gateway.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OPERATIONS = "workers.operations_cli"
_ACCESS = "workers.access_cli"
_ELSEWHERE = {  # verb: module, its command, what `sluice --help` says of it
    "access": (_ACCESS, "access", "End an access that was given on request."),
    "approvals": (_ACCESS, "approvals", "Show what waits for an answer, and answer."),
    "audit": ("workers.audit_group", "audit", "Read and verify the audit trail."),
    "barred": (_OPERATIONS, "barred", "Show who is kept out."),
    "check": ("workers.operator_cli", "check", "Validate the configuration and reach every database."),
    "classify": ("workers.classify_cli", "classify_verb", "Show which columns are sensitive, and why."),
    "connect": ("workers.connect_cli", "connect_verb", "Run a client with your token in place."),
    "credential": ("workers.credential_cli", "credential_verbs", "Static passwords for clients that know nothing else."),
    "delegate": ("workers.delegation_cli", "delegate", "Lend your right to approve to somebody else for a time."),
    "delegations": ("workers.delegation_cli", "delegations", "Show who has lent his right to approve; take it back."),
    "demo": ("workers.demo", "demo", "Show the whole product against an embedded PostgreSQL."),
    "lock": (_OPERATIONS, "lock", "Lock a user out."),
    "login": ("workers.login_cli", "login_verb", "Sign in at the identity provider."),
    "logout": ("workers.login_cli", "logout_verb", "Forget the sign-in."),
    "policy": ("workers.explain_cli", "policy", "Ask what the policy says."),
    "request": (_ACCESS, "request", "Ask for access for a while."),
    "resume": (_OPERATIONS, "resume", "Let a stopped agent come again."),
    "revoke": (_OPERATIONS, "revoke", "Revoke a token."),
    "sessions": (_OPERATIONS, "sessions", "Show live sessions, or end one."),
    "status": ("workers.operator_cli", "status_verb", "Show the running gateway."),
    "stop": (_OPERATIONS, "stop", "Stop an agent at once, everywhere."),
    "unlock": (_OPERATIONS, "unlock", "Let a locked user come again."),
}


class _Verbs(click.Group):
    """Verbs of this file, and those whose modules are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*self.commands, *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            module, attribute, _ = _ELSEWHERE[cmd_name]
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = {name: text for name, (_, _, text) in _ELSEWHERE.items()}
        lines |= {name: command.get_short_help_str(limit=80) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(lines.items()))


class Duration(click.ParamType[int]):
    """Seconds of "90s", "15m", "1h" or "7d"."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9})([smhd])", value)
        if not found or not int(found[1]):
            self.fail('write it as "90s", "15m", "1h" or "7d"', param, ctx)
        return int(found[1]) * _UNITS[found[2]]


config_option = click.option("--config", metavar="FILE", help="Default: ./sluice.toml, then SLUICE_CONFIG.")


def words(value: str) -> list[str]:
    """The parts of "a,b"."""
    return [part.strip() for part in value.split(",") if part.strip()]


def fail(text: str, code: int) -> NoReturn:
    """One line on standard error, and the exit code: 1 failed, 2 wrong usage or configuration."""
    click.echo(f"sluice: {text}", err=True)
    sys.exit(code)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
def verbs() -> None:
    """Sluice: identity, policy, masking and audit in front of PostgreSQL."""


@verbs.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
def init_verb(folder: Path) -> None:
    """Write a first configuration, its policy and its keys into DIR."""
    from workers.init import init

    try:
        for path in init(folder):
            click.echo(path)
    except FileExistsError as error:
        fail(f"{error}: nothing was written; move it away or name another folder", 2)
    except OSError as error:
        fail(str(error), 1)


@verbs.command("serve")
@config_option
@click.option("--workers", type=click.IntRange(min=1, max=1024), help="How many worker processes.")
def serve_verb(config: str | None, workers: int | None) -> None:
    """Run the gateway in the foreground. SIGTERM drains, SIGHUP reloads policy and keys."""
    from workers import configuration, supervisor

    sys.exit(supervisor.serve(configuration.find(config, os.environ), workers))


@verbs.group("token")
def token_verbs() -> None:
    """Tokens: of the local issuer, and the one you are signed in with."""


@token_verbs.command("print")
def print_verb() -> None:
    """Print the token that you are signed in with, alone on its line: PGPASSWORD=$(sluice token print)."""
    from workers import caller

    try:
        click.echo(caller.token(os.environ, time.time()))
    except caller.NotSignedIn as error:
        fail(str(error), 1)


@token_verbs.command("mint")
@config_option
@click.option("--user", required=True, help="Who the token is for.")
@click.option("--groups", default="", metavar="A,B", help="The groups of the user.")
@click.option(
    "--actor",
    "actors",
    multiple=True,
    help="An agent acting for the user; more for a chain, outermost first.",
)
@click.option("--ttl", default="1h", show_default=True, type=Duration(), help="How long it lasts.")
@click.option("--issuer", "issuer_name", help="The issuer's name, where there are several.")
@click.option("--model", default="", help="Which model the agent is; for the audit.")
@click.option("--run", default="", help="Which run or task it is on; for the audit.")
@click.option("--intent", default="", metavar="TEXT", help="What it will do: [tables=A,B] [effect=read] [ticket=T] why.")
def mint_verb(
    config: str | None,
    user: str,
    groups: str,
    actors: tuple[str, ...],
    ttl: int,
    issuer_name: str | None,
    model: str,
    run: str,
    intent: str,
) -> None:
    """Print a token, alone on its line."""
    import secrets

    from gateway.identity.mint import mint
    from workers import configuration, notary_link

    token_id = secrets.token_hex(16)
    file = configuration.find(config, os.environ)
    issuer, private_key = configuration.local_issuer(file, os.environ, issuer_name)
    try:
        token = mint(
            private_key,
            issuer,
            user,
            words(groups),
            actors,
            time.time(),
            ttl,
            token_id,
            model=model,
            run=run,
            intent=intent,
        )
    except ValueError as error:
        fail(f"the key of issuer {issuer.name}: {error}", 2)
    facts: dict[str, str | int] = {"user": user, "groups": groups, "actors": ",".join(actors), "ttl": ttl}
    facts["token_id"] = token_id
    run_dir = configuration.run_dir(file, configuration.load_settings(file, os.environ))
    notary_link.tell(run_dir, "token mint", facts)  # on record where the gateway runs
    click.echo(token)


def main() -> None:
    """The entry point: a configuration that cannot be used is one line and exit code 2."""
    try:
        verbs(prog_name="sluice")
    except ConfigError as error:
        fail(str(error), 2)


if __name__ == "__main__":
    main()
