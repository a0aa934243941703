"""What is new of a request against the last one of its kind that was approved. Never a literal of either."""

from collections.abc import Sequence
from typing import Final

from gateway.approvals import telling
from gateway.approvals.statements import Held

_HOURS: Final = 4  # apart in the day, from which on that is said
_TIMES: Final = 2.0  # as many rows
_DAY: Final = 86_400.0


def lines(held: Held, last: Held | None) -> tuple[str, ...]:
    """When and by whom the last one was approved, and what differs; nothing where there was none."""
    if last is None:
        return ()
    by = ", ".join(last.givers)
    kind = "the same statement" if last.shape == held.shape else "another statement over the same tables"
    found = [f"{kind} was approved {telling.moment(last.decided)}{f' by {by}' if by else ''} (request {last.id})"]
    for what, now, then in (("tables", held.tables, last.tables), ("personal data", held.labels, last.labels)):
        more = [one for one in now if one not in then]
        if more:
            found.append(f"more {what}: {', '.join(more)}")
    for what, new, old in (
        ("agent", " for ".join(held.actors), " for ".join(last.actors)),
        ("task", held.run, last.run),
        ("ticket", held.ticket, last.ticket),
        ("role", held.role, last.role),
    ):
        if new != old:
            found.append(f"another {what}: {new or 'none'}, then {old or 'none'}")
    if held.policy != last.policy:
        found.append("the policy has changed since")
    return (*found, *_rows(held.rows, last.rows), *_hour(held.since, last.since))


def _rows(now: int, then: int) -> Sequence[str]:
    if now < 0 or then < 0 or max(now, then) < _TIMES * max(1, min(now, then)):
        return ()
    return (f"about {now} rows, then {then}",)


def _hour(now: float, then: float) -> Sequence[str]:
    apart = abs(now % _DAY - then % _DAY) / 3600
    if min(apart, 24 - apart) < _HOURS:
        return ()
    return (f"at another time of day: {telling.moment(now)[11:16]} UTC, then {telling.moment(then)[11:16]} UTC",)
