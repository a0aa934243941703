"""From a verified sign-in to a live session: rights, scope, upstream and hand-over to the relay; and the end of rights."""

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refusal, Refused, State
from gateway.identity import claims
from gateway.identity.principal import Principal
from gateway.policy import startup
from gateway.policy.decision import Budget
from gateway.policy.table import PolicyTable, Rights
from gateway.scope import Scope
from gateway.session.declaring import Said, began
from gateway.session.failures import running
from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from gateway.session.session import Session
from gateway.settings import Database
from workers import tls
from workers.audit_log import AuditLog
from workers.budgets import Account
from workers.cancels import CancelDesk
from workers.catalogs import Catalogs
from workers.deadlines import Deadlines
from workers.descriptors import sessions_room
from workers.estimates import Estimates, Place
from workers.lending import Borrower, Lending
from workers.links import Link
from workers.relay import Relay
from workers.scopes import Scopes
from workers.sharing import shared
from workers.sign_in import Attempt, Begun, Claimed, SignedIn, TlsMode, sign_in
from workers.slab import Counter
from workers.slot import Slot
from workers.sockets import Wire
from workers.targets import target
from workers.upstream import Target, Upstream, connect, send_cancel
from workers.warm import Shape, WarmServers, end

log = logging.getLogger("sluice.admission")

SLICE_SECONDS = 0.005  # for which asking for rights again keeps the worker's other tasks waiting
NOTHING_MORE: Mapping[str, Any] = {}
_GONE = Refused(State.NOT_SIGNED_IN, "the right behind this session has ended", "Sign in again.")
_EXPIRED = Refused(State.NOT_SIGNED_IN, "the token behind this session has expired", "Connect again with a new token.")


@dataclass(slots=True)
class Admission:
    """A verified sign-in: who, where to, with which rights, and the parameters for the server's start-up packet."""

    principal: Principal
    database: Database
    target: Target
    rights: Rights
    parameters: tuple[tuple[str, str], ...]
    card: SessionCard
    session_id: str


@dataclass(slots=True, eq=False)
class _Live:
    """What a live session needs to be asked again; there may be thousands of them."""

    house: "Admissions"
    admission: Admission
    upstream: Upstream
    secret: bytes
    link: Link = field(init=False)
    minute: int = -1  # in which its right ends, where the house looks for it

    def rescope(self, session: Session) -> Scope:
        return self.house.rescope(self, session)

    def purse(self, budget: Budget) -> Account:
        return self.house.ledger.purse(self.admission.principal, budget)

    async def cancel(self, address: str) -> None:
        await self.house.cancel_upstream(self.link, address)


def _shape(admission: Admission) -> Shape:
    role = admission.rights.role
    return admission.target, (*admission.parameters, *(() if role is None else (("role", role),)))


class Admissions:
    """The gate of one worker (workers.sign_in.Gate), and the keeper of its scopes."""

    def __init__(
        self,
        slot: Slot,
        audit: AuditLog,
        relay: Relay,
        desk: CancelDesk,
        catalogs: Catalogs,
        estimates: Estimates,
    ) -> None:
        gateway = slot.settings.gateway
        self._slot = slot
        self._audit = audit
        self._relay = relay
        self._desk = desk
        self._catalogs = catalogs
        self._estimates = estimates
        self.warm = WarmServers(slot.slots)
        self.lending = Lending(relay, slot.slots)
        self.ledger = slot.budgets.ledger(slot.index, slot.row)
        self._scopes = Scopes(slot, catalogs)
        self._live: dict[Link, _Live] = {}
        self._ends: Deadlines[Link] = Deadlines()  # of the rights behind live sessions
        self._asked: dict[Link, None] = {}  # sessions whose right is to be asked again as soon as nothing runs in them
        self._on_closed = self._closed  # one for all
        self._room = sessions_room()
        self._count = 0
        self._tokens = claims.VerifiedTokens()
        self.keys = slot.keys
        self.table: PolicyTable
        self.generation = 0
        self.follow_policy: Callable[[], object] = lambda: None
        self.tls: TlsMode = gateway.tls
        self.tls_context: ssl.SSLContext | None = None
        self.login_seconds = gateway.login_seconds
        if gateway.tls != "off":
            self.tls_context = tls.server_context(str(slot.path(gateway.tls_cert)), str(slot.path(gateway.tls_key)))

    def adopt(self, table: PolicyTable, generation: int) -> None:
        """From now on this policy decides, in running sessions too."""
        self.table = table
        self.generation = generation
        self._scopes.adopt(table, generation)
        self._asked.update(dict.fromkeys(self._live))
        self._catalogs.reclassify(table.classify)

    def catalog_renewed(self, name: str) -> None:
        """Sessions of this database are decided by its new catalogue."""
        self._scopes.catalog_renewed(name)
        self._asked.update((link, None) for link in self._live if link.database == name)

    async def welcome(self, wire: Wire, begun: Begun) -> None:
        """A new connection, up to its hand-over to the relay."""
        signed = await sign_in(wire, self, begun)
        if signed is not None:
            self.hand_over(signed)

    def at_once(self, attempt: Attempt) -> tuple[Admission, Upstream] | None:
        """As `admit` and `connect`, None where it must be waited for or something stands against it. The session is not on
        record before `put_on_record`."""
        if attempt.token not in self._tokens:  # a signature takes its time
            return None
        try:
            admission = self.admit(attempt)
        except Refusal:
            return None
        if not self._catalogs.uses(admission.database.name) or admission.database.pool == "transaction":
            return None
        upstream = self.warm.ready(_shape(admission))
        if upstream is None:
            return None
        if not self._slot.row.admit(self._slot.settings.gateway.max_sessions, self._room):
            end(upstream)
            return None
        self._slot.row.add(Counter.SIGN_INS)
        self._audit.chain.event(time.time_ns(), "session", {"what": "session opened"}, admission.card)
        return admission, upstream

    def put_on_record(self) -> None:
        """Raises Unavailable where the audit cannot be written."""
        self._audit.commit()

    def admit(self, attempt: Attempt) -> Admission:
        """Who it is and what they may, or a Refusal."""
        if self._relay.draining:
            raise Refusal(Refused(State.STARTING, "the gateway is shutting down", "Connect again."))
        self.follow_policy()
        now = time.time()
        principal = self._tokens.verify(attempt.token, attempt.user, self.keys, now)
        database = self._slot.settings.database(attempt.database)
        if database is None:
            raise Refusal(Refused(State.NO_DATABASE, f'database "{attempt.database}" does not exist'))
        wanted = startup.wanted_role(attempt.params)
        rights = self.table.rights(principal, database.name, database.environment, now, self.generation, wanted)
        parameters = shared(tuple(startup.startup(attempt.params, rights)))
        self._count += 1
        session_id = f"{self._audit.chain.label}-s{self._count}"
        card = SessionCard(
            SessionInfo(
                session=session_id,
                user=principal.user,
                issuer=principal.issuer,
                groups=principal.groups,
                actors=principal.actors,
                address=attempt.address,
                application=dict(parameters).get("application_name", ""),
                database=database.name,
                environment=database.environment,
                role=rights.role or database.user,
                token_id=principal.token_id,
                model=principal.model,
                run=principal.run,
            )
        )
        return Admission(principal, shared(database), self._target(database), rights, parameters, card, session_id)

    def _target(self, database: Database) -> Target:
        return shared(target(database, self._slot.secrets, self._slot.folder))

    async def connect(self, admission: Admission) -> Upstream:
        """The server's session for this client; the session is on record when it returns."""
        database = admission.database
        if not self._slot.row.admit(self._slot.settings.gateway.max_sessions, self._room):
            raise Refusal(Refused(State.TOO_MANY, "too many sessions", "Close one and try again."))
        try:
            if not self._catalogs.uses(database.name):
                await self._catalogs.of(database, admission.target)
            upstream = await self._upstream(admission)
        except BaseException:
            self._slot.row.leave()
            raise
        try:
            self._slot.row.add(Counter.SIGN_INS)
            self._event("session opened", admission.card)
        except BaseException:
            self._slot.row.leave()
            await upstream.close()
            raise
        return upstream

    async def _upstream(self, admission: Admission) -> Upstream:
        """A connection to the server, kept from a session before or a new one."""
        target, parameters = shape = _shape(admission)
        if admission.database.pool == "transaction":
            return await self.lending.greeting(admission.database, shape)
        while (upstream := await self.warm.take(shape)) is None:
            try:
                return await connect(target, parameters)
            except Refusal as refusal:
                if refusal.refused.sqlstate != State.TOO_MANY or not await self.warm.make_place(target):
                    raise
        return upstream

    def turned_away(self, claimed: Claimed, admission: Admission | None, refused: Refused) -> None:
        """Puts on record who did not come in, and why; of the token nothing."""
        self._slot.row.add(Counter.SIGN_INS_REFUSED)
        said = SessionInfo(
            "",
            claimed.get("user"),
            address=claimed.address,
            application=claimed.get("application_name"),
            database=claimed.get("database") or claimed.get("user"),
        )
        card = admission.card if admission is not None else SessionCard(said)
        why = {"why": refused.message, "sqlstate": str(refused.sqlstate)}
        self._note("sign-in refused", card, {**why, "verified": admission is not None, "tls": claimed.tls})

    def lost(self, admission: Admission) -> None:
        """The client went away before its greeting: its place is free again."""
        self._slot.row.leave()
        self._audit.chain.event(
            time.time_ns(), "session", {"what": "session closed", "statements": 0, "refused": 0}, admission.card
        )

    async def cancel(self, pid: int, secret: bytes, address: str) -> None:
        """A CancelRequest, routed to whichever worker holds the session."""
        self._slot.row.add(Counter.CANCELS)
        host = address.rpartition(":")[0] or address  # guesses are counted by host: each has a port of its own
        if not await self._desk.request(pid, secret, host):
            log.info("a cancel request from %s named no session", address)
            nobody = SessionCard(SessionInfo("", "", address=address))
            self._note("cancel refused", nobody, {"why": "its key is no session's"})

    def hand_over(self, signed: SignedIn[Admission]) -> None:
        admission, upstream = signed.admission, signed.upstream
        live = _Live(self, admission, upstream, signed.secret)
        session = Session(
            scope=self._scopes.of(admission.rights),
            rescope=live.rescope,
            chain=self._audit.chain,
            card=admission.card,
            parameters=upstream.parameters,
            frame_bytes_max=self._slot.settings.gateway.message_bytes_max,
            purse_of=live.purse,
            said=Said(admission.principal.intent, began(admission.parameters)),
            replicates=any(name.lower() == "replication" for name, _ in admission.parameters),
        )
        if session.search_path is not None:  # its first statement would ask for this
            session.scope = self._scopes.of(admission.rights, path=session.search_path)
        borrower = None
        if admission.database.pool == "transaction":
            borrower = Borrower(admission.database, _shape(admission), upstream.parameters)
        lends = borrower is not None or (not session.replicates and self.warm.share(admission.database) > 0)
        sock = upstream.sock if borrower is None else None
        link = live.link = Link(
            session, signed.wire.sock, sock, admission.database.name, self._on_closed, lends=lends, borrower=borrower
        )
        self._live[link] = live
        self._until(live, session, admission.rights)
        admission.rights = session.scope.rights  # the same, but for when it ends
        if session.scope.stale:
            self._asked[link] = None
        self._desk.register(upstream.pid, signed.secret, live.cancel)
        self._relay.add(link, bytes(signed.wire.buffer), bytes(upstream.buffer))

    async def estimate(self, link: Link, wanted: Wanted) -> int:
        """The planner's estimate for a statement of this session."""
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
        upstream = self.running(link)
        if upstream is not None:
            if address:
                card = self._live[link].admission.card
                self._note("cancel requested", card, {"address": address, "intent": running(link.session)})
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
        if link.borrower is not None:
            self.lending.gone(link)
        elif link.kept:
            self.warm.give(live.admission.database, _shape(live.admission), live.upstream, session.reported)
        self._slot.row.add(Counter.STATEMENTS, session.statements)
        self._slot.row.add(Counter.REFUSED, session.refusals)
        counts = {"statements": session.statements, "refused": session.refusals}
        self._audit.chain.event(
            time.time_ns(), "session", {"what": "session closed", **counts}, live.admission.card
        )

    def rescope(self, live: _Live, session: Session) -> Scope:
        """The scope for the policy and catalogue of now. Raises Refusal when the right behind the session is gone."""
        admission = live.admission
        rights = self._rights(admission, time.time())
        if rights.role != admission.rights.role:
            raise Refusal(_GONE)
        if time.time() >= admission.principal.expires + claims.LEEWAY_SECONDS:
            raise Refusal(_EXPIRED)
        self._until(live, session, rights)
        scope = self._scopes.of(
            rights,
            conforming=session.conforming,
            made=session.made,
            own=session.own,
            moved=session.moved,
            path=session.search_path,
        )
        admission.rights = scope.rights
        return scope

    def _until(self, live: _Live, session: Session, rights: Rights) -> None:
        """Notes when these rights, or the token, end."""
        ends = min(rights.until, live.admission.principal.expires + claims.LEEWAY_SECONDS, 9e9)
        session.until = int(ends * 1e9)
        self._ends.drop(live.link, live.minute)
        live.minute = self._ends.put(live.link, ends)

    def _rights(self, admission: Admission, now: float) -> Rights:
        database = admission.database
        try:
            return self.table.rights(
                admission.principal, database.name, database.environment, now, self.generation, admission.rights.role
            )
        except Refusal as refusal:
            raise Refusal(_GONE) from refusal

    async def check(self, now: float) -> None:
        """Ends sessions whose token or right has ended, but for those in which a statement runs: these are looked at again.
        Called about twice a second; looks at those alone of which time or a new policy says so, and lets others run in
        between, for these may be all."""
        asked, self._asked = self._asked, {}
        asked.update(dict.fromkeys(self._ends.come(now)))
        began = time.monotonic()
        for link in asked:
            if link not in self._live:
                continue
            if link.session.queue:
                self._asked[link] = None
            elif not link.session.ending:
                self._ask_again(link, now)
            if time.monotonic() - began > SLICE_SECONDS:
                await trio.lowlevel.checkpoint()
                began = time.monotonic()

    def _ask_again(self, link: Link, now: float) -> None:
        session = link.session
        if session.scope.stale or now * 1e9 >= session.until:
            try:
                session.scope = self.rescope(self._live[link], session)
            except Refusal as refusal:
                session.now = int(now * 1e9)
                session.end(refusal.refused)
                self._relay.look_again(link)

    def _event(self, what: str, card: SessionCard, more: Mapping[str, Any] = NOTHING_MORE) -> None:
        self._audit.chain.event(time.time_ns(), "session", {"what": what, **more}, card)
        self._audit.commit()

    def _note(self, what: str, card: SessionCard, more: Mapping[str, Any]) -> None:
        """As `_event`, where nothing hangs on the record. While the audit cannot be written it waits there."""
        self._audit.chain.event(time.time_ns(), "session", {"what": what, **more}, card)
        if self._audit.health != "ok":
            return
        try:
            self._audit.commit()
        except Refusal as refusal:
            log.error("the audit cannot be written: %s", refusal.refused.message)
