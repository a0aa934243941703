"""A statement that waits, as it is kept and told: its shape, what the interface says of it, and what records do."""

import hashlib
import secrets
from typing import Any

import msgspec

from gateway.approvals import sealed, tickets
from gateway.approvals.outcomes import Preview
from gateway.approvals.sealed import Secret
from gateway.approvals.statements import Held
from workers.holds_link import Waits


def shape_of(waits: Waits) -> bytes:
    """The SHA-256 of who asks for which shape of statement where, under which rules."""
    exactly = (waits.text, waits.values) if waits.by_text else ()
    parts = (
        waits.user, waits.issuer, waits.actors, waits.account, waits.database, waits.role, waits.policy, waits.rules,
        waits.approvals, waits.kinds, waits.tables, waits.statement, exactly,
    )  # fmt: skip
    return hashlib.sha256(msgspec.msgpack.encode(parts)).digest()


def made(waits: Waits, key: bytes, host: str) -> Held:
    """Of what a worker asks; its literals sealed under the key. `host`: the gateway whose client waits."""
    kept = sealed.seal(
        Secret(waits.text, waits.types, waits.values), waits.id, key, secrets.token_bytes(sealed.NONCE_BYTES)
    )
    facts = {name: getattr(waits, name) for name in waits.__struct_fields__ if name in Held.__struct_fields__}
    held = Held(**facts, state="pending", shape=shape_of(waits), secret=kept, host=host)
    if waits.on_hold == "wait":
        return held
    preview = Preview(why="its client does not wait for it") if waits.previews else None
    return msgspec.structs.replace(held, host="", preview=preview)  # a ticket waits with none


def as_told(held: Held, now: float) -> dict[str, Any]:
    """What the interface says of it to everybody who sees it: nothing that is sealed, binds or counts rows."""
    facts: dict[str, Any] = msgspec.to_builtins(held)
    for key in ("secret", "binding", "shape", "token_id", "host", "claimed", "used_by", "preview"):
        del facts[key]
    if held.state == "pending" and now >= held.until:
        facts["state"] = "expired"
    if tickets.unused(held, now):
        facts["state"] = "expired"
    awaits = {"awaits_preview": held.awaits_preview} if held.previews else {}
    return {**facts, **awaits, "kind": "statement", "by": held.by, "approved_by": list(held.givers)}


def facts_of(held: Held) -> dict[str, Any]:
    """What each record of it says."""
    return {
        "approval": held.id,
        "rules": list(held.rules),
        "approval_rules": list(held.approvals),
        "requester": held.by,
        "session": held.session,
        "database": held.database,
        "statement": held.statement,
        "binding": held.binding.hex(),
        "ticket": held.ticket,
    }
