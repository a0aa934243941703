"""The system calls of the audit's writer, on the real disk."""

import errno
import os
from pathlib import Path

import pytest

from tests.workers.relay_rig import no_file_grows
from workers.audit_disk import Disk, Sync, boot_id, make_directories, unavailable


def test_a_file_is_there_once_and_is_only_appended_to(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "one"
    file = disk.create(path)
    assert (disk.write(file, b"ab"), disk.write(file, b"c")) == (2, 1)
    os.lseek(file, 0, os.SEEK_SET)
    disk.write(file, b"d")
    assert path.read_bytes() == b"abcd"
    assert disk.size(file) == 4
    disk.sync(file)
    disk.close(file)
    with pytest.raises(FileExistsError):
        disk.create(path)


def test_a_look_tells_a_file_that_was_moved_removed_or_replaced(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "one"
    file = disk.create(path)
    disk.check(file, path)
    path.rename(tmp_path / "two")
    with pytest.raises(FileNotFoundError):
        disk.check(file, path)
    path.write_text("")
    with pytest.raises(FileNotFoundError):
        disk.check(file, path)
    path.unlink()
    (tmp_path / "two").rename(path)
    disk.check(file, path)
    disk.close(file)


def test_the_reserve_takes_its_room_or_nothing(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "reserve"
    disk.reserve(path, 65536)
    assert path.stat().st_blocks * 512 >= 65536
    disk.remove(path)
    with no_file_grows(), pytest.raises(OSError, match="File too large"):
        disk.reserve(path, 65536)
    assert not path.exists()


def test_directories_are_made_from_the_top_and_each_name_is_synced(tmp_path: Path) -> None:
    done: list[str] = []

    class Watched(Disk):
        def make_directory(self, path: Path) -> None:
            done.append(f"make {path.name}")
            super().make_directory(path)

        def sync_directory(self, directory: int) -> None:
            done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{directory}')).name}")
            super().sync_directory(directory)

    make_directories(Watched(), tmp_path / "a" / "b")
    assert done == ["make a", f"sync {tmp_path.name}", "make b", "sync a"]
    make_directories(Watched(), tmp_path / "a" / "b")
    assert len(done) == 4


def test_a_background_sync_says_how_it_went_and_closes_its_descriptor(tmp_path: Path) -> None:
    disk = Disk()
    file = disk.create(tmp_path / "one")
    sync = Sync(disk, disk.duplicate(file), 0, 0, 4)
    sync.run()
    assert sync.fault is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(sync.file)
    sync = Sync(disk, os.pipe()[0], 0, 0, 4)  # fdatasync(2): EINVAL for what cannot be synced
    sync.run()
    assert isinstance(sync.fault, OSError)
    disk.close(file)


@pytest.mark.parametrize(
    ("number", "sqlstate"),
    [(errno.ENOSPC, "53100"), (errno.EDQUOT, "53100"), (errno.EIO, "58030"), (errno.EROFS, "58030")],
)
def test_a_full_disk_is_told_from_a_broken_one(number: int, sqlstate: str) -> None:
    assert unavailable(OSError(number, "")).refused.sqlstate == sqlstate


def test_the_boot_has_a_name() -> None:
    assert boot_id() == boot_id() != ""
