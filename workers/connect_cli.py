"""`sluice connect`: a client with the caller's token in place, or the files from which clients of other makers take it."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from gateway.identity import claims
from gateway.identity.kinds import claim_at
from gateway.settings import Settings, is_local
from workers import caller, configuration, libpq_files
from workers.caller import NotSignedIn
from workers.cli import config_option, fail
from workers.libpq_files import NotWritable
from workers.login_cli import gateway_address, lasts

# What would lead libpq, and the token with it, elsewhere.
_ASTRAY = ("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGHOSTADDR", "PGPASSFILE")
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Way:
    """Where the gateway is, who comes, and with what."""

    host: str
    port: int
    user: str
    token: str = field(repr=False)
    expires: float
    sslmode: str


@click.command("connect", context_settings={"ignore_unknown_options": False})
@config_option
@click.option("--host", default="", help="The gateway's host; default: sluice.toml's, then that of the sign-in.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="… and its port.")
@click.option("--user", default="", help="Who to connect as; default: whom the token names.")
@click.option("--sslmode", default="", type=click.Choice(["", *SSLMODES]), help="Default: verify-full but on this machine.")
@click.option("--write-service", is_flag=False, flag_value="", metavar="[NAME]", help="Write a service of libpq's, and end.")
@click.option("--write-passfile", is_flag=True, help="Write the token to libpq's password file, and end.")
@click.argument("database", metavar="DB")
@click.argument("client", nargs=-1, metavar="[-- CLIENT ARGS]", type=click.UNPROCESSED)
def connect_verb(
    config: str | None,
    host: str,
    port: int,
    user: str,
    sslmode: str,
    write_service: str | None,
    write_passfile: bool,
    database: str,
    client: tuple[str, ...],
) -> None:
    """Run psql, or the given client, on DB with your token in place.

    With --write-service and --write-passfile DBeaver, BI tools and whatever else reads libpq's files can connect.
    """
    try:
        way = _way(_settings(config), host, port, user, sslmode)
        if write_service is None and not write_passfile:
            _run(way, database, client)
        if write_service is not None:
            _write_service(way, database, write_service or database)
        if write_passfile:
            _write_password(way, database)
    except (NotSignedIn, NotWritable, OSError) as error:
        fail(str(error), 1)


def _settings(config: str | None) -> Settings | None:
    file = configuration.find(config, os.environ)
    if config is None and not file.exists():
        return None
    return configuration.load_policy_settings(file, os.environ)


def _way(settings: Settings | None, host: str, port: int, user: str, sslmode: str) -> Way:
    now = time.time()
    given = os.environ.get(caller.VARIABLE, "").strip()
    kept = None if given else caller.kept(os.environ, now)
    token = kept.token if kept is not None else given
    said = claims.said_by(token)
    if not host and settings is not None:
        host, default = gateway_address(settings)
        port = port or default
    elif not host and kept is not None:
        host, port = kept.host, port or kept.port
    if not host:
        fail("--host: say where the gateway is", 2)
    user = user or (kept.user if kept is not None else _named(said, settings))
    if not user:
        fail("--user: the token does not name you; say who to connect as", 2)
    ends = said.get("exp")
    expires = kept.expires if kept is not None else float(ends) if isinstance(ends, int) else now
    return Way(host, port or 6432, user, token, expires, sslmode or ("prefer" if is_local(host) else "verify-full"))


def _named(said: Mapping[str, object], settings: Settings | None) -> str:
    """Whom a token names, by the claim that its issuer has it in."""
    issuers = settings.issuers if settings is not None else ()
    claim = next((one.user_claim for one in issuers if one.issuer == said.get("iss")), "sub")
    found = claim_at(said, claim)
    return found if isinstance(found, str) else ""


def _run(way: Way, database: str, client: tuple[str, ...]) -> None:
    """Becomes the client. The token is in its environment alone, which no other user can read."""
    command = client if client and not client[0].startswith("-") else ("psql", *client)
    program = shutil.which(command[0])
    if program is None:
        fail(f"{command[0]} is not installed; name a client: sluice connect {database} -- CLIENT ARGS", 1)
    environ = {name: value for name, value in os.environ.items() if name not in (*_ASTRAY, caller.VARIABLE)}
    environ |= {"PGHOST": way.host, "PGPORT": str(way.port), "PGDATABASE": database, "PGUSER": way.user}
    environ |= {"PGSSLMODE": way.sslmode, "PGPASSWORD": way.token}
    os.execve(program, command, environ)  # noqa: S606 - that is the point


def _write_service(way: Way, database: str, name: str) -> None:
    file = libpq_files.service_file(os.environ)
    parameters = {"host": way.host, "port": str(way.port), "dbname": database, "user": way.user, "sslmode": way.sslmode}
    libpq_files.write_service(file, name, parameters)
    click.echo(f"service {name} is in {file}: psql service={name}")


def _write_password(way: Way, database: str) -> None:
    file: Path = libpq_files.password_file(os.environ)
    libpq_files.write_password(file, way.host, way.port, database, way.user, way.token)
    left = lasts(way.expires - time.time())
    click.echo(f"the token is in {file} and lasts for {left}; after that run this again")
