"""The statements of all workers that wait for people: kept, shown to those who decide, decided once, told to the worker."""

import contextlib
import functools
import logging
import math
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import trio
from msgspec import Meta

from gateway.approvals import sealed, statements
from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Unfit
from gateway.approvals.sealed import Secret
from gateway.approvals.statements import Held
from gateway.approvals.view import Change
from gateway.identity.principal import Principal
from gateway.policy.approving import Approval
from gateway.policy.operating import Operator
from workers import held_previews, holds_link
from workers.admin_calls import Call, Tables, Turned, plain
from workers.admin_process import Desk
from workers.approvals_fleet import Fleet
from workers.held_circumstances import Circumstances, looked
from workers.held_store import HeldStore
from workers.held_told import as_told, facts_of, shape_of
from workers.holds_link import Decided, Noted, Previewed, Ran, ToWorker, Waits, Withdrawn
from workers.run_folder import RunFolder
from workers.shared_approvals import SharedHeld

SHOWN_MAX: Final = 500
ALIKE_MAX: Final = 500  # decided with one word
PAGE: Final = 500  # requests that are read at a time
LEARNED_MAX: Final = 2000  # of what was approved before, for what is new about a request
LOOK_SECONDS: Final = 1.0
LOST_SECONDS: Final = 5.0  # for a worker to tell again what waits, when the connection broke
_NOT_RECORDED: Final = "it could not be put on record, and is not done"
_NOBODY: Final = "nobody can be asked at the moment, because approvals cannot be kept; it waits until that can be done again"
_ASKED: Final = "those who decide are asked now"
_GATEWAY: Final = "the gateway"  # who refuses what nobody can decide about any more
T = TypeVar("T")
log = logging.getLogger("sluice.admin")


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that answers. `alike`: others that are to be answered so too, if they are alike."""

    reason: str = ""
    alike: Annotated[tuple[str, ...], Meta(max_length=ALIKE_MAX)] = ()


class HeldDesk:
    """Owns the store, or shares it with the other gateways of a fleet. A decision is on record before it counts, and kept
    before a worker hears of it; who has the client waiting claims what was approved before letting it go."""

    def __init__(self, desk: Desk, fleet: Fleet | None = None) -> None:
        self._desk = desk
        self._fleet = fleet
        self._host = fleet.host if fleet is not None else ""
        self._tables = Tables()
        self._store: HeldStore | None = None
        self._one = trio.CapacityLimiter(1)  # the store's thread
        self._deciding = trio.Lock()  # so that the record has only decisions that counted
        self._workers: dict[str, trio.MemorySendChannel[ToWorker]] = {}  # by request
        self._unkept: dict[str, tuple[Waits, trio.MemorySendChannel[ToWorker]]] = {}  # nobody is asked about these yet
        self._told: set[str] = set()  # of these, whose worker knows what was decided
        self._lost: dict[str, float] = {}  # requests whose worker is not there, since when
        self.opened: Callable[[Held], None] = lambda held: None  # who tells others of what waits, and of its end
        self.ended: Callable[[Held], None] = lambda held: None
        self.moved: Callable[[Held, Change], None] = lambda held, change: None
        self.lent: Callable[[Principal, float], Sequence[Delegation]] = lambda who, now: ()
        self.around = Circumstances()

    # -- the workers

    async def serve(self) -> None:
        """Hears them, for ever."""
        path = RunFolder.make(self._desk.loaded.run_dir).socket_path(holds_link.SOCKET)
        Path(path).unlink(missing_ok=True)
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            await listening.bind(path)
            listening.listen(128)
            async with trio.open_nursery() as nursery:
                while True:
                    sock, _ = await listening.accept()
                    nursery.start_soon(self._attend, trio.SocketStream(sock))

    async def _attend(self, stream: trio.SocketStream) -> None:
        say, said = trio.open_memory_channel[ToWorker](math.inf)  # as many as wait
        broken = OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError
        try:
            async with stream, trio.open_nursery() as nursery:
                nursery.start_soon(_speak, stream, said)
                with contextlib.suppress(*broken):
                    while (message := await holds_link.receive(stream)) is not None:
                        await self._hear(message, say)
                nursery.cancel_scope.cancel()
        finally:
            now = time.monotonic()
            self._unkept = {one: kept for one, kept in self._unkept.items() if kept[1] is not say}
            for held_id in [one for one, its in self._workers.items() if its is say]:
                del self._workers[held_id]
                self._told.discard(held_id)
                self._lost[held_id] = now

    async def _hear(self, message: holds_link.Message, say: trio.MemorySendChannel[ToWorker]) -> None:
        try:
            match message:
                case Waits():
                    await self._waits(message, say)
                    self._unkept.pop(message.id, None)
                case Previewed():
                    await held_previews.take(self, message, self._desk.loaded.secrets.approvals_key)
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
        except Turned:  # it is in the log already
            if isinstance(message, Waits):
                if message.id not in self._unkept:
                    say.send_nowait(Noted(message.id, _NOBODY))
                self._unkept[message.id] = message, say

    async def _waits(self, waits: Waits, say: trio.MemorySendChannel[ToWorker]) -> None:
        held = await self._do(lambda store: store.get(waits.id))
        elsewhere = held is not None and held.state == "pending" and held.host != self._host
        if held is not None and (held.binding != waits.binding or elsewhere):
            say.send_nowait(Decided(waits.id, False, _GATEWAY, "another request has this name; send it again"))
            return
        if held is None:
            held = await self._remembered(self.around.assessed(self._held(waits), waits))
            await self._do(lambda store: store.add(held))
        self._workers[waits.id] = say
        self._told.discard(waits.id)
        self._lost.pop(waits.id, None)
        await self._tell(held)
        if held.state == "pending":
            self.around.opened(held)
            if not held.awaits_preview:
                self.opened(held)

    async def _remembered(self, held: Held) -> Held:
        """Approved, where the same shape was, not long ago. That time goes on from the decision of people."""
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

    def _held(self, waits: Waits) -> Held:
        key = self._desk.loaded.secrets.approvals_key
        secret = Secret(waits.text, waits.types, waits.values)
        facts = {name: getattr(waits, name) for name in waits.__struct_fields__ if name in Held.__struct_fields__}
        kept = sealed.seal(secret, waits.id, key, secrets.token_bytes(sealed.NONCE_BYTES))
        return Held(**facts, state="pending", shape=shape_of(waits), secret=kept, host=self._host)

    async def _tell(self, held: Held) -> None:
        """The worker that has it waiting, where it is there and does not know yet. An approval is claimed before that."""
        claims = held.state == "approved" and not held.claimed
        if held.state == "pending" or held.ran or not self._knows_not(held.id):
            return
        if claims and not await self._do(lambda store: store.move(held, msgspec.structs.replace(held, claimed=True))):
            return  # it is another now, which is heard of, too
        if not self._knows_not(held.id):  # it may have gone, or come anew, meanwhile
            return
        self._told.add(held.id)
        approve = held.state == "approved"
        by = ", ".join(held.givers) if approve else held.denied_by or _GATEWAY
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._workers[held.id].send_nowait(Decided(held.id, approve, by, held.decision))
        if claims:
            await self._desk.happened("approval", "statement released", **facts_of(held), by=list(held.givers))

    def _knows_not(self, held_id: str) -> bool:
        """Whether a worker has it waiting, and was not told yet."""
        return held_id in self._workers and held_id not in self._told

    async def _over(self, held_id: str, state: str, why: str) -> None:
        self._workers.pop(held_id, None)
        self._told.discard(held_id)
        self._unkept.pop(held_id, None)
        self._lost.setdefault(held_id, time.monotonic())  # until it is kept
        held = await self._do(lambda store: store.get(held_id))
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
                    before = [one for one in await self._do(lambda store: store.pending()) if one.host == self._host]
                    self._lost |= {one.id: time.monotonic() for one in before if one.id not in self._workers}
                    self.around.remember(await self.history(0.0, LEARNED_MAX))
                    known = True
            await trio.sleep(LOOK_SECONDS)
            late = time.monotonic() - LOST_SECONDS
            for held_id in [one for one, since in self._lost.items() if since < late]:
                with contextlib.suppress(Turned):
                    await self._over(held_id, "withdrawn", "its worker has ended")
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

    async def history(self, since: float, count: int) -> list[Held]:
        """The latest made since then, newest first, as the store has them for counting. Raises Turned."""
        found: list[Held] = []
        before = math.inf, ""
        while len(found) < count:  # page by page, so that nobody waits long for the store
            wanted = min(PAGE, count - len(found))
            read = functools.partial(HeldStore.page, since=since, before=before, count=wanted)
            page = await self._do(read)
            found += page
            if len(page) < wanted:
                break
            before = page[-1].since, page[-1].id
        return found

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
            if after.host == self._host:
                self.around.opened(after)
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
        told |= self.around.told_in_full(held) | held_previews.told(held, decides=self._decides(call, held))
        if held.state == "pending" and self._decides(call, held):
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

    async def _decide(self, call: Call, *, approve: bool) -> dict[str, Any]:
        body = call.read(Answered)
        words = plain(body.reason, "the reason")
        async with self._deciding:
            first = await self._found(call)
            answer = await self._decided(call, first, words, approve)
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
        self, call: Call, held: Held, words: str, approve: bool, alike: str = ""
    ) -> dict[str, Any]:
        verb = "approve" if approve else "deny"
        rules, lent = statements.as_of(self.rules(), held, call.now), self.lent(call.who, call.now)
        try:
            right = statements.right(held, rules, call.who, lent)
            if held.state != "pending" or call.now >= held.until or not await self._waited_for(held):
                state = "not waited for any more" if held.state == "pending" else f"{held.state} already"
                raise Turned(HTTPStatus.CONFLICT, f"it is {state}", "See `sluice approvals show`.")
            if approve and held.awaits_preview:
                raise held_previews.untried()
            decide = statements.approved if approve else statements.denied
            after = decide(held, rules, call.who, call.now, words, lent, call.how)
        except Unfit as unfit:
            await call.refuse(verb, str(unfit), "Somebody else has to do it.", approval=held.id)
        what = "statement denied" if not approve else "statement approved" if after.state == "approved" else "approval given"
        stead = {"for": right.giver.by, "delegation": right.giver.id} if right.giver is not None else {}
        facts = {**facts_of(held), "decision": words, **stead, **({"alike": alike} if alike else {}), **call.signature()}
        if not await self._desk.post.record("approval", what, **facts):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
        if after.state == "approved" and held.host == self._host:
            after = msgspec.structs.replace(after, claimed=True)
        if not await self._do(lambda store: store.move(held, after)):
            await self._desk.happened("approval", "decision void", **facts, why="somebody else was quicker")
            raise Turned(HTTPStatus.CONFLICT, "somebody else was quicker", "See `sluice approvals show`.")
        if held.host == self._host:
            await self._tell(after)
        if after.state != "pending":
            self._end(after)
        elif held.host == self._host:
            self._advanced(after)
        return {"approval": {**as_told(after, call.now), "missing": statements.missing(after, rules)}}

    def _advanced(self, held: Held) -> None:
        """It waits here still, and somebody may have approved it."""
        before = self.around.groups.known(held)
        self.around.opened(held)
        if len(held.given) > len(before.given if before is not None else ()):
            self.moved(held, "approval.given")
            self.tell_news(held.id, f"approved by {', '.join(held.givers)}; others have to approve it, too")

    def _end(self, held: Held) -> None:
        self.around.ended(held)
        self.ended(held)

    # -- within

    async def _waited_for(self, held: Held) -> bool:
        """Whether somebody is there who would let it run."""
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
        own = (call.who.user, call.who.issuer) == (held.user, held.issuer) and call.who.actors in ((), held.actors)
        rules = statements.as_of(self.rules(), held, call.now)
        return own or statements.named(held, rules, call.who, self.lent(call.who, call.now)) or _operates(call)

    def _decides(self, call: Call, held: Held) -> bool:
        try:
            rules = statements.as_of(self.rules(), held, call.now)
            return bool(statements.counting(held, rules, call.who, self.lent(call.who, call.now)))
        except Unfit:
            return False

    async def _do(self, work: Callable[[HeldStore], T]) -> T:
        """In the store's thread. Raises Turned where it cannot be used."""
        if self._fleet is not None:
            key = self._fleet.key
            return await self._fleet.do(lambda connection: work(SharedHeld(connection, key)))

        def run() -> T:
            self._store = self._store or HeldStore(self._desk.loaded.state_dir)
            return work(self._store)

        try:
            return await trio.to_thread.run_sync(run, limiter=self._one)
        except (OSError, sqlite3.Error) as error:
            log.critical("held statements cannot be kept: %s", type(error).__name__)
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, "held statements cannot be kept", "Look at var/state.") from None


async def _speak(stream: trio.SocketStream, said: trio.MemoryReceiveChannel[ToWorker]) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for message in said:
            await holds_link.send(stream, message)


def _operates(call: Call) -> bool:
    return not call.who.actors and Operator(call.who, call.table, call.desk.loaded.settings, call.now).everywhere
