"""The statements of one worker that wait for people: told to the admin process, reminded of, ended when their time is over.

A session that waits costs its frame and an entry here. What was decided reaches it at once; where the admin process is not
there it waits on, and is told again when that is back.
"""

import contextlib
import math
import secrets
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from gateway.approvals import outcomes
from gateway.audit.chain import Chain
from gateway.errors import Refused, State
from gateway.policy import affected
from gateway.session import holding
from gateway.session.holding import Held
from parser.facts import Facts
from workers import holds_link, risk_signs, ticket_answers
from workers.allowance_uses import Uses
from workers.holds_link import Counted, Decided, FromWorker, Noted, Previewed, Ran, Ticketed, Waits, Withdrawn
from workers.links import Link
from workers.preview_run import Tried
from workers.relay import Relay
from workers.run_folder import RunFolder

if TYPE_CHECKING:
    from workers.previews import Previews

CHECKS_MAX: Final = 3  # how often people are asked anew because the outcome was another
REMIND_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 0.2  # until the admin process is looked for again
_NS: Final = 10**9
_BY_SHAPE: Final = frozenset(("read", "write"))  # what statements do whose literals are nothing but values
_CANCELLED: Final = Refused(State.CANCELLED, "canceling statement due to user request: its request is withdrawn")
_SHUTDOWN: Final = Refused(State.SHUTDOWN, "the gateway is shutting down: the request is withdrawn", "Ask again.")


class _Waiting:
    """One of them. `told`: POSIX nanoseconds of the last word to its client. While it is `tried` its end waits for that of
    the trial. `checks`: how often it was tried again because it was approved."""

    __slots__ = ("approved", "checks", "ending", "held", "link", "told", "tried")

    def __init__(self, link: Link, held: Held, told: int) -> None:
        self.link = link
        self.held = held
        self.told = told
        self.tried = False
        self.approved: Decided | None = None
        self.checks = 0
        self.ending: tuple[Refused | None, str] | None = None


class Holds:
    """See the module. `begin` is called within a turn."""

    def __init__(self, folder: RunFolder, relay: Relay, chain: Chain) -> None:
        self.previews: Previews
        self._folder = folder
        self._relay = relay
        self._chain = chain
        self._waiting: dict[str, _Waiting] = {}
        self._say: trio.MemorySendChannel[FromWorker] | None = None  # while the admin process is there
        self._uses = Uses(self._tell)
        self._soon: Callable[..., None] = lambda call, *arguments: None

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, link: Link, held: Held) -> None:
        """A statement of this session waits from now on."""
        one = self._ask(link, held)
        if held.hold.preview_seconds and not held.ticket:
            one.tried = True
            self.previews.begin(link, held, self._previewed, approved=False)

    def _ask(self, link: Link, held: Held) -> _Waiting:
        session = link.session
        held.id = f"h{secrets.token_hex(5)}"
        one = self._waiting[held.id] = _Waiting(link, held, session.now)
        if not held.ticket:  # else it is known in a moment which request it belongs to
            self._record("statement held", held, link, _what(held))
            holding.tell(session, held, held.hold.whom)
        self._tell(_waits(link, held))
        return one

    def _previewed(self, link: Link, held: Held, tried: Tried) -> None:
        """Its outcome is there, or why it is not."""
        one = self._over(held)
        if one is None:
            return
        if tried.refused is not None:
            self._end(held, tried.refused, "it fails")
            return
        if one.approved is not None:  # by what people said of its shape, whatever its outcome is
            self._let_go(one, one.approved)
            return
        held.preview, held.samples = tried.preview, tried.samples
        self._tell(Previewed(held.id, held.preview, held.samples))

    def _checked(self, link: Link, held: Held, tried: Tried) -> None:
        """It was approved, and was tried once more: if its outcome is another, people are asked about that."""
        one = self._over(held)
        if one is None:
            return
        assert held.preview is not None
        assert one.approved is not None
        how = outcomes.difference(held.preview, tried.preview) if tried.refused is None else ""
        if not how:  # where it fails now the client reads so from the server
            self._let_go(one, one.approved)
        elif one.checks > CHECKS_MAX:
            self._end(held, _restless(held), "its outcome is another each time")
        else:
            self._ask_again(one, tried, how)

    def _ask_again(self, one: _Waiting, tried: Tried, how: str) -> None:
        held, link = one.held, one.link
        del self._waiting[held.id]
        self._tell(Withdrawn(held.id, f"its outcome is another now: {how}"))
        self._record("outcome differs", held, link, {"why": how})
        link.session.now = time.time_ns()
        held.until = link.session.now + int(held.hold.wait_seconds * _NS)
        held.preview, held.samples = msgspec.structs.replace(tried.preview, replaces=how), tried.samples
        self._ask(link, held).checks = one.checks
        self._tell(Previewed(held.id, held.preview, held.samples))
        self._relay.look_again(link)

    def _over(self, held: Held) -> _Waiting | None:
        """Its trial is over; None where it waits no more."""
        one = self._waiting.get(held.id)
        if one is None:
            return None
        one.tried = False
        if one.ending is not None:
            self._end(held, *one.ending)
            return None
        return one

    def cancelled(self, link: Link) -> bool:
        """The client wants to wait no longer; whether anything of its waits."""
        held = link.session.wanted
        if not isinstance(held, Held):
            return False
        self._end(held, ticket_answers.CANCELLED if held.ticket else _CANCELLED, "cancelled")
        return True

    def gone(self, link: Link) -> None:
        """The session has ended."""
        held = link.session.wanted
        if isinstance(held, Held) and self._waiting.pop(held.id, None) is not None and not held.ticket:
            self.previews.stop(held)
            self._tell(Withdrawn(held.id, "client gone"))
            self._record("request withdrawn", held, link, {"why": "client gone"})

    def tidy(self, now: int) -> None:
        """Called about twice a second; `now` in POSIX nanoseconds."""
        gone = self._hung_up()
        for one in list(self._waiting.values()):
            if one.link.client.fd in gone:  # the relay does not read one that waits, so it sees no end either
                self._relay.cut(one.link, "client-gone")
            elif now >= one.held.until:
                late = ticket_answers.unanswered(one.held) if one.held.ticket else _too_late(one.held)
                self._end(one.held, late, "too late")
            elif now - one.told >= REMIND_SECONDS * _NS:
                one.told = one.link.session.now = now
                holding.remind(one.link.session, one.held)
                self._relay.look_again(one.link)

    def _hung_up(self) -> set[int]:
        """The sockets of waiting clients that have gone away."""
        if not self._waiting:
            return set()
        poll = select.poll()
        for one in self._waiting.values():
            poll.register(one.link.client.fd, select.POLLRDHUP)
        return {fd for fd, _ in poll.poll(0)}

    def close(self) -> None:
        """Nobody waits any more: the worker ends."""
        for one in list(self._waiting.values()):
            self._end(one.held, ticket_answers.unanswered(one.held) if one.held.ticket else _SHUTDOWN, "shutdown")

    async def keep(self) -> None:
        """Stays in touch with the admin process, for ever."""
        self._soon = trio.lowlevel.current_trio_token().run_sync_soon
        while True:
            with contextlib.suppress(OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError):
                async with await holds_link.connect(self._folder) as stream:
                    await self._attend(stream)
            await trio.sleep(AGAIN_SECONDS)

    async def _attend(self, stream: trio.SocketStream) -> None:
        self._say, said = trio.open_memory_channel[FromWorker](math.inf)  # what waits is bounded by the sessions
        for one in self._waiting.values():
            self._tell(_waits(one.link, one.held))
            if one.held.preview is not None:
                self._tell(Previewed(one.held.id, one.held.preview, one.held.samples))
        for use in self._uses.again():
            self._tell(use)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._speak, stream, said)
                while (message := await holds_link.receive(stream)) is not None:
                    if isinstance(message, Decided):
                        self._decided(message)
                    elif isinstance(message, Noted):
                        self._note(message)
                    elif isinstance(message, Ticketed):
                        self._ticketed(message)
                    elif isinstance(message, Counted):
                        self._uses.counted(message.id)
                nursery.cancel_scope.cancel()
        finally:
            self._say = None

    async def _speak(self, stream: trio.SocketStream, said: trio.MemoryReceiveChannel[FromWorker]) -> None:
        async for message in said:
            await holds_link.send(stream, message)

    def _decided(self, decided: Decided) -> None:
        one = self._waiting.get(decided.id)
        if one is None:
            self._tell(Withdrawn(decided.id, "too late"))
        elif decided.approve and one.tried:
            one.approved = decided
        elif decided.approve and one.held.preview is not None and one.held.preview.known:
            one.approved, one.tried, one.checks = decided, True, one.checks + 1
            self.previews.begin(one.link, one.held, self._checked, approved=True)
        elif decided.approve:
            self._let_go(one, decided)
        else:
            self._end(one.held, _denied(one.held, decided), "")

    def _let_go(self, one: _Waiting, decided: Decided) -> None:
        one.held.use = self._uses.begin(decided.id, decided.use)
        self._end(one.held, None, "")

    def _note(self, noted: Noted) -> None:
        one = self._waiting.get(noted.id)
        if one is not None:
            one.told = one.link.session.now = time.time_ns()
            holding.note(one.link.session, one.held, noted.words)
            self._relay.look_again(one.link)

    def _ticketed(self, told: Ticketed) -> None:
        """What has a ticket does not wait, whatever was said of it: a question that is not asked any more was refused."""
        one = self._waiting.pop(told.id, None)
        if one is None:
            if told.use is not None:
                self._uses.unused(told.id)
            return
        one.held.use = self._uses.begin(told.id, told.use)
        held, held.id = one.held, told.ticket
        if told.state == "approved":
            held.until = int(told.until * _NS)
        if told.state == "pending":
            self._record("statement refused with a ticket", held, one.link, _what(held))
        self._relay.decided(one.link, held, ticket_answers.refusal(held, told))

    def _end(self, held: Held, refused: Refused | None, withdrawn: str) -> None:
        one = self._waiting[held.id]
        if one.tried:
            one.ending = one.ending or (refused, withdrawn)
            self.previews.stop(held)
            return
        del self._waiting[held.id]
        if held.ticket:  # the request, if there is one by now, waits on
            self._relay.decided(one.link, held, refused)
            return
        self._tell(Withdrawn(held.id, withdrawn) if withdrawn else Ran(held.id))
        if withdrawn:
            self._record("request withdrawn", held, one.link, {"why": withdrawn})
        self._relay.decided(one.link, held, refused)

    def _record(self, what: str, held: Held, link: Link, more: dict[str, Any]) -> None:
        self._chain.event(time.time_ns(), "approval", {"what": what, "approval": held.id, **more}, link.session.card)

    def _tell(self, message: FromWorker) -> None:
        """Also from a turn, which is no task of trio's."""
        self._soon(self._put, message)

    def _put(self, message: FromWorker) -> None:
        if self._say is not None:  # else it is said again, if it still waits
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._say.send_nowait(message)


def _what(held: Held) -> dict[str, Any]:
    return {"rules": list(held.hold.rules), "statement": _statement(held)}


def _counts(facts: Facts) -> bool:
    """Whether the command tag tells how many rows it has changed."""
    added = facts.changes == 1 and facts.kinds[0].startswith("INSERT")
    return facts.named is None and (added or affected.counted(facts) == "tag")


def _statement(held: Held) -> str:
    """Without literals."""
    return "; ".join(one.card.info.statement for one in held.rulings)


def _waits(link: Link, held: Held) -> Waits:
    session = link.session
    info, said = session.card.info, session.said.now
    facts = [one.card.info for one in held.rulings]
    hold, now = held.hold, session.now / _NS
    by_shape = all(one.facts.complete and one.facts.effects <= _BY_SHAPE for one in held.rulings)
    return Waits(
        id=held.id,
        binding=held.binding,
        session=info.session,
        user=info.user,
        issuer=info.issuer,
        groups=info.groups,
        actors=info.actors,
        account=info.account,
        token_id=info.token_id,
        model=info.model,
        run=info.run,
        address=info.address,
        application=info.application,
        database=info.database,
        environment=info.environment,
        role=info.role,
        text=held.sql,
        types=held.types,
        values=held.values,
        statement=_statement(held),
        repeatable=by_shape and len(held.rulings) == 1 and _counts(held.rulings[0].facts),
        by_text=not by_shape,
        kinds=tuple(kind for one in facts for kind in one.kinds),
        tables=tuple(dict.fromkeys(table for one in facts for table in one.tables)),
        labels=tuple(dict.fromkeys(label for one in facts for _, label in one.labels)),
        rules=held.hold.rules,
        words=held.hold.words,
        approvals=tuple(one.name for one in held.hold.approvals),
        policy=session.scope.policy_hash,
        in_transaction=held.in_transaction,
        reason=said.reason if said is not None else "",
        ticket=said.ticket if said is not None else "",
        signs=risk_signs.of(session, held.rulings),
        since=now if held.ticket else held.until / _NS - hold.wait_seconds,
        until=now + hold.ticket_seconds if held.ticket else held.until / _NS,
        on_hold="ticket" if held.ticket else "wait",
        previews=bool(held.hold.preview_seconds),
    )


def _too_late(held: Held) -> Refused:
    return Refused(
        State.DENIED,
        f"held by {held.hold.words.rstrip('.')}: nobody decided in time about request {held.id}",
        "Tell those who decide, and send it again.",
        held.hold.rules[0],
    )


def _restless(held: Held) -> Refused:
    return Refused(
        State.DENIED,
        f"held by {held.hold.words.rstrip('.')}: what it would change was another each time that it was approved; "
        "nothing was changed",
        "Say which rows you mean in a way that others do not move, by their keys.",
        held.hold.rules[0],
    )


def _denied(held: Held, decided: Decided) -> Refused:
    why = f": {decided.words}" if decided.words else ""
    return Refused(
        State.DENIED,
        f"held by {held.hold.words.rstrip('.')}: request {held.id} was denied by {decided.by}{why}",
        "Change the statement as the answer says, or leave it out.",
        held.hold.rules[0],
    )
