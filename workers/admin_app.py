"""The operators' interface as an ASGI application: bounded bodies, bearer tokens, JSON and nothing else."""

import logging
import time
import traceback
from collections.abc import Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import msgspec
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from workers.admin_calls import Call, Operation, Tables, Turned, caller
from workers.admin_process import Desk
from workers.admin_strangers import Strangers

BODY_BYTES_MAX: Final = 16 * 1024
BODY_SECONDS: Final = 5.0
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
log = logging.getLogger("sluice.admin")


def application(
    desk: Desk, operations: Iterable[Operation], strangers: Strangers, others: Iterable[Route] = ()
) -> Starlette:
    """The operations over this desk, and what `others` call, who have no token."""
    tables = Tables()

    def route(one: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return _json(HTTPStatus.OK, await one.handler(await _call(request, desk, tables, strangers)))
            except Turned as turned:
                return _turned(turned)
            except (ClientDisconnect, trio.Cancelled):
                raise
            except Exception as fault:  # a text may quote what was sent: only the places are told
                places = " < ".join(f"{at.name}:{at.lineno}" for at in reversed(traceback.extract_tb(fault.__traceback__)))
                log.error("an operation ended on an unexpected %s in %s", type(fault).__name__, places)
                return _turned(Turned(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error"))

        return Route(one.path, endpoint, methods=[one.method])

    async def known(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        return _turned(Turned(status, HTTPStatus(status).phrase.lower(), "See docs/operations.md for what there is."))

    return Starlette(routes=[*(route(one) for one in operations), *others], exception_handlers={HTTPException: known})


async def _call(request: Request, desk: Desk, tables: Tables, strangers: Strangers) -> Call:
    address = f"{request.client.host}:{request.client.port}" if request.client else ""
    now = time.time()
    try:
        who = caller(desk, [value for name, value in request.headers.raw if name == b"authorization"], now)
    except Turned as turned:
        strangers.note(address, turned.error)
        raise
    body = b""
    with trio.move_on_after(BODY_SECONDS) as patience:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise Turned(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {BODY_BYTES_MAX} bytes")
    if patience.cancelled_caught:
        raise Turned(HTTPStatus.REQUEST_TIMEOUT, "the body did not come")
    return Call(desk, tables.of(desk.loaded.policy), who, address, body, request.path_params, now)


def _json(status: int, value: Any, challenge: str = "") -> Response:
    headers = {**_HEADERS, **({"WWW-Authenticate": challenge} if challenge else {})}
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def _turned(turned: Turned) -> Response:
    return _json(turned.status, {"error": turned.error, "hint": turned.hint}, turned.challenge)
