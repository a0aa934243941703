"""Addresses that others call, served as the admin process does it: starlette on hypercorn, on loopback."""

import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette

from workers.callbacks import Callback
from workers.channel_routes import routes


@dataclass(frozen=True)
class Inbound:
    """Where they are served."""

    url: str

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await client.post(self.url + path, content=body, headers=dict(headers or {}))


@asynccontextmanager
async def served(callbacks: Iterable[Callback]) -> AsyncIterator[Inbound]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.errorlog = config.accesslog = None
    config.graceful_timeout = 0.1
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(_serve, Starlette(routes=routes(callbacks)), config, over)
        yield Inbound(bound)
        over.set()


async def _serve(app: Starlette, config: Config, over: trio.Event, task_status: trio.TaskStatus[str]) -> None:
    async with trio.open_nursery() as nursery:

        def run(task_status: trio.TaskStatus[list[str]]) -> object:
            return serve(app, config, shutdown_trigger=over.wait, task_status=task_status)

        (url,) = await nursery.start(run)
        task_status.started(url)
