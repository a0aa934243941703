"""A decision that wants a fresh or strong sign-in: who falls short is told what to sign in with (RFC 9470),
and that is on record."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from gateway.approvals import statements
from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Unfit
from gateway.approvals.statements import Held
from gateway.policy import step_up
from gateway.policy.approving import Approval
from gateway.policy.step_up import Demand
from workers.admin_calls import Call, Turned

ERROR: Final = "insufficient_user_authentication"


class TooWeak(Turned):
    """401: the sign-in is not fresh or strong enough for this decision."""

    def __init__(self, demand: Demand, page: str) -> None:
        hint = f"Decide at {page}, which asks for it; or sign in again: `{command(demand)}`."
        super().__init__(HTTPStatus.UNAUTHORIZED, words(demand), hint, challenge(demand))
        self.demand = demand


def demanded(call: Call, rules: Mapping[str, Approval], names: Iterable[str]) -> Demand | None:
    """What the caller's sign-in lacks for deciding by these rules."""
    wanted = (rules[name].step_up for name in names if name in rules)
    return step_up.demand(wanted, call.who.authentication, call.now)


def part(call: Call, held: Held, rules: Mapping[str, Approval], lent: Sequence[Delegation]) -> dict[str, Any]:
    """Why the caller decides nothing about it, "" where he does; and what his sign-in lacks for it."""
    rules = statements.as_of(rules, held, call.now)
    try:
        names = statements.right(held, rules, call.who, lent).rules
    except Unfit as unfit:
        return {"unfit": str(unfit), "step_up": None}
    return {"unfit": "", "step_up": msgspec.to_builtins(demanded(call, rules, names))}


async def check(call: Call, verb: str, request_id: str, rules: Mapping[str, Approval], names: Iterable[str]) -> None:
    """Raises TooWeak, on record."""
    lacks = demanded(call, rules, names)
    if lacks is None:
        return
    facts = {"operation": verb, "why": words(lacks), "approval": request_id}
    await call.desk.post.record("system", "operation refused", **facts, **call.signature())
    raise TooWeak(lacks, page(call, request_id))


def page(call: Call, request_id: str) -> str:
    """The request's page on the console."""
    return f"{call.desk.loaded.settings.gateway.console}/approvals/{request_id}"


def words(demand: Demand) -> str:
    """For people."""
    return f"this decision wants {', '.join(demand.lacks)}"


def command(demand: Demand) -> str:
    """What does it at the command line."""
    age = 0 if demand.max_age_seconds is None else demand.max_age_seconds
    classes = f" --acr-values '{' '.join(demand.acr_values)}'" if demand.acr_values else ""
    return f"sluice login --browser --max-age {age}{classes}"


def challenge(demand: Demand) -> str:
    """For clients, as RFC 9470 writes it."""
    parts = [f'Bearer error="{ERROR}"', f'error_description="{_quoted(words(demand))}"']
    if demand.max_age_seconds is not None:
        parts.append(f'max_age="{demand.max_age_seconds}"')
    if demand.acr_values:
        parts.append(f'acr_values="{_quoted(" ".join(demand.acr_values))}"')
    return ", ".join(parts)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
