"""The admin process: what the gateway does that no session waits for in a worker, in one trio process beside them.

The supervisor forks it and starts it again when it died; the workers go on without it.
"""

import ctypes
import faulthandler
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from gateway.audit.records import EventKind
from gateway.errors import ConfigError
from gateway.identity.barred import Bar, Bars
from workers import admin_link, configuration
from workers.admin_link import Barred, Message, Reread, Told
from workers.admin_post import Post
from workers.budgets import Budgets
from workers.configuration import Loaded

NAME: Final = "sluice-admin"
_PR_SET_NAME: Final = 15  # prctl(2)
log = logging.getLogger("sluice.admin")


@dataclass(slots=True)
class Desk:
    """What the services of this process share. `moved` is another event after each time that files were read again."""

    control: socket.socket  # SOCK_SEQPACKET to the supervisor, non-blocking
    loaded: Loaded
    environ: Mapping[str, str]
    bars: Bars = field(default_factory=Bars)  # as the supervisor knew them when this process began
    budgets: Budgets | None = None  # the workers' counters
    moved: trio.Event = field(default_factory=trio.Event)
    hears: dict[type[Message], Callable[[Any], object]] = field(default_factory=dict)  # what services want to hear
    post: Post = field(init=False)
    barred: Callable[[Bar], None] = field(init=False)  # called for what rules of the policy keep out

    def __post_init__(self) -> None:
        self.post = Post(self.tell)
        self.barred = lambda bar: None

    async def tell(self, message: Message, fd: int | None = None) -> None:
        """Tells the supervisor, which reads soon."""
        while True:
            try:
                return admin_link.send(self.control, message, fd)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.control)

    async def happened(self, kind: EventKind, what: str, **facts: Any) -> None:
        """Something for the record of the gateway itself."""
        await self.tell(Told(kind, {"what": what, **facts}))

    def reread(self) -> None:
        """Takes over what the files say now; the supervisor has found that they can be used."""
        try:
            self.loaded = configuration.reload(self.loaded, self.environ).loaded
        except ConfigError as error:  # edited again meanwhile
            log.warning("files could not be read again: %s", error)
            return
        moved, self.moved = self.moved, trio.Event()
        moved.set()


Service = Callable[[Desk], Awaitable[None]]


def all_services() -> tuple[Service, ...]:
    """Imported in this process alone: no worker carries what they need."""
    from workers import admin_interface, fleet, introspector, key_fetcher

    return (admin_interface.serve, key_fetcher.keep, introspector.serve, fleet.keep)


def serve(
    control: socket.socket,
    loaded: Loaded,
    environ: Mapping[str, str],
    bars: Bars,
    budgets: Budgets | None = None,
    services: tuple[Service, ...] | None = None,
) -> int:
    """The main of the process that the supervisor forked for it; the exit code."""
    faulthandler.enable()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME.encode(), 0, 0, 0)
    os.nice(5)  # sessions first
    desk = Desk(control, loaded, environ, bars, budgets)
    trio.run(_serve, desk, all_services() if services is None else services)
    return 0


async def _serve(desk: Desk, services: tuple[Service, ...]) -> None:
    async with trio.open_nursery() as nursery:
        for service in services:
            nursery.start_soon(service, desk)
        await _listen(desk)
        nursery.cancel_scope.cancel()


async def _listen(desk: Desk) -> None:
    """Hears the supervisor until it wants this process to end."""
    while True:
        await trio.lowlevel.wait_readable(desk.control)
        try:
            heard = admin_link.receive(desk.control)
        except BlockingIOError:
            continue
        if heard is None:
            return
        message, fd = heard
        if isinstance(message, Reread):
            desk.reread()
        elif isinstance(message, Barred):
            desk.barred(message.bar)
        elif type(message) in desk.hears:
            desk.hears[type(message)](message)
        else:
            desk.post.hear(message, fd)
