"""What becomes of sealed segments: compressed on request, and deleted when their time is up."""

import contextlib
import os
from pathlib import Path
from typing import Final

import zstandard

from workers.audit_index import index_path
from workers.audit_trail import COMPRESSED, ChainFiles, segment_path
from workers.notary_chain import Sealed, Watched

DAY_NS: Final = 86_400 * 1_000_000_000
_LEVEL: Final = 6
_WINDOW: Final = 1 << 20
_RESERVE: Final = "reserve"


def outdated(watched: Watched, now_ns: int, days: int) -> list[Sealed]:
    """The oldest segments of a chain whose newest record is more than `days` ago. 0 days: none, for ever."""
    if not days or watched.alarmed:
        return []
    due: list[Sealed] = []
    for each in watched.sealed:
        if each.last_ns >= now_ns - days * DAY_NS:
            break
        due.append(each)
    return due


def remove_pruned(watched: Watched) -> None:
    """Deletes the files of segments that the log says are pruned, and the directory when nothing is to stay. Raises
    OSError.
    """
    path = watched.files.path
    for number in watched.files.segments():
        if number <= watched.pruned_to:
            file = segment_path(path, number)
            file.unlink(missing_ok=True)
            Path(f"{file}{COMPRESSED}").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody else's: it is asked no more
                index_path(watched.files, number).unlink(missing_ok=True)
    if watched.spent and path.exists() and not watched.files.is_live():
        (path / _RESERVE).unlink(missing_ok=True)
        path.rmdir()


def compress(chain: ChainFiles, number: int) -> tuple[int, int] | None:
    """Puts a compressed copy in the place of a sealed segment; bytes before and after. None where it is already
    compressed, or gone. Raises OSError; the segment is then as it was.
    """
    path = segment_path(chain.path, number)
    target = Path(f"{path}{COMPRESSED}")
    fresh = chain.path / f".{target.name}.new"
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        with source, fresh.open("wb") as file:
            before = os.fstat(source.fileno())
            packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
            packer.copy_stream(source, file, size=before.st_size, read_size=_WINDOW, write_size=_WINDOW)
            file.flush()
            os.fchmod(file.fileno(), 0o440)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
            os.fsync(file.fileno())
            after = os.fstat(file.fileno()).st_size
        fresh.replace(target)
        _sync(chain.path)
        path.unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    return before.st_size, after


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
