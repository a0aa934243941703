"""What is kept of a request, as channels are given it; and whoever a channel brings, as those who judge know people."""

from collections.abc import Mapping
from typing import Final

from gateway.approvals import outcomes, requests, statements
from gateway.approvals.requests import Request
from gateway.approvals.sealed import Shown
from gateway.approvals.statements import Held
from gateway.approvals.view import Approver, State, View
from gateway.identity.principal import Principal
from gateway.policy.access import Access
from gateway.policy.approving import Approval

_STATES: Final[Mapping[str, State]] = {
    "pending": "open",
    "approved": "approved",
    "denied": "denied",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "revoked": "withdrawn",
    "over": "expired",
}
_NULL: Final = "NULL"
_HOUR: Final = 3600.0


def of_held(
    held: Held,
    rules: Mapping[str, Approval],
    url: str,
    shown: Shown | None = None,
    alike: int = 1,
    since_last: tuple[str, ...] = (),
) -> View:
    """A statement that waits. `rules`: approval rules by name; `shown`: its literals, for those who may see them alone."""
    its = [statements.taken(rules[name], held) for name in held.approvals if name in rules]
    missing = statements.missing(held, rules).values()
    given = len(held.givers)
    on = f" on {', '.join(held.tables)}" if held.tables else ""
    return View(
        id=held.id,
        kind="statement",
        title=f"{', '.join(held.kinds) or 'statement'}{on}",
        user=held.user,
        issuer=held.issuer,
        actors=held.actors,
        account=held.account,
        database=held.database,
        environment=held.environment,
        reason=held.reason,
        ticket=held.ticket,
        statement=shown.text if shown else "",
        parameters=tuple(_NULL if one is None else one for one in shown.parameters) if shown else (),
        samples=outcomes.sample_lines(shown.samples) if shown else (),
        outcome=outcomes.lines(held.preview) if held.preview else (),
        shape=held.statement,
        tables=held.tables,
        labels=held.labels,
        rules=held.rules,
        words=held.words,
        risk=held.risk,
        risk_why="; ".join(held.risk_why),
        alike=alike,
        since_last=since_last,
        in_transaction=held.in_transaction,
        since=held.since,
        until=held.until,
        url=url,
        channels=tuple(dict.fromkeys(word for rule in its for word in rule.channels)),
        approvals=held.approvals,
        approver_users=tuple(dict.fromkeys(user for rule in its for user in rule.approvers.users)),
        approver_groups=tuple(dict.fromkeys(group for rule in its for group in rule.approvers.groups)),
        needed=max(1, given + max(missing, default=0)),
        given=given,
        state=_STATES[held.state],
        decided_by=held.denied_by or (", ".join(held.givers) if held.state == "approved" else ""),
        decided_words=held.decision or next((one.words for one in reversed(held.given) if one.words), ""),
    )


def of_access(request: Request, rule: Access | None, url: str) -> View:
    """Access that somebody asks for, under this rule; None: it is no more."""
    asked, rule = request.asked, None if rule is None else requests.taken(rule, request)
    clear = f", {', '.join(asked.unmask)} in clear" if asked.unmask else ""
    return View(
        id=request.id,
        kind="access",
        title=f"access: {', '.join(asked.allow)}{clear} for {asked.seconds / _HOUR:.3g} h",
        user=request.user,
        issuer=request.issuer,
        actors=request.actors,
        database=asked.database,
        environment=asked.environment,
        reason=asked.reason,
        labels=asked.unmask,
        since=request.since,
        until=request.decide_by,
        url=url,
        channels=rule.channels if rule else (),
        approvals=(request.rule,),
        approver_users=rule.approvers.users if rule else (),
        approver_groups=rule.approvers.groups if rule else (),
        state=_STATES[request.state],
        decided_by=request.decided_by,
        decided_words=request.decision,
    )


def principal(approver: Approver, now: float) -> Principal:
    """Somebody who was proven at this moment, and for it alone."""
    return Principal(approver.user, approver.issuer, approver.groups, approver.actors, now, approver.how)
