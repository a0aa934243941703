"""Forking a worker: what must hold between fork(2) and the worker's own main."""

import contextlib
import ctypes
import faulthandler
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.errors import ConfigError
from workers.slot import BOOT_FAILED, BootFailed, Failed, Slot, send

WorkerMain = Callable[[Slot], int]
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)
# The supervisor alone hears the operator: a Ctrl-C reaches the whole process group, and a drain is told over
# the control socket.
_DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Closable(Protocol):
    """What the supervisor holds and a worker must not."""

    def close(self) -> None: ...


class Descriptor:
    """A bare descriptor among things that can be closed."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def threads() -> int:
    """How many threads this process has; a fork with more than one may copy a lock that nobody will ever
    release."""
    return len(os.listdir("/proc/self/task"))


def fork_worker(slot: Slot, main: WorkerMain, not_for_child: Iterable[Closable]) -> int:
    """Fork, run `main(slot)` in the child and exit with what it returns; the child's pid for the parent.

    BootFailed and ConfigError in `main` are reported over the control socket and exit with BOOT_FAILED.
    """

    def work() -> int:
        faulthandler.enable()  # SIGABRT is how the supervisor asks a hanging worker where it hangs
        try:
            return main(slot)
        except (BootFailed, ConfigError) as error:
            with contextlib.suppress(OSError):
                send(slot.control, Failed(str(error)))
            return BOOT_FAILED

    return fork(work, slot.parent_fd, not_for_child)


def fork(work: Callable[[], int], parent_fd: int, not_for_child: Iterable[Closable]) -> int:
    """Fork; the child closes `not_for_child`, runs `work` and exits with what it returns, or 1 when it raises.

    What is not closed would outlive its owner: a sibling's listener its worker, the lock its supervisor.
    """
    assert threads() == 1, "the supervisor must not have threads when it forks"
    sys.stdout.flush()
    sys.stderr.flush()
    # No signal may arrive in the child before it has left the supervisor's wake-up socket.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _be_child(parent_fd, not_for_child, mask)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _be_child(parent_fd: int, not_for_child: Iterable[Closable], mask: set[int]) -> None:
    _die_with_supervisor(parent_fd)
    signal.set_wakeup_fd(-1)
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for each in not_for_child:
        each.close()
    # A core file would hold rows and tokens.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _die_with_supervisor(parent_fd: int) -> None:
    """The kernel kills us when the supervisor goes. It may have gone before the kernel was asked: then the
    pipe has ended."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if select.select([parent_fd], [], [], 0)[0]:
        os._exit(1)


def prepare_environment() -> dict[str, str]:
    """Make the process's environment one to fork in; what it was before.

    libpq's variables go: nothing may connect where the environment says. So does the service manager's address.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("PG") or name == "NOTIFY_SOCKET":
            del os.environ[name]
    # numpy's OpenBLAS would start threads as it is imported, and we must fork.
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
    return before


def worker_main() -> WorkerMain:
    """Imported before the forks, so that all workers share its pages and a successor is quickly there. So is the scanner
    made, which takes a third of a second: no first row waits for it."""
    from gateway.masking.scanner import scanner
    from workers import process

    scanner()
    return process.run
