"""Tells further people of statements that nobody has decided about: the steps of their rules, each when its time has come.

Whoever a step names may decide from that time on, told or not: that is judged by the clock when he does. After a restart the
steps that were taken are known from the store, and the others are taken.
"""

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import trio

from gateway.approvals import statements
from gateway.approvals.statements import Escalated, Held
from gateway.policy.access import Step
from gateway.policy.approving import Approval
from workers.admin_calls import Turned
from workers.held_desk import HeldDesk

LOOK_SECONDS: Final = 1.0


async def keep(desk: HeldDesk) -> None:
    """For ever."""
    while True:
        await trio.sleep(LOOK_SECONDS)
        rules = desk.rules()
        if any(rule.escalate for rule in rules.values()):
            for held in desk.around.groups:
                if _due(held, rules, now := time.time()):
                    with contextlib.suppress(Turned):  # it is in the log already; the next look is soon
                        await _escalate(desk, held, rules, now)


def _due(held: Held, rules: Mapping[str, Approval], now: float) -> list[tuple[str, Step]]:
    if now >= held.until:
        return []
    return [(name, step) for when, name, step in statements.untold(held, rules) if when <= now]


async def _escalate(desk: HeldDesk, held: Held, rules: Mapping[str, Approval], now: float) -> None:
    def taken(one: Held) -> Held:
        steps = (Escalated(name, step.after_seconds, now) for name, step in _due(one, rules, now))
        return msgspec.structs.replace(one, escalated=(*one.escalated, *steps))

    due = _due(held, rules, now)
    after = await desk.amend(held.id, taken, "request escalated", steps=[_told(name, step) for name, step in due])
    if after is not None:
        desk.moved(after, "request.escalated")
        desk.tell_news(after.id, _words([step for _, step in due]))


def _told(rule: str, step: Step) -> dict[str, Any]:
    return {
        "rule": rule,
        "after_seconds": step.after_seconds,
        "users": list(step.approvers.users),
        "groups": list(step.approvers.groups),
        "channels": list(step.channels),
    }


def _words(steps: list[Step]) -> str:
    """For whoever waits."""
    people = [one for step in steps for one in (*step.approvers.groups, *step.approvers.users)]
    return f"{', '.join(dict.fromkeys(people))} may decide now, too" if people else "it was told to others, too"
