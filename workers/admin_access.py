"""Access on request: what is asked for, who answers, and the grants that come of it."""

import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
import trio
from msgspec import Meta

from gateway.approvals import delegation, requests
from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Asked, Request, Unfit
from gateway.identity.principal import Principal
from gateway.policy.access import Access, Approvers, Step, Word
from gateway.policy.operating import Operator
from gateway.policy.rules import Grant
from workers.admin_calls import Call, Tables, Turned, plain
from workers.admin_process import Desk
from workers.approvals_fleet import Changed, Fleet
from workers.approvals_store import Full, Store
from workers.shared_approvals import REQUEST, SharedRequests

SHOWN_MAX: Final = 500
LOOK_SECONDS: Final = 30.0  # between looks for what is over
_NOT_RECORDED: Final = "it could not be put on record, and is not done"
T = TypeVar("T")
log = logging.getLogger("sluice.admin")
Name = Annotated[str, Meta(min_length=1, max_length=512)]


class AccessAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that asks."""

    database: Name
    reason: Annotated[str, Meta(min_length=1)]
    kind: str = "access"
    allow: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=5)] = ("read",)
    unmask: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()
    seconds: Annotated[float, Meta(ge=60, le=31 * 86_400)] = 3600.0
    break_glass: bool = False


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that answers."""

    reason: str = ""


class AccessDesk:
    """Owns the store, or shares it with the other gateways of a fleet. Whatever changes is on record first, and in force
    here when the answer says so."""

    def __init__(self, desk: Desk, fleet: Fleet | None = None) -> None:
        self._desk = desk
        self._fleet = fleet
        self._host = fleet.host if fleet is not None else ""
        self._changed = trio.Event()
        self._tables = Tables()
        self._store: Store | None = None
        self._published: tuple[list[Grant], int] | None = None
        self._one = trio.CapacityLimiter(1)  # the store's thread
        self.opened: Callable[[Request], None] = lambda request: None  # who tells others of what waits, and of its end
        self.ended: Callable[[Request], None] = lambda request: None
        self.onlooker: Callable[[], None] = lambda: None  # whoever shows what waits looks again
        if fleet is not None:
            fleet.hears(REQUEST, self._heard)
            fleet.begins(self._again)
        self.moved: Callable[[Request], None] = lambda request: None  # it waits still, and further people may decide
        self.lent: Callable[[Principal, float], Sequence[Delegation]] = lambda who, now: ()
        self.confirm: Callable[[Principal, float], Awaitable[None]] = lambda who, now: trio.lowlevel.checkpoint()  # of these

    async def ask(self, call: Call) -> dict[str, Any]:
        """People ask, and agents where a rule lets them. The same request again is the one that waits."""
        body = call.read(AccessAsked)
        plain(body.reason, "the reason")
        for text in (body.database, *body.unmask):
            plain(text, "a name", 512)
        database = call.desk.loaded.settings.database(body.database)
        words, unmask = tuple(sorted(set(body.allow))), tuple(sorted(set(body.unmask)))
        environment = database.environment if database is not None else ""
        asked = Asked(body.database, environment, words, body.seconds, body.reason, unmask, body.break_glass)
        try:
            if database is None or body.kind != "access":
                raise Unfit("no rule lets you ask for access there")
            rule = requests.rule_for(call.table.access, call.who, asked)
        except Unfit as unfit:
            await call.refuse("request", str(unfit), "Ask for what a rule offers.", database=body.database)
        made = requests.made(f"a-{secrets.token_hex(8)}", rule, call.who, asked, call.now)
        made = msgspec.structs.replace(made, host=self._host)
        same = await self._same(made, call.now)
        if same is not None:
            return await self._shown(call, same)
        what = "access broken open" if asked.break_glass else "access requested"
        await self._put_on_record(call, what, made)
        if asked.break_glass:
            log.critical("alarm: %s broke the glass (%s) for %s", made.by, made.id, asked.database)
        try:
            await self._do(lambda store: store.add(made))
        except Full as full:
            raise Turned(HTTPStatus.INSUFFICIENT_STORAGE, str(full)) from None
        self.onlooker()
        if made.state == "pending":
            self.opened(made)
        return await self._shown(call, made, publish=asked.break_glass)

    async def list(self, call: Call) -> dict[str, Any]:
        """One's own, and those that one may answer or review; all, to who operates the gateway."""
        found = await self._do(lambda store: store.newest(SHOWN_MAX))
        return {"approvals": [_told(one, call.now) for one in found if self._sees(call, one)]}

    async def show(self, call: Call) -> dict[str, Any]:
        """One of them; and why the caller decides nothing about it, "" where he does."""
        request = await self._found(call)
        shown = await self._shown(call, request)
        return {"approval": {**shown["approval"], "unfit": self._unfit(call, request)}}

    async def approve(self, call: Call) -> dict[str, Any]:
        """In force when it returns; by somebody else than who asked."""
        return await self._answer(call, approve=True)

    async def deny(self, call: Call) -> dict[str, Any]:
        """And nothing changes."""
        return await self._answer(call, approve=False)

    async def revoke(self, call: Call) -> dict[str, Any]:
        """Ends an access early: who has it, who may approve it, or who operates the gateway."""
        words, request = plain(call.read(Answered).reason, "the reason"), await self._found(call)
        rule = _rule_now(call, request)
        decides = rule is not None and not call.who.actors and requests.named(rule.approvers, call.who)
        if not (_owns(call, request) or decides or _operates(call)):
            await call.refuse("revoke access", "you neither have this access nor decide about it", "", approval=request.id)
        if request.state not in ("pending", "approved") or (request.state == "approved" and call.now >= request.expires):
            raise Turned(HTTPStatus.CONFLICT, f"it is {_told(request, call.now)['state']}", "There is nothing to end.")
        await call.desk.post.record("approval", "access revoked", **_facts(request), reason=words, **call.signature())
        after = msgspec.structs.replace(request, state="revoked", expires=min(request.expires, call.now))
        return await self._moved(call, request, after)

    async def review(self, call: Call) -> dict[str, Any]:
        """Says that somebody has looked at what was broken open."""
        words, request = plain(call.read(Answered).reason, "the reason"), await self._found(call)
        rule = _rule(call.table.access, request)
        await self._fit(call, request, rule.review_by if rule else Approvers(), "review")
        if request.review != "open":
            raise Turned(HTTPStatus.CONFLICT, "there is nothing to review", "See `sluice approvals show`.")
        await self._put_on_record(call, "access reviewed", request, reason=words)
        by = f"{call.who.user} ({call.who.issuer})"
        after = msgspec.structs.replace(
            request, review="done", reviewed_by=by, reviewed=call.now, review_words=words
        )
        return await self._moved(call, request, after)

    async def keep(self) -> None:
        """Brings the grants into force when the process begins, and again when files or their time have changed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            await self._keep()

    async def _keep(self) -> None:
        while True:
            self._changed = changed = trio.Event()
            wait = LOOK_SECONDS
            with suppress(Turned):  # that is in the log already
                await self._settle(time.time())
                await self.publish(again=False)
                wait = min(wait, await self._due() - time.time())
            with trio.move_on_after(max(0.05, wait)):
                await changed.wait()

    async def _follow(self) -> None:
        """Looks again when the files have changed."""
        while True:
            await self._desk.moved.wait()
            self._changed.set()

    async def _heard(self, changed: Changed) -> None:
        """Another gateway, or this one, has made or changed a request. Raises Turned."""
        self._changed.set()
        if changed.state != "pending":
            request = await self.kept(changed.id)
            if request is not None:
                self.ended(request)

    async def _again(self) -> None:
        self._changed.set()

    async def publish(self, *, again: bool = True) -> bool:
        """Has the workers decide by the grants of now; whether they do. Not `again`: only where these are others."""
        now, rules = time.time(), self._tables.of(self._desk.loaded.policy).access
        approved = await self._do(lambda store: store.of_state("approved"))
        reviews = await self._do(lambda store: store.open_reviews())
        active = [(one, _rule(rules, one)) for one in approved if requests.active(one, rules, now)]
        grants = [requests.grant(one, rule) for one, rule in active if rule is not None]
        if not again and self._published == (grants, len(reviews)):
            return True
        in_force = await self._desk.post.grant(grants, len(reviews))
        self._published = (grants, len(reviews)) if in_force else None
        return in_force

    async def kept(self, request_id: str) -> Request | None:
        """The request of this id. Raises Turned."""
        return await self._do(lambda store: store.get(request_id))

    async def waiting(self) -> tuple[Request, ...]:
        """Those that nobody has answered, of which people are told from here. Raises Turned."""
        pending = await self._do(lambda store: store.of_state("pending"))
        return tuple(one for one in pending if one.host == self._host)

    async def take(self) -> None:
        """Tells people of what was asked for where nobody is any more. Raises Turned."""
        assert self._fleet is not None
        key = self._fleet.key
        for one in await self._fleet.do(lambda connection: SharedRequests(connection, key).left(self._host)):
            mine = msgspec.structs.replace(one, host=self._host)
            if await self._do(lambda store, one=one, mine=mine: store.move(one, mine)):  # type: ignore[misc]
                self.opened(mine)

    # -- within

    async def _answer(self, call: Call, *, approve: bool) -> dict[str, Any]:
        await self.confirm(call.who, call.now)
        words, request = plain(call.read(Answered).reason, "the reason"), await self._found(call)
        verb = "approve" if approve else "deny"
        rule = _rule_now(call, request)
        approvers = rule.approvers if rule else Approvers()
        lent = self._lent(call, request, approvers)
        await self._fit(call, request, Approvers((call.who.user,)) if lent else approvers, verb)
        if request.state != "pending" or call.now >= request.decide_by:
            state = _told(request, call.now)["state"]
            raise Turned(HTTPStatus.CONFLICT, f"it is {state} already", "See `sluice approvals show`.")
        stead = {"for": lent.by, "delegation": lent.id} if lent else {}
        if not await call.record(verb, **_facts(request), **stead, reason=words):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
        after = requests.decided(request, call.who, call.now, words, approve=approve)
        if lent:
            after = msgspec.structs.replace(after, decided_by=f"{after.decided_by} for {lent.by}")
        answer = await self._moved(call, request, after)
        what = "access approved" if approve else "access denied"
        facts = {**_facts(after), "decision": words, "by": after.decided_by, "expires": after.expires, **stead}
        await call.desk.post.record("approval", what, **facts, **call.signature())
        return answer

    def _lent(self, call: Call, request: Request, approvers: Approvers) -> Delegation | None:
        """In whose stead the caller decides, where the rule does not name him."""
        if requests.named(approvers, call.who):
            return None
        return delegation.instead(self.lent(call.who, call.now), request.rule, approvers, request.user)

    async def _moved(self, call: Call, before: Request, after: Request) -> dict[str, Any]:
        if not await self._do(lambda store: store.move(before, after)):
            raise Turned(HTTPStatus.CONFLICT, "somebody else was quicker", "See `sluice approvals show`.")
        self.onlooker()
        if before.state == "pending":
            self.ended(after)
        return await self._shown(call, after, publish="approved" in (before.state, after.state))

    def _unfit(self, call: Call, request: Request) -> str:
        rule = _rule_now(call, request)
        approvers = rule.approvers if rule else Approvers()
        try:
            lent = self._lent(call, request, approvers)
            requests.may_decide(request, Approvers((call.who.user,)) if lent else approvers, call.who)
        except Unfit as unfit:
            return str(unfit)
        return ""

    async def _fit(self, call: Call, request: Request, deciders: Approvers, verb: str) -> None:
        try:
            requests.may_decide(request, deciders, call.who)
        except Unfit as unfit:
            await call.refuse(verb, str(unfit), "Somebody else has to do it.", approval=request.id)

    async def _put_on_record(self, call: Call, what: str, request: Request, **facts: Any) -> None:
        told = {**_facts(request), **facts, **call.signature()}
        if not await call.desk.post.record("approval", what, **told):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")

    async def _found(self, call: Call) -> Request:
        wanted = call.path["id"]
        request = await self._do(lambda store: store.get(wanted))
        if request is None or not self._sees(call, request):
            raise Turned(HTTPStatus.NOT_FOUND, "there is no such request", "See `sluice approvals list`.")
        return request

    async def _same(self, made: Request, now: float) -> Request | None:
        waiting = await self._do(lambda store: [*store.of_state("pending"), *store.of_state("approved")])
        for one in waiting:
            live = now < one.decide_by if one.state == "pending" else one.review == "open" and now < one.expires
            if live and (one.by, one.rule, one.asked) == (made.by, made.rule, made.asked):
                return one
        return None

    async def _shown(self, call: Call, request: Request, *, publish: bool = False) -> dict[str, Any]:
        told = _told(request, call.now)
        return {"approval": told, **({"in_force": await self.publish()} if publish else {})}

    def _sees(self, call: Call, request: Request) -> bool:
        rule = _rule_now(call, request)
        deciders = (rule.approvers, rule.review_by) if rule else ()
        named = any(requests.named(each, call.who) for each in deciders)
        named = named or (rule is not None and self._lent(call, request, rule.approvers) is not None)
        return named or _owns(call, request) or _operates(call)

    async def _settle(self, now: float) -> None:
        """What nobody has answered in time, and what is over, says so; and what waits for long reaches further people."""
        for one in await self._do(lambda store: [*store.of_state("pending"), *store.of_state("approved")]):
            over = one.decide_by if one.state == "pending" else one.expires
            if now >= over:
                state: requests.State = "expired" if one.state == "pending" else "over"
                after = msgspec.structs.replace(one, state=state)
                if await self._do(lambda store, one=one, after=after: store.move(one, after)):  # type: ignore[misc]
                    await self._desk.happened("approval", f"access {state}", **_facts(after))
                    self.onlooker()
                    if one.state == "pending":
                        self.ended(after)
            elif one.state == "pending":
                await self._escalate(one, now)

    async def _escalate(self, request: Request, now: float) -> None:
        due = [step for when, step in self._steps(request) if when <= now]
        if not due:
            return
        told = [msgspec.to_builtins(step) for step in due]
        if not await self._desk.post.record("approval", "request escalated", **_facts(request), steps=told):
            return  # it is tried again with the next look
        seconds = (*request.escalated, *(step.after_seconds for step in due))
        after = msgspec.structs.replace(request, escalated=seconds)
        if await self._do(lambda store: store.move(request, after)):
            self.moved(after)
            self.onlooker()

    def _steps(self, request: Request) -> tuple[tuple[float, Step], ...]:
        """Those that are still to be taken, and when."""
        rule = _rule(self._tables.of(self._desk.loaded.policy).access, request)
        steps = requests.untold(rule, request) if rule is not None else ()
        return tuple((request.since + step.after_seconds, step) for step in steps)

    async def _due(self) -> float:
        """When the next one is over, or reaches further people."""
        found = await self._do(lambda store: [*store.of_state("pending"), *store.of_state("approved")])
        ends = [one.decide_by if one.state == "pending" else one.expires for one in found]
        return min((*ends, *(when for one in found for when, _ in self._steps(one))), default=9e9)

    async def _do(self, work: Callable[[Store], T]) -> T:
        """In the store's thread. Raises Turned where it cannot be used."""
        if self._fleet is not None:
            key = self._fleet.key
            return await self._fleet.do(lambda connection: work(SharedRequests(connection, key)))

        def run() -> T:
            self._store = self._store or Store(self._desk.loaded.state_dir)
            return work(self._store)

        try:
            return await trio.to_thread.run_sync(run, limiter=self._one)
        except (OSError, sqlite3.Error) as error:
            log.critical("requests cannot be kept: %s", type(error).__name__)
            hint = "Look at the disk of var/state."
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, "requests cannot be kept", hint) from None


def _rule(rules: tuple[Access, ...], request: Request) -> Access | None:
    return next((one for one in rules if one.name == request.rule), None)


def _rule_now(call: Call, request: Request) -> Access | None:
    """The rule of the request, with those who may decide about it by now."""
    rule = _rule(call.table.access, request)
    return None if rule is None else requests.as_of(rule, request, call.now)


def _owns(call: Call, request: Request) -> bool:
    """A person's own, and his agents'; an agent's what it has asked for itself."""
    same = (call.who.user, call.who.issuer) == (request.user, request.issuer)
    return same and call.who.actors in ((), request.actors)


def _operates(call: Call) -> bool:
    return not call.who.actors and Operator(call.who, call.table, call.desk.loaded.settings, call.now).everywhere


def _told(request: Request, now: float) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(request)
    if request.state == "pending" and now >= request.decide_by:
        told["state"] = "expired"
    if request.state == "approved" and now >= request.expires:
        told["state"] = "over"
    del told["token_id"], told["host"]
    return {**told, "by": request.by}


def _facts(request: Request) -> dict[str, Any]:
    asked = request.asked
    return {
        "approval": request.id,
        "rule": request.rule,
        "requester": request.by,
        "database": asked.database,
        "allow": list(asked.allow),
        "unmask": list(asked.unmask),
        "seconds": asked.seconds,
        "ticket": asked.reason,
        "break_glass": asked.break_glass,
    }
