"""From a first packet to a session that may begin: who it is, with which rights, and the server's side of it."""

import logging
import time
from collections.abc import Callable
from typing import Any

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.identity import claims
from gateway.identity.keys import IssuerKeys
from gateway.identity.principal import Principal
from gateway.policy import startup
from gateway.settings import Database
from parser.startup import Startup
from workers.admitted import Admission, shape_of
from workers.audit_log import AuditLog
from workers.cancels import CancelDesk
from workers.catalogs import Catalogs
from workers.descriptors import sessions_room
from workers.doors import LIMITED, Doors
from workers.limited import LimitedSignIns
from workers.preparation import Preparation
from workers.proofs import Ask
from workers.relay import Relay
from workers.session_events import note, put
from workers.sharing import shared
from workers.sign_in import Attempt, Begun, Claimed, TlsMode, sign_in
from workers.slab import Counter
from workers.slot import Slot
from workers.sockets import Wire
from workers.standing import Standing
from workers.targets import target
from workers.tls import ServerContext
from workers.upstream import Target, Upstream, connect
from workers.warm import end

_REFUSED = "sign-in refused"
_BROKEN = (State.PROTOCOL, State.FEATURE, State.NOT_SIGNED_IN)

log = logging.getLogger("sluice.admission")


class Admissions:
    """The gate of one worker (workers.sign_in.Gate)."""

    def __init__(
        self,
        slot: Slot,
        audit: AuditLog,
        relay: Relay,
        desk: CancelDesk,
        catalogs: Catalogs,
        standing: Standing,
    ) -> None:
        gateway = slot.settings.gateway
        self._slot = slot
        self._audit = audit
        self._relay = relay
        self._desk = desk
        self._catalogs = catalogs
        self._standing = standing
        standing.identify = self.identify
        self._warm = standing.warm
        self._room = sessions_room()
        self._count = 0
        self._tokens = claims.VerifiedTokens()
        self._limited = LimitedSignIns(audit)
        self.doors = Doors(slot)
        self.keys = slot.keys
        self._ahead = Preparation(slot)
        self.follow_policy: Callable[[], object] = lambda: None
        self.tls: TlsMode = gateway.tls
        self.login_seconds = gateway.login_seconds

    @property
    def tls_context(self) -> ServerContext | None:
        """The one for new connections."""
        return self.doors.tls_context

    def identify(self, token: str) -> Principal:
        """Whose token it is, whoever brings it. Raises Refusal."""
        now = time.time()
        principal = self._tokens.verify(token, None, self.keys, now)
        self._standing.refuse_barred(principal, now)
        return principal

    async def welcome(self, wire: Wire, begun: Begun) -> None:
        """A new connection, up to its hand-over to the relay."""
        signed = await sign_in(wire, self, begun)
        if signed is not None:
            self._standing.begin(signed)

    def ask(self, packet: Startup, wire: Wire) -> Ask:
        """What a client has to show."""
        return self.doors.ask(packet, wire)

    def tidy(self) -> None:
        """Called about twice a second."""
        self._limited.put(time.monotonic())

    def close(self) -> None:
        """What has not been put on record yet goes there now."""
        self._limited.put(time.monotonic(), all_of_them=True)

    def at_once(self, attempt: Attempt) -> tuple[Admission, Upstream] | None:
        """As `admit` and `connect`, None where it must be waited for or something stands against it. The session is not on
        record before `put_on_record`."""
        if self._known(attempt) is None:  # a signature takes its time
            return None
        try:
            admission = self.admit(attempt)
        except Refusal:
            return None
        if not self._catalogs.uses(admission.database.name) or admission.database.pool == "transaction":
            return None
        upstream = self._warm.ready(shape_of(admission))
        if upstream is None:
            return None
        if not self._slot.row.admit(self._slot.settings.gateway.max_sessions, self._room):
            end(upstream)
            return None
        self._slot.row.add(Counter.SIGN_INS)
        self._audit.chain.event(time.time_ns(), "session", {"what": "session opened"}, admission.card)
        return admission, upstream

    def limit(self, attempt: Attempt) -> Refused | None:
        """The refusal of an attempt for which nothing is computed, since too many have failed; it is counted."""
        refused = None if self._known(attempt) is not None else self.doors.limit(attempt.address, attempt.user)
        if refused is not None:
            self._slot.row.add(Counter.SIGN_INS_REFUSED)
            self._limited.add(attempt.address, time.monotonic())
        return refused

    def wrong(self, attempt: Attempt, packet: Startup) -> Refused | None:
        """The refusal of a token that fails, where that can be computed now: its issuer need not be asked. It is not
        on record before `put_on_record`."""
        if self._relay.draining or self._known(attempt) is not None or self._ahead.waits(attempt.token, self.keys):
            return None
        try:
            self._verified(attempt)
        except Refusal as refusal:
            claimed = Claimed(attempt.address, attempt.tls, packet, attempt.presented.method, answered=True)
            self._slot.row.add(Counter.SIGN_INS_REFUSED)
            card, more = _turned_away(claimed, None, refusal.refused)
            self._audit.chain.event(time.time_ns(), "session", {"what": _REFUSED, **more}, card)
            return refusal.refused
        return None

    def put_on_record(self) -> None:
        """Raises Unavailable where the audit cannot be written."""
        self._audit.commit()

    def take_keys(self, keys: IssuerKeys) -> None:
        """From now on these verify tokens, and sessions whose key is not among them end."""
        self.keys = keys
        self._ahead.moved()
        self._standing.keys_moved(keys)

    async def prepare(self, attempt: Attempt) -> None:
        """Waits for the key that verifies this token, where its issuer may have published it just now, and for the issuer's
        word on one that only it can read. Raises Refusal."""
        if attempt.principal is not None or self._known(attempt) or self.doors.limit(attempt.address, attempt.user):
            return
        try:
            await self._ahead.word(attempt.token, attempt.user)
        except Unavailable:
            raise
        except Refusal:
            self.doors.failed(attempt.address, attempt.user)
            raise
        await self._ahead.key(attempt.token, lambda: self.keys)

    def admit(self, attempt: Attempt) -> Admission:
        """Who it is and what they may, or a Refusal."""
        if self._relay.draining:
            raise Refusal(Refused(State.STARTING, "the gateway is shutting down", "Connect again."))
        self.follow_policy()
        now = time.time()
        principal = attempt.principal or self._known(attempt) or self._verified(attempt)
        database = self._slot.settings.database(attempt.database)
        if database is None:
            raise Refusal(Refused(State.NO_DATABASE, f'database "{attempt.database}" does not exist'))
        wanted = startup.wanted_role(attempt.params)
        rights = self._standing.rights(principal, database, now, wanted)
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
                method=principal.method,
                weak=principal.weak,
            )
        )
        return Admission(principal, shared(database), self._target(database), rights, parameters, card, session_id)

    def _known(self, attempt: Attempt) -> Principal | None:
        """Who it is by a token that was verified before: a look, which no failures of others keep anybody from."""
        found = self._tokens.find(attempt.token, attempt.user, self.keys, time.time(), attempt.presented)
        return found or self._ahead.vouched(attempt.token, attempt.user, attempt.presented.method)

    def _verified(self, attempt: Attempt) -> Principal:
        self.doors.check(attempt.address, attempt.user)
        try:
            return self._tokens.verify(attempt.token, attempt.user, self.keys, time.time(), attempt.presented)
        except Refusal:
            self.doors.failed(attempt.address, attempt.user)
            raise

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
            put(self._audit, "session opened", admission.card)
        except BaseException:
            self._slot.row.leave()
            await upstream.close()
            raise
        return upstream

    async def _upstream(self, admission: Admission) -> Upstream:
        """A connection to the server, kept from a session before or a new one."""
        target, parameters = shape = shape_of(admission)
        if admission.database.pool == "transaction":
            return await self._standing.lending.greeting(admission.database, shape)
        while (upstream := await self._warm.take(shape)) is None:
            try:
                return await connect(target, parameters)
            except Refusal as refusal:
                if refusal.refused.sqlstate != State.TOO_MANY or not await self._warm.make_place(target):
                    raise
        return upstream

    def turned_away(self, claimed: Claimed, admission: Admission | None, refused: Refused) -> None:
        """Puts on record who did not come in, and why; of the token nothing."""
        self._slot.row.add(Counter.SIGN_INS_REFUSED)
        user = claimed.get("user")
        if refused.rule == LIMITED or (refused.sqlstate in _BROKEN and self._is_one_of_many(claimed, user)):
            self._limited.add(claimed.address, time.monotonic())
            return
        note(self._audit, _REFUSED, *_turned_away(claimed, admission, refused))

    def _is_one_of_many(self, claimed: Claimed, user: str) -> bool:
        """Whether so many conversations went astray that they are not worth a record each; such failures count. Those
        who were asked for nothing yet (for want of TLS, mostly) do not use up what others at their address have."""
        if claimed.answered:
            return False
        where = claimed.address if claimed.method else f"unasked {claimed.address}"
        limited = self.doors.limit(where, user) is not None
        self.doors.failed(where, user)
        return limited

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
            note(self._audit, "cancel refused", nobody, {"why": "its key is no session's"})


def _turned_away(claimed: Claimed, admission: Admission | None, refused: Refused) -> tuple[SessionCard, dict[str, Any]]:
    """The record of somebody who did not come in."""
    user = claimed.get("user")
    said = SessionInfo(
        "",
        user,
        address=claimed.address,
        application=claimed.get("application_name"),
        database=claimed.get("database") or user,
        method=claimed.method,
    )
    more: dict[str, Any] = {"why": refused.message, "sqlstate": str(refused.sqlstate)}
    more |= {"verified": admission is not None, "tls": claimed.tls}
    return admission.card if admission is not None else SessionCard(said), more
