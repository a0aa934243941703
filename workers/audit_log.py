"""A worker's audit on disk: one chain of append-only segment files, and what is done when they cannot be
written.

A directory a chain, `chain-<32 hex>/<8 digits>.seg`, locked (flock) as long as its worker lives. Files have
their name from birth, are never truncated, renamed or written twice, and are read by others without any lock.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from gateway.audit.chain import Chain
from gateway.errors import Refused, State, Unavailable

ROTATE_NS = 3600 * 1_000_000_000
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HINT = "The statement was not run and nothing is wrong with it: send it again when the audit can be written."


def chain_directory(directory: Path, chain_id: bytes) -> Path:
    """Where a chain's segments are."""
    return directory / f"chain-{chain_id.hex()}"


def segment_path(chain: Path, segment: int) -> Path:
    """One segment's file."""
    return chain / f"{segment:08d}.seg"


def boot_id() -> str:
    """The kernel's name for this boot, empty where there is none (proc_sys_kernel(5), random/boot_id)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def clean_host(host: str) -> str:
    """The host as it stands in record ids: letters, digits, dots, dashes and underscores."""
    kept = (each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in host)
    return "".join(kept)[:64] or "host"


class AuditLog:
    """Appends a worker's records. Made after the fork, in the worker itself, and used from one thread.

    Records go through `.chain` (intent, outcome, event); `commit()` writes what has gathered in one append.
    `clock` gives wall nanoseconds. Raises Unavailable at once where the directory cannot be used.
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
    ) -> None:
        self._clock, self._segment_bytes = clock, segment_bytes
        self._power, self._continue = durability == "power", on_failure == "continue"
        self.unrecorded = 0  # statements run without a record, since the start
        self.failures = 0  # failed commits since the start
        self.failing = False
        self.closed = False
        now = clock()
        self.chain = Chain(
            clean_host(host),
            worker,
            chain_id or os.urandom(16),
            boot=boot_id(),
            mode=durability,
            now_ns=now,
        )
        self.path = chain_directory(Path(directory), self.chain.chain_id)
        self._file = -1
        self._file_segment = -1
        self._header = b""  # what of the segment's header is not yet in the file
        self._named = False  # whether the directory with the segment's name was synced
        self._spoilt = (
            False  # an fsync is under way or failed; fsync(2): the kernel then calls the pages clean
        )
        self._lock = -1
        try:
            self._lock = _make_chain_directory(self.path)
            self._prepare()
        except OSError as fault:
            self._release()
            raise _unavailable(fault) from fault

    def commit(self) -> None:
        """Writes all that `.chain` holds, in one append; with durability `power` it is on disk on return.
        Also writes the checkpoint when a second has passed, so an idle worker calls it about once a second;
        nothing to do costs 0.2 us.

        Raises Unavailable (58030, or 53100 disk full) when it failed: every intent since the last commit is
        withdrawn and must not be forwarded. The next commit tries again. With on_failure `continue` it
        returns, and counts.
        """
        now = self._clock()
        if not self.chain.due(now):
            return
        rotate = self.chain.length >= self._segment_bytes or now - self.chain.began_ns >= ROTATE_NS
        self._write(now, "segment" if rotate else "")
        if rotate and not self.failing:
            self.chain.next_segment(now)

    def close(self) -> None:
        """Answers what is open with `unresolved`, writes `closed` and lets go of the files. Raises
        Unavailable where that could not be written (recovery then explains the chain).
        """
        if self.closed:
            return
        self.closed = True
        try:
            self._write(self._clock(), "chain")
        finally:
            self._release()

    def _write(self, now: int, end: Literal["", "segment", "chain"]) -> None:
        batch = self.chain.take(now, end)
        written = 0
        try:
            self._prepare()
            while written < len(batch):
                written += os.write(self._file, batch[written:] if written else batch)
            if self._power:
                self._spoilt = True
                os.fdatasync(self._file)
                self._spoilt = False
        except OSError as fault:
            self._fail(now, fault, self._spoilt or written > 0)
            return
        self.chain.committed()
        self.failing = False

    def _fail(self, now: int, fault: OSError, abandon: bool) -> None:
        refused = _unavailable(fault)
        self.failing = True
        self.failures += 1
        withdrawn = self.chain.failed(
            now, refused.refused.sqlstate, abandon=abandon, continued=self._continue
        )
        if not self._continue:
            raise refused from fault
        self.unrecorded += withdrawn

    def _prepare(self) -> None:
        """Makes the current segment's file ready: there, with its whole header, its name on disk."""
        if self._file_segment != self.chain.segment:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            created = os.open(segment_path(self.path, self.chain.segment), flags, 0o440)
            if self._file >= 0:
                os.close(self._file)
            self._file, self._file_segment, self._header = created, self.chain.segment, self.chain.header
            self._named = self._spoilt = False
        while self._header:  # half a header on a full disk is finished later: it is the same bytes
            self._header = self._header[os.write(self._file, self._header) :]
        if not self._named:
            self._spoilt = True
            os.fsync(self._lock)
            self._named, self._spoilt = True, False

    def _release(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1


def _make_chain_directory(path: Path) -> int:
    """Makes and locks the chain's directory; returns its descriptor, which holds the lock as long as it is
    open.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.mkdir(mode=0o750)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    return descriptor


def _unavailable(fault: OSError) -> Unavailable:
    full = fault.errno in _FULL
    return Unavailable(
        Refused(
            State.DISK_FULL if full else State.AUDIT,
            "the audit's disk is full" if full else "the audit record could not be written",
            _HINT,
            "audit",
        )
    )
