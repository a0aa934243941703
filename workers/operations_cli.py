"""Verbs for operators: live sessions, and who is kept out."""

import base64
import binascii
import datetime
import hashlib
import sys
import time
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.identity.keys import is_kid
from workers.admin_client import ask, part
from workers.cli import Duration, config_option, fail

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason_option = click.option("--reason", default="", help="Why; for the record, and for those who are kept out.")
for_option = click.option("--for", "seconds", type=Duration(), metavar="1h", help="How long; else until it is taken back.")


@click.group("sessions")
def sessions() -> None:
    """Live sessions: who, through what, doing what."""


@sessions.command("list")
@config_option
@json_option
def list_verb(config: str | None, as_json: bool) -> None:
    """List the live sessions that you may see."""
    answer = ask(config, "GET", "/v1/sessions")
    missing = answer["missing_workers"]
    if missing:
        click.echo(f"sluice: workers that did not answer: {', '.join(map(str, missing))}", err=True)
    if as_json:
        print_json(answer)
        return
    columns = ("session", "user", "through", "database", "role", "from", "since", "rows", "state", "statement")
    table = Table(*columns)
    for one in answer["sessions"]:
        through = " for ".join((*one["actors"], *([one["application"]] if one["application"] else [])))
        cells = (one["id"], one["user"], through, one["database"], one["role"], one["address"], moment(one["since"]))
        table.add_row(*map(escape, cells), str(one["rows"]), _state(one), escape(one["statement"]))
    print_table(table)


def _state(one: dict[str, Any]) -> str:
    if one["running_since"] is None:
        return str(one["state"])
    return f"{one['state']} {max(0.0, time.time() - one['running_since']):.0f} s"


@sessions.command("kill")
@config_option
@json_option
@reason_option
@click.argument("session")
def kill_verb(config: str | None, as_json: bool, reason: str, session: str) -> None:
    """End a session, whatever it is doing."""
    answer = ask(config, "POST", f"/v1/sessions/{part(session)}/end", {"reason": reason})
    _said(answer, as_json, f"session {session} is ended" if answer["sessions"] else f"session {session} had ended")


@click.command("stop")
@config_option
@json_option
@reason_option
@for_option
@click.option("--actor", required=True, help="The agent.")
@click.option("--user", default="", help="Only where it acts for this user.")
@click.option("--issuer", default="", help="… of this issuer.")
def stop(
    config: str | None, as_json: bool, reason: str, seconds: int | None, actor: str, user: str, issuer: str
) -> None:
    """Stop an agent: its sessions end at once, and it is kept out."""
    _bar(config, as_json, f"agent {actor} is stopped", "actor", actor, reason, seconds, user, issuer)


@click.command("resume")
@config_option
@json_option
@click.option("--actor", required=True, help="The agent.")
@click.option("--user", default="", help="Where it acts for this user.")
@click.option("--issuer", default="", help="… of this issuer.")
def resume(config: str | None, as_json: bool, actor: str, user: str, issuer: str) -> None:
    """Let a stopped agent come again."""
    _lift(config, as_json, f"agent {actor} may come again", "actor", actor, user, issuer)


@click.command("lock")
@config_option
@json_option
@reason_option
@for_option
@click.option("--user", required=True, help="The user.")
@click.option("--issuer", default="", help="Only the user of this issuer.")
def lock(config: str | None, as_json: bool, reason: str, seconds: int | None, user: str, issuer: str) -> None:
    """Lock a user out: the sessions of the user, and of agents that act for the user, end at once."""
    _bar(config, as_json, f"user {user} is locked", "user", user, reason, seconds, "", issuer)


@click.command("unlock")
@config_option
@json_option
@click.option("--user", required=True, help="The user.")
@click.option("--issuer", default="", help="The user of this issuer.")
def unlock(config: str | None, as_json: bool, user: str, issuer: str) -> None:
    """Let a locked user come again."""
    _lift(config, as_json, f"user {user} may come again", "user", user, "", issuer)


@click.command("revoke")
@config_option
@json_option
@reason_option
@click.option("--token-id", default="", help="The token's id (jti), as records name it.")
@click.option("--token", "from_input", is_flag=True, help="Read the token itself from standard input.")
def revoke(config: str | None, as_json: bool, reason: str, token_id: str, from_input: bool) -> None:
    """Revoke a token: sessions that signed in with it end at once."""
    if bool(token_id) == from_input:
        fail("give --token-id, or --token and the token on standard input", 2)
    if from_input:
        token_id = id_of(sys.stdin.readline().strip())
    _bar(config, as_json, f"token {token_id} is revoked", "token", token_id, reason, None, "", "")


@click.group("barred")
def barred() -> None:
    """Who is kept out."""


@barred.command("list")
@config_option
@json_option
def barred_list(config: str | None, as_json: bool) -> None:
    """List stopped agents, locked users and revoked tokens."""
    answer = ask(config, "GET", "/v1/barred")
    if as_json:
        print_json(answer)
        return
    table = Table("what", "name", "of", "by", "since", "until", "reason")
    for one in answer["barred"]:
        of = " ".join(each for each in (one["user"], one["issuer"] and f"({one['issuer']})") if each)
        cells = (one["kind"], one["name"], of, one["by"], moment(one["since"]), moment(one["until"]), one["reason"])
        table.add_row(*map(escape, cells))
    print_table(table)


def id_of(token: str) -> str:
    """The id by which the gateway knows a token: its jti, else a digest. The token itself goes nowhere."""
    try:
        body = token.split(".")[1]
        token_id = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))).get("jti")
    except (IndexError, ValueError, AttributeError, binascii.Error):
        fail("standard input does not hold a token", 2)
    return token_id if is_kid(token_id) else hashlib.sha256(token.encode()).hexdigest()[:16]


def _bar(
    config: str | None, as_json: bool, done: str, kind: str, name: str, reason: str, seconds: int | None, user: str,
    issuer: str,
) -> None:  # fmt: skip
    body = {"kind": kind, "name": name, "user": user, "issuer": issuer, "reason": reason, "for_seconds": seconds}
    began = time.monotonic()
    answer = ask(config, "POST", "/v1/barred", body)
    whose = answer["barred"]["user"]
    done += f" for user {whose}" if whose and kind == "actor" else ""
    _said(answer | {"seconds": round(time.monotonic() - began, 3)}, as_json, done)


def _lift(config: str | None, as_json: bool, done: str, kind: str, name: str, user: str, issuer: str) -> None:
    answer = ask(config, "POST", "/v1/barred/lift", {"kind": kind, "name": name, "user": user, "issuer": issuer})
    _said(answer, as_json, done)


def _said(answer: dict[str, Any], as_json: bool, done: str) -> None:
    """What came of it; exit code 1 where a worker has not said that it is so."""
    if as_json:
        print_json(answer)
    else:
        took = f" in {answer['seconds']:.2f} s" if "seconds" in answer else ""
        click.echo(f"{done}: {answer['sessions']} sessions ended on {answer['workers']} workers{took}")
    if not answer["recorded"]:
        click.echo("sluice: it is not on record yet: see `sluice status`", err=True)
    if not answer.get("kept", True):
        click.echo("sluice: it could not be written to the disk: it would not outlive the gateway", err=True)
    if answer["missing_workers"] or answer["sessions_left"]:
        workers = ", ".join(map(str, answer["missing_workers"])) or "none"
        click.echo(f"sluice: workers that did not answer: {workers}; sessions left: {answer['sessions_left']}", err=True)
        sys.exit(1)


def moment(seconds: float) -> str:
    """A time for people; "" for none."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else ""


def print_json(value: Any) -> None:
    """As every verb prints it."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(table: Table) -> None:
    """As wide as the terminal; in a pipe no line is broken."""
    Console(width=None if sys.stdout.isatty() else 240, highlight=False).print(table)
