"""The statements of all workers that wait for people: kept, shown to those who decide, decided once, told to the worker."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
import trio
from msgspec import Meta

from gateway.approvals import allowances, sealed, statements, tickets
from gateway.approvals.allowed import Wanted
from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Unfit
from gateway.approvals.statements import Held
from gateway.approvals.view import Change
from gateway.identity.principal import Principal
from gateway.policy.approving import Approval
from gateway.policy.operating import Operator
from workers import held_lines, held_previews, held_revoking, holds_link, stepping_up
from workers.admin_calls import Call, Tables, Turned, plain
from workers.admin_process import Desk
from workers.allowance_desk import Allowances, Busy
from workers.approvals_fleet import Fleet
from workers.held_circumstances import Circumstances, looked
from workers.held_keeping import Keeping
from workers.held_lines import Line
from workers.held_told import as_told, facts_of, made
from workers.holds_link import Decided, Noted, Previewed, Ran, Used, Using, Waits, Withdrawn
from workers.run_folder import RunFolder
from workers.ticket_desk import Tickets

SHOWN_MAX: Final = 500
ALIKE_MAX: Final = 500  # decided with one word
LEARNED_MAX: Final = 2000  # of what was approved before, for what is new about a request
LOOK_SECONDS: Final = 1.0
LOST_SECONDS: Final = 5.0  # for a worker to tell again what waits, when the connection broke
_NOT_RECORDED: Final = "it could not be put on record, and is not done"
_NOBODY: Final = "nobody can be asked at the moment, because approvals cannot be kept; it waits until that can be done again"
_ENDED: Final = "its worker has ended"
_ASKED: Final = "those who decide are asked now"
_GATEWAY: Final = "the gateway"  # who refuses what nobody can decide about any more


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that answers. `alike`: others that are to be answered so too, if they are alike; `allowance`: what the
    first one allows besides."""

    reason: str = ""
    alike: Annotated[tuple[str, ...], Meta(max_length=ALIKE_MAX)] = ()
    allowance: Wanted | None = None


class HeldDesk:
    """Owns the store, or shares it with the other gateways of a fleet. A decision is on record before it counts, and kept
    before a worker hears of it; who has the client waiting claims what was approved before letting it go."""

    def __init__(self, desk: Desk, fleet: Fleet | None = None) -> None:
        self._desk = desk
        self._fleet = fleet
        self._host = fleet.host if fleet is not None else ""
        self._tables = Tables()
        self.keeping = Keeping(desk, fleet)
        self._do, self.history = self.keeping.do, self.keeping.history
        self._deciding = trio.Lock()  # so that the record has only decisions that counted
        self._workers: dict[str, Line] = {}  # by request
        self._unkept: dict[str, tuple[Waits, Line]] = {}  # nobody is asked about these yet
        self._told: set[str] = set()  # of these, whose worker knows what was decided
        self._lost: dict[str, float] = {}  # requests whose worker is not there, since when
        self.opened: Callable[[Held], None] = lambda held: None  # who tells others of what waits, and of its end
        self.ended: Callable[[Held], None] = lambda held: None
        self.moved: Callable[[Held, Change], None] = lambda held, change: None
        self.lent: Callable[[Principal, float], Sequence[Delegation]] = lambda who, now: ()
        self.confirm: Callable[[Principal, float], Awaitable[None]] = lambda who, now: trio.lowlevel.checkpoint()  # of these
        self.around = Circumstances()
        self.onlooker: Callable[[], None] = lambda: None  # whoever shows what waits looks again
        self._previews = held_previews.Late(self, lambda: desk.loaded.secrets.approvals_key)
        self._made: Callable[[Waits], Held] = lambda waits: made(waits, desk.loaded.secrets.approvals_key, self._host)
        self._allowances = Allowances(self._do, self._host, self._passes, self._hear)
        self._tickets = Tickets(self._do, self._remembered, self._allowances, self._open, self._end)

    # -- the workers

    async def serve(self) -> None:
        """Hears them, for ever."""
        await held_lines.serve(RunFolder.make(self._desk.loaded.run_dir), self._hear, self._gone)

    def _gone(self, line: Line) -> None:
        now = time.monotonic()
        self._unkept = {one: kept for one, kept in self._unkept.items() if kept[1] is not line}
        self._allowances.gone(line)
        for held_id in [one for one, its in self._workers.items() if its is line]:
            del self._workers[held_id]
            self._told.discard(held_id)
            self._lost[held_id] = now

    async def _hear(self, message: holds_link.Message, say: Line) -> None:
        try:
            match message:
                case Waits():
                    await self._waits(message, say)
                    self._unkept.pop(message.id, None)
                case Used() | Using():
                    await self._allowances.heard(message, say)
                case Previewed():
                    await self._previews.take(message)
                case Withdrawn(held_id, why):
                    await self._over(held_id, "expired" if why == "too late" else "withdrawn", why)
                case Ran(held_id):
                    self._workers.pop(held_id, None)
                    self._told.discard(held_id)
                    held = await self._do(lambda store: store.get(held_id))
                    if held is not None and held.state == "approved":
                        ran = msgspec.structs.replace(held, ran=True)
                        await self._do(lambda store: store.move(held, ran))
                        self.around.learn(ran)
                        self.onlooker()
        except Turned:  # it is in the log already
            if isinstance(message, Waits) and message.on_hold == "wait":
                if message.id not in self._unkept:
                    say.send_nowait(Noted(message.id, _NOBODY))
                self._unkept[message.id] = message, say

    async def _waits(self, waits: Waits, say: Line) -> None:
        try:
            if waits.on_hold == "ticket":
                await self._tickets.ask(waits, self.around.assessed(self._made(waits), waits), say)
            else:
                await self._wait(waits, say)
        except Busy as busy:
            self._allowances.put_off(busy, waits, say)

    async def _wait(self, waits: Waits, say: Line) -> None:
        held = await self._do(lambda store: store.get(waits.id))
        elsewhere = held is not None and held.state == "pending" and held.host != self._host
        if held is not None and (held.binding != waits.binding or elsewhere):
            say.send_nowait(Decided(waits.id, False, _GATEWAY, "another request has this name; send it again"))
            return
        if held is None:
            held = await self._remembered(self.around.assessed(self._made(waits), waits))
            await self._do(lambda store: store.add(held))
        self._workers[waits.id] = say
        self._told.discard(waits.id)
        self._lost.pop(waits.id, None)
        await self._tell(held)
        if held.state == "pending":
            self._open(held)

    async def _remembered(self, held: Held) -> Held:
        """Approved, where an allowance covers it, or the same shape was not long ago. That time goes on from the decision of
        people. Raises Busy."""
        if (passed := await self._allowances.passes(held)) is not None:
            return passed
        rules, now = self.rules(), time.time()
        seconds = min((rules[name].remember_seconds if name in rules else 0.0 for name in held.approvals), default=0.0)
        same = await self._do(lambda store: store.let_go(held.shape)) if seconds else None
        if same is None or not statements.remembers(same, held.shape, seconds, now):
            return held
        told = {**facts_of(held), "remembered": same.id, "by": list(same.givers)}
        if not await self._desk.post.record("approval", "statement approved", **told):
            return held  # people decide
        passes = {"state": "approved", "given": same.given, "decided": same.decided, "secret": b"", "claimed": True}
        return msgspec.structs.replace(held, **passes)

    async def _passes(self, held: Held, facts: dict[str, Any]) -> bool:
        """What passes under an allowance is on record first."""
        return await self._desk.post.record("approval", "statement approved", **{**facts_of(held), **facts})

    async def _tell(self, held: Held) -> None:
        """The worker that has it waiting, where it is there and does not know yet. An approval is claimed before that."""
        claims = held.state == "approved" and not held.claimed
        if held.state == "pending" or held.ran or not self._knows_not(held.id):
            return
        if claims and not await self._do(lambda store: store.move(held, msgspec.structs.replace(held, claimed=True))):
            return  # it is another now, which is heard of, too
        await self._allowances.recall(held)
        if not self._knows_not(held.id):  # it may have gone, or come anew, meanwhile
            return
        approve = held.state == "approved"
        may, leave = self._allowances.hands(held, self._workers[held.id]) if approve else (True, None)
        if not may:
            return
        self._told.add(held.id)
        by = ", ".join(held.givers) if approve else held.denied_by or _GATEWAY
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._workers[held.id].send_nowait(Decided(held.id, approve, by, held.decision, leave))
        if claims:
            await self._desk.happened("approval", "statement released", **facts_of(held), by=list(held.givers))

    def _knows_not(self, held_id: str) -> bool:
        """Whether a worker has it waiting, and was not told yet."""
        return held_id in self._workers and held_id not in self._told

    async def _over(self, held_id: str, state: str, why: str) -> None:
        self._workers.pop(held_id, None)
        self._told.discard(held_id)
        self._unkept.pop(held_id, None)
        self._previews.forget(held_id)
        self._lost.setdefault(held_id, time.monotonic())  # until it is kept
        held = await self._do(lambda store: store.get(held_id))
        if held is None or not held.ran:
            await self._allowances.over(held_id, unused=why != _ENDED)
        if held is not None and held.state not in statements.OVER and not held.ran:
            after = statements.ended(held, "expired" if state == "expired" else "withdrawn", time.time(), why)
            if not await self._do(lambda store: store.move(held, after)):
                return  # somebody has decided meanwhile
            await self._tell(after)  # should its worker be back at this moment
            self._end(after)
        self._lost.pop(held_id, None)

    async def keep(self) -> None:
        """What nobody waits for any more is over, whatever became of its worker; for ever."""
        known = False  # what waited when the process before this one ended
        while True:
            if not known:
                with contextlib.suppress(Turned):
                    before = await self._do(lambda store: store.pending())
                    mine = (one.id for one in before if one.host == self._host and one.on_hold == "wait")
                    self._lost |= {held_id: time.monotonic() for held_id in mine if held_id not in self._workers}
                    for held in [one for one in before if one.on_hold == "ticket"]:
                        self.around.opened(held)
                    self.around.remember(await self.history(0.0, LEARNED_MAX))
                    known = True
            await trio.sleep(LOOK_SECONDS)
            with contextlib.suppress(Turned):
                await self._tickets.tidy()
                await self._allowances.tidy(LOST_SECONDS)
                await self._previews.keep()
            for held_id in [one for one, since in self._lost.items() if since < time.monotonic() - LOST_SECONDS]:
                with contextlib.suppress(Turned):
                    await self._over(held_id, "withdrawn", _ENDED)
            with contextlib.suppress(Turned):
                await self._ask_late()

    async def _ask_late(self) -> None:
        """About what could not be kept. Raises Turned."""
        for held_id, (waits, say) in list(self._unkept.items()):
            await self._waits(waits, say)
            if self._unkept.pop(held_id, None) is None:  # meanwhile nobody waits for it any more
                await self._over(held_id, "withdrawn", "its client has ended")
            else:
                say.send_nowait(Noted(held_id, _ASKED))

    # -- the other gateways of a fleet

    def waiting(self) -> list[str]:
        """What waits here."""
        return list(self._workers)

    async def changed(self, held: Held) -> None:
        """Somebody has decided about it elsewhere, or it is over. Raises Turned."""
        if held.host == self._host or held.state != "approved":  # another host's approval lets nothing go here
            await self._tell(held)
        if held.state != "pending":
            self._end(held)
        elif held.id in self._workers:
            self._advanced(held)

    async def taken(self, held: Held, why: str) -> None:
        """What a gateway that is gone had waiting is over."""
        await self._desk.happened("approval", "request withdrawn", **facts_of(held), why=why)
        await self.changed(held)

    async def kept(self, held_id: str) -> Held | None:
        """The statement of this id. Raises Turned."""
        return await self._do(lambda store: store.get(held_id))

    async def amend(self, held_id: str, change: Callable[[Held], Held], what: str = "", **facts: Any) -> Held | None:
        """What is noted on one that waits, on record first where `what` says so; as it is then. None: it waits no more, that
        was so already, or it could not be put on record. Raises Turned."""
        async with self._deciding:
            held = await self._do(lambda store: store.get(held_id))
            if held is None or held.state != "pending" or (after := change(held)) == held:
                return None
            if what and not await self._desk.post.record("approval", what, **facts_of(held), **facts):
                return None
            if not await self._do(lambda store: store.move(held, after)):
                return None
            if after.host in (self._host, ""):
                self.around.opened(after)
            if what:
                self.onlooker()
            return after

    def tell_news(self, held_id: str, words: str) -> None:
        """To its client."""
        if (say := self._workers.get(held_id)) is not None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                say.send_nowait(Noted(held_id, words))

    # -- the people

    async def list(self, call: Call) -> list[dict[str, Any]]:
        """All that wait and the latest others: one's own, those of rules that name one among who decides, and all to who
        operates the gateway."""
        found = await self._do(lambda store: [*store.pending(), *store.newest(SHOWN_MAX)])
        seen = [one for one in {each.id: each for each in found}.values() if self._sees(call, one)]
        return [as_told(one, call.now) | self.around.told(one) for one in seen]

    async def show(self, call: Call) -> dict[str, Any]:
        """One of them; with its literals to those who may decide."""
        held = await self._found(call)
        told = {**as_told(held, call.now), "missing": statements.missing(held, self.rules())}
        told |= self.around.told_in_full(held) | await self._allowances.told(held) | self._part(call, held)
        told |= held_previews.told(held, decides=not told["unfit"])
        if held.state == "pending" and not told["unfit"]:
            if not await call.record("show statement", approval=held.id):
                raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
            await self.amend(held.id, lambda one: looked(one, call.who, call.now))
            read = sealed.unseal(held.secret, held.id, self._desk.loaded.secrets.approvals_key)
            told |= msgspec.to_builtins(sealed.shown(read))
        return {"approval": told}

    async def approve(self, call: Call) -> dict[str, Any]:
        """One's word for it; with enough of them it runs at once."""
        return await self._decide(call, approve=True)

    async def deny(self, call: Call) -> dict[str, Any]:
        """And the client reads why."""
        return await self._decide(call, approve=False)

    async def revoke(self, call: Call) -> dict[str, Any]:
        """What was given with a decision, and is not used up, is worth nothing from now on."""
        words, held = plain(call.read(Answered).reason, "the reason"), await self._found(call)
        if not (_own(call, held) or not self._part(call, held)["unfit"] or _operates(call)):
            why = "you have neither asked for it nor decide about it"
            await call.refuse("revoke", why, "Somebody else has to do it.", approval=held.id)
        return {"approval": as_told(await held_revoking.revoke(call, held, words, self._do, self._allowances), call.now)}

    async def _decide(self, call: Call, *, approve: bool) -> dict[str, Any]:
        body = call.read(Answered)
        words = plain(body.reason, "the reason")
        if body.allowance is not None and not approve:
            raise Turned(HTTPStatus.BAD_REQUEST, "a denial allows nothing", "Leave the allowance out.")
        async with self._deciding:
            await self.confirm(call.who, call.now)
            first = await self._found(call)
            answer = await self._decided(call, first, words, approve, wanted=body.allowance)
        alike = {each: await self._also(call, first, each, words, approve) for each in body.alike if each != first.id}
        return answer | {"alike": alike} if body.alike else answer

    async def _also(self, call: Call, first: Held, held_id: str, words: str, approve: bool) -> str:
        """How one more stands, that is decided with the same word: a decision of its own."""
        async with self._deciding:
            held = await self._do(lambda store: store.get(held_id))
            if held is None or held.shape != first.shape or held_previews.differ(held, first):
                return "it is not alike"
            try:
                state = (await self._decided(call, held, words, approve, first.id))["approval"]["state"]
            except Turned as turned:
                return turned.error
            return str(state)

    async def _decided(
        self, call: Call, held: Held, words: str, approve: bool, alike: str = "", wanted: Wanted | None = None
    ) -> dict[str, Any]:
        verb = "approve" if approve else "deny"
        rules, lent = statements.as_of(self.rules(), held, call.now), self.lent(call.who, call.now)
        try:
            right = statements.right(held, rules, call.who, lent)
            if held.state != "pending" or call.now >= held.until or not await self._waited_for(held):
                state = "not waited for any more" if held.state == "pending" else f"{held.state} already"
                raise Turned(HTTPStatus.CONFLICT, f"it is {state}", "See `sluice approvals show`.")
            held_previews.ready(held, approve=approve)
            await stepping_up.check(call, verb, held.id, rules, right.rules)
            decide = statements.approved if approve else statements.denied
            after = tickets.decided(decide(held, rules, call.who, call.now, words, lent, call.how), rules, call.now)
            if approve:
                after = allowances.added(after, wanted, rules, call.now)
        except Unfit as unfit:
            await call.refuse(verb, str(unfit), "Somebody else has to do it.", approval=held.id)
        what = "statement denied" if not approve else "statement approved" if after.state == "approved" else "approval given"
        stead = {"for": right.giver.by, "delegation": right.giver.id} if right.giver is not None else {}
        facts = {**facts_of(held), "decision": words, **stead, **({"alike": alike} if alike else {}), **call.signature()}
        if wanted is not None:
            facts["allowance"] = msgspec.to_builtins(wanted)
        if not await self._desk.post.record("approval", what, **facts):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
        if after.state == "approved" and held.host == self._host:
            after = msgspec.structs.replace(after, claimed=True)
        if not await self._do(lambda store: store.move(held, after)):
            await self._desk.happened("approval", "decision void", **facts, why="somebody else was quicker")
            raise Turned(HTTPStatus.CONFLICT, "somebody else was quicker", "See `sluice approvals show`.")
        if held.on_hold == "ticket":
            await self._allowances.recall(after)
        elif held.host == self._host:
            await self._tell(after)
        if after.state != "pending":
            self._end(after)
        elif held.host in (self._host, ""):
            self._advanced(after)
        return {"approval": {**as_told(after, call.now), "missing": statements.missing(after, rules)}}

    def _advanced(self, held: Held) -> None:
        """It waits here still, and somebody may have approved it."""
        before = self.around.groups.known(held)
        self.around.opened(held)
        self.onlooker()
        if len(held.given) > len(before.given if before is not None else ()):
            self.moved(held, "approval.given")
            self.tell_news(held.id, f"approved by {', '.join(held.givers)}; others have to approve it, too")

    def _open(self, held: Held) -> None:
        self.around.opened(held)
        self.onlooker()
        self.opened(held)

    def _end(self, held: Held) -> None:
        self.around.ended(held)
        self.onlooker()
        self.ended(held)

    # -- within

    async def _waited_for(self, held: Held) -> bool:
        """Whether somebody is there who would let it run."""
        if held.on_hold == "ticket":
            return True
        if held.host == self._host or self._fleet is None:
            return held.id in self._workers
        return await self._fleet.alive(held.host)

    def rules(self) -> dict[str, Approval]:
        """The approval rules of now, by name."""
        return self._tables.of(self._desk.loaded.policy).approval_rules

    async def _found(self, call: Call) -> Held:
        wanted = call.path["id"]
        held = await self._do(lambda store: store.get(wanted))
        if held is None or not self._sees(call, held):
            raise Turned(HTTPStatus.NOT_FOUND, "there is no such request", "See `sluice approvals list`.")
        return held

    def _sees(self, call: Call, held: Held) -> bool:
        rules = statements.as_of(self.rules(), held, call.now)
        return _own(call, held) or statements.named(held, rules, call.who, self.lent(call.who, call.now)) or _operates(call)

    def _part(self, call: Call, held: Held) -> dict[str, Any]:
        return stepping_up.part(call, held, self.rules(), self.lent(call.who, call.now))


def _own(call: Call, held: Held) -> bool:
    return (call.who.user, call.who.issuer) == (held.user, held.issuer) and call.who.actors in ((), held.actors)


def _operates(call: Call) -> bool:
    return not call.who.actors and Operator(call.who, call.table, call.desk.loaded.settings, call.now).everywhere
