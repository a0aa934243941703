"""What was given with a decision, and is not used up, is taken back: an allowance, a ticket that nobody has used yet."""

from http import HTTPStatus
from typing import Any, Final

from gateway.approvals import statements, tickets
from gateway.approvals.statements import Held
from workers.admin_calls import Call, Turned
from workers.allowance_desk import Allowances
from workers.held_told import facts_of
from workers.ticket_desk import Keeps

_NOT_RECORDED: Final = "it could not be put on record, and is not done"


async def revoke(call: Call, held: Held, words: str, do: Keeps, allowances: Allowances) -> Held:
    """As it is then; on record first. Raises Turned."""
    left = await allowances.left(held)
    allows = left is not None and call.now < left.until
    if not allows and not tickets.usable(held, call.now):
        raise Turned(HTTPStatus.CONFLICT, "there is nothing to revoke", "See `sluice approvals show`.")
    facts: dict[str, Any] = {**facts_of(held), "decision": words, **call.signature()}
    what = "allowance revoked" if allows else "approval revoked"
    if not await call.desk.post.record("approval", what, **facts):
        raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "See `sluice status`.")
    if allows:
        await allowances.end(held, call.now)
        return held
    after = statements.ended(held, "withdrawn", call.now, words)
    if not await do(lambda store: store.move(held, after)):
        raise Turned(HTTPStatus.CONFLICT, "somebody else was quicker", "See `sluice approvals show`.")
    return after
