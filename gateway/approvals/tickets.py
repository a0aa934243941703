"""Tickets: a held statement whose client does not wait. It is refused at once with the id of its request, and exactly the
same runs once when it is sent again after the approval.

One request stands for the statement however often it is sent. A denial stands for as long as the ticket would have waited,
so that nobody is asked the same again and again.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from gateway.approvals.statements import Held
from gateway.policy.approving import Approval

PENDING_MAX: Final = 100  # of one person, or of one chain of agents for one
State = Literal["pending", "approved", "denied"]


def key(binding: bytes, run: str) -> bytes:
    """What a ticket is for: the statement with all that it is bound to, in the task that its token names, if any."""
    return hashlib.sha256(binding + run.encode("utf-8", "surrogatepass")).digest()


def owner(held: Held) -> bytes:
    """Whose it is."""
    return hashlib.sha256(msgspec.msgpack.encode((held.user, held.issuer, held.actors, held.account))).digest()


def standing(held: Held, asks: str, now: float) -> State | None:
    """How it stands for whoever sends the statement again, under this name. None: it is over, and the next one is new; with
    an allowance that one passes under it."""
    if now >= held.until or held.allowance is not None:
        return None
    if held.state == "approved":
        return "approved" if not held.ran or held.used_by == asks else None
    return held.state if held.state in ("pending", "denied") else None


def used(held: Held, asks: str) -> Held:
    """Of whoever sends it under this name, and of nobody else any more."""
    return msgspec.structs.replace(held, ran=True, used_by=asks)


def decided(held: Held, rules: Mapping[str, Approval], now: float) -> Held:
    """An approved one is to be used within the time of its rules."""
    if held.on_hold != "ticket" or held.state != "approved":
        return held
    within = min((rules[name].use_within_seconds for name in held.approvals if name in rules), default=0.0)
    return msgspec.structs.replace(held, until=now + within)


def usable(held: Held, now: float) -> bool:
    """Whether it was approved, and may still be used."""
    return held.on_hold == "ticket" and held.allowance is None and standing(held, "", now) == "approved"


def unused(held: Held, now: float) -> bool:
    """Whether it was approved, and is worth nothing any more without having run."""
    waits = held.on_hold == "ticket" and held.state == "approved" and not held.ran
    return waits and held.allowance is None and now >= held.until
