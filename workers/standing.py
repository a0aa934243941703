"""The sessions that are in: handed to the relay, asked again when the right behind them may have moved, and ended."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio

from gateway.audit.defined import SessionCard
from gateway.errors import Refusal, Refused, State
from gateway.identity import barred, claims
from gateway.identity.barred import Bar, Bars
from gateway.identity.keys import IssuerKeys
from gateway.identity.principal import Principal
from gateway.policy.decision import Budget
from gateway.policy.table import PolicyTable, Rights
from gateway.scope import Scope
from gateway.session.declaring import Said, began
from gateway.session.failures import running
from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from gateway.session.loops import Trail, Trails
from gateway.session.session import Session
from gateway.settings import Database
from workers.admitted import Admission, shape_of
from workers.audit_log import AuditLog
from workers.budgets import Account
from workers.cancels import CancelDesk
from workers.catalogs import Catalogs
from workers.deadlines import Deadlines
from workers.end_users import EndUsers, House
from workers.estimates import Estimates, Place
from workers.holds import Holds
from workers.lending import Borrower, Lending
from workers.links import Link
from workers.meetings import CrowdAccount, Meetings
from workers.relay import Relay
from workers.scopes import Scopes
from workers.session_events import note
from workers.sign_in import SignedIn
from workers.slab import Counter
from workers.slot import Slot
from workers.tasks import TaskAccount
from workers.upstream import Upstream, send_cancel
from workers.warm import WarmServers

log = logging.getLogger("sluice.standing")

GRACE_SECONDS = 30.0  # for a statement that runs on when the right behind it has gone
SLICE_SECONDS = 0.005  # for which asking for rights again keeps the worker's other tasks waiting
_GONE = Refused(State.NOT_SIGNED_IN, "the right behind this session has ended", "Sign in again.")
_EXPIRED = Refused(State.NOT_SIGNED_IN, "the token behind this session has expired", "Connect again with a new token.")
_UNSIGNED = Refused(
    State.NOT_SIGNED_IN, "the key behind this session's token was withdrawn", "Connect again with a new token."
)
BY_AN_OPERATOR = Refused(State.SHUTDOWN, "the session was ended by an operator", "Ask who operates the gateway.")


@dataclass(slots=True, eq=False)
class _Live:
    """What a live session needs to be asked again; there may be thousands of them."""

    house: "Standing"
    admission: Admission  # whose session it is
    upstream: Upstream
    secret: bytes
    since: float  # POSIX seconds
    link: Link = field(init=False)
    now: Admission = field(init=False)  # whom it works for: others, where it is of a shared account
    gone: float = 0.0  # when its right was found to have gone while a statement ran; 0: not
    withdrawn: Refused | None = None  # why it could not come in by its door any more
    minute: int = -1  # in which its right ends, where the house looks for it

    def __post_init__(self) -> None:
        self.now = self.admission

    def rescope(self, session: Session) -> Scope:
        return self.house.rescope(self, session)

    def purse(self, budget: Budget) -> Account | TaskAccount:
        return self.house.ledger.purse(self.now.principal, budget)

    def crowd(self, budget: Budget) -> CrowdAccount:
        return self.house.meetings.crowd(self.now.principal, budget)

    def trail(self, rule: str, shape: str) -> Trail:
        who = self.now.principal
        return self.house.trails.trail((who.user, who.issuer, who.actors), rule, shape)

    def stop(self, rule: str) -> None:
        self.house.stop_actor(self.now.principal, rule, self.link.session.card)

    async def cancel(self, address: str) -> None:
        await self.house.cancel_upstream(self.link, address)


class Standing:
    """The live sessions of one worker."""

    def __init__(
        self,
        slot: Slot,
        audit: AuditLog,
        relay: Relay,
        desk: CancelDesk,
        catalogs: Catalogs,
        estimates: Estimates,
        holds: Holds,
    ) -> None:
        self._slot = slot
        self._audit = audit
        self._relay = relay
        self._desk = desk
        self._estimates = estimates
        self._holds = holds
        self.warm = WarmServers(slot.slots)
        self.lending = Lending(relay, slot.slots)
        self.ledger = slot.budgets.ledger(slot.index, slot.row)
        self.meetings = Meetings(slot.budgets, slot.index, slot.row)
        self.trails = Trails()
        self._scopes = Scopes(slot, catalogs)
        self._live: dict[Link, _Live] = {}
        self._ends: Deadlines[Link] = Deadlines()  # of the rights behind live sessions
        self._asked: dict[Link, None] = {}  # sessions whose right is to be asked again as soon as nothing runs in them
        self._on_closed = self._closed  # one for all
        self.identify: Callable[[str], Principal]  # whose token it is; raises Refusal
        self.bars = Bars()
        self._keys = slot.keys.thumbprints()
        self.keep_out: Callable[[Bar], None] = lambda bar: None  # has every worker keep it out
        self.begin_cancel: Callable[[Upstream], None] = lambda upstream: None  # has `cancel_at` run soon
        self.table: PolicyTable
        self.generation = 0

    def adopt(self, table: PolicyTable, generation: int) -> None:
        """From now on this policy decides, in running sessions too."""
        self.table = table
        self.generation = generation
        self._scopes.adopt(table, generation)
        self._asked.update(dict.fromkeys(self._live))

    def keys_moved(self, keys: IssuerKeys) -> None:
        """Only these keys count from now on: a session whose token another one has signed ends as if it had expired."""
        self._keys = keys.thumbprints()
        for link, live in self._live.items():
            if self._unproven(live) is not None:
                self._until(live, link.session, live.now.rights)
                self._asked[link] = None

    def doors_moved(self, renewed: Callable[[Principal, object], Principal | Refused]) -> None:
        """Whoever could not come in by its door any more ends as if it had expired. `renewed`: see workers.doors."""
        for link, live in self._live.items():
            found = renewed(live.admission.principal, link.client.sock)
            live.withdrawn = found if isinstance(found, Refused) else None
            if isinstance(found, Principal):
                live.admission.principal = found
            self._until(live, link.session, live.now.rights)
            if live.withdrawn is not None:
                self._asked[link] = None

    def _unproven(self, live: _Live) -> Refused | None:
        """Why what the session was proven by counts no more."""
        tokens = [one for one in (live.now.principal, live.admission.principal) if one.key and one.method != "scram"]
        return live.withdrawn or (None if all(one.key in self._keys for one in tokens) else _UNSIGNED)

    def catalog_renewed(self, name: str) -> None:
        """Sessions of this database are decided by its new catalogue."""
        self._scopes.catalog_renewed(name)
        self._asked.update((link, None) for link in self._live if link.database == name)

    def begin(self, signed: SignedIn[Admission]) -> None:
        """A client that was greeted is the relay's from now on."""
        admission, upstream = signed.admission, signed.upstream
        live = _Live(self, admission, upstream, signed.secret, time.time())
        session = Session(
            scope=self._scopes.of(admission.rights),
            rescope=live.rescope,
            chain=self._audit.chain,
            card=admission.card,
            parameters=upstream.parameters,
            frame_bytes_max=self._slot.settings.gateway.message_bytes_max,
            purse_of=live.purse,
            crowd_of=live.crowd,
            said=Said(admission.principal.intent, began(admission.parameters)),
            replicates=any(name.lower() == "replication" for name, _ in admission.parameters),
            people=self._people(live) if admission.rights.names_persons else None,
            loops=live,
        )
        if session.search_path is not None:  # its first statement would ask for this
            session.scope = self._scopes.of(admission.rights, path=session.search_path)
        borrower = None
        if admission.database.pool == "transaction":
            borrower = Borrower(admission.database, shape_of(admission), upstream.parameters)
        lends = borrower is not None or (not session.replicates and self.warm.share(admission.database) > 0)
        sock = upstream.sock if borrower is None else None
        link = live.link = Link(
            session, signed.wire.sock, sock, admission.database.name, self._on_closed, lends=lends, borrower=borrower
        )
        self._live[link] = live
        self._until(live, session, admission.rights)
        admission.rights = session.scope.rights  # the same, but for when it ends
        if session.scope.stale or not session.until:
            self._asked[link] = None
        self._desk.register(upstream.pid, signed.secret, live.cancel)
        self._relay.add(link, bytes(signed.wire.buffer), bytes(upstream.buffer))
        self._put_out(live, time.time())  # who was barred while it signed in

    def _people(self, live: _Live) -> EndUsers:
        admission = live.admission
        database, role = admission.database, admission.rights.role or ""

        def rights(principal: Principal) -> Rights:
            return self.rights(principal, database, time.time(), role)

        def scope(rights: Rights) -> Scope:
            return self._scope(live.link.session, rights)

        def works_for(other: Admission) -> None:
            live.now = other
            self._until(live, live.link.session, other.rights)

        def event(what: str, card: SessionCard, more: Mapping[str, Any]) -> None:
            self._audit.chain.event(time.time_ns(), "session", {"what": what, **more}, card)

        house = House(self.identify, rights, scope, works_for, event)
        return EndUsers(house, admission, self._scopes.of(admission.rights))

    async def estimate(self, link: Link, wanted: Wanted) -> int:
        """The planner's estimate for a statement of this session; after a pause, where that is all that is wanted."""
        if wanted.pause_seconds:
            await trio.sleep(wanted.pause_seconds)
            return 0
        live = self._live.get(link)
        if live is None:
            return ROWS_UNKNOWN  # it ended meanwhile
        admission = live.admission
        place = Place(
            admission.database.name,
            admission.target,
            admission.rights.role,
            link.session.scope.catalog.version,
            admission.parameters,
        )
        return await self._estimates.rows(place, wanted)

    async def cancel_upstream(self, link: Link, address: str = "") -> None:
        """Asks the server to cancel what the session runs, if it runs anything. `address`: of the client that wants it, ""
        where the gateway does."""
        if self._holds.cancelled(link):
            return
        upstream = self.running(link)
        if upstream is not None:
            if address:
                card = self._live[link].now.card
                note(self._audit, "cancel requested", card, {"address": address, "intent": running(link.session)})
            await self.cancel_at(upstream)

    def running(self, link: Link) -> Upstream | None:
        """The server's session, where a statement is outstanding in it."""
        live = self._live.get(link)
        if live is None or not link.session.queue:
            return None
        if link.borrower is None:
            return live.upstream
        return link.borrower.has.upstream if link.borrower.has is not None else None

    async def cancel_at(self, upstream: Upstream) -> None:
        """Asks the server to cancel what this session of it runs."""
        upstream.cancels += 1
        try:
            await send_cancel(upstream.address, upstream.pid, upstream.secret, encrypted=upstream.tls)
        except Refusal as refusal:  # it stays counted: it may arrive yet
            log.warning("a cancel request could not be passed on: %s", refusal.refused.message)
        else:
            upstream.cancels -= 1

    def _closed(self, link: Link) -> None:
        live = self._live.pop(link)
        self._ends.drop(link, live.minute)
        self._asked.pop(link, None)
        self._desk.forget(live.upstream.pid, live.secret)
        self._slot.row.leave()
        session = link.session
        self._holds.gone(link)
        if link.borrower is not None:
            self.lending.gone(link)
        elif link.kept:
            self.warm.give(live.admission.database, shape_of(live.admission), live.upstream, session.reported)
        self._slot.row.add(Counter.STATEMENTS, session.statements)
        self._slot.row.add(Counter.REFUSED, session.refusals)
        counts = {"statements": session.statements, "refused": session.refusals}
        self._audit.chain.event(time.time_ns(), "session", {"what": "session closed", **counts}, live.admission.card)

    def rescope(self, live: _Live, session: Session) -> Scope:
        """The scope for the policy and catalogue of now. Raises Refusal when the right behind the session is gone."""
        admission = live.now
        rights = self._right(live)
        self._until(live, session, rights)
        scope = self._scope(session, rights)
        admission.rights = scope.rights
        return scope

    def _scope(self, session: Session, rights: Rights) -> Scope:
        return self._scopes.of(
            rights,
            conforming=session.conforming,
            made=session.made,
            own=session.own,
            moved=session.moved,
            path=session.search_path,
        )

    def _right(self, live: _Live) -> Rights:
        """What the one behind the session may do there now. Raises Refusal where that is not what it began with."""
        admission = live.now
        try:
            rights = self.rights(admission.principal, admission.database, time.time(), admission.rights.role or "")
        except Refusal as refusal:
            raise Refusal(_GONE) from refusal
        if rights.role != admission.rights.role:
            raise Refusal(_GONE)
        if time.time() >= _expires(live):
            raise Refusal(_EXPIRED)
        if (unproven := self._unproven(live)) is not None:
            raise Refusal(unproven)
        return rights

    def _until(self, live: _Live, session: Session, rights: Rights) -> None:
        """Notes when these rights, or the token, end: now, where its key was withdrawn meanwhile."""
        ends = min(rights.until, _expires(live), 9e9)
        if self._unproven(live) is not None:
            ends = 0.0
        session.until = int(ends * 1e9)
        self._ends.drop(live.link, live.minute)
        live.minute = self._ends.put(live.link, ends)

    def rights(self, principal: Principal, database: Database, now: float, wanted_role: str | None) -> Rights:
        """What the principal may do there by the policy in force. Raises Refusal, for who is kept out too."""
        self.refuse_barred(principal, now)
        return self.table.rights(principal, database.name, database.environment, now, self.generation, wanted_role)

    # -- ended from outside

    def refuse_barred(self, principal: Principal, now: float) -> None:
        """Raises Refusal for who is kept out."""
        bar = self.bars.of(principal, now)
        if bar is not None:
            raise Refusal(barred.refusal(bar))

    def put_out(self, now: float) -> list[Link]:
        """Ends the sessions of all who are barred, whatever these do; which they are."""
        return [link for link, live in list(self._live.items()) if self._put_out(live, now)]

    def _put_out(self, live: _Live, now: float) -> bool:
        bar = self.bars.of(live.now.principal, now) or self.bars.of(live.admission.principal, now)
        if bar is not None:
            self.expel(live.link, barred.refusal(bar), bar.by)
        return bar is not None

    def expel(self, link: Link, refused: Refused, by: str = "", reason: str = "") -> None:
        """Ends a session now: what runs in it is cancelled, its client reads why."""
        if link.session.ending and link.fate is not None:
            return
        upstream = self.running(link)
        if upstream is not None:
            self.begin_cancel(upstream)
        session = link.session
        session.now = time.time_ns()
        session.end(refused)
        if by:
            facts = {"what": "session ended by", "by": by, "why": reason or refused.message}
            self._audit.chain.event(session.now, "session", facts, session.card)
        self._relay.cut(link, "cancelled")

    def stop_actor(self, principal: Principal, rule: str, card: SessionCard) -> None:
        """A rule has ended a session of this agent: it is kept out, where it acts for this person, until an operator lets it
        come again."""
        now = time.time()
        who = {"user": principal.user, "actor": list(principal.actors)}
        self._audit.chain.event(int(now * 1e9), "session", {"what": "agent stopped", "rule": rule, **who}, card)
        if principal.actors:
            why = f'rule "{rule}"'
            agent, *_ = principal.actors
            self.keep_out(Bar("actor", agent, principal.issuer, principal.user, why, why, now))

    def lives(self, link: Link) -> bool:
        """Whether it is not closed yet."""
        return link in self._live

    def behind(self, link: Link) -> tuple[Admission, Upstream]:
        """What a session that lives was let in with."""
        return self._live[link].admission, self._live[link].upstream

    def of_id(self, session_id: str) -> Link | None:
        """The live session of this id."""
        return next((link for link, live in self._live.items() if live.admission.session_id == session_id), None)

    def all(self) -> Iterator[tuple[Link, float]]:
        """Every live session, and since when it is."""
        return ((link, live.since) for link, live in self._live.items())

    # -- ended by time and policy

    async def check(self, now: float) -> None:
        """Ends sessions whose token or right has ended; where a statement runs, after a grace. Called about twice a second;
        looks at those alone of which time or a new policy says so, and lets others run in between, for these may be all."""
        asked, self._asked = self._asked, {}
        asked.update(dict.fromkeys(self._ends.come(now)))
        began = time.monotonic()
        for link in asked:
            if link not in self._live:
                continue
            if link.session.queue:
                self._asked[link] = None
                self._overstays(link, now)
            elif not link.session.ending:
                self._ask_again(link, now)
            if time.monotonic() - began > SLICE_SECONDS:
                await trio.lowlevel.checkpoint()
                began = time.monotonic()

    def _overstays(self, link: Link, now: float) -> None:
        """A statement may run on for a while when the right behind it has gone; then it is cancelled, the session ends."""
        live = self._live[link]
        if not link.session.scope.stale and now * 1e9 < link.session.until:
            return
        try:
            self._right(live)
        except Refusal as refusal:
            live.gone = live.gone or now
            if now - live.gone >= GRACE_SECONDS:
                self.expel(link, refusal.refused)
        else:
            live.gone = 0.0

    def _ask_again(self, link: Link, now: float) -> None:
        session = link.session
        if session.scope.stale or now * 1e9 >= session.until:
            try:
                session.scope = self.rescope(self._live[link], session)
            except Refusal as refusal:
                session.now = int(now * 1e9)
                session.end(refusal.refused)
                self._relay.look_again(link)


def _expires(live: _Live) -> float:
    """When the session's tokens, certificate or password end, the leeway included."""
    return min(live.now.principal.expires, live.admission.principal.expires) + claims.LEEWAY_SECONDS
