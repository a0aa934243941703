"""Which rules speak of whom: worked out once for all whom the policy does not tell apart.

Rules see of a principal the names that some rule mentions: an actor whom none does is an actor all the same, a group is like
none. What was found is remembered by those names.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from gateway.identity.principal import Principal
from gateway.policy.approving import Approval
from gateway.policy.rules import Grant, Guardrail

KINDS_MAX = 4096  # of principals remembered; a full memory starts anew
_ANY = "*"

R = TypeVar("R", Grant, Guardrail, Approval)


def listed(names: Iterable[str], among: tuple[str, ...]) -> bool:
    """Whether one of the names is listed; an empty list, or "*" in it, means any, a missing name too."""
    return not among or _ANY in among or any(name in among for name in names)


class Choice(Generic[R]):
    """Rules in their order, and those among them that fit a principal."""

    __slots__ = ("_anybody", "_fits", "_known", "_mentioned", "_named", "_rules")

    def __init__(self, rules: Iterable[R], fits: Callable[[R, Principal], bool]) -> None:
        """`fits` looks at user, groups, actors and issuer by the rule's lists of them, and at nothing else."""
        self._rules: tuple[R, ...] = tuple(rules)
        self._fits: Callable[[R, Principal], bool] = fits
        self._named: dict[str, list[int]] = {}  # by the names of a list without which a rule does not fit
        self._anybody: list[int] = []
        self._known: dict[tuple[str, ...], tuple[R, ...]] = {}
        for place, rule in enumerate(self._rules):
            for name in _needed(rule) or ():
                self._named.setdefault(name, []).append(place)
            if _needed(rule) is None:
                self._anybody.append(place)
        self._mentioned = frozenset(name for rule in self._rules for name in _mentioned(rule))

    def of(self, who: Principal) -> tuple[R, ...]:
        """The rules that fit."""
        names = _names(who)
        mentioned = self._mentioned
        seen = tuple([name if name in mentioned else name[0] for name in names if name in mentioned or name[0] != "g"])
        known = self._known.get(seen)
        if known is None:
            places = {place for name in names for place in self._named.get(name, ())}
            rules = (self._rules[place] for place in sorted(places.union(self._anybody)))
            known = tuple(rule for rule in rules if self._fits(rule, who))
            if len(self._known) >= KINDS_MAX:
                self._known.clear()
            self._known[seen] = known
        return known


def _needed(rule: Grant | Guardrail | Approval) -> list[str] | None:
    """Names of which a principal must have one; None where anybody may do."""
    for mark, among in (("u", rule.users), ("g", rule.groups), ("a", rule.actors)):
        if among and _ANY not in among:
            return [f"{mark}{name}" for name in dict.fromkeys(among)]
    return None


def _mentioned(rule: Grant | Guardrail | Approval) -> Iterable[str]:
    yield from (f"u{name}" for name in rule.users)
    yield from (f"g{name}" for name in rule.groups)
    yield from (f"a{name}" for name in rule.actors)
    if isinstance(rule, Grant):
        yield from (f"i{name}" for name in rule.issuers)


def _names(who: Principal) -> tuple[str, ...]:
    """All that rules look at, each name with the list that it is of."""
    return (
        f"u{who.user}", f"i{who.issuer}", *(f"a{name}" for name in who.actors), *(f"g{name}" for name in sorted(who.groups)),
    )  # fmt: skip
