"""Previews where requests are kept: noted once, with their rows sealed beside the literals."""

import contextlib
import secrets
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


async def take(desk: "HeldDesk", told: Previewed, key: bytes) -> None:
    """What it would do is known, and those who decide are asked now. Raises Turned."""
    after = await desk.amend(told.id, lambda held: _with(held, told, key))
    if after is not None:
        desk.onlooker()
        desk.opened(after)


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
