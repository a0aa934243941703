"""Statements that wait for people: who may decide about one, when enough of them have, and what is remembered of that.

A statement is decided once. Each approval rule that speaks of it needs its number of different people; one of them who
says no denies it. Nobody decides about what he, or an agent of his, has asked for. Its literals are sealed (`secret`) and
go with the decision.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.approvals.allowed import Allowance
from gateway.approvals.delegation import Delegation, names
from gateway.approvals.outcomes import Preview
from gateway.approvals.requests import Unfit, alike
from gateway.approvals.view import Risk
from gateway.identity.principal import Principal
from gateway.policy import escalating
from gateway.policy.access import Step
from gateway.policy.approving import Approval

State = Literal["pending", "approved", "denied", "expired", "withdrawn"]
OnHold = Literal["wait", "ticket"]
OVER: Final = ("denied", "expired", "withdrawn")


class Given(msgspec.Struct, frozen=True):
    """One person's word for one statement, by the rules that make it count. By those that are `lent` too it is the word of
    the `giver`, in whose stead it was said. `how`: how it came in."""

    rules: tuple[str, ...]
    user: str
    issuer: str
    time: float
    words: str = ""
    lent: tuple[str, ...] = ()
    giver: str = ""
    giver_issuer: str = ""
    how: str = ""
    allowance: Allowance | None = None

    @property
    def by(self) -> str:
        """As records name who it was."""
        stead = f" for {self.giver} ({self.giver_issuer})" if self.lent else ""
        return f"{self.user} ({self.issuer}){stead}"

    def people(self, rule: str) -> tuple[str, ...]:
        """Whose word it is by this rule."""
        if rule not in self.rules:
            return ()
        return (self.user, self.giver) if rule in self.lent else (self.user,)


class Escalated(msgspec.Struct, frozen=True):
    """A step of a rule that was taken, and when."""

    rule: str
    after_seconds: float
    time: float


class Look(msgspec.Struct, frozen=True):
    """Somebody was shown the statement with its values."""

    user: str
    issuer: str
    time: float


class Right(NamedTuple):
    """The rules by which somebody's word counts; those that are `lent`, by the delegation of `giver`."""

    rules: tuple[str, ...]
    lent: tuple[str, ...] = ()
    giver: Delegation | None = None

    def by(self, who: Principal) -> str:
        """As records name who decides."""
        stead = f" for {self.giver.by}" if self.giver is not None else ""
        return f"{who.user} ({who.issuer}){stead}"


class Held(msgspec.Struct, frozen=True):
    """A statement that waits, or waited. Times are POSIX seconds. `ran`: it was let go. `shape`: of `remembered` ones, the
    SHA-256 of all but its values. `on_hold`: whether its client waits, or has a ticket; `used_by`: what that was used for,
    once and for ever. `repeatable`: its rows are counted, and its literals are nothing but values; `allowance`: what was
    allowed with it, `under`: the statement with whose allowance it passed.
    """

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
    risk: Risk = ""
    risk_why: tuple[str, ...] = ()
    rows: int = -1  # by the planner's estimate; -1: nobody asked it
    policy: str = ""
    how: str = ""  # how the decision came in
    escalated: tuple[Escalated, ...] = ()
    looks: tuple[Look, ...] = ()
    on_hold: OnHold = "wait"
    used_by: str = ""
    repeatable: bool = False
    allowance: Allowance | None = None
    under: str = ""
    previews: bool = False  # a rule asks for its preview,
    preview: Preview | None = None  # which is there

    @property
    def by(self) -> str:
        """Who asked, as records name him."""
        through = "".join(f"{actor} for " for actor in self.actors)
        behind = f" through {self.account}" if self.account else ""
        return f"{through}{self.user} ({self.issuer}){behind}"

    @property
    def awaits_preview(self) -> bool:
        """Nobody can know yet what he would approve."""
        return self.previews and self.preview is None

    @property
    def givers(self) -> tuple[str, ...]:
        """Who has approved it."""
        return tuple(dict.fromkeys(one.by for one in self.given))


def as_of(rules: Mapping[str, Approval], held: Held, now: float) -> dict[str, Approval]:
    """The rules of the statement, with those who may decide about it by now."""
    found = {name: rules[name] for name in held.approvals if name in rules}
    return {name: _widened(rule, now - held.since) for name, rule in found.items()}


def _widened(rule: Approval, waited: float) -> Approval:
    due = escalating.due(rule.escalate, waited)
    return msgspec.structs.replace(rule, approvers=escalating.widened(rule.approvers, due)) if due else rule


def taken(rule: Approval, held: Held) -> Approval:
    """The rule with the people and channels that its steps have reached for this statement, and were told of it."""
    told = {one.after_seconds for one in held.escalated if one.rule == rule.name}
    steps = [one for one in rule.escalate if one.after_seconds in told]
    channels = dict.fromkeys((*rule.channels, *(word for one in steps for word in one.channels)))
    return msgspec.structs.replace(
        rule, approvers=escalating.widened(rule.approvers, steps), channels=tuple(channels)
    )


def untold(held: Held, rules: Mapping[str, Approval]) -> list[tuple[float, str, Step]]:
    """The steps that are still to be taken: when, by which rule."""
    told = {(one.rule, one.after_seconds) for one in held.escalated}
    its = [rules[name] for name in held.approvals if name in rules]
    steps = [(rule.name, one) for rule in its for one in rule.escalate if (rule.name, one.after_seconds) not in told]
    return sorted(((held.since + one.after_seconds, name, one) for name, one in steps), key=lambda each: each[:2])


def counting(
    held: Held, rules: Mapping[str, Approval], who: Principal, lent: Sequence[Delegation] = ()
) -> tuple[str, ...]:
    """The rules of the statement by which this person's word counts. Raises Unfit where there is none."""
    return right(held, rules, who, lent).rules


def right(held: Held, rules: Mapping[str, Approval], who: Principal, lent: Sequence[Delegation] = ()) -> Right:
    """By what this person's word counts: his own right, and where he has none that of one who has lent him his. `lent`: the
    delegations to him that hold. Raises Unfit where there is none."""
    if who.actors:
        raise Unfit("an agent decides nothing")
    if who.account is not None:
        raise Unfit("who signs in through an account decides nothing")
    if _asked(held, who.user):
        raise Unfit("nobody decides about what he, or an agent of his, has asked for")
    own = tuple(name for name in held.approvals if name in rules and _among(rules[name], who))
    more: tuple[str, ...] = ()
    giver = None
    for one in lent:
        others = () if _asked(held, one.user) else _lent(held, rules, one, own)
        if len(others) > len(more):  # of several givers the one by whom most counts
            more, giver = others, one
    if not own and not more:
        raise Unfit(f"you are none of those who decide about {' and '.join(held.approvals)}")
    return Right((*own, *more), more, giver)


def _asked(held: Held, user: str) -> bool:
    return any(alike(user, one) for one in (held.user, held.account, *held.actors) if one)


def _lent(held: Held, rules: Mapping[str, Approval], one: Delegation, own: Sequence[str]) -> tuple[str, ...]:
    """The rules by which the delegation counts: those that name its giver today as they did then, and that lack his word."""
    return tuple(
        name
        for name in held.approvals
        if name not in own
        and name in rules
        and one.lends(name, rules[name].approvers)
        and not any(alike(one.user, person) for given in held.given for person in given.people(name))
    )


def approved(
    held: Held,
    rules: Mapping[str, Approval],
    who: Principal,
    now: float,
    words: str,
    lent: Sequence[Delegation] = (),
    how: str = "",
) -> Held:
    """With this person's word; approved once all rules have enough. Raises Unfit."""
    counts, more, giver = right(held, rules, who, lent)
    if any(alike(one.user, who.user) for one in held.given):  # whatever issuer names him
        raise Unfit("you have approved it already; somebody else has to, too")
    fresh = tuple(
        name for name in counts if not any(alike(person, who.user) for one in held.given for person in one.people(name))
    )
    if not fresh:
        raise Unfit("somebody has approved it in your stead already; somebody else has to, too")
    more = tuple(name for name in more if name in fresh)
    stead = (more, giver.user, giver.issuer) if giver is not None and more else ((), "", "")
    given = (*held.given, Given(fresh, who.user, who.issuer, now, words, *stead, how))
    enough = all(_enough(name, rules, given) for name in held.approvals)
    if not enough:
        return msgspec.structs.replace(held, given=given)
    return msgspec.structs.replace(held, given=given, state="approved", decided=now, how=how, secret=b"")


def denied(
    held: Held,
    rules: Mapping[str, Approval],
    who: Principal,
    now: float,
    words: str,
    lent: Sequence[Delegation] = (),
    how: str = "",
) -> Held:
    """One no is enough. Raises Unfit."""
    by = right(held, rules, who, lent).by(who)
    end = {"state": "denied", "decided": now, "denied_by": by, "decision": words, "how": how, "secret": b""}
    return msgspec.structs.replace(held, **end)


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
    """Whether this approval lets the same shape of the same person pass again. An allowance says itself how often."""
    if held.allowance is not None or held.under:
        return False
    return held.state == "approved" and held.ran and held.shape == shape and now < held.decided + seconds


def named(held: Held, rules: Mapping[str, Approval], who: Principal, lent: Sequence[Delegation] = ()) -> bool:
    """Whether a rule names this person among those who decide, or one who has lent him his right, be it that he may not
    about this one."""
    its = [(name, rules[name]) for name in held.approvals if name in rules]
    return any(_among(rule, who) or any(one.lends(name, rule.approvers) for one in lent) for name, rule in its)


def _enough(name: str, rules: Mapping[str, Approval], given: Sequence[Given]) -> bool:
    return name in rules and sum(name in one.rules for one in given) >= rules[name].approvals_needed


def _among(rule: Approval, who: Principal) -> bool:
    return names(rule.approvers, who.user, who.groups)
