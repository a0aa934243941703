"""Held writes are tried before people decide, and once more before they run: on the session's own connection, where it has
one, so that its role, settings, search_path and temporary tables count; else on a new one like those that it is lent.

While a write is tried the relay does not see the connection. Its client waits anyway; when it takes the statement back, or
goes away, the trial is cancelled and rolled back first. A connection that is not known to be what it was is shut, and its
session ends.
"""

import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from gateway.approvals.outcomes import Preview
from gateway.errors import Refusal, Unavailable
from gateway.session import previewing
from gateway.session.holding import Held
from workers.admitted import shape_of
from workers.audit_log import AuditLog
from workers.links import NO_SERVER, Link
from workers.preview_run import GRACE_SECONDS, SAMPLES_SECONDS, Doubt, Trial, Tried
from workers.relay import Relay
from workers.sockets import Wire
from workers.standing import Standing
from workers.upstream import Upstream, connect

WAIT_SECONDS: Final = 30.0  # for others, and for the session's own connection
TRIALS_MAX: Final = 4  # at once, in a worker
LOOK_SECONDS: Final = 0.01  # until it is seen whether the session's connection is free
_NOWHERE: Final = Preview("its session has no connection that is free")
_BROKEN: Final = Preview("the connection broke")
_UNRECORDED: Final = Preview("it could not be put on record")
log = logging.getLogger("sluice.previews")


@dataclass(slots=True, eq=False)
class _Run:
    """One trial, from when it was asked for. Its `waiting` may be cancelled before it has begun."""

    link: Link
    held: Held
    what: str  # it is, in records
    waiting: trio.CancelScope = field(default_factory=trio.CancelScope)
    wanted: bool = True
    trial: Trial | None = None
    upstream: Upstream | None = None


class Previews:
    """Those of one worker."""

    def __init__(self, audit: AuditLog, relay: Relay, standing: Standing) -> None:
        self._audit = audit
        self._relay = relay
        self._standing = standing
        self._limit = trio.CapacityLimiter(TRIALS_MAX)
        self._runs: dict[Held, _Run] = {}
        self.begin_task: Callable[..., None] = lambda work, *arguments: None  # also within a turn

    def begin(self, link: Link, held: Held, then: Callable[[Link, Held, Tried], None], *, approved: bool) -> None:
        """Has it tried; `then` is called with what came of it, whatever that is."""
        run = self._runs[held] = _Run(link, held, "outcome compared" if approved else "statement previewed")
        self.begin_task(self._try, run, then)

    def stop(self, held: Held) -> None:
        """Nobody waits for it any more: it ends soon."""
        run = self._runs.get(held)
        if run is None or not run.wanted:
            return
        run.wanted = False
        if run.trial is None or run.upstream is None:
            run.waiting.cancel()
        else:
            run.trial.wanted = False
            self.begin_task(self._standing.cancel_at, run.upstream)

    async def _try(self, run: _Run, then: Callable[[Link, Held, Tried], None]) -> None:
        link, held = run.link, run.held
        tried = Tried(_BROKEN)
        try:
            why = previewing.unfit(link.session, held)
            if why:
                tried = Tried(Preview(why))
            else:
                tried = Tried(_NOWHERE)
                run.waiting.deadline = trio.current_time() + WAIT_SECONDS
                with run.waiting:
                    tried = await self._waited(run)
        except AssertionError:
            raise
        except Exception as fault:  # what a server's bytes led to ends no worker; its text may quote a value
            log.warning("a preview failed: %s", type(fault).__name__)
        del self._runs[held]
        self._record(link, held, run.what, facts(tried))
        then(link, held, tried)

    async def _waited(self, run: _Run) -> Tried:
        link, held = run.link, run.held
        async with self._limit:
            while not self._free(link) and self._standing.lives(link):
                await trio.sleep(LOOK_SECONDS)
            why = previewing.unfit(link.session, held)  # what was outstanding may have begun a transaction
            if why or not self._free(link):
                return Tried(Preview(why)) if why else Tried(_NOWHERE)
            if not self._record(link, held, "trial begins", {}):
                return Tried(_UNRECORDED)
            try:
                async with self._connection(link) as (upstream, wire):
                    return await self._run(run, upstream, wire)
            except (Doubt, Refusal):
                return Tried(_BROKEN)

    async def _run(self, run: _Run, upstream: Upstream, wire: Wire) -> Tried:
        trial = run.trial = Trial(wire, run.link.session, run.held)
        run.upstream = upstream
        run.waiting.deadline = trio.current_time() + run.held.hold.preview_seconds + 2 * SAMPLES_SECONDS + GRACE_SECONDS
        tried = await trial.run()
        while upstream.cancels:  # it would hit what comes next
            await trio.sleep(LOOK_SECONDS)
        wire.buffer[:0] = b"".join(trial.passed_on)
        return tried

    def _free(self, link: Link) -> bool:
        """Whether the session's connection has nothing to do with anything else now."""
        session, server = link.session, link.server
        if not self._standing.lives(link) or session.ending or link.fate is not None:
            return False
        if session.queue or session.server_rest or session.cancelling:
            return False
        if link.borrower is not None:
            return server is NO_SERVER
        if server is NO_SERVER:
            return False
        return not (self._standing.behind(link)[1].cancels or server.ended or server.backlog)

    @asynccontextmanager
    async def _connection(self, link: Link) -> AsyncIterator[tuple[Upstream, Wire]]:
        """For a trial. Raises Refusal where there is none."""
        admission, upstream = self._standing.behind(link)
        if link.borrower is None:
            async with self._own(link) as wire:
                yield upstream, wire
            return
        upstream = await connect(*shape_of(admission))
        try:
            yield upstream, upstream.wire
        finally:
            await upstream.close()  # a transaction that is open ends with it

    @asynccontextmanager
    async def _own(self, link: Link) -> AsyncIterator[Wire]:
        """The session's connection, out of the relay's sight."""
        side, lends = link.server, link.lends
        self._relay.detach(link)
        link.lends = False  # else it would go to another session, should this one end now
        wire = Wire(side.sock)
        sound = False
        try:
            yield wire
            sound = True
        finally:
            if link not in self._relay.links or link.fate is not None:
                wire.close()
            else:
                if not sound:
                    with contextlib.suppress(OSError):
                        side.sock.shutdown(socket.SHUT_RDWR)
                link.lends = lends and sound
                self._relay.attach(link, side, bytes(wire.buffer) if sound else b"")
                self._relay.look_again(link)

    def _record(self, link: Link, held: Held, what: str, more: dict[str, Any]) -> bool:
        """Whether it is on record, which is what a statement must be before it leaves."""
        data = {"what": what, "approval": held.id, **more}
        self._audit.chain.event(time.time_ns(), "approval", data, link.session.card)
        try:
            self._audit.commit()
        except Unavailable:
            return False
        return True


def facts(tried: Tried) -> dict[str, Any]:
    """What the record keeps: no values, nor what an error says."""
    preview = tried.preview
    if tried.refused is not None:
        return {"why": "it fails", "sqlstate": str(tried.refused.sqlstate)}
    if not preview.known:
        return {"why": preview.why}
    counts = [str(one) for one in preview.tables or ()]
    return {"command": preview.command, "rows": preview.rows, "tables": counts, "duration_us": int(preview.seconds * 1e6)}
