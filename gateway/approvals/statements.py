"""Statements that wait for people: who may decide about one, when enough of them have, and what is remembered of that.

A statement is decided once. Each approval rule that speaks of it needs its number of different people; one of them who
says no denies it. Nobody decides about what he, or an agent of his, has asked for. Its literals are sealed (`secret`) and
go with the decision.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from gateway.approvals.requests import Unfit, alike
from gateway.identity.principal import Principal
from gateway.policy.approving import Approval

State = Literal["pending", "approved", "denied", "expired", "withdrawn"]
OVER: Final = ("denied", "expired", "withdrawn")


class Given(msgspec.Struct, frozen=True):
    """One person's word for one statement, by the rules that make it count."""

    rules: tuple[str, ...]
    user: str
    issuer: str
    time: float
    words: str = ""

    @property
    def by(self) -> str:
        """As records name who it was."""
        return f"{self.user} ({self.issuer})"


class Held(msgspec.Struct, frozen=True):
    """A statement that waits, or waited. Times are POSIX seconds. `ran`: it was let go. `shape`: of `remembered` ones, the
    SHA-256 of all but its values."""

    id: str
    state: State
    binding: bytes
    shape: bytes
    session: str
    user: str
    issuer: str
    actors: tuple[str, ...]
    account: str
    token_id: str
    model: str
    run: str
    database: str
    environment: str
    role: str
    statement: str  # literals out
    kinds: tuple[str, ...]
    tables: tuple[str, ...]
    labels: tuple[str, ...]
    rules: tuple[str, ...]  # guardrails that hold it
    words: str
    approvals: tuple[str, ...]  # approval rules, each of which must be satisfied
    reason: str
    ticket: str
    in_transaction: bool
    since: float
    until: float
    secret: bytes = b""
    given: tuple[Given, ...] = ()
    decided: float = 0.0
    denied_by: str = ""
    decision: str = ""  # the words of who denied it, or why it was withdrawn
    ran: bool = False
    host: str = ""  # the gateway of a fleet that has its client waiting
    claimed: bool = False  # … and from then on lets it go

    @property
    def by(self) -> str:
        """Who asked, as records name him."""
        through = "".join(f"{actor} for " for actor in self.actors)
        behind = f" through {self.account}" if self.account else ""
        return f"{through}{self.user} ({self.issuer}){behind}"

    @property
    def givers(self) -> tuple[str, ...]:
        """Who has approved it."""
        return tuple(dict.fromkeys(one.by for one in self.given))


def counting(held: Held, rules: Mapping[str, Approval], who: Principal) -> tuple[str, ...]:
    """The rules of the statement by which this person's word counts. Raises Unfit where there is none."""
    if who.actors:
        raise Unfit("an agent decides nothing")
    if who.account is not None:
        raise Unfit("who signs in through an account decides nothing")
    if any(alike(who.user, one) for one in (held.user, held.account, *held.actors) if one):
        raise Unfit("nobody decides about what he, or an agent of his, has asked for")
    names = tuple(name for name in held.approvals if name in rules and _among(rules[name], who))
    if not names:
        raise Unfit(f"you are none of those who decide about {' and '.join(held.approvals)}")
    return names


def approved(held: Held, rules: Mapping[str, Approval], who: Principal, now: float, words: str) -> Held:
    """With this person's word; approved once all rules have enough. Raises Unfit."""
    names = counting(held, rules, who)
    if any(alike(one.user, who.user) for one in held.given):  # whatever issuer names him
        raise Unfit("you have approved it already; somebody else has to, too")
    given = (*held.given, Given(names, who.user, who.issuer, now, words))
    enough = all(_enough(name, rules, given) for name in held.approvals)
    if not enough:
        return msgspec.structs.replace(held, given=given)
    return msgspec.structs.replace(held, given=given, state="approved", decided=now, secret=b"")


def denied(held: Held, rules: Mapping[str, Approval], who: Principal, now: float, words: str) -> Held:
    """One no is enough. Raises Unfit."""
    counting(held, rules, who)
    by = f"{who.user} ({who.issuer})"
    return msgspec.structs.replace(held, state="denied", decided=now, denied_by=by, decision=words, secret=b"")


def ended(held: Held, state: Literal["expired", "withdrawn"], now: float, why: str = "") -> Held:
    """Nobody waits for it any more."""
    return msgspec.structs.replace(held, state=state, decided=now, decision=why, secret=b"")


def missing(held: Held, rules: Mapping[str, Approval]) -> dict[str, int]:
    """How many people each rule still needs; -1 where the rule is no more, so that nobody can satisfy it."""
    found = {}
    for name in held.approvals:
        if name not in rules:
            found[name] = -1
        else:
            found[name] = max(0, rules[name].approvals_needed - sum(name in one.rules for one in held.given))
    return found


def remembers(held: Held, shape: bytes, seconds: float, now: float) -> bool:
    """Whether this approval lets the same shape of the same person pass again."""
    return held.state == "approved" and held.ran and held.shape == shape and now < held.decided + seconds


def named(held: Held, rules: Mapping[str, Approval], who: Principal) -> bool:
    """Whether a rule names this person among those who decide, be it that he may not about this one."""
    return any(name in rules and _among(rules[name], who) for name in held.approvals)


def _enough(name: str, rules: Mapping[str, Approval], given: Sequence[Given]) -> bool:
    return name in rules and sum(name in one.rules for one in given) >= rules[name].approvals_needed


def _among(rule: Approval, who: Principal) -> bool:
    return who.user in rule.approvers.users or any(group in rule.approvers.groups for group in who.groups)
