"""Previews where requests are kept: noted once, with their rows sealed beside the literals."""

import contextlib
import secrets
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.approvals import outcomes, sealed
from gateway.approvals.statements import Held
from workers.admin_calls import Turned
from workers.holds_link import Previewed

if TYPE_CHECKING:
    from workers.held_desk import HeldDesk


def ready(held: Held, *, approve: bool) -> None:
    """Nobody approves before he can know what. Raises Turned."""
    if approve and held.awaits_preview:
        why = "what it would change is still being found out"
        raise Turned(HTTPStatus.CONFLICT, why, "Look again in a moment.")


class Late:
    """What workers have told of outcomes, until it is kept: the request itself may not be kept yet, or the store away."""

    def __init__(self, desk: "HeldDesk", key: Callable[[], bytes]) -> None:
        self._desk = desk
        self._key = key
        self._told: dict[str, Previewed] = {}

    async def take(self, told: Previewed) -> None:
        """What it would do is known, and those who decide are asked as soon as that is kept. Raises Turned."""
        self._told[told.id] = told
        await self.keep()

    async def keep(self) -> None:
        """What could not be kept before. Raises Turned."""
        for told in list(self._told.values()):
            held = await self._desk.kept(told.id)
            if held is None:  # it is not kept itself yet
                continue
            change = partial(_with, told=told, key=self._key())
            after = await self._desk.amend(told.id, change) if held.awaits_preview else None
            if after is None and held.state == "pending" and held.awaits_preview:
                continue  # it was changed meanwhile
            self.forget(told.id)
            if after is not None:
                self._desk.onlooker()
                self._desk.opened(after)

    def forget(self, held_id: str) -> None:
        """It waits no more."""
        self._told.pop(held_id, None)


def told(held: Held, *, decides: bool) -> dict[str, Any]:
    """For those who decide alone: to whoever asks, a number of rows answers a question about values that he may not see."""
    return {"preview": msgspec.to_builtins(held.preview)} if held.previews and decides else {}


def differ(one: Held, other: Held) -> bool:
    """Whether they would change something else, so that one word is not for both."""
    if one.preview is None or other.preview is None:
        return one.awaits_preview or other.awaits_preview
    return one.preview.known != other.preview.known or bool(outcomes.difference(one.preview, other.preview))


def _with(held: Held, told: Previewed, key: bytes) -> Held:
    """Told again it is nothing new."""
    if held.preview is not None:
        return held
    kept = held.secret
    with contextlib.suppress(ValueError):  # sealed under a key that is no more
        secret = msgspec.structs.replace(sealed.unseal(held.secret, held.id, key), samples=told.samples)
        kept = sealed.seal(secret, held.id, key, secrets.token_bytes(sealed.NONCE_BYTES))
    return msgspec.structs.replace(held, preview=told.preview, secret=kept)
