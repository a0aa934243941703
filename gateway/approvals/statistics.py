"""How people decide: how many requests, how fast, and how often without having looked."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.approvals.requests import alike
from gateway.approvals.statements import Given, Held

QUICK_SECONDS: Final = 5.0  # between looking and approving: nobody has read it
SHAPES_MAX: Final = 10


class OfRule(msgspec.Struct, frozen=True):
    """What became of the requests under one approval rule. `remembered`: let pass by an earlier approval, with nobody asked;
    they count in nothing else. Times run from the request to its decision."""

    rule: str
    requests: int
    approved: int
    denied: int
    expired: int
    withdrawn: int
    waiting: int
    remembered: int
    escalated: int
    median_seconds: float | None
    p95_seconds: float | None
    approved_share: float | None  # of what was decided


class OfApprover(msgspec.Struct, frozen=True):
    """How one person decides. `unread`: approved without having been shown the statement in full; `quick`: within
    QUICK_SECONDS of that; `rubber_stamp_rate`: both, of all that he approved."""

    approver: str
    approved: int
    denied: int
    in_stead: int
    unread: int
    quick: int
    rubber_stamp_rate: float | None
    approved_share: float | None
    median_seconds: float | None
    p95_seconds: float | None
    channels: dict[str, int]


class OfShape(msgspec.Struct, frozen=True):
    """A statement without its values, and how often it was asked for."""

    statement: str
    requests: int
    approved: int


class Statistics(msgspec.Struct, frozen=True):
    """All of it. `since` is of what was looked at: later than what was asked for where there is more than is looked at."""

    since: float
    until: float
    rules: tuple[OfRule, ...]
    approvers: tuple[OfApprover, ...]
    shapes: tuple[OfShape, ...]


def of(held: Sequence[Held], since: float, until: float) -> Statistics:
    """Of requests made since then."""
    its = [one for one in held if since <= one.since < until]
    asked = [one for one in its if not remembered(one)]
    rules = sorted({rule for one in its for rule in one.approvals})
    return Statistics(
        since,
        until,
        tuple(_of_rule(rule, [one for one in its if rule in one.approvals]) for rule in rules),
        _of_approvers(asked),
        _of_shapes(asked),
    )


def remembered(held: Held) -> bool:
    """Whether it passed by an earlier approval."""
    return held.state == "approved" and held.decided < held.since


def _of_rule(rule: str, its: Sequence[Held]) -> OfRule:
    asked = [one for one in its if not remembered(one)]
    states = Counter(one.state for one in asked)
    times = [one.decided - one.since for one in asked if one.state in ("approved", "denied")]
    return OfRule(
        rule,
        len(asked),
        states["approved"],
        states["denied"],
        states["expired"],
        states["withdrawn"],
        states["pending"],
        len(its) - len(asked),
        sum(bool(one.escalated) for one in asked),
        percentile(times, 0.5),
        percentile(times, 0.95),
        _share(states["approved"], states["approved"] + states["denied"]),
    )


def _of_approvers(asked: Iterable[Held]) -> tuple[OfApprover, ...]:
    given: dict[str, list[tuple[Held, Given]]] = defaultdict(list)
    denied: dict[str, list[Held]] = defaultdict(list)
    for held in asked:
        for one in held.given:
            given[f"{one.user} ({one.issuer})"].append((held, one))
        if held.state == "denied" and held.denied_by:
            denied[held.denied_by.partition(" for ")[0]].append(held)
    return tuple(_of_approver(name, given[name], denied[name]) for name in sorted({*given, *denied}))


def _of_approver(name: str, given: Sequence[tuple[Held, Given]], denied: Sequence[Held]) -> OfApprover:
    looks = [(one, _look(held, one)) for held, one in given]
    unread = sum(look is None for _, look in looks)
    quick = sum(look is not None and one.time - look < QUICK_SECONDS for one, look in looks)
    times = [one.time - held.since for held, one in given] + [held.decided - held.since for held in denied]
    channels = Counter([one.how for _, one in given] + [held.how for held in denied])
    return OfApprover(
        name,
        len(given),
        len(denied),
        sum(bool(one.lent) for _, one in given) + sum(" for " in held.denied_by for held in denied),
        unread,
        quick,
        _share(unread + quick, len(given)),
        _share(len(given), len(given) + len(denied)),
        percentile(times, 0.5),
        percentile(times, 0.95),
        dict(sorted(channels.items())),
    )


def _look(held: Held, given: Given) -> float | None:
    """When he was first shown it, if that was before he decided."""
    times = [one.time for one in held.looks if alike(one.user, given.user) and one.time <= given.time]
    return min(times, default=None)


def _of_shapes(asked: Iterable[Held]) -> tuple[OfShape, ...]:
    count = Counter[str]()
    approved = Counter[str]()
    for one in asked:
        count[one.statement] += 1
        approved[one.statement] += one.state == "approved"
    return tuple(OfShape(each, number, approved[each]) for each, number in count.most_common(SHAPES_MAX))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that so many are at most (nearest rank); None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
