"""Verbs for access on request: ask, see what waits, answer, end it early."""

import sys
import time
from typing import Any, Final

import click
from rich.markup import escape
from rich.table import Table

from workers.admin_client import ask, part
from workers.allowance_cli import allowance, allowance_options
from workers.approval_statistics_cli import stats
from workers.approvals_wait_cli import wait as wait_verb
from workers.cli import Duration, config_option, words
from workers.operations_cli import json_option, moment, print_json, print_table
from workers.preview_cli import print_request

POLL_SECONDS: Final = 1.0
ALIKE_MAX: Final = 500  # that the gateway takes with one word
_ANSWERED: Final = {"approved": 0, "denied": 1, "expired": 1, "revoked": 1, "over": 1}
answer_option = click.option("--reason", default="", help="Why; for the record.")
alike_option = click.option("--all-alike", is_flag=True, help="And all that wait and are alike: the same with other values.")


@click.command("request")
@config_option
@json_option
@click.option("--database", required=True, help="Where.")
@click.option("--allow", default="read", show_default=True, metavar="A,B", help="read, write, ddl, admin or all.")
@click.option("--unmask", default="", metavar="A,B", help="Labels or columns to be seen in clear.")
@click.option("--for", "seconds", default="1h", show_default=True, type=Duration(), help="How long.")
@click.option("--reason", required=True, help="Why: a ticket, an incident.")
@click.option("--break-glass", is_flag=True, help="In an emergency: at once, with an alarm, and reviewed afterwards.")
@click.option("--wait", is_flag=True, help="Wait for the answer; exit code 1 where it is no.")
def request(
    config: str | None, as_json: bool, database: str, allow: str, unmask: str, seconds: int, reason: str,
    break_glass: bool, wait: bool,
) -> None:  # fmt: skip
    """Ask for access for a while. Prints the request's id."""
    body = {
        "kind": "access", "database": database, "allow": words(allow), "unmask": words(unmask), "seconds": seconds,
        "reason": reason, "break_glass": break_glass,
    }  # fmt: skip
    answer = ask(config, "POST", "/v1/approvals", body)
    if not wait:
        _print(answer, as_json, answer["approval"]["id"])
        return
    one = answer["approval"]
    if not as_json:
        click.echo(f"{one['id']}: waiting for an answer", err=True)
    while one["state"] == "pending":
        time.sleep(POLL_SECONDS)
        answer = ask(config, "GET", f"/v1/approvals/{part(one['id'])}")
        one = answer["approval"]
    by = f" by {one['decided_by']}" if one["decided_by"] else ""
    said = f": {one['decision']}" if one["decision"] else ""
    _print(answer, as_json, f"{one['id']}: {one['state']}{by}{said}")
    sys.exit(_ANSWERED[one["state"]])


@click.group("approvals")
def approvals() -> None:
    """What waits for somebody's answer."""


approvals.add_command(wait_verb)


@approvals.command("list")
@config_option
@json_option
def list_verb(config: str | None, as_json: bool) -> None:
    """List requests: your own, and those that you may answer or review."""
    answer = ask(config, "GET", "/v1/approvals")
    if as_json:
        print_json(answer)
        return
    table = Table("id", "kind", "state", "risk", "by", "database", "what", "reason", "since", "decided by", "review")
    for one in answer["approvals"]:
        table.add_row(*map(escape, _cells(one)))
    print_table(table)


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    alike = f", {one['alike']} alike" if one.get("alike", 0) > 1 else ""
    kind = "ticket" if one.get("on_hold") == "ticket" else one["kind"]
    begins = one["id"], kind, one["state"] + alike, one.get("risk", ""), one["by"]
    since = moment(one["since"])
    if one["kind"] == "statement":
        by = one["denied_by"] or ", ".join(one["approved_by"])
        return *begins, one["database"], one["statement"], one["reason"], since, by, ""
    asked = one["asked"]
    what = f"{', '.join(asked['allow'])} for {asked['seconds']:.0f} s"
    return *begins, asked["database"], what, asked["reason"], since, one["decided_by"], one["review"]


@approvals.command("show")
@config_option
@json_option
@click.argument("request_id", metavar="ID")
def show(config: str | None, as_json: bool, request_id: str) -> None:
    """Print everything about one request."""
    one = ask(config, "GET", f"/v1/approvals/{part(request_id)}")["approval"]
    (print_json if as_json else print_request)(one)


@approvals.command("approve")
@config_option
@json_option
@answer_option
@alike_option
@allowance_options
@click.argument("request_id", metavar="ID")
def approve(
    config: str | None, as_json: bool, reason: str, all_alike: bool, request_id: str, **allowed: Any
) -> None:
    """Approve what somebody else has asked for; with --times, --rows and --for also more of the same shape."""
    _answer(config, as_json, request_id, "approve", reason, allowance(**allowed), all_alike=all_alike)


@approvals.command("deny")
@config_option
@json_option
@answer_option
@alike_option
@click.argument("request_id", metavar="ID")
def deny(config: str | None, as_json: bool, reason: str, all_alike: bool, request_id: str) -> None:
    """Deny what somebody else has asked for."""
    _answer(config, as_json, request_id, "deny", reason, all_alike=all_alike)


@approvals.command("revoke")
@config_option
@json_option
@answer_option
@click.argument("request_id", metavar="ID")
def revoke_approval(config: str | None, as_json: bool, reason: str, request_id: str) -> None:
    """Take back what was given: an allowance, a ticket that nobody has used yet, an access."""
    _answer(config, as_json, request_id, "revoke", reason)


@approvals.command("review")
@config_option
@json_option
@answer_option
@click.argument("request_id", metavar="ID")
def review(config: str | None, as_json: bool, reason: str, request_id: str) -> None:
    """Say that you have looked at what somebody has broken open."""
    _answer(config, as_json, request_id, "review", reason)


@click.group("access")
def access() -> None:
    """Access that was given on request."""


@access.command("revoke")
@config_option
@json_option
@answer_option
@click.argument("request_id", metavar="ID")
def revoke(config: str | None, as_json: bool, reason: str, request_id: str) -> None:
    """End an access early, or take a request back."""
    _answer(config, as_json, request_id, "revoke", reason)


approvals.add_command(stats)


def _answer(
    config: str | None, as_json: bool, request_id: str, verb: str, reason: str, besides: dict[str, Any] | None = None,
    *, all_alike: bool = False,
) -> None:  # fmt: skip
    body: dict[str, Any] = {"reason": reason} | (besides or {})
    if all_alike:  # those that are there now, and none that comes meanwhile
        shown = ask(config, "GET", f"/v1/approvals/{part(request_id)}")["approval"]
        body |= {"alike": shown["alike_ids"][:ALIKE_MAX]} if "alike_ids" in shown else {}
    answer = ask(config, "POST", f"/v1/approvals/{part(request_id)}/{verb}", body)
    done = {"review": "reviewed", "revoke": "revoked"}
    state = done.get(verb, answer["approval"]["state"])
    others = "".join(f"\n{one}: {became}" for one, became in answer.get("alike", {}).items())
    _print(answer, as_json, f"{request_id}: {state}{others}")
    if not answer.get("in_force", True):
        click.echo("sluice: not every worker decides by it yet: see `sluice status`", err=True)
        sys.exit(1)


def _print(answer: dict[str, Any], as_json: bool, line: str) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(line)
