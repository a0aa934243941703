"""`sluice approvals wait`: for scripts that have a ticket, and go on when somebody has decided."""

import os
import sys
import time
from http import HTTPStatus
from typing import Any, Final

import click

from workers import caller
from workers.admin_client import Refused, address, asked, part
from workers.cli import Duration, config_option, fail
from workers.operations_cli import json_option, print_json

POLL_SECONDS: Final = 1.0
_UNDECIDED: Final = 3  # the exit code
_PASSING: Final = (0, HTTPStatus.SERVICE_UNAVAILABLE)  # no answer: the gateway, or its admin process, starts anew


@click.command("wait")
@config_option
@json_option
@click.option("--timeout", "seconds", type=Duration(), metavar="1h", help="How long; else until it is decided.")
@click.argument("request_id", metavar="ID")
def wait(config: str | None, as_json: bool, seconds: int | None, request_id: str) -> None:
    """Wait until a request is decided: exit code 0 approved, 1 not, 3 nobody has decided by then."""
    end = None if seconds is None else time.monotonic() + seconds
    one = _look(config, request_id)
    while (one is None or one["state"] == "pending") and (end is None or time.monotonic() < end):
        time.sleep(POLL_SECONDS if end is None else max(0.0, min(POLL_SECONDS, end - time.monotonic())))
        one = _look(config, request_id)
    if one is None:
        fail("no gateway answers; is it running?", 1)
    if as_json:
        print_json({"approval": one})
    else:
        said = f": {one['decision']}" if one["decision"] else ""
        click.echo(f"{request_id}: {one['state']}{said}")
    if one["state"] == "pending":
        sys.exit(_UNDECIDED)
    sys.exit(0 if one["state"] == "approved" else 1)


def _look(config: str | None, request_id: str) -> dict[str, Any] | None:
    """The request; None where nobody answers at the moment."""
    try:
        token = caller.token(os.environ, time.time())
        said = asked(address(config, os.environ), token, "GET", f"/v1/approvals/{part(request_id)}")
    except (ValueError, caller.NotSignedIn) as error:
        fail(str(error), 2)
    except Refused as refused:
        if refused.status in _PASSING:
            return None
        fail(str(refused), 1)
    found: dict[str, Any] = said["approval"]
    return found
