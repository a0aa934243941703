"""The dull process: opens what must outlive a worker, forks, reaps, restarts, reloads, drains.

No trio, no threads, no TLS; signal handlers only note the signal. Everything happens in one loop over a
selector.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import MutableMapping
from pathlib import Path
from types import FrameType

from gateway.errors import ConfigError, Unavailable
from workers import (
    admin_link,
    admin_process,
    barred_file,
    configuration,
    descriptors,
    key_ring,
    listeners,
    notary_process,
    spawn,
    status,
)
from workers.admin_link import KeysFailed, KeysFetched
from workers.admin_seat import AdminSeat
from workers.audit_recovery import Recoveries, recover_and_tell, recover_at_last
from workers.budgets import Budgets
from workers.configuration import Loaded
from workers.control import pair
from workers.dispatch import Dispatch
from workers.notary_seat import NotarySeat
from workers.positions import Positions
from workers.publication import Publisher
from workers.run_folder import AlreadyRunning, RunFolder
from workers.seat import Child, Seat
from workers.slab import Counter, Slab
from workers.slot import Drain, Failed, KeysWanted, PolicyAck, Ready, Slot, receive
from workers.spawn import Closable, Descriptor, WorkerMain, fork, fork_worker
from workers.status import StatusSocket
from workers.systemd import Notifier

TICK_SECONDS = 0.1
STORM_DEATHS, STORM_SECONDS = 5, 10.0  # so many within that time: alarm
DRAIN_GRACE_SECONDS = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
log = logging.getLogger("sluice")


class StartFailed(Exception):
    """The start stops here, with this one line."""


class Supervisor:
    """All the state there is; `run` is the loop. Raises OSError when something that must outlive the workers
    cannot be opened."""

    def __init__(
        self,
        loaded: Loaded,
        slots: int,
        main: WorkerMain,
        folder: RunFolder,
        environ: MutableMapping[str, str],
    ) -> None:
        self._loaded = loaded
        self._main = main
        self._folder = folder
        self._environ = environ
        self._notifier = Notifier(environ)
        self._slab = Slab(slots)
        self._budgets = Budgets(slots, fleet_key=loaded.fleet_key)
        self._seats = [
            Seat(index, listener, self._slab.row(index))
            for index, listener in enumerate(listeners.open_listeners(loaded.settings.gateway.listen, slots))
        ]
        self._address = listeners.address_text(self._seats[0].listener)
        self._publisher = Publisher(self._slab, loaded.policy)
        self._positions = Positions(slots)
        self._notary = NotarySeat(
            lambda control: notary_process.serve(control, self._loaded, self._positions, environ)
        )
        bars = barred_file.read(loaded.state_dir)
        self._admin = AdminSeat(lambda end: admin_process.serve(end, self._loaded, environ, bars, self._budgets))
        self._dispatch = Dispatch(self._admin, self._seats, self._notary, bars, loaded.policy)
        self._companions = self._notary.process, self._admin.process
        self._parent_read, self._parent_write = os.pipe()  # never written: its end tells workers that we are gone
        self._status_socket = StatusSocket(folder)
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._on_signals)
        self._selector.register(self._status_socket, selectors.EVENT_READ, self._on_status)
        self._admin.process.watch(self._selector, self._dispatch.hear_admin)
        self._notary.process.watch(self._selector, self._notary.turn)
        self._recoveries = Recoveries()
        self._ring = key_ring.KeyRing()
        self._dispatch.keys_came = self._keys_came
        self._deaths: deque[float] = deque(maxlen=STORM_DEATHS)
        self._reload_wanted = False
        self._announced = False
        self._drain_deadline: float | None = None
        self._started = self._awake_since = self._next_alive = time.monotonic()

    def run(self) -> int:
        """Serve until drained; the exit code. Raises StartFailed, with no worker left."""
        for number in _SIGNALS:
            signal.signal(number, _note)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            for seat in self._seats:
                self._start(seat)
            last = time.monotonic()
            while self._drain_deadline is None or any(seat.child for seat in self._seats):
                last = self._turn(last)
            self._recoveries.finish(self._loaded.audit_dir, DRAIN_GRACE_SECONDS)
            self._admin.end()
            while not self._notary.finish(last):  # when all has been said that is to be signed
                last = self._turn(last)
            return 0
        finally:
            signal.set_wakeup_fd(-1)
            self._end_workers()

    def _turn(self, last: float) -> float:
        for key, _ in self._selector.select(TICK_SECONDS):
            key.data()
        now = time.monotonic()
        if now - last > 10 * TICK_SECONDS:  # we were stopped, and so perhaps was everybody
            self._awake_since = now
        self._reap(now)
        self._watch(now)
        self._notary.turn()
        for companion in self._companions:
            if companion.due(now):
                companion.start(self._parent_read, self._not_for(None), now)
        if self._drain_deadline is None:
            self._announce()
            self._restart(now)
            if self._publisher.settle(self._seats, now):
                log.info("policy generation %d is in force", self._slab.generation)
                self._notifier.ready(self._summary())
                self._dispatch.in_force(self._slab.generation, self._publisher.sealed.digest)
            if self._announced and not self._publisher.busy:
                if self._reload_wanted:
                    self._reload()
                elif self._dispatch.due:
                    self._publisher.begin(self._dispatch.policy(self._loaded.policy, "request"), self._seats)
        self._feed_watchdog(now)
        return now

    # -- workers come and go

    def _start(self, seat: Seat) -> None:
        ours, theirs = pair()
        seat.incarnation += 1
        seat.row.clear()
        loaded = self._loaded
        slot = Slot(
            index=seat.index,
            slots=len(self._seats),
            incarnation=seat.incarnation,
            listener=seat.listener,
            control=theirs,
            parent_fd=self._parent_read,
            slab=self._slab,
            budgets=self._budgets,
            positions=self._positions,
            settings=loaded.settings,
            secrets=loaded.secrets,
            keys=loaded.keys,
            folder=loaded.folder,
            run_dir=loaded.run_dir,
            audit_dir=loaded.audit_dir,
            host=socket.gethostname(),
            door_files=loaded.door_files,
        )
        pid = fork_worker(slot, self._main, [ours, *self._not_for(seat)])
        theirs.close()
        seat.child = Child(pid, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(seat))
        self._dispatch.welcome(seat.child)
        self._publisher.welcome(seat.child)

    def _not_for(self, seat: Seat | None) -> list[Closable]:
        """What a worker on `seat`, or a child on none, must not inherit."""
        held: list[Closable] = []
        for other in self._seats:
            if other is not seat:
                held.append(other.listener)
                if other.child:
                    held.append(other.child.control)
        held += [self._selector, self._status_socket, self._wake_read, self._wake_write]
        held += [each.control for each in self._companions if each.control]
        memory = *self._publisher.descriptors(), *self._dispatch.descriptors()
        held += [Descriptor(fd) for fd in (self._parent_write, *memory)]
        return [*held, self._folder]

    def _reap(self, now: float) -> None:
        """Take every dead child; those we do not know were orphans, given to us as the PID 1 of a
        namespace."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._recoveries.pids.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._notary.buried(pid, code, now):
                self._recover()
                continue
            if self._admin.process.buried(pid, code, now):
                continue
            for seat in self._seats:
                if seat.child and seat.child.pid == pid:
                    self._bury(seat, seat.child, code, now)

    def _bury(self, seat: Seat, child: Child, code: int, now: float) -> None:
        self._hear(seat)  # its last words may still be in the socket
        self._forget(child)
        child.control.close()
        seat.child = None
        seat.row.clear()
        self._dispatch.gone(seat)
        if self._drain_deadline is not None:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not self._announced:
            raise StartFailed(child.why or f"worker {seat.index} ended before it was ready ({how})")
        log.error(
            "worker %d (pid %d) ended with %s%s", seat.index, child.pid, how, child.why and f": {child.why}"
        )
        self._notary.happened("system", "worker ended", worker=seat.index, pid=child.pid, how=how, why=child.why)
        seat.row.add(Counter.RESTARTS)
        seat.back_off(child, now)
        self._recover()
        self._deaths.append(now)
        if self._storming(now):
            log.critical("alarm: %d workers ended within %d s", STORM_DEATHS, STORM_SECONDS)
            self._notifier.status("alarm: workers keep ending")

    def _recover(self) -> None:
        """Reading a dead writer's chain takes its time: a process of its own."""
        if self._drain_deadline is None:
            recovery = fork(lambda: recover_at_last(self._loaded.audit_dir), self._parent_read, self._not_for(None))
            self._recoveries.pids.add(recovery)

    def _storming(self, now: float) -> bool:
        return len(self._deaths) == STORM_DEATHS and now - self._deaths[0] <= STORM_SECONDS

    def _restart(self, now: float) -> None:
        for seat in self._seats:
            if self._announced and seat.child is None and now >= seat.retry_at:
                self._start(seat)

    def _watch(self, now: float) -> None:
        """Abort a worker whose relay does not turn, so that it says where; kill it when even that does not
        end it."""
        for seat in self._seats:
            child = seat.child
            if child is None:
                continue
            overdue = child.abort_at is not None and now >= child.abort_at
            if overdue or (self._drain_deadline is not None and now >= self._drain_deadline):
                child.kill(signal.SIGKILL)
            elif child.abort_at is None and seat.hangs(child, self._awake_since, now):
                log.error("worker %d (pid %d) hangs: asked for its traceback", seat.index, child.pid)
                child.abort(now)

    def _end_workers(self) -> None:
        """Leave nobody behind, however we end."""
        for seat in self._seats:
            if seat.child:
                seat.child.kill(signal.SIGKILL)
                os.waitpid(seat.child.pid, 0)
                seat.child = None
        self._admin.end()
        self._notary.end()

    # -- what is said to us

    def _hear(self, seat: Seat) -> None:
        child = seat.child
        while child is not None and child.listening:
            try:
                heard = receive(child.control)
            except BlockingIOError:
                return
            except ConnectionResetError:  # it left messages unread; what it said comes after this error
                continue
            if heard is None:
                self._forget(child)  # it is ending: the reaper will come
                return
            message, fd = heard
            self._dispatch.hear_worker(seat, message, fd)
            match message:
                case Ready():
                    child.ready_at = time.monotonic()
                case KeysWanted(issuer):
                    self._admin.tell(admin_link.KeysWanted(issuer))
                case PolicyAck(version):
                    child.acked = max(child.acked, version)
                case Failed(text, 0):
                    child.why = text
                case Failed(text, version) if self._publisher.give_up(version):
                    log.error("policy refused by worker %d: %s; the old one stays in force", seat.index, text)
                    self._notary.happened("policy", "policy refused", worker=seat.index, why=text)
                    self._notifier.ready(self._summary())

    def _keys_came(self, message: KeysFailed | KeysFetched, fd: int | None) -> None:
        self._loaded = self._ring.heard(message, fd, self._loaded, self._seats)

    def _forget(self, child: Child) -> None:
        """Listen no longer to a control socket whose other end is closed: it would be readable for ever."""
        child.listening = False
        if child.control in self._selector.get_map():
            self._selector.unregister(child.control)

    def _on_signals(self) -> None:
        for number in self._wake_read.recv(4096):
            if number == signal.SIGHUP:
                self._reload_wanted = True
            elif number in (signal.SIGTERM, signal.SIGINT) and self._drain_deadline is None:
                self._drain()

    def _on_status(self) -> None:
        now = time.monotonic()
        self._status_socket.answer(
            {
                "state": self._state(now),
                "pid": os.getpid(),
                "uptime_seconds": round(now - self._started, 1),
                "addresses": [self._address],
                "policy": {"generation": self._slab.generation, "sha256": self._publisher.sealed.digest.hex()},
                "audit": {"dir": str(self._loaded.audit_dir), **status.audit(self._slab), **self._notary.describe()},
                "workers": [seat.describe(now) for seat in self._seats],
                "issuers": self._ring.describe(self._loaded),
                **self._admin.describe(),
                "databases": status.databases(self._slab, self._loaded.settings),
                **self._dispatch.describe(),
            }
        )

    # -- what the operator asked for

    def _announce(self) -> None:
        """Say `ready` once, when every slot has the policy and an open audit."""
        children = [seat.child for seat in self._seats if seat.child]
        if self._announced or not all(child.ready_at and child.acked for child in children):
            return
        self._announced = True
        print(f"ready {self._address} {self._summary()}", flush=True)
        self._notary.happened("system", "gateway started", address=self._address, workers=len(self._seats))
        self._notary.published(self._slab.generation, self._publisher.sealed.digest, None)
        self._notifier.ready(self._summary())

    def _reload(self) -> None:
        self._reload_wanted = False
        self._notifier.reloading()
        running = self._loaded
        try:
            fresh = configuration.reload(running, self._environ)
        except ConfigError as error:
            log.error("reload refused, the old policy stays in force: %s", error)
            self._notary.happened("policy", "reload refused", why=str(error), by="signal")
            self._notifier.ready(self._summary())
            return
        if fresh.settings_changed:
            log.warning("%s changed: restart to apply it; policy and keys are reloaded", running.file)
            self._notary.happened("system", "settings changed, not applied before a restart", by="signal")
        self._loaded = fresh.loaded
        key_ring.hand_on(running, fresh.loaded, self._seats, self._notary)
        self._notary.reread()
        self._admin.reread()
        self._publisher.begin(self._dispatch.policy(self._loaded.policy, "signal"), self._seats)

    def _drain(self) -> None:
        limit = float(self._loaded.settings.gateway.drain_seconds)
        log.info("draining for at most %d s", limit)
        self._notary.happened("system", "gateway stopping", by="signal")
        self._notifier.stopping()
        self._drain_deadline = time.monotonic() + limit + DRAIN_GRACE_SECONDS
        for seat in self._seats:
            seat.listener.close()  # with the workers' own copies closed too, the kernel turns newcomers away
            if seat.child:
                seat.child.tell(Drain(limit))

    # -- how we are

    def _live(self, now: float) -> int:
        children = [(seat, seat.child) for seat in self._seats if seat.child and seat.child.ready_at]
        return sum(not seat.hangs(child, self._awake_since, now) for seat, child in children)

    def _feed_watchdog(self, now: float) -> None:
        if self._notifier.watchdog_seconds and now >= self._next_alive and self._live(now):
            self._next_alive = now + self._notifier.watchdog_seconds
            self._notifier.alive()

    def _summary(self) -> str:
        return f"workers={len(self._seats)} policy={self._slab.generation}"

    def _state(self, now: float) -> str:
        if self._drain_deadline is not None:
            return "draining"
        if not self._announced:
            return "starting"
        return "ready" if self._live(now) and not self._storming(now) else "not ready"


def _note(number: int, frame: FrameType | None) -> None:
    """Signals are noted by the wake-up descriptor alone."""


def serve(config: Path, workers: int | None = None, main: WorkerMain | None = None) -> int:
    """Run the gateway in the foreground until it is told to end; the exit code: 0 drained, 1 could not start,
    2 bad configuration.

    `workers` overrules sluice.toml; `main` is `workers.process.run` where it is not given.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    environ = spawn.prepare_environment()
    try:
        loaded = configuration.load(config, environ)
        folder = RunFolder.make(loaded.run_dir)
        folder.lock()
        recover_and_tell(loaded.audit_dir)
        slots = workers or loaded.settings.gateway.workers or os.cpu_count() or 1
        if scarce := descriptors.allow(loaded.settings.gateway.max_sessions, slots):
            log.warning("%s", scarce)
        return Supervisor(loaded, slots, main or spawn.worker_main(), folder, environ).run()
    except ConfigError as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    except (StartFailed, AlreadyRunning, Unavailable, OSError) as error:
        print(f"sluice: cannot start: {error}", file=sys.stderr)
        return 1
