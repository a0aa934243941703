"""Allowances: one decision about more than one execution.

"This shape, for this task, so many times and so many rows in all, until then." The rules of the statement say how much of
that anybody may give. Where several people decide, what they all allow counts.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from gateway.approvals.allowed import Allowance, Scope, Wanted
from gateway.approvals.requests import Unfit
from gateway.approvals.statements import Held
from gateway.policy.approving import Approval


def given(wanted: Wanted, held: Held, rules: Mapping[str, Approval], now: float) -> Allowance:
    """What an approver allows. Raises Unfit for what may not be allowed of this statement."""
    if not held.repeatable:
        raise Unfit("it is approved once alone: its rows are not counted, or its literals say what it does")
    for name in held.approvals:
        most = rules[name].max_allowance if name in rules else None
        if most is None:
            raise Unfit(f'the rule "{name}" gives no allowances')
        for key in ("times", "rows", "seconds"):
            if getattr(wanted, key) > getattr(most, key):
                raise Unfit(f'the rule "{name}" allows at most {getattr(most, key)} {key}')
    return Allowance(wanted.times, wanted.rows, now + wanted.seconds, wanted.scope)


def added(held: Held, wanted: Wanted | None, rules: Mapping[str, Approval], now: float) -> Held:
    """With what the one who decided last allows; once it is approved, with what all of them do. Raises Unfit."""
    if wanted is not None:
        allowance = given(wanted, held, rules, now)
        last = msgspec.structs.replace(held.given[-1], allowance=allowance)
        held = msgspec.structs.replace(held, given=(*held.given[:-1], last))
    if held.state != "approved":
        return held
    all_of_them = [one.allowance for one in held.given if one.allowance is not None]
    if len(all_of_them) < len(held.given):
        return held
    scope: Scope = "task" if any(one.scope == "task" for one in all_of_them) else "person"
    least = Allowance(
        min(one.times for one in all_of_them),
        min(one.rows for one in all_of_them),
        min(one.until for one in all_of_them),
        scope,
    )
    return msgspec.structs.replace(held, allowance=least)


def key(held: Held, scope: Scope) -> bytes:
    """What an allowance is for: the shape, of whoever asked, and of his task."""
    task = ("run", held.run) if held.run else ("token", held.token_id)
    return hashlib.sha256(msgspec.msgpack.encode((held.shape, scope, task if scope == "task" else ()))).digest()


def covers(under: Held, held: Held, times: int, until: float) -> bool:
    """Whether what is kept as left of it can be so: a row of its own in a store that is shared proves nothing."""
    given = under.allowance
    if under.state != "approved" or given is None or key(under, given.scope) != key(held, given.scope):
        return False
    return times <= given.times and until <= given.until


def passed(held: Held, under: Held) -> Held:
    """A statement that passes under the allowance of another one."""
    told = {"state": "approved", "given": under.given, "decided": under.decided, "secret": b"", "claimed": True}
    return msgspec.structs.replace(held, **told, under=under.id)
