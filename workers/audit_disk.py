"""The system calls of the audit's writer, one a method, so that a test can play the disk.

Each raises OSError. What is on disk when, is said where it is asked for: workers.audit_log.
"""

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import Refused, State, Unavailable

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_HINT = "The statement was not run and nothing is wrong with it: send it again when the audit can be written."


class Disk:
    """The real one."""

    def make_directory(self, path: Path) -> None:
        """mkdir(2); FileExistsError where it is there."""
        path.mkdir(mode=0o750)

    def open_directory(self, path: Path) -> int:
        """A descriptor to lock and to sync."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def lock(self, directory: int) -> None:
        """Holds the directory as long as the descriptor is open."""
        fcntl.flock(directory, fcntl.LOCK_EX)  # a reader may be asking, for a moment, whether it is held

    def create(self, path: Path) -> int:
        """A new file that is only appended to."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o440)

    def reopen(self, path: Path) -> int:
        """Another open file of the same, to be synced apart: each is told of a failure once (errseq_t in the kernel)."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def write(self, file: int, data: bytes) -> int:
        """Appends what there is room for, and says how much."""
        return os.write(file, data)

    def sync(self, file: int) -> None:
        """The file's bytes are on disk afterwards. Never to be asked again where it failed: the kernel calls the pages
        clean then, and a second call succeeds though nothing was written (fsync(2), PostgreSQL's wiki "Fsync Errors").
        """
        os.fdatasync(file)

    def sync_directory(self, directory: int) -> None:
        """The names in it are on disk afterwards."""
        os.fsync(directory)

    def reserve(self, path: Path, nbytes: int) -> None:
        """A file that takes up so much room; none where there is less."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, nbytes)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(file)

    def remove(self, path: Path) -> None:
        """unlink(2)"""
        os.unlink(path)

    def remove_directory(self, path: Path) -> None:
        """rmdir(2)"""
        os.rmdir(path)

    def duplicate(self, file: int) -> int:
        """Another descriptor of the same open file."""
        return os.dup(file)

    def close(self, descriptor: int) -> None:
        """close(2)"""
        os.close(descriptor)

    def size(self, file: int) -> int:
        """The file's length in bytes."""
        return os.fstat(file).st_size

    def boot(self) -> str:
        """The kernel's name for this boot."""
        return boot_id()

    def check(self, descriptor: int, path: Path) -> None:
        """Raises FileNotFoundError where the path does not lead to what was opened: it was removed, moved or covered."""
        here, there = os.fstat(descriptor), os.stat(path)
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise FileNotFoundError(2, "another file has taken its place", str(path))


@dataclass(slots=True)
class Sync:
    """One background sync: made by `begin_sync`, run on any thread, given back to `end_sync`."""

    disk: Disk
    file: int  # a descriptor of its own
    segment: int
    since: int  # bytes known to be on disk before
    length: int  # and after, where there is no fault
    fault: OSError | None = None

    def run(self) -> None:
        """Waits for the disk. Does not raise."""
        try:
            self.disk.sync(self.file)
        except OSError as fault:
            self.fault = fault
        finally:
            self.disk.close(self.file)


def make_directories(disk: Disk, path: Path) -> None:
    """Makes what is missing of a path, each name on disk before what is below it."""
    if path.exists():
        return
    make_directories(disk, path.parent)
    try:
        disk.make_directory(path)
    except FileExistsError:  # another process was quicker
        return
    try:
        sync_names(disk, path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            disk.remove_directory(path)
        raise


def sync_names(disk: Disk, path: Path) -> None:
    """The names in a directory are on disk afterwards."""
    directory = disk.open_directory(path)
    try:
        disk.sync_directory(directory)
    finally:
        disk.close(directory)


def unavailable(fault: OSError) -> Unavailable:
    """What a statement is told whose record could not be written."""
    full = fault.errno in FULL
    return Unavailable(
        Refused(
            State.DISK_FULL if full else State.AUDIT,
            "the audit's disk is full" if full else "the audit record could not be written",
            _HINT,
            "audit",
        )
    )


def boot_id() -> str:
    """The kernel's name for this boot, empty where there is none (proc_sys_kernel(5), random/boot_id)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
