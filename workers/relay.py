"""The turn: a worker sleeps on the relay's epoll and then serves all ready sockets, in seven phases.

    gather - understand - mask - commit - forward - deliver - close

The order is written once, in `Relay.turn`. Nothing leaves for a database before the intents of the whole turn are on
record, nothing reaches a client before its outcome is, and a socket is closed only at the end of a turn, so that a
descriptor cannot be reused while an event of the turn still names it.
"""

import logging
import os
import select
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Final

from gateway.audit.records import Status
from gateway.classify.learned import Learned
from gateway.errors import Refused, State, Unavailable
from gateway.session.holding import Held, answered
from gateway.session.inflight import Wanted
from gateway.session.leaving import clean
from gateway.session.session import Session
from workers.audit_log import AuditLog
from workers.links import NO_SERVER, Link, Side
from workers.slab import Counter, Row

log = logging.getLogger("sluice.relay")

BEAT_NS = 50_000_000  # between words that the turn goes round
GOODBYE_NS = 5_000_000_000  # a client that does not read its last words is cut off after this long

_IN: Final = select.EPOLLIN | select.EPOLLRDHUP
_OUT: Final = select.EPOLLOUT
_READABLE: Final = _IN | select.EPOLLHUP | select.EPOLLERR


def _forgets(database: str, learned: list[Learned], *, certain: bool) -> None:
    """In place of a worker's catalogues: nothing is copied where nothing can be learned."""
    raise Unavailable(Refused(State.AUDIT, "labels of columns cannot be written down here"))


class Relay:
    """All live links of a worker. Used from the worker's one thread; only `serve` waits."""

    def __init__(self, audit: AuditLog, row: Row) -> None:
        self._audit = audit
        self._row = row
        self._changes = -1  # the slab's, when all was followed
        self._beaten = 0
        self._epoll = select.epoll()
        self._sides: dict[int, Side] = {}
        self._again: dict[Link, None] = {}  # to be looked at next turn without a socket event
        self._early: dict[Side, bytes] = {}  # received before the hand-over
        self._moved: list[Link] = []  # those through which the catalogue of their database changed
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # readable: the wait for sockets shall end
        self._epoll.register(self._woken, _IN)
        self._lingering: dict[Link, None] = {}  # those that end once their last words have gone
        self._watched: set[int] = set()  # sockets that are no session's
        self._rings: list[int] = []  # those of them with something to say
        self.rung: Callable[[list[int]], None] = lambda fds: None
        self.links: dict[Link, None] = {}
        self.draining = False
        self.catalog_moved: Callable[[str], int] = lambda database: 0
        self.follow_policy: Callable[[], bool] = lambda: True  # whether all that others have put in force is in force here
        self.learn: Callable[..., None] = _forgets
        # Both only begin something, and what they began calls `estimated` or `cancelled` later.
        self.want: Callable[[Link, Wanted | Held], None] = lambda link, wanted: None
        self.cancel: Callable[[Link], None] = lambda link: None
        # For links that borrow: whether the client's bytes may go on now; what is to be given back is.
        self.lend: Callable[[Link, bytes], bool] = lambda link, data: True
        self.settle: Callable[[Link], None] = lambda link: None

    def watch(self, fd: int) -> None:
        """Has `rung` called at the end of a turn in which somebody at the door, or the door itself, has something to say."""
        if fd not in self._watched:
            self._watched.add(fd)
            self._epoll.register(fd, _IN)

    def unwatch(self, fd: int) -> None:
        """Before it is closed or waited for by a task."""
        if fd in self._watched:
            self._watched.discard(fd)
            self._epoll.unregister(fd)

    def add(self, link: Link, client_early: bytes, server_early: bytes) -> None:
        """Takes over a signed-in session. The bytes were received before the hand-over."""
        for side, early in ((link.client, client_early), (link.server, server_early)):
            if side is NO_SERVER:
                continue
            side.sock.setblocking(False)
            self._sides[side.fd] = side
            self._epoll.register(side.fd, _IN)
            side.interest = _IN
            if early:
                self._early[side] = early
        self.links[link] = None
        self.look_again(link)

    def attach(self, link: Link, side: Side, early: bytes = b"") -> None:
        """Lends it a connection, on which this has come already."""
        side.link, link.server = link, side
        self._sides[side.fd] = side
        self._epoll.register(side.fd, _IN)
        side.interest = _IN
        if early:
            self._early[side] = early

    def detach(self, link: Link) -> None:
        """Takes its connection away. Not while events of the turn still name it."""
        self._epoll.unregister(link.server.fd)
        del self._sides[link.server.fd]
        link.server = NO_SERVER

    def fileno(self) -> int:
        """Readable when there is something to serve."""
        return self._epoll.fileno()

    def wake(self) -> None:
        """Ends a wait for sockets. From any thread."""
        os.eventfd_write(self._woken, 1)

    def serve(self, seconds: float) -> bool:
        """Waits for sockets, at most so long, and does a turn; whether the next one has something to do at once."""
        self.turn(self._epoll.poll(0 if self._again else seconds))
        return bool(self._again)

    def turn(self, events: Iterable[tuple[int, int]]) -> None:
        """One round over all ready sockets. See the module."""
        now = time.time_ns()
        changes = self._row.changes()
        if changes != self._changes and self.follow_policy():
            self._changes = changes
        touched, asked, answered = self._gather(events)
        for link, data in asked:  # understand
            try:
                session = link.session
                if link.borrower is not None and not self.lend(link, data):
                    continue
                session.client(data, now)
                if session.wanted is not None and session.wanted is not link.estimating:
                    link.estimating = session.wanted
                    self.want(link, session.wanted)
            except AssertionError:
                raise
            except Exception as fault:
                self._broken(link, fault)
        for link, data in answered:  # mask
            try:
                self._mask(link, data, now)
            except AssertionError:
                raise
            except Exception as fault:
                self._broken(link, fault)
        closing = self._endings(touched, now)
        self._commit(asked)
        for link in touched:
            self._forward(link)
        for link in touched:
            self._deliver(link)
        for link in closing:
            self._close(link)
        if self._rings:
            rings, self._rings = self._rings, []
            self.rung(rings)
        if not self._beaten <= now < self._beaten + BEAT_NS:
            self._beaten = now
            self._row.beat()

    def _gather(
        self, events: Iterable[tuple[int, int]]
    ) -> tuple[dict[Link, None], list[tuple[Link, bytes]], list[tuple[Link, bytes]]]:
        asked: list[tuple[Link, bytes]] = []
        answered: list[tuple[Link, bytes]] = []
        touched = self._revisit(asked, answered) if self._again else {}
        sides = self._sides
        for fd, mask in events:
            side = sides.get(fd)
            if side is None:
                if fd == self._woken:
                    os.eventfd_read(fd)
                else:
                    self._rings.append(fd)
                continue
            touched[side.link] = None
            if mask & _OUT and not side.drain():
                if side.server:
                    side.backlog.clear()  # nobody takes it any more; what it said last is still to be read
                else:
                    self._lost(side)
            if mask & _READABLE and not side.ended:
                if side.interest & _IN or side.server:  # a database that is gone may have left its last words
                    self._take(side, asked, answered)
                else:
                    self._lost(side)
        return touched, asked, answered

    def _revisit(
        self, asked: list[tuple[Link, bytes]], answered: list[tuple[Link, bytes]]
    ) -> dict[Link, None]:
        """The links that wait for no socket: new ones, those whose client waited for an answer that is there, and those
        with decrypted bytes that epoll cannot see."""
        touched, self._again = self._again, {}
        early, self._early = self._early, {}
        for side, data in early.items():
            (answered if side.server else asked).append((side.link, data))
        for link in touched:
            if link.session.waiting and (link.resumes or not link.session.queue):
                asked.append((link, b""))
            link.resumes = False
            for side in (link.client, link.server):
                if side.tls and not side.ended and side.interest & _IN and side.sock.pending():  # type: ignore[attr-defined]
                    self._take(side, asked, answered)
        return touched

    def _take(
        self, side: Side, asked: list[tuple[Link, bytes]], answered: list[tuple[Link, bytes]]
    ) -> None:
        data = side.receive()
        if data:
            (answered if side.server else asked).append((side.link, data))
            if side.tls and side.sock.pending():  # type: ignore[attr-defined]
                self._again[side.link] = None
        elif data is not None:
            self._lost(side)

    def _broken(self, link: Link, fault: Exception) -> None:
        """What a peer's bytes led to and nobody foresaw ends this session, not the worker. Nothing of it leaves; only the
        places go to the log, since an exception's text may quote a value."""
        places = " < ".join(f"{at.name}:{at.lineno}" for at in reversed(traceback.extract_tb(fault.__traceback__)))
        log.error("a session ended on an unexpected %s in %s", type(fault).__name__, places)
        session = link.session
        for parts in (session.to_server, session.to_client, session.staged):
            parts.clear()
        session.end(Refused("XX000", "internal error"))
        self.cut(link, "unresolved")

    def _lost(self, side: Side) -> None:
        side.ended = True
        if side.server:
            self._epoll.unregister(side.fd)  # its hang-up would be an event for ever
        elif side.link.fate is None:
            side.link.fate = "client-gone"

    def _commit(self, asked: list[tuple[Link, bytes]]) -> None:
        """One append for the turn: what is about to be asked, and what became of what was asked before."""
        for link, _ in asked:
            if link.session.learns:
                self._learn(link)
        if self._audit.chain.buffered:
            try:
                self._audit.commit()
            except Unavailable as failure:
                for link, _ in asked:
                    link.session.refuse_staged(failure.refused)
                return
        for link, _ in asked:
            link.session.staged.clear()

    def _learn(self, link: Link) -> None:
        """Labels go ahead of what is copied: no label, no copy."""
        session = link.session
        try:
            self.learn(link.database, session.learns, certain=not session.catalog_moved)
        except Unavailable as failure:
            session.refuse_unlearned(failure.refused)
        session.learns.clear()

    def _forward(self, link: Link) -> None:
        parts = link.session.to_server
        if link.kept:
            parts.clear()  # its Terminate
        if parts and not link.server.send(parts):
            parts.clear()  # the database is gone: what it said last is still to be read

    def _mask(self, link: Link, data: bytes, now: int) -> None:
        session = link.session
        session.server(data, now)
        if session.seen:
            self._seen(session, link.database)
        if session.wants_cancel:
            session.wants_cancel = False
            self.cancel(link)
        if session.catalog_moved and session.status == 73:
            session.catalog_moved = False
            self._moved.append(link)
            session.held = not session.sees_all  # what comes next may name what is new
            session.behind = not session.held
        if session.waiting and not session.queue:
            self._again[link] = None

    def _seen(self, session: Session, database: str) -> None:
        """Columns turned out to hold personal data: masked in this worker already, in all once that is written down."""
        try:
            self.learn(database, session.seen, certain=True)
        except Unavailable as failure:
            log.warning("what was seen in %s is masked here alone: %s", database, failure.refused.message)
        session.seen.clear()

    def _endings(self, touched: dict[Link, None], now: int) -> list[Link]:
        """The links that end with this turn; their open intents get an outcome before anything is delivered."""
        closing: list[Link] = []
        for link in touched:
            session = link.session
            if link.server.ended and not session.ending:
                session.server_gone(now)
            elif self.draining and session.idle and not session.ending:
                session.now = now
                session.end(Refused(State.SHUTDOWN, "the gateway is shutting down", "Connect again."))
            if (link.fate is not None or session.ending) and self._ends(link, now):
                closing.append(link)
        for link in self._moved:
            link.awaits, link.defined = self.catalog_moved(link.database), True
            self._hold_others(link)
        self._moved.clear()
        return closing

    def _hold_others(self, link: Link) -> None:
        """What others prepared may mean something else from now on: their next statements wait for the catalogue too."""
        for other in self.links:
            if other.database == link.database and not other.session.sees_all:
                other.session.held, other.awaits = True, link.awaits

    def _ends(self, link: Link, now: int) -> bool:
        """Whether nothing more is to be waited for."""
        if link.fate is None:
            link.ending_since = link.ending_since or now
            if link.client.backlog:
                if now - link.ending_since < GOODBYE_NS:
                    self._lingering[link] = None
                    return False
                link.fate = "client-gone"
        if link.lends and not link.server.ended and not link.server.backlog:
            link.kept = link.fate in (None, "client-gone") and not self.draining and clean(link.session)
            link.lends = False  # closing makes every session look clean
        link.session.close(link.fate or ("unresolved" if link.server.ended else "client-gone"), now)
        return True

    def _deliver(self, link: Link) -> None:
        parts = link.session.to_client
        if parts and not link.client.ended and not link.client.send(parts):
            self._lost(link.client)
        if link.client.ended and link.fate is not None and link not in self._again:
            self._again[link] = None
        client, server = link.client, link.server
        if client.backlog or server.backlog or link.session.waiting or client.interest != _IN or server.interest != _IN:
            self._balance(link)
        if link.borrower is not None:
            self.settle(link)

    def _balance(self, link: Link) -> None:
        """Backpressure: who has not read what we hold for it stops the reading of the other side."""
        client, server = link.client, link.server
        wants = 0 if server.backlog or link.session.waiting else _IN
        self._interest(client, wants | (_OUT if client.backlog else 0))
        self._interest(server, (0 if client.backlog else _IN) | (_OUT if server.backlog else 0))

    def _interest(self, side: Side, wants: int) -> None:
        if side.ended:
            if side.server:
                return
            wants &= ~_IN
        if wants != side.interest and side is not NO_SERVER:
            side.interest = wants
            self._epoll.modify(side.fd, wants)
            if side.tls and wants & _IN:
                self._again[side.link] = None

    def _close(self, link: Link) -> None:
        if link not in self.links:
            return
        if link.client.backlog and link.fate is None:
            link.kept = False
            self._lingering[link] = None
            return  # its last words were cut short by a full socket: a later turn tries again
        del self.links[link]
        self._again.pop(link, None)
        self._lingering.pop(link, None)
        for side in (link.client,) if link.server is NO_SERVER else (link.server, link.client):
            if not (side.server and side.ended):
                self._epoll.unregister(side.fd)
            del self._sides[side.fd]
            if not (side.server and link.kept):
                side.sock.close()
        link.closed(link)

    def release(self, database: str, changes: int) -> None:
        """The catalogue has been read as it was after so many changes: sessions that waited for these go on."""
        for link in self.links:
            session = link.session
            if (session.held or session.behind) and link.database == database and link.awaits <= changes:
                if link.defined:
                    session.catalog_read()
                session.held = session.behind = link.defined = False
                self.look_again(link)

    def estimated(self, link: Link, wanted: Wanted, rows: int) -> None:
        """What the planner said to what a session wanted: its client's statements go on."""
        link.session.estimated(wanted, rows)
        self._resume(link)

    def decided(self, link: Link, held: Held, refused: Refused | None) -> None:
        """What people said to what waits."""
        answered(link.session, held, refused)
        self._resume(link)

    def cancel_overdue(self, now: int) -> None:
        """Cancels what runs for longer than it may. Called about twice a second; `now` in POSIX nanoseconds."""
        for link in self.links:
            if link.session.overdue(now):
                self.cancel(link)

    def cancelled(self, link: Link) -> None:
        """The server has got the cancel, or cannot be reached: what the client sends next cannot be hit by it any more."""
        link.session.cancel_sent()
        self._resume(link)

    def _resume(self, link: Link) -> None:
        link.resumes = True
        self.look_again(link)

    def look_again(self, link: Link) -> None:
        """Have the next turn visit this link although no socket of it is ready."""
        if link in self.links:
            self._again[link] = None
            self.wake()

    def look_at_endings(self) -> None:
        """Have the next turn visit those whose clients do not read their last words, in a drain all. Called about twice a
        second."""
        for link in list(self.links if self.draining else self._lingering):
            self.look_again(link)

    def cut(self, link: Link, fate: Status) -> None:
        """End the link whatever it does; its outstanding statements get this outcome."""
        link.fate = fate
        self.look_again(link)

    def close(self) -> None:
        """Ends all links at once; for a worker that stops."""
        now = time.time_ns()
        for link in list(self.links):
            link.fate = link.fate or "drained"
            link.session.close(link.fate, now)
            self._close(link)
        self._row.set(Counter.SESSIONS, 0)
        self._epoll.close()
        os.close(self._woken)
