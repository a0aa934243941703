"""Requests that somebody else decides: what was asked, by whom, what became of it, and the grant that an approval is.

A request is answered at most once: `decided` makes the answered one, and who keeps it takes it only in place of one that is
still pending. The approver is never the requester, in whatever spelling, nor an agent.
"""

import datetime
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from gateway.identity.principal import Principal
from gateway.policy import escalating
from gateway.policy.access import WAIT_SECONDS, Access, Approvers, Step
from gateway.policy.choosing import listed
from gateway.policy.rules import Grant

State = Literal["pending", "approved", "denied", "expired", "revoked", "over"]
BREAK_GLASS: Final = "break-glass"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Access that somebody wants."""

    database: str
    environment: str
    allow: tuple[str, ...]
    seconds: float
    reason: str
    unmask: tuple[str, ...] = ()
    break_glass: bool = False


class Request(msgspec.Struct, frozen=True):
    """A request and what became of it. Times are POSIX seconds, 0 where that has not been; `rule` is the access rule that it
    was asked under."""

    id: str
    kind: Literal["access"]
    state: State
    rule: str
    user: str
    issuer: str
    actors: tuple[str, ...]
    token_id: str
    asked: Asked
    since: float
    decide_by: float
    decided_by: str = ""
    decided: float = 0.0
    decision: str = ""  # the words of who decided
    expires: float = 0.0
    review: Literal["", "open", "done"] = ""
    reviewed_by: str = ""
    reviewed: float = 0.0
    review_words: str = ""
    host: str = ""  # the gateway of a fleet that tells people of it
    escalated: tuple[float, ...] = ()  # `after_seconds` of the steps that were taken

    @property
    def by(self) -> str:
        """Who asked, as records name him."""
        through = "".join(f"{actor} for " for actor in self.actors)
        return f"{through}{self.user} ({self.issuer})"


class Unfit(Exception):
    """Why somebody may not do that: the text is for whoever asked."""


def rule_for(rules: Iterable[Access], who: Principal, asked: Asked) -> Access:
    """The first rule, by name, under which this may be asked. Raises Unfit, which says what is nearest."""
    if "*" in (who.user, who.issuer, asked.database, *who.actors):
        raise Unfit('nobody and nothing is named "*"')
    whys = []
    for rule in sorted(rules, key=lambda one: one.name):
        why = _against(rule, who, asked)
        if why is None:
            return rule
        whys.append(why)
    raise Unfit(max(whys)[1] if whys else "no access may be asked for here")


def _against(rule: Access, who: Principal, asked: Asked) -> tuple[int, str] | None:
    """What stands against it, and how near it came."""
    agents = bool(rule.actors) and all(listed((actor,), rule.actors) for actor in who.actors)
    person = listed((who.user,), rule.users) and listed(who.groups, rule.groups) and listed((who.issuer,), rule.issuers)
    if not person or (who.actors and not agents):
        return 0, "no rule lets you ask for access there"
    if not listed((asked.database,), rule.databases) or not listed((asked.environment,), rule.environments):
        return 0, "no rule lets you ask for access there"
    if "all" not in rule.allow and not set(asked.allow) <= set(rule.allow):
        return 1, f'"{rule.name}" lets you ask for: {", ".join(rule.allow)}'
    if "*" not in rule.unmask and not set(asked.unmask) <= set(rule.unmask):
        return 2, f'"{rule.name}" lets you ask to see in clear: {", ".join(rule.unmask) or "nothing"}'
    if asked.seconds > rule.max_seconds:
        return 3, f'"{rule.name}" lets you ask for at most {rule.max_seconds:.0f} seconds'
    if asked.break_glass and not rule.break_glass:
        return 4, f'"{rule.name}" has to be approved: it cannot be broken open'
    if not asked.break_glass and not rule.approvers:
        return 5, f'"{rule.name}" has no approvers: it is for emergencies, with --break-glass'
    return None


def made(request_id: str, rule: Access, who: Principal, asked: Asked, now: float) -> Request:
    """The request; broken open it is in force at once."""
    request = Request(
        request_id, "access", "pending", rule.name, who.user, who.issuer, who.actors, who.token_id, asked, now,
        now + WAIT_SECONDS,
    )  # fmt: skip
    if not asked.break_glass:
        return request
    giver = f"{BREAK_GLASS} by {request.by}"
    return msgspec.structs.replace(
        request, state="approved", decided_by=giver, decided=now, expires=now + asked.seconds, review="open"
    )


def as_of(rule: Access, request: Request, now: float) -> Access:
    """The rule with those who may decide about the request by now."""
    due = escalating.due(rule.escalate, now - request.since)
    return msgspec.structs.replace(rule, approvers=escalating.widened(rule.approvers, due)) if due else rule


def taken(rule: Access, request: Request) -> Access:
    """The rule with the people and channels that were told of the request."""
    steps = [one for one in rule.escalate if one.after_seconds in request.escalated]
    channels = dict.fromkeys((*rule.channels, *(word for one in steps for word in one.channels)))
    return msgspec.structs.replace(
        rule, approvers=escalating.widened(rule.approvers, steps), channels=tuple(channels)
    )


def untold(rule: Access, request: Request) -> tuple[Step, ...]:
    """The steps that are still to be taken while it waits."""
    if request.state != "pending":
        return ()
    return tuple(one for one in rule.escalate if one.after_seconds not in request.escalated)


def may_decide(request: Request, approvers: Approvers, who: Principal) -> None:
    """Raises Unfit where this principal may not decide, or review."""
    if who.actors:
        raise Unfit("an agent decides nothing")
    if who.account is not None:
        raise Unfit("who signs in through an account decides nothing")
    if alike(who.user, request.user):
        raise Unfit("nobody decides what he, or an agent of his, has asked for")
    if not named(approvers, who):
        raise Unfit(f'you are none of those who decide about "{request.rule}"')


def named(approvers: Approvers, who: Principal) -> bool:
    """Whether they are meant by it, which does not say yet that they may."""
    return who.user in approvers.users or any(group in approvers.groups for group in who.groups)


def alike(one: str, other: str) -> bool:
    """Whether two names may be one person's: what is left of both without case, width, marks and what cannot be seen."""
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold()).casefold()
    return "".join(char for char in plain if unicodedata.category(char)[0] not in "MCZ")


def decided(request: Request, who: Principal, now: float, words: str, *, approve: bool) -> Request:
    """The answered request."""
    return msgspec.structs.replace(
        request,
        state="approved" if approve else "denied",
        decided_by=f"{who.user} ({who.issuer})",
        decided=now,
        decision=words,
        expires=now + request.asked.seconds if approve else 0.0,
    )


def active(request: Request, rules: Iterable[Access], now: float) -> bool:
    """Whether its grant is in force: approved, not over, and its rule still is one that would allow it."""
    rule = next((one for one in rules if one.name == request.rule), None)
    if request.state != "approved" or now >= request.expires or rule is None:
        return False
    asked = request.asked
    here = listed((asked.database,), rule.databases) and listed((asked.environment,), rule.environments)
    allowed = "all" in rule.allow or set(asked.allow) <= set(rule.allow)
    return here and allowed and ("*" in rule.unmask or set(asked.unmask) <= set(rule.unmask))


def grant(request: Request, rule: Access) -> Grant:
    """What an approved request gives."""
    asked = request.asked
    return msgspec.convert(
        {
            "name": f"access {request.id}",
            "allow": asked.allow,
            "users": (request.user,),
            "actors": request.actors,
            "issuers": (request.issuer,),
            "databases": (asked.database,),
            "role": rule.role,
            "unmask": asked.unmask,
            "granted_by": request.decided_by,
            "reason": asked.reason,
            "not_before": datetime.datetime.fromtimestamp(request.decided, datetime.UTC),
            "expires": datetime.datetime.fromtimestamp(request.expires, datetime.UTC),
        },
        Grant,
    )
