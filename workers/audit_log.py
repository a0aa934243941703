"""A worker's audit on disk: one chain of append-only segment files, and what is done when they cannot be
written.

A directory a chain, `chain-<32 hex>/<8 digits>.seg`, locked (flock) as long as its worker lives. Files have
their name from birth, are never truncated, renamed or written twice, and are read by others without any lock.
A segment is on disk, with its name, before the next one is begun: only the last one can lose bytes when the
power goes. docs/decisions/0011 says what each mode promises.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from mypy_extensions import mypyc_attr

from gateway.audit.chain import Chain, Position
from gateway.audit.records import State as Fare
from gateway.errors import State
from workers.audit_disk import FULL, Disk, Sync, make_directories, sync_names, unavailable
from workers.audit_trail import chain_directory, segment_path

ROTATE_NS: Final = 3600 * 1_000_000_000
RETRY_NS: Final = 200_000_000  # between attempts while nothing can be written, at first
RETRY_MAX_NS: Final = 800_000_000
LOOK_NS: Final = 100_000_000  # between looks at whether the file still is where it was made
RESERVE_BYTES: Final = 8 * 1024 * 1024
_DISK = Disk()

Health = Literal["ok", "full", "failed"]


def clean_host(host: str) -> str:
    """The host as it stands in record ids: letters, digits, dots, dashes and underscores."""
    kept = (each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in host)
    return "".join(kept)[:64] or "host"


@mypyc_attr(allow_interpreted_subclasses=True)  # tests watch it
class AuditLog:
    """Appends a worker's records. Made after the fork, in the worker itself, and used from one thread.

    Records go through `.chain` (intent, outcome, event); `commit()` writes what has gathered in one append.
    `clock` gives wall nanoseconds. Raises Unavailable at once where the directory cannot be used; `patient`:
    is then in the state that a failure would have led to, and heals like it.
    """

    def __init__(
        self,
        directory: Path | str,
        host: str,
        worker: int,
        durability: Literal["process", "power"] = "process",
        segment_bytes: int = 64 * 1024 * 1024,
        on_failure: Literal["refuse", "continue"] = "refuse",
        clock: Callable[[], int] = time.time_ns,
        chain_id: bytes | None = None,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        patient: bool = False,
        disk: Disk = _DISK,
    ) -> None:
        self._clock, self._segment_bytes, self._disk = clock, segment_bytes, disk
        self._power, self._continue = durability == "power", on_failure == "continue"
        self.unrecorded = 0  # statements run without a record, since the start
        self.failures = 0  # failed commits since the start
        self.health: Health = "ok"
        self.changed: Callable[[], None] = lambda: None  # called when one of these three is another
        self.wrote: Callable[[], None] = lambda: None  # called when there may be something to sync
        self.closed = False
        self._last: Position | None = None  # of the segment before, and after an orderly end
        now = clock()
        self.chain = Chain(
            clean_host(host),
            worker,
            chain_id or os.urandom(16),
            boot=disk.boot(),
            mode=durability,
            now_ns=now,
        )
        self.path = chain_directory(Path(directory), self.chain.chain_id)
        self._reserve_bytes, self._kept, self._room = reserve_bytes, False, False
        self._file = self._behind = self._lock = -1  # `_behind` is `_file` once more, for the background
        self._file_segment = -1
        self._void = -1  # a segment whose file could not be made ready and perhaps not be taken away
        self._made = False  # the chain's directory
        self._synced = 0  # bytes of `_file` that are known to be on disk
        self._spoilt = False  # a sync of `_file` is under way or failed: it is never asked for again
        self._refused = unavailable(OSError(errno.EIO, ""))
        self._pause_ns = RETRY_NS
        self._retry_ns = self._look_ns = 0
        try:
            self._open()
            self._keep_room()
            self._prepare(now)
        except OSError as fault:
            if not patient:
                self._give_room()
                with contextlib.suppress(OSError):
                    disk.remove_directory(self.path)
                self._release()
                raise unavailable(fault) from fault
            self._fail(now, fault)

    @property
    def unsynced(self) -> int:
        """Bytes that the kernel has and the disk may not."""
        return self.chain.length - self._synced if self._ready and not self._power else 0

    def position(self) -> Position | None:
        """How far the chain is promised: between two segments, while the next one has no file, to the end of the one
        before; None while that is not known.
        """
        return self.chain.position() if self._ready else self._last

    def commit(self) -> None:
        """Writes all that `.chain` holds, in one append; with durability `power` it is on disk on return.
        Also writes the checkpoint when a second has passed, so an idle worker calls it about once a second;
        nothing to do costs 0.3 us.

        Raises Unavailable (58030, or 53100 disk full) when it failed: every intent since the last commit is
        withdrawn and must not be forwarded. From then on every commit does so, until the disk can be written
        again, which is tried every 200 ms. With on_failure `continue` it returns, and counts.
        """
        now = self._clock()
        if self.health != "ok":
            self._heal(now)
            return
        if not self._look_ns - LOOK_NS <= now < self._look_ns:
            self._look_ns = now + LOOK_NS
            try:
                self._look()
            except OSError as fault:
                self._break(now, fault)
                return
        if self._spoilt:
            self._leave_unsynced(now)
        if not self.chain.due(now):
            return
        rotate = self.chain.length >= self._segment_bytes or now - self.chain.began_ns >= ROTATE_NS
        if self._write(now, "segment" if rotate else "") and rotate:
            self._next_segment(now)

    def close(self) -> None:
        """Answers what is open with `unresolved`, writes `closed` and lets go of the files. Raises
        Unavailable where that could not be written (recovery then explains the chain).
        """
        if self.closed:
            return
        self.closed = True
        now, chain = self._clock(), self.chain
        try:
            if self._spoilt and self.health == "ok":
                self._leave_unsynced(now)
            if self.health != "ok":
                self._withdraw(now)
                self._open()
            if chain.lost:
                chain.again(now)
            chain.answer_all(now)
            if chain.buffered or not self._ready:
                self._append(now)
            if self._settle() >= 0:
                self._next_segment(now)
                self._append(now)
                self._disk.sync(self._file)
            self._append(now, "chain")  # on its own: it is never there without what it closes
            if not self._power:
                self._disk.sync(self._file)
            self._last = self.chain.position()
            self._give_room()
        except OSError as fault:
            raise unavailable(fault) from fault
        finally:
            self._release()

    def begin_sync(self) -> Sync | None:
        """What is to be synced in the background, with durability `process`; None where there is nothing. `end_sync` comes
        before the next one.
        """
        if self.unsynced <= 0 or self._spoilt:
            return None
        try:
            file = self._disk.duplicate(self._behind)
        except OSError:  # no descriptor is free for the moment: the next time will do
            return None
        return Sync(self._disk, file, self._file_segment, self._synced, self.chain.length)

    def end_sync(self, done: Sync) -> None:
        """Takes note of how it went. A failed sync is final for its segment: a new one begins with the next
        commit, and says from which byte on the old one may not survive.
        """
        current = done.segment == self._file_segment
        if done.fault is not None:
            self._spoilt = self._spoilt or current  # where it is not, `_settle` was told of the failure too
        elif current and not self._spoilt:
            self._synced = max(self._synced, done.length)
            if self._ready:
                self.chain.synced = self._synced

    # -- writing

    @property
    def _ready(self) -> bool:
        """Whether the chain's current segment has its file."""
        return self._file_segment == self.chain.segment

    def _write(self, now: int, end: Literal["", "segment"] = "") -> bool:
        """Whether it is written."""
        try:
            self._append(now, end)
        except OSError as fault:
            self._break(now, fault)
            return False
        return True

    def _append(self, now: int, end: Literal["", "segment", "chain"] = "") -> None:
        """Writes what is buffered. Raises OSError; `_fail` comes next."""
        if not self._ready:
            self._prepare(now)
        batch = self.chain.take(now, end)
        written = self._disk.write(self._file, batch)
        while written < len(batch):
            written += self._disk.write(self._file, batch[written:])
        if self._power:
            self._spoilt = True
            self._disk.sync(self._file)
            self._spoilt = False
        self.chain.committed()
        self.wrote()

    def _astray(self) -> bool:
        """Whether bytes that were never promised may stand in the file, or promised ones may never get to the disk."""
        if not self._ready:
            return False
        try:
            return self._spoilt or self._disk.size(self._file) != self.chain.length
        except OSError:
            return True

    def _prepare(self, now: int) -> None:
        """Makes the current segment's file ready: its header and its name are on disk. Where that fails the file is taken
        away again: nobody was promised anything in it.
        """
        if self._ready:
            return
        self._let_go()
        segment, header = self.chain.segment, self.chain.header
        path = segment_path(self.path, segment)
        if self._void == segment:
            with contextlib.suppress(FileNotFoundError):
                self._disk.remove(path)
        created = self._disk.create(path)
        self._void = segment
        try:
            while header:
                header = header[self._disk.write(created, header) :]
            self._disk.sync(created)
            self._disk.sync_directory(self._lock)
            self._behind = self._disk.reopen(path)
        except OSError:
            self._disk.close(created)
            with contextlib.suppress(OSError):
                self._disk.remove(path)
            raise
        self._file, self._file_segment, self._void = created, segment, -1
        self._spoilt, self._synced = False, len(self.chain.header)
        self.chain.synced = self._synced

    def _let_go(self) -> None:
        """Closes the segment before."""
        for descriptor in (self._file, self._behind):
            if descriptor >= 0:
                self._disk.close(descriptor)
        self._file = self._behind = self._file_segment = -1

    def _settle(self) -> int:
        """Brings the segment to the disk that is about to be left; how many bytes of it are known to be there, -1: all."""
        if self._power or not self._ready:
            return -1
        if not self._spoilt:
            try:
                self._disk.sync(self._file)
                return -1
            except OSError:
                self._spoilt = True
        return self._synced

    def _next_segment(self, now: int) -> None:
        synced, segment = self._settle(), self.chain.segment
        self._last = self.position()
        self.chain.next_segment(now, synced)
        self._say_unsynced(now, segment, synced)

    def _say_unsynced(self, now: int, segment: int, synced: int) -> None:
        if synced >= 0:
            self.chain.state(now, Fare("unsynced", State.AUDIT, segment, synced))

    def _leave_unsynced(self, now: int) -> None:
        """A background sync failed. What is buffered still belongs to its segment; then that one is over."""
        if self._ready and (not self.chain.buffered or self._write(now)):
            self._next_segment(now)

    # -- failing and healing

    def _break(self, now: int, fault: OSError) -> None:
        """Writing failed: withdraws the batch's intents, and raises unless statements shall run all the same."""
        withdrawn = self._fail(now, fault)
        refused = self._refused
        if self.health == "full":
            self._write_owed(now)
        if self._continue:
            self.unrecorded += withdrawn
        self.changed()
        if not self._continue:
            raise refused from fault

    def _fail(self, now: int, fault: OSError) -> int:
        """Enters or stays in the state that the fault means; how many intents were withdrawn."""
        self._refused = unavailable(fault)
        self.failures += 1
        before, self.health = self.health, "full" if fault.errno in FULL else "failed"
        gone = isinstance(fault, FileNotFoundError) and self._ready
        abandon, segment = gone or self._astray(), self.chain.segment
        synced = self._settle() if abandon else -1
        withdrawn = self._withdraw(now, abandon=abandon, synced=synced)
        self._say_unsynced(now, segment, synced)
        if self.health != before:
            self.chain.state(now, Fare(self.health, self._refused.refused.sqlstate))
            self._pause_ns = RETRY_NS
        elif before == "failed":
            self._pause_ns = min(2 * self._pause_ns, RETRY_MAX_NS)
        if self.health == "full":
            self._give_room()
        self._retry_ns = now + self._pause_ns
        return withdrawn

    def _withdraw(self, now: int, *, abandon: bool = False, synced: int = -1) -> int:
        sqlstate = self._refused.refused.sqlstate
        return self.chain.failed(now, sqlstate, abandon=abandon, continued=self._continue, synced=synced)

    def _heal(self, now: int) -> None:
        """A commit while the disk is full or fails: intents are refused without a touch of the disk. Every 200 ms it is
        tried again; on a full disk outcomes go on to be written, to the room that the reserve gave.
        """
        chain, refused, withdrawn = self.chain, self._refused, 0
        before = (self.health, self.failures)
        if chain.asks or chain.lost:
            withdrawn = self._withdraw(now)
        if not self._retry_ns - RETRY_MAX_NS <= now < self._retry_ns:
            self._retry(now)
        elif self.health == "full" and self._room and chain.owes:
            self._write_owed(now)
        if self._continue:
            self.unrecorded += withdrawn
        if before != (self.health, self.failures) or (withdrawn and self._continue):
            self.changed()
        if not self._continue and (withdrawn or self.health != "ok"):
            raise refused

    def _retry(self, now: int) -> None:
        """Whether the disk can be written again is tried with all that was held back."""
        try:
            self._open()
            self._look()
            self._keep_room()
            self._append_held(now, Fare("resumed"))
        except OSError as fault:
            self._fail(now, fault)
            if self.health == "full" and self.chain.owes:
                self._write_owed(now)
            return
        self.health = "ok"

    def _write_owed(self, now: int) -> None:
        """While the disk is full: what the reserve was for."""
        self._room = True
        try:
            self._append_held(now)
        except OSError as fault:
            self._room = False
            self._fail(now, fault)

    def _append_held(self, now: int, said: Fare | None = None) -> None:
        if self.chain.lost:
            self.chain.again(now)
        if said is not None:
            self.chain.state(now, said)
        self._append(now)

    def _look(self) -> None:
        """Raises OSError where what was opened is not what the names lead to any more, or these cannot be followed."""
        self._disk.check(self._lock, self.path)
        if self._ready:
            self._disk.check(self._file, segment_path(self.path, self.chain.segment))

    def _open(self) -> None:
        """Has the chain's directory, made and locked; once more where it was taken away."""
        if self._lock >= 0:
            try:
                self._disk.check(self._lock, self.path)
                return
            except FileNotFoundError:
                lock, self._lock, self._kept = self._lock, -1, False
                self._disk.close(lock)
        make_directories(self._disk, self.path.parent)
        try:
            self._disk.make_directory(self.path)
        except FileExistsError:
            if not self._made:
                raise
        self._made = True
        descriptor = self._disk.open_directory(self.path)
        try:
            self._disk.lock(descriptor)
            sync_names(self._disk, self.path.parent)
        except OSError:
            self._disk.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.remove_directory(self.path)
            raise
        self._lock = descriptor

    def _keep_room(self) -> None:
        if self._reserve_bytes and not self._kept:
            self._disk.reserve(reserve_path(self.path), self._reserve_bytes)
            self._kept = True

    def _give_room(self) -> None:
        if self._kept:
            with contextlib.suppress(OSError):
                self._disk.remove(reserve_path(self.path))
            self._kept = False

    def _release(self) -> None:
        self._let_go()
        if self._lock >= 0:
            self._disk.close(self._lock)
        self._lock = -1


def reserve_path(chain: Path) -> Path:
    """The room that a chain's writer keeps for a full disk."""
    return chain / "reserve"
