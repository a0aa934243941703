"""Statements that wait with one gateway and are decided at another: who has the client waiting hears of it, and lets it go;
what waits with a gateway that is gone is withdrawn by one that is there."""

import time
from functools import partial
from typing import Final

import msgspec
import trio

from gateway.approvals import statements
from gateway.approvals.statements import Held
from workers.admin_calls import Turned
from workers.approvals_fleet import Changed, Fleet
from workers.held_desk import HeldDesk
from workers.shared_approvals import HELD, SharedHeld
from workers.store_connection import Connection

LOOK_SECONDS: Final = 1.0  # between looks for what others have left
AGAIN_SECONDS: Final = 10.0  # … and for what nobody has been told of, though nothing seems amiss
_WHY: Final = "its gateway is gone"


class HeldFleet:
    """What the desk of one gateway does for and with the others'."""

    def __init__(self, fleet: Fleet, desk: HeldDesk) -> None:
        self._fleet = fleet
        self._desk = desk
        fleet.hears(HELD, self._heard)
        fleet.begins(self._again)

    async def keep(self) -> None:
        """For ever."""
        again = trio.current_time() + AGAIN_SECONDS
        while True:
            await trio.sleep(LOOK_SECONDS)
            try:
                await self._take()
                if trio.current_time() >= again:
                    again = trio.current_time() + AGAIN_SECONDS
                    await self._again()
            except Turned:  # it is in the log already
                continue

    async def _heard(self, changed: Changed) -> None:
        if changed.state == "pending" and changed.host != self._fleet.host:
            return  # it is the business of who has it waiting
        held = await self._desk.kept(changed.id)
        if held is not None:
            await self._desk.changed(held)

    async def _again(self) -> None:
        """What became of all that waits here. Raises Turned."""
        ids, key = self._desk.waiting(), self._fleet.key
        for held in await self._fleet.do(lambda connection: SharedHeld(connection, key).decided(ids)) if ids else ():
            await self._desk.changed(held)

    async def _take(self) -> None:
        """Raises Turned."""
        host, key = self._fleet.host, self._fleet.key
        for held in await self._fleet.do(lambda connection: SharedHeld(connection, key).left(host)):
            after = msgspec.structs.replace(statements.ended(held, "withdrawn", time.time(), _WHY), host=host)
            if await self._fleet.do(partial(_move, key, held, after)):
                await self._desk.taken(after, _WHY)


def _move(key: bytes, before: Held, after: Held, connection: Connection) -> bool:
    return SharedHeld(connection, key).move(before, after)
