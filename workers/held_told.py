"""A statement that waits, as it is told: its shape, what the interface says of it, and what records do."""

import hashlib
from typing import Any

import msgspec

from gateway.approvals import tickets
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


def as_told(held: Held, now: float) -> dict[str, Any]:
    """What the interface says of it to everybody who sees it: nothing that is sealed, binds or counts rows."""
    facts: dict[str, Any] = msgspec.to_builtins(held)
    for key in ("secret", "binding", "shape", "token_id", "host", "claimed", "used_by", "preview"):
        del facts[key]
    if held.state == "pending" and now >= held.until:
        facts["state"] = "expired"
    if tickets.unused(held, now):
        facts["state"] = "expired"
    return {**facts, "kind": "statement", "by": held.by, "approved_by": list(held.givers)}


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
