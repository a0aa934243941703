"""A worker's main: its policy, audit, catalogues and relay, and the tasks that feed the relay with signed-in sessions."""

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import time
from collections.abc import Callable

import trio

from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.identity.keys import IssuerKeys
from gateway.policy.table import PolicyTable
from gateway.session.holding import Held
from gateway.session.inflight import Wanted
from workers import door_files, host, sockets
from workers.admission import Admissions
from workers.audit_log import AuditLog
from workers.cancels import CancelDesk
from workers.catalogs import Catalogs
from workers.configuration import unpack_keys
from workers.doorway import Doorway
from workers.estimates import Estimates
from workers.holds import Holds
from workers.learned import LabelBooks, labels_dir
from workers.links import Link
from workers.orders import Orders
from workers.previews import Previews
from workers.relay import Relay
from workers.run_folder import RunFolder
from workers.shared_policy import NotSealed, PolicyShelf, unseal
from workers.slab import AUDIT_HEALTH, Counter
from workers.slot import (
    BootFailed,
    DoorsMessage,
    Drain,
    ErrandMessage,
    Failed,
    KeysMessage,
    PolicyAck,
    PolicyMessage,
    Ready,
    Slot,
    receive,
    send,
)
from workers.standing import Standing

log = logging.getLogger("sluice.worker")

HOUSEKEEPING_SECONDS = 0.5
SYNC_SECONDS = 0.05  # how much of the audit a loss of power may take, with durability `process`
# Statements make objects by the hundred thousand a second and hardly a cycle: Python's own thresholds (700, 10, 10) would
# have it look for cycles a hundred times a second, and through everything every few seconds.
COLLECTED = 50_000, 20, 20
KEPT_BYTES = 32 * 1024 * 1024  # freed memory that a worker keeps for itself
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # <malloc.h>


def run(slot: Slot) -> int:
    """Serves until drained. The exit code; raises BootFailed when it cannot start."""
    faulthandler.enable()
    _keep_freed_memory()
    worker = _Worker(slot)
    gc.freeze()  # what is there by now stays
    gc.set_threshold(*COLLECTED)
    code = host.run(worker.relay, worker.main)
    worker.finish()
    return code


def _keep_freed_memory() -> None:
    """Stops glibc from giving each block of a bulk result back to the kernel, to be faulted in again for the next one: half
    of the CPU of a masked million rows went there (mallopt(3); other C libraries have no such call)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(parameter, KEPT_BYTES)
        mallopt(_M_TOP_PAD, KEPT_BYTES // 4)


class _Worker:
    """One worker incarnation."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.shelf = PolicyShelf(self._table)
        self.generation = 0
        self.stopped = trio.Event()
        self._told = 0, 0  # the audit's failures and unrecorded statements in the slab
        try:
            self.audit = AuditLog(
                slot.audit_dir,
                slot.host,
                slot.index,
                slot.settings.audit.durability,
                slot.settings.audit.segment_bytes,
                slot.settings.audit.on_failure,
                patient=slot.incarnation > 1,  # sessions are told, and nothing need be started again
            )
        except Refusal as refusal:
            raise BootFailed(f"audit.dir: {refusal.refused.message}") from refusal
        self._tell_audit()
        self.audit.changed = self._tell_audit
        self._begin: Callable[[Link, Wanted], None]
        self._written = trio.Event()
        self._sync_due = False  # this event is set, or soon will be
        self.relay = Relay(self.audit, slot.row)
        self.desk = CancelDesk(slot.run_dir, slot.index, slot.slots)
        books = LabelBooks(labels_dir(slot.audit_dir), slot.row)
        self.catalogs = Catalogs(slot.slab, slot.row, books, self._catalog_renewed)
        self.estimates = Estimates()
        self.holds = Holds(RunFolder(slot.run_dir), self.relay, self.audit.chain)
        self.standing = Standing(slot, self.audit, self.relay, self.desk, self.catalogs, self.estimates, self.holds)
        self.previews = self.holds.previews = Previews(self.audit, self.relay, self.standing)
        self.admissions = Admissions(slot, self.audit, self.relay, self.desk, self.catalogs, self.standing)
        self.orders = Orders(slot, self.standing)
        self.doorway = Doorway(slot.listener, self.relay, self.admissions, self.standing)
        self.relay.catalog_moved = self.catalogs.moved
        self.relay.learn = self.catalogs.learn
        self.relay.follow_policy = self._follow
        self.admissions.follow_policy = self._follow_generation

    async def main(self) -> int:
        async with trio.open_nursery() as nursery:
            self._answers = nursery
            nursery.start_soon(self._watch_parent)
            await self._first_policy()
            await nursery.start(self.desk.serve)
            nursery.start_soon(self.catalogs.keep)
            nursery.start_soon(self.estimates.keep)
            soon = trio.lowlevel.current_trio_token().run_sync_soon  # a turn is no task of trio's
            self._soon = soon
            self.audit.wrote = self._wrote
            self._wrote()
            nursery.start_soon(self.holds.keep)
            self._begin = lambda link, wanted: soon(nursery.start_soon, self._estimate, link, wanted)
            self.relay.want = self._want
            lending = self.standing.lending
            lending.begin = lambda database, shape: soon(nursery.start_soon, lending.open, database, shape)
            self.relay.cancel = lambda link: soon(nursery.start_soon, self._cancel, link)
            self.previews.begin_task = lambda work, *arguments: soon(nursery.start_soon, work, *arguments)
            self.orders.begin_task = lambda work, *arguments: soon(nursery.start_soon, work, *arguments)
            self.standing.begin_cancel = lambda upstream: soon(nursery.start_soon, self.standing.cancel_at, upstream)
            nursery.start_soon(self._control, nursery)
            nursery.start_soon(self._housekeeping)
            nursery.start_soon(self._sync)
            self.accepting = trio.CancelScope()
            nursery.start_soon(self._accept)
            send(self.slot.control, Ready())
            self._record_system("worker started")
            self._promise()
            await self.stopped.wait()
            await self.catalogs.close()
            await self.estimates.close()
            nursery.cancel_scope.cancel()
        return 0

    async def _accept(self) -> None:
        try:
            with self.accepting:
                self.doorway.open()
                await sockets.attend(
                    self.doorway.arrivals, self._welcome, signing_in_max=sockets.SIGNING_IN_MAX
                )
        finally:
            self.doorway.close()
        self.slot.listener.close()  # with the supervisor's copy closed too, the kernel turns newcomers away

    async def _welcome(self, wire: sockets.Wire) -> None:
        await self.admissions.welcome(wire, self.doorway.begun(wire))

    async def _watch_parent(self) -> None:
        """The supervisor's death is ours: nobody would restart or drain us."""
        await trio.lowlevel.wait_readable(self.slot.parent_fd)
        os._exit(1)

    async def _first_policy(self) -> None:
        while not self.generation:
            await trio.lowlevel.wait_readable(self.slot.control)
            await self._hear_all()
            self._follow_generation()

    async def _control(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.slot.control)
            drain = await self._hear_all()
            if drain is not None and not self.relay.draining:
                nursery.start_soon(self._drain, drain.limit_seconds)

    async def _hear_all(self) -> Drain | None:
        drain: Drain | None = None
        while True:
            try:
                heard = receive(self.slot.control)
            except BlockingIOError:
                return drain
            if heard is None:
                os._exit(1)
            message, fd = heard
            if isinstance(message, Drain):
                drain = message
            elif isinstance(message, ErrandMessage):
                links = self.orders.begin(message, fd)
                if links is not None:
                    self._answers.start_soon(self.orders.finish, message, links)
            elif isinstance(message, PolicyMessage) and fd is not None:
                await self._take_policy(message, fd)
            elif isinstance(message, KeysMessage) and fd is not None:
                self.admissions.take_keys(self._keys(message, fd))
            elif isinstance(message, DoorsMessage) and fd is not None:
                self.admissions.doors.renew(door_files.unpack(_sealed(message, fd)))
                self.standing.doors_moved(self.admissions.doors.renewed)

    async def _take_policy(self, message: PolicyMessage, fd: int) -> None:
        """What cannot be used is refused while the old one is in force. A large policy takes a while: turns go on."""
        try:
            table = await trio.to_thread.run_sync(self.shelf.read, fd, message.size, message.digest)
        except (NotSealed, ValueError) as fault:
            send(self.slot.control, Failed(str(fault), message.version))
            return
        self.shelf.put(message.version, table)
        send(self.slot.control, PolicyAck(message.version))

    def _table(self, content: bytes) -> PolicyTable:
        table = PolicyTable(content)
        table.prepare(self.slot.settings.databases)
        return table

    def _keys(self, message: KeysMessage, fd: int) -> IssuerKeys:
        return unpack_keys(_sealed(message, fd), self.slot.settings)

    def _follow_generation(self) -> bool:
        """Puts the policy that the shared word names in force here, where it has come."""
        generation = self.slot.slab.generation
        if generation == self.generation or generation not in self.shelf:
            return generation == self.generation
        table = self.shelf.current(generation)
        self.generation = generation
        self.standing.adopt(table, generation)
        self.catalogs.reclassify(table.classify)
        if self.relay.links:
            self._record_system("policy in force")
        return True

    def _follow(self) -> bool:
        """Takes over what other processes have put in force; whether that is all."""
        followed = self._follow_generation()
        self.catalogs.follow_labels()
        return followed

    def _want(self, link: Link, wanted: Wanted | Held) -> None:
        """What a session waits for from now on. Called within a turn."""
        if isinstance(wanted, Held):
            self.holds.begin(link, wanted)
        else:
            self._begin(link, wanted)

    async def _estimate(self, link: Link, wanted: Wanted) -> None:
        self.relay.estimated(link, wanted, await self.standing.estimate(link, wanted))

    async def _cancel(self, link: Link) -> None:
        await self.standing.cancel_upstream(link)
        self.relay.cancelled(link)

    def _catalog_renewed(self, name: str, changes: int) -> None:
        self.standing.catalog_renewed(name)
        self.relay.release(name, changes)

    async def _housekeeping(self) -> None:
        """What time alone brings about: rights that end, policies that move, checkpoints, words nobody reads."""
        while True:
            await trio.sleep(HOUSEKEEPING_SECONDS)
            self._follow_generation()
            self.relay.cancel_overdue(time.time_ns())
            self.holds.tidy(time.time_ns())
            await self.standing.check(time.time())
            self.relay.look_at_endings()
            self.standing.warm.tidy()
            self.standing.lending.tidy()
            self.doorway.tidy()
            self.admissions.tidy()
            self._write(self.audit.commit)
            self._promise()

    def _promise(self) -> None:
        """Tells the notary how far the audit is promised."""
        position = self.audit.position()
        if position is not None:
            self.slot.positions.post(self.slot.index, position)

    async def _sync(self) -> None:
        """Brings the audit to the disk behind the turns' back (durability `process`); sleeps while nothing is written."""
        while True:
            await self._written.wait()
            await trio.sleep(SYNC_SECONDS)
            self._written, self._sync_due = trio.Event(), False
            self._tell_lag()
            sync = self.audit.begin_sync()
            if sync is not None:
                await trio.to_thread.run_sync(sync.run)
                self.audit.end_sync(sync)
                if sync.fault is not None:
                    log.critical("the audit's disk failed: what it was handed may be lost if the power goes")
            if self._tell_lag():
                self._wrote()

    def _wrote(self) -> None:
        """There may be something to sync. A turn may say so, which is no task of trio's."""
        if not self._sync_due:
            self._sync_due = True
            self._soon(self._written.set)

    def _tell_lag(self) -> int:
        """How much of the audit is not known to be on the disk."""
        lag = self.audit.unsynced
        self.slot.row.set(Counter.AUDIT_LAG, lag)
        return lag

    def _tell_audit(self) -> None:
        """What `sluice status` says of the audit, and a line in the log when it is another."""
        audit, row = self.audit, self.slot.row
        before, now = row.get(Counter.AUDIT_HEALTH), AUDIT_HEALTH.index(audit.health)
        row.set(Counter.AUDIT_HEALTH, now)
        row.add(Counter.AUDIT_FAILURES, audit.failures - self._told[0])
        row.add(Counter.AUDIT_UNRECORDED, audit.unrecorded - self._told[1])
        self._told = audit.failures, audit.unrecorded
        if before != now:
            log.log(logging.CRITICAL if now else logging.WARNING, "the audit's state: %s", audit.health)

    async def _drain(self, limit_seconds: float) -> None:
        self.accepting.cancel()
        self.relay.draining = True
        self.standing.warm.close()
        self.standing.lending.close()
        self.holds.close()
        for link in list(self.relay.links):
            self.relay.look_again(link)
        with trio.move_on_after(limit_seconds):
            while self.relay.links:
                await trio.sleep(0.02)
        with trio.move_on_after(1.0):
            async with trio.open_nursery() as nursery:
                for link in list(self.relay.links):
                    upstream = self.standing.running(link)
                    if upstream is not None:
                        nursery.start_soon(self.standing.cancel_at, upstream)
                    link.session.now = time.time_ns()
                    link.session.end(
                        Refused(State.SHUTDOWN, "the gateway is shutting down and did not wait longer", "Connect again.")
                    )
                    self.relay.cut(link, "drained")
            while self.relay.links:
                await trio.sleep(0.02)
        self.stopped.set()

    def _record_system(self, what: str) -> None:
        self.audit.chain.event(
            time.time_ns(),
            "system",
            {"what": what, "generation": self.generation, "policy": self.standing.table.digest},
        )
        self._write(self.audit.commit)

    def _write(self, write: Callable[[], None]) -> None:
        """Records that nobody waits for: where they cannot be written the next commit tries again."""
        with contextlib.suppress(Unavailable):  # `_tell_audit` has said so
            write()

    def finish(self) -> None:
        """Ends what is left when nobody turns any more and no task runs."""
        self.audit.wrote = lambda: None
        self.standing.warm.close()
        self.standing.lending.close()
        self.relay.close()
        self.admissions.close()
        self._record_system("worker stopped")
        self._write(self.audit.close)
        self._promise()
        self.desk.close()


def _sealed(message: KeysMessage | DoorsMessage, fd: int) -> bytes:
    """What came with the message; the descriptor is closed."""
    try:
        return unseal(fd, message.size, message.digest)
    finally:
        os.close(fd)
