"""The addresses that other houses call, as routes of the admin process's application: bounded bodies, bytes handed on."""

import logging
from collections.abc import Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from workers.callbacks import Callback

BODY_SECONDS: Final = 5.0
log = logging.getLogger("sluice.channels")
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def routes(callbacks: Iterable[Callback]) -> list[Route]:
    """One for each."""
    return [_route(one) for one in callbacks]


def _route(callback: Callback) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await body_of(request, callback.body_bytes_max)
        if isinstance(body, HTTPStatus):
            return Response(b"", body, _HEADERS)
        headers: dict[str, str] = {}
        for name, value in request.headers.items():  # those of one name are one list, as HTTP has it
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        try:
            reply = await callback.handle(headers, body)
        except Exception as fault:  # its words may quote what was sent
            log.error("a call-back of %s ended on an unexpected %s", callback.path, type(fault).__name__)
            return Response(b"", HTTPStatus.INTERNAL_SERVER_ERROR, _HEADERS)
        return Response(reply.body, reply.status, _HEADERS, reply.kind if reply.body else None)

    return Route(callback.path, endpoint, methods=["POST"])


async def body_of(request: Request, bytes_max: int) -> bytes | HTTPStatus:
    """All of it, or why not. What is too long is not read to its end."""
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()) or len(announced) > 12 or int(announced) > bytes_max:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    body = bytearray()
    with trio.move_on_after(BODY_SECONDS):
        try:
            async with aclosing(request.stream()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > bytes_max:
                        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        except ClientDisconnect:
            return HTTPStatus.BAD_REQUEST
        return bytes(body)
    return HTTPStatus.REQUEST_TIMEOUT
