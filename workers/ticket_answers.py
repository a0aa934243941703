"""What a client reads of a statement for which it does not wait: that it has a ticket, or what became of that."""

import datetime
from typing import Final

from gateway.errors import Refused, State
from gateway.session.holding import Held
from workers.holds_link import Ticketed

CANCELLED: Final = Refused(State.CANCELLED, "canceling statement due to user request")
_CHANGE: Final = "Change the statement as the answer says, or leave it out."


def refusal(held: Held, told: Ticketed) -> Refused | None:
    """None: it runs."""
    begin = f"held by {held.hold.words.rstrip('.')}"
    if told.state == "approved":
        return None
    if told.state == "denied":
        why = f": {told.words}" if told.words else ""
        return _refused(held, f"{begin}: request {told.ticket} was denied by {told.by}{why}", _CHANGE)
    if told.state == "full":
        why = "too many requests of yours wait for an answer already"
        return _refused(held, f"{begin}: {why}", "Wait until some of them are decided: `sluice approvals list`.")
    until = datetime.datetime.fromtimestamp(told.until, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return _refused(
        held,
        f"{begin}: request {told.ticket} waits for {held.hold.whom}, until {until}",
        f"See `sluice approvals wait {told.ticket}`. Once it is approved, send exactly the same again within "
        f"{held.hold.use_within_seconds:.0f} s: it then runs, once.",
    )


def unanswered(held: Held) -> Refused:
    """Nobody is there who keeps tickets."""
    return _refused(
        held,
        f"held by {held.hold.words.rstrip('.')}: nobody can be asked at the moment",
        "Send it again in a little while.",
    )


def _refused(held: Held, message: str, hint: str) -> Refused:
    return Refused(State.DENIED, message, hint, held.hold.rules[0])
