"""The run folder's lock between real processes, and its sockets."""

import os
import socket
import stat
from pathlib import Path

import pytest

from workers.run_folder import AlreadyRunning, RunFolder


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run").mkdir(mode=0o755)
    folder = RunFolder.make(tmp_path / "var" / "run")
    assert stat.S_IMODE((tmp_path / "var" / "run").stat().st_mode) == 0o700
    folder.close()


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    first, second = RunFolder.make(tmp_path), RunFolder.make(tmp_path)
    first.lock()
    with pytest.raises(AlreadyRunning, match="another gateway is running"):
        second.lock()
    first.close()
    second.lock()
    second.close()


def test_the_lock_of_a_killed_process_is_free_before_anybody_reaps_it(tmp_path: Path) -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        folder = RunFolder(tmp_path)
        folder.lock()
        os.write(write, b"x")
        while True:
            os.read(read, 0)
    assert os.read(read, 1) == b"x"
    os.kill(pid, 9)
    folder = RunFolder(tmp_path)
    folder.lock()  # the killed process is a zombie of ours still
    folder.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    os.close(read)
    os.close(write)


def test_a_child_that_closes_its_copy_does_not_keep_the_lock(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        folder.close()
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    folder.close()
    successor = RunFolder(tmp_path)
    successor.lock()
    successor.close()
    os.close(write)
    os.waitpid(pid, 0)
    os.close(read)


def test_sockets_may_lie_deeper_than_a_socket_path_is_long(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 60] * 4)
    folder = RunFolder.make(deep)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(folder.socket_path("x.sock"))
        listening.listen()
        client.connect(folder.socket_path("x.sock"))
    assert (deep / "x.sock").is_socket()
    folder.close()
