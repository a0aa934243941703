"""What a statement that runs must stay within: the rows it changes, the rows and bytes it returns, its time.

**Rows changed.** Whether a write stayed within `max_affected_rows` is known from its command tag, so it must not be
committed before that was read. An Execute commits at the next Sync at the earliest: nothing of the client goes on until its
tag is there. A Query would commit by itself, so it is asked as Parse, Bind, Describe, Execute, and the Sync follows the tag.
A write that changed too much is followed by a message that fails instead, and the server itself takes everything back.

**Rows and bytes returned** are counted as they pass. When a budget ends in the middle of a result, no more of it is
delivered and the server is asked to cancel it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.audit.records import Status
from gateway.errors import Refused, State
from gateway.masking.inference import entries, told
from gateway.policy.decision import Budget, Limit
from gateway.session import loops
from gateway.session.budgets import Purse
from gateway.session.inflight import NOTHING, RESYNC, Ask, Item, Portal, Statement
from parser.messages import execute, parse, query
from parser.messages import frame as build

if TYPE_CHECKING:
    from gateway.masking.distinct import Seen
    from gateway.scope import Ruling, Script
    from gateway.session.session import Session

REFUSED_EXTENDED: Final = parse("sluice_refused", "sluice_refused")  # a syntax error, read before its name is looked at
REFUSED_UNNAMED: Final = parse("", "sluice_refused")  # a failing Parse of the unnamed statement also ends the one before
REFUSED_QUERY: Final = query("sluice_refused")  # a syntax error
SYNC: Final = build(b"S")
FLUSH: Final = build(b"H")
_BIND_UNNAMED: Final = build(b"B", b"\0\0" + bytes(6))  # no parameters, every result column as text
_DESCRIBE_UNNAMED: Final = build(b"D", b"P\0")
_CLOSE_UNNAMED: Final = build(b"C", b"S\0")
_EXECUTE_UNNAMED: Final = execute("")
_READING: Final = frozenset({"read", "session"})
_ABOUT_SESSION: Final = frozenset({"session"})
_UNDONE: Final = frozenset(("error", "cancelled", "refused", "not-run"))
_OVER_VALUES: Final = frozenset(("21", "22", "23"))  # classes of SQLSTATE: cardinality, data, constraints

SEVERAL: Final = Refused(
    State.DENIED,
    "the rows that a statement changes are limited here, so it cannot be sent together with others",
    "Send this statement in a message of its own.",
)


def wait(s: Session) -> None:
    """Holds the client's next frame until the server has answered everything sent."""
    s.waiting = True
    if s.queue and s.queue[-1].ask not in RESYNC and not s.flushed:
        s.to_server.append(FLUSH)
        s.flushed = True


def rows_limit(s: Session, rulings: tuple[Ruling, ...]) -> Limit | None:
    """The limit on the rows that one of the statements changes: the policy's, that in place of an estimate, or the number
    that people have approved."""
    limit, s.counted = s.counted, None
    expected, s.expects = s.expects, None
    for ruling in rulings:
        own = ruling.decision.limits.affected_rows
        if own is not None and (limit is None or own.most < limit.most):
            limit = own
    return expected if expected is not None and (limit is None or expected.most <= limit.most) else limit


def send_query(s: Session, script: Script, sql: bytes, item: Item, limit: Limit) -> None:
    """Asks a limited write that came as Query; `item` has its intents. The session's queue is empty.

    The unnamed statement and portal, which a Query ends too, are used for it.
    """
    s.names.drop_statement(b"")
    s.names.drop_portal(b"")
    portal = Portal(b"", Statement(sql, script, s.scope))
    portal.asked = True
    for kind in (Ask.PARSE, Ask.BIND, Ask.DESCRIBE_PORTAL):
        ahead = s.ask(kind)
        ahead.rulings = item.rulings
        ahead.leads = item
        ahead.portal = portal if kind == Ask.DESCRIBE_PORTAL else None
    item.portal = portal
    item.limit = limit
    item.converted = True
    s.queue.append(item)
    s.to_server += (build(b"P", b"\0" + sql + b"\0\0\0"), _BIND_UNNAMED, _DESCRIBE_UNNAMED)
    s.staged.append((item, len(s.to_server)))
    s.to_server += (_EXECUTE_UNNAMED, FLUSH)
    s.flushed = s.bounded = True


def completed(s: Session, item: Item, frame: bytes, rows: int | None) -> bytes | None:
    """The command tag of a limited write, or of a result that is not delivered any more; `rows` None: the tag is still
    to come. What goes to the client; the item stays in the queue until the server has answered what is sent now."""
    if item.broken is not None:
        return _fail_later(s, item, item.broken)
    limit = item.limit
    assert limit is not None
    if rows is None:
        return _take_back(s, item, _uncounted(limit))
    if limit.broken_by(rows):
        return _take_back(s, item, (_others if limit.exactly else too_many)(limit, rows))
    assert item.converted
    s.queue.popleft()
    closing = s.ask(Ask.CLOSE)
    closing.own = True
    commit = s.ask(Ask.SYNC)
    commit.rulings, commit.intents, commit.index = item.rulings, item.intents, item.index
    commit.plan, commit.nbytes, commit.started = item.plan, item.nbytes, item.started
    commit.found, commit.returned, commit.unkept = item.found, item.returned, item.unkept
    commit.held, commit.use = frame, item.use
    s.to_server += (_CLOSE_UNNAMED, SYNC)
    s.epoch += 1
    return b""


def _take_back(s: Session, item: Item, refused: Refused) -> bytes:
    item.refused = refused
    s.refusals += 1
    s.to_server.append(REFUSED_UNNAMED if item.converted else REFUSED_EXTENDED)
    return b""


def _fail_later(s: Session, item: Item, refused: Refused) -> bytes:
    """A result that is not delivered was complete before the cancel came. Where what follows it has left already, its
    Sync is answered by the error; where more than that has, only the end of the session tells its client."""
    if len(s.queue) == 1:
        return _take_back(s, item, refused)
    cut_off(s, item)
    s.queue.popleft()
    sync = s.queue[0]
    if sync.ask != Ask.SYNC:
        s.end(refused)
        return b""
    sync.broken, sync.intents, sync.index = refused, item.intents, item.index
    return b""


def unused(item: Item, status: Status) -> None:
    """What was to be done under an allowance failed so: then it has changed nothing, unless nobody knows how it ended."""
    use, limit, refused = item.use, item.limit, item.refused
    assert use is not None
    exceeded = limit is not None and refused is not None and refused.rule == limit.rule
    use.settle(0 if status in _UNDONE else None, exceeded=exceeded)


def resync(s: Session) -> None:
    """After the failure of something that the gateway sent extended messages for: it sends their Sync too."""
    s.ask(Ask.SYNC)
    s.epoch += 1
    s.skipping = False
    s.to_server.append(SYNC)


def too_many(limit: Limit, rows: int) -> Refused:
    """Of a statement that was taken back because of that."""
    return Refused(
        State.DENIED,
        f'denied by "{limit.rule}": the statement changed {rows:,} rows and may change {int(limit.most):,}; '
        "everything it did was taken back",
        "Narrow the WHERE, or change the rows in smaller steps.",
        limit.rule,
    )


def _others(limit: Limit, rows: int) -> Refused:
    return Refused(
        State.DENIED,
        f'held by "{limit.rule}": the statement came to {rows:,} rows, and {int(limit.most):,} were approved; everything '
        "it did was taken back",
        "Send it again: its outcome is shown to those who decide anew.",
        limit.rule,
    )


def _uncounted(limit: Limit) -> Refused:
    return Refused(
        State.DENIED,
        f'denied by "{limit.rule}": the rows it changes are limited, and cannot be counted while its result is fetched in '
        "parts; everything it did was taken back",
        "Fetch the whole result at once.",
        limit.rule,
    )


# --- budgets ---


def _purse(s: Session, budget: Budget) -> Purse:
    purse = s.purses.get(budget)
    if purse is None:
        purse = s.purses[budget] = s.purse_of(budget)
    return purse


def charge(
    s: Session,
    rulings: tuple[Ruling, ...],
    refused: Refused | None,
    literals: tuple[bytes, ...],
    values: bytes | None = None,
) -> Refused | None:
    """Takes the statements, where they are not refused already, from their budgets; the refusal when one is used up, or when
    they go round in circles (see loops.look, which may raise Later). `values`: of the Bind, where arrays in it count by
    their entries."""
    held, s.paused = s.paused, False  # what waited is not counted again
    watched = not held and any(ruling.decision.loops for ruling in rulings)
    if watched:
        refused = loops.look(s, rulings, refused, literals)
    if refused is not None:
        return refused
    refused = _spend(s, rulings, values)
    return loops.look(s, rulings, refused, literals) if watched and refused is not None else refused


def _spend(s: Session, rulings: tuple[Ruling, ...], values: bytes | None) -> Refused | None:
    """What only concerns the session is free, so that a transaction can always be ended."""
    for ruling in rulings:
        if ruling.facts.effects <= _ABOUT_SESSION:
            continue
        for budget in ruling.decision.limits.budgets:
            if _is_used_up(s, budget):
                return _used_up(budget)
            if budget.what == "statements":
                _purse(s, budget).spend(1, s.now)
        named = ruling.facts.named
        if named is not None and named.action == "fetch":
            continue  # counted when the cursor was declared
        for one in ruling.decision.limits.guesses:
            purse = _purse(s, one.budget)
            count = one.count + (entries(values, one.arrays) if one.arrays else 0)
            if purse.left(s.now) < count:
                return _guessed(one.budget)
            purse.spend(count, s.now)
    return None


def exhausted(s: Session, rulings: tuple[Ruling, ...]) -> Refused | None:
    """The refusal where a budget of these statements is used up already; nothing is taken from any."""
    for ruling in rulings:
        if ruling.facts.effects <= _ABOUT_SESSION:
            continue
        for budget in ruling.decision.limits.budgets:
            if _is_used_up(s, budget):
                return _used_up(budget)
    return None


def _is_used_up(s: Session, budget: Budget) -> bool:
    if budget.what == "subjects":
        return s.crowd_of(budget).exceeded(s.now)
    return _purse(s, budget).left(s.now) <= 0


def failed(s: Session, ruling: Ruling | None, sqlstate: str) -> Refused | None:
    """A failure over values tells one bit of them: it counts as a value compared with each label that it may be about. The
    end of the session where such a budget is used up."""
    if ruling is None or ruling.basis.inert or sqlstate[:2] not in _OVER_VALUES:
        return None
    for budget in told(ruling.facts, ruling.basis, s.scope.rights):
        purse = _purse(s, budget)
        if purse.left(s.now) <= 0:
            return _guessed(budget)
        purse.spend(1, s.now)
    return None


def counts_entries(rulings: tuple[Ruling, ...]) -> bool:
    """Whether what a statement is charged depends on the arrays among its parameters."""
    return any(one.arrays for ruling in rulings for one in ruling.decision.limits.guesses)


def meter(s: Session, item: Item, ruling: Ruling) -> None:
    """Has the rows and bytes of the statement's answer counted, and the people in it, where a budget wants it."""
    for budget in ruling.decision.limits.budgets:
        if budget.what == "subjects":
            if all(budget != known for _, known in item.crowds):
                item.crowds = (*item.crowds, (s.crowd_of(budget), budget))
        elif budget.what != "statements" and all(budget != known for _, known in item.purses):
            item.purses = (*item.purses, (_purse(s, budget), budget))


def passed(s: Session, item: Item, rows: int, nbytes: int) -> bool:
    """Rows of the answer, or bytes of one; whether they may be delivered. What only reads is cut off when its budget ends;
    a statement that changes something is let finish, or it would be done without its client knowing."""
    if item.broken is not None:
        return False
    item.rows_seen += rows
    for purse, budget in item.purses:
        amount = rows if budget.what == "rows" else nbytes
        over = purse.left(s.now) < amount
        purse.spend(amount, s.now)
        if over and _only_reads(item):
            item.broken = _used_up(budget)
    return _goes_on(s, item)


def met(s: Session, item: Item, seen: Seen) -> bool:
    """The same of the people whom these rows show."""
    if item.broken is not None:
        return False
    if seen.most:
        for crowd, budget in item.crowds:
            if not crowd.meet(seen, s.now, must=not _only_reads(item)) and _only_reads(item):
                item.broken = _used_up(budget)
    return _goes_on(s, item)


def _only_reads(item: Item) -> bool:
    return all(ruling.facts.effects <= _READING for ruling in item.rulings)


def _goes_on(s: Session, item: Item) -> bool:
    if item.broken is None:
        return True
    s.wants_cancel = s.cancelling = True
    return False


def cut_off(s: Session, item: Item) -> None:
    """The item's current statement completed, but its result was not delivered to the end."""
    intent, broken = item.intents[item.index], item.broken
    assert broken is not None
    if intent:
        duration = (s.now - item.started) // 1000
        sqlstate = str(broken.sqlstate)
        s.chain.outcome(s.now, intent, "refused", item.rows_seen, item.nbytes, None, "", sqlstate, duration)
    item.index += 1
    item.nbytes = item.rows_seen = 0
    item.plan, item.found = None, NOTHING


def _used_up(budget: Budget) -> Refused:
    return Refused(
        State.BUDGET,
        f'{budget.setting} of grant "{budget.grant}" is used up',
        "Ask for less at once, or wait until the window has moved on."
        if budget.window_seconds
        else "Work with what this task has read, and say what is missing.",
        budget.grant,
    )


def _guessed(budget: Budget) -> Refused:
    return Refused(
        State.BUDGET,
        f"so many values may be compared with {budget.grant} columns that you may not see in an hour ({budget.most:,}), "
        "and they are used up",
        "Compare fewer values, leave the column out, or wait until the hour has moved on.",
    )


# --- time ---


def overdue(s: Session, now: int) -> bool:
    """Whether what the server works on has run for too long and must be cancelled. It is said again as long as it runs: a
    cancel may come between two statements of one Query and stop neither."""
    if not s.queue:
        return False
    item = s.queue[0]
    ruling = item.ruling
    if ruling is None or item.refused is not None or item.broken is not None:
        return False
    limit = ruling.decision.limits.statement_seconds
    if limit is None or now - max(item.started, s.answered) < limit.most * 1e9:
        return False
    item.overdue = Refused(
        State.CANCELLED,
        f'cancelled by "{limit.rule}": the statement ran for longer than {limit.most:g} seconds',
        "Ask for less at once.",
        limit.rule,
    )
    return True
