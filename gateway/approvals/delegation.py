"""A right to decide, lent to somebody else for a time.

What is lent is the giver's own, of the rules that named him then, as far as they name him at the moment of a decision. It is
never lent on: a delegation rests on what the rules say of its giver, not on what others have lent him.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gateway.approvals.requests import Unfit, alike
from gateway.identity.principal import Principal
from gateway.policy import escalating
from gateway.policy.access import Access, Approvers
from gateway.policy.approving import Approval

LONGEST_SECONDS: Final = 92 * 86_400.0


class Delegation(msgspec.Struct, frozen=True):
    """Times are POSIX seconds. `groups`: those of the giver when he lent it; `token_id`: by which token."""

    id: str
    user: str
    issuer: str
    groups: tuple[str, ...]
    token_id: str
    to: str
    to_issuer: str
    rules: tuple[str, ...]
    since: float
    until: float
    made: float
    reason: str
    revoked: float = 0.0
    revoked_by: str = ""

    @property
    def by(self) -> str:
        """Whose right it is, as records name him."""
        return f"{self.user} ({self.issuer})"

    def holds(self, now: float) -> bool:
        """Whether its time has come, and is not over."""
        return not self.revoked and self.since <= now < self.until

    def over(self, now: float) -> bool:
        """Whether it will never hold again."""
        return bool(self.revoked) or now >= self.until

    def is_for(self, who: Principal) -> bool:
        """Whether it is lent to this person."""
        return (who.user, who.issuer) == (self.to, self.to_issuer)

    def lends(self, rule: str, approvers: Approvers) -> bool:
        """Whether it counts by the rule of this name, which names these people."""
        return rule in self.rules and names(approvers, self.user, self.groups)

    @property
    def giver(self) -> Principal:
        """The giver as he was then, for whoever bars people."""
        return Principal(self.user, self.issuer, self.groups, (), self.until, self.token_id)


def names(approvers: Approvers, user: str, groups: Iterable[str]) -> bool:
    """Whether somebody of these groups is meant."""
    return user in approvers.users or any(group in approvers.groups for group in groups)


def lendable(who: Principal, rules: Mapping[str, Approval], access: Iterable[Access] = ()) -> tuple[str, ...]:
    """The rules that name this person, be it after a while."""
    every: list[Approval | Access] = [*rules.values(), *access]
    asked = {rule.name: escalating.widened(rule.approvers, rule.escalate) for rule in every}
    return tuple(sorted(name for name, approvers in asked.items() if names(approvers, who.user, who.groups)))


def instead(lent: Iterable[Delegation], rule: str, approvers: Approvers, requester: str) -> Delegation | None:
    """The delegation by which somebody decides about what this requester asks for under the rule; None: there is none."""
    return next((one for one in lent if one.lends(rule, approvers) and not alike(one.user, requester)), None)


def made(
    delegation_id: str,
    who: Principal,
    rules: Mapping[str, Approval],
    to: tuple[str, str],
    period: tuple[float, float],
    now: float,
    reason: str,
    rule: str = "",
    access: Iterable[Access] = (),
) -> Delegation:
    """The delegation. `to`: user and issuer; `period`: from and until; `rule`: of this one alone. Raises Unfit."""
    since, until = period
    if who.actors or who.account is not None:
        raise Unfit("an agent, and who signs in through an account, decides nothing that could be lent")
    if alike(to[0], who.user):
        raise Unfit("nobody lends his right to himself")
    mine = lendable(who, rules, access)
    if rule and rule not in mine:
        raise Unfit(f'you are none of those who decide by "{rule}"')
    if not mine:
        raise Unfit("no rule names you among those who decide")
    if not since < until or until <= now:
        raise Unfit("it would be over before it begins")
    if until - max(since, now) > LONGEST_SECONDS:
        raise Unfit(f"it is for more than {LONGEST_SECONDS / 86_400:.0f} days")
    user = unicodedata.normalize("NFC", to[0])
    return Delegation(
        delegation_id, who.user, who.issuer, who.groups, who.token_id, user, to[1], (rule,) if rule else mine,
        since, until, now, reason,
    )  # fmt: skip
