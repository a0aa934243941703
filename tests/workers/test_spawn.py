"""What holds in a forked child before its work begins."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from workers.spawn import fork, threads

ROOT = Path(__file__).parents[2]


def code_of(work: Callable[[], int], *not_for_child: socket.socket, orphaned: bool = False) -> int:
    """What a forked child's work returned. It is forked by a process that has one thread, as this one may not have (where
    several processes share the tests). `orphaned`: the supervisor's end of the pipe is closed already."""

    def supervisor() -> int:
        read, write = os.pipe()
        if orphaned:
            os.close(write)
        return os.waitstatus_to_exitcode(os.waitpid(fork(work, read, not_for_child), 0)[1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the middle one only forks
        middle = os.fork()
    if middle == 0:
        code = 99
        with suppress(BaseException):
            code = supervisor()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(middle, 0)[1])


def test_the_childs_result_is_its_exit_code() -> None:
    assert code_of(lambda: 7) == 7


def test_an_exception_is_shown_and_ends_the_child_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise AssertionError("a bug")

    assert code_of(work) == 1
    assert "AssertionError: a bug" in capfd.readouterr().err


def test_an_exit_in_the_work_does_not_unwind_the_supervisor() -> None:
    assert code_of(lambda: sys.exit(5)) == 1  # SystemExit is no way out of a worker


def test_what_is_not_for_the_child_is_closed_there_and_open_here() -> None:
    kept, withheld = socket.socketpair()
    fd = withheld.fileno()

    def work() -> int:
        try:
            os.fstat(fd)
        except OSError:
            return 0
        return 1

    assert code_of(work, withheld) == 0
    assert os.fstat(fd)
    kept.close()
    withheld.close()


def test_a_child_writes_no_core_file_and_hears_no_operator() -> None:
    def work() -> int:
        deaf = all(signal.getsignal(number) == signal.SIG_IGN for number in (1, 2, 10, 12, 15))
        free = not signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return 0 if deaf and free and resource.getrlimit(resource.RLIMIT_CORE)[0] == 0 else 1

    assert code_of(work) == 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_child_whose_supervisor_is_gone_already_does_no_work() -> None:
    assert code_of(lambda: 0, orphaned=True) == 1


def test_nothing_is_forked_beside_a_thread() -> None:
    let_go = threading.Event()
    other = threading.Thread(target=let_go.wait)
    before = threads()
    other.start()
    try:
        assert threads() == before + 1
        with pytest.raises(AssertionError, match="threads"):
            fork(lambda: 0, 0, [])
    finally:
        let_go.set()
        other.join()


def test_importing_all_of_a_worker_starts_no_thread() -> None:
    code = """
from workers import spawn, supervisor
spawn.prepare_environment()
spawn.worker_main()
print(spawn.threads())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
