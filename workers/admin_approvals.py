"""Everything that waits for people, under one roof: access that somebody asks for, and statements that a rule holds."""

from http import HTTPStatus
from typing import Any

import msgspec

from workers.admin_access import AccessDesk
from workers.admin_calls import Call, Operation, Turned
from workers.held_desk import HeldDesk
from workers.held_told import as_told

_HELD = "h"  # how the ids of held statements begin


class Approvals:
    """The operations over both."""

    def __init__(self, access: AccessDesk, held: HeldDesk) -> None:
        self._access = access
        self._held = held

    def all(self) -> list[Operation]:
        """As the application takes them."""
        return [
            Operation("POST", "/v1/approvals", self._access.ask),
            Operation("GET", "/v1/approvals", self.list),
            Operation("GET", "/v1/approvals/{id}", self.show),
            Operation("POST", "/v1/approvals/{id}/approve", self.approve),
            Operation("POST", "/v1/approvals/{id}/deny", self.deny),
            Operation("POST", "/v1/approvals/{id}/revoke", self.revoke),
            Operation("POST", "/v1/approvals/{id}/review", self.review),
        ]

    async def list(self, call: Call) -> dict[str, Any]:
        """Both, the newest first."""
        access = await self._access.list(call)
        found = [*access["approvals"], *await self._held.list(call)]
        return {"approvals": sorted(found, key=lambda one: (-one["since"], one["id"]))}

    async def show(self, call: Call) -> dict[str, Any]:
        """One of them."""
        return await (self._held if _is_held(call) else self._access).show(call)

    async def approve(self, call: Call) -> dict[str, Any]:
        """Somebody else's."""
        return await (self._held if _is_held(call) else self._access).approve(call)

    async def deny(self, call: Call) -> dict[str, Any]:
        """Somebody else's."""
        return await (self._held if _is_held(call) else self._access).deny(call)

    async def told(self, request_id: str, now: float) -> dict[str, Any] | None:
        """As it stands, for whoever a message about it has told already: nothing of its values. Raises Turned."""
        held = await self._held.kept(request_id) if request_id.startswith(_HELD) else None
        if held is not None:
            return as_told(held, now)
        request = await self._access.kept(request_id)
        return None if request is None else {**msgspec.to_builtins(request)}

    async def revoke(self, call: Call) -> dict[str, Any]:
        """What was given, and is not used up; what waits its client takes back."""
        return await (self._held if _is_held(call) else self._access).revoke(call)

    async def review(self, call: Call) -> dict[str, Any]:
        """Of access that was broken open alone."""
        if _is_held(call):
            raise Turned(HTTPStatus.CONFLICT, "a statement is not reviewed", "Look at it with `sluice approvals show`.")
        return await self._access.review(call)


def _is_held(call: Call) -> bool:
    return call.path["id"].startswith(_HELD)

