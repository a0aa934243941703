"""What tests of desks share: a statement that waits, and whoever decides about it."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import trio

from gateway.approvals.statements import Held
from tests.workers.admin_rig import Supervisor, calling
from workers.admin_calls import Call, Turned
from workers.admin_process import Desk
from workers.held_desk import HeldDesk
from workers.holds_link import Waits

SHOP: tuple[str, ...] = ("shop",)
VALUE = "geheim-4711"
PATIENCE_SECONDS = 15


def waits(request: str = "h1", *approvals: str, **facts: Any) -> Waits:
    now = time.time()
    made = Waits(
        id=request, binding=request.encode(), session="s1", user="dave", issuer="local", groups=("devs",), actors=(),
        account="", token_id="t", model="", run="", address="a:1", application="", database="prod", environment="production",
        role="r", text=f"update t set a = '{VALUE}'".encode(), types=None, values=None, statement="update t set a = $1",
        by_text=False, kinds=("UPDATE",), tables=("t",), labels=(), rules=("updates wait",), words="updates wait",
        approvals=approvals or ("shop",), policy="p1", in_transaction=False, reason="", ticket="T-1", since=now,
        until=now + 60,
    )  # fmt: skip
    return msgspec.structs.replace(made, **facts)


async def until(true: Callable[[], Any]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not true():
            await trio.sleep(0.002)


class Deciding:
    """A gateway's desk, and the people who call it."""

    desk: Desk
    supervisor: Supervisor
    held: HeldDesk

    async def until(self, true: Callable[[], Any]) -> None:
        await until(true)

    async def kept(self, request: str, **facts: Any) -> Held:
        """As it stands in the store, once it has these facts."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                with suppress(Turned):
                    held = await self.held._do(lambda store: store.get(request))
                    if held is not None and all(getattr(held, name) == value for name, value in facts.items()):
                        return held
                await trio.sleep(0.002)

    def call(
        self, request: str = "h1", user: str = "bo", groups: tuple[str, ...] = SHOP, body: Any = None, **who: Any
    ) -> Call:
        return calling(self.desk, body or {"reason": "seen"}, {"id": request}, user=user, groups=groups, **who)

    async def status(self, handler: Callable[[Call], Awaitable[Any]], call: Call) -> int:
        try:
            await handler(call)
        except Turned as turned:
            return int(turned.status)
        return 200

    async def approve(self, request: str = "h1", user: str = "bo", groups: tuple[str, ...] = SHOP) -> int:
        return await self.status(self.held.approve, self.call(request, user, groups))

    def told(self, kind: str = "approval") -> list[str]:
        return [each.data["what"] for each in self.supervisor.told if each.kind == kind]
