"""How people decide, for those who decide and those who operate the gateway: from what is kept of statements that waited."""

import math
from http import HTTPStatus
from typing import Any, Final

import msgspec

from gateway.approvals import delegation, statistics
from workers.admin_calls import Call, Operation, Turned
from workers.held_desk import HeldDesk

LOOKED_AT_MAX: Final = 10_000  # the latest
SECONDS_MAX: Final = 400 * 86_400.0


class ApprovalStatistics:
    """The operation over one desk."""

    def __init__(self, held: HeldDesk) -> None:
        self._held = held

    def all(self) -> list[Operation]:
        """As the application takes them."""
        return [Operation("GET", "/v1/statistics/approvals/{seconds}", self.statistics)]

    async def statistics(self, call: Call) -> dict[str, Any]:
        """All of them to who operates the gateway; else of the rules that name the caller among those who decide."""
        operator = await call.operator("approval statistics")
        mine = set(delegation.lendable(call.who, call.table.approval_rules))
        if not operator.everywhere and not mine:
            why = "you neither decide about statements nor operate the gateway"
            await call.refuse("approval statistics", why, "Ask who does.")
        since = call.now - _seconds(call.path["seconds"])
        found = await self._held.history(since, LOOKED_AT_MAX)
        if len(found) == LOOKED_AT_MAX:
            since = max(since, found[-1].since)
        if not operator.everywhere:
            found = [one for one in found if mine & set(one.approvals)]
        told: dict[str, Any] = msgspec.to_builtins(statistics.of(found, since, call.now))
        return told


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= SECONDS_MAX:
        raise Turned(HTTPStatus.BAD_REQUEST, "that is no number of seconds", "Give the seconds to look back: 604800.")
    return seconds
