"""A process beside the workers, as the supervisor keeps it: forked, heard, ended, and started again when it died."""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from workers.control import pair
from workers.spawn import Closable, fork

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 10.0
STEADY_SECONDS: Final = 5.0
END_SECONDS: Final = 1.0
log = logging.getLogger("sluice")


class Companion:
    """`main` is what the process runs, given its end of the control socket; its result is the exit code. Once `ending` no
    successor is due."""

    def __init__(self, name: str, main: Callable[[socket.socket], int]) -> None:
        self.name = name
        self._main = main
        self.pid = 0  # 0: none runs
        self.control: socket.socket | None = None
        self.ending = False
        self.restarts = 0
        self._selector: selectors.BaseSelector | None = None
        self._hear: Callable[[], None] = lambda: None
        self._started = self._retry_at = 0.0
        self._retry_seconds = RETRY_SECONDS_MIN

    def watch(self, selector: selectors.BaseSelector, hear: Callable[[], None]) -> None:
        """Has `hear` called by the selector's owner whenever it has said something, and once more when it has died."""
        self._selector, self._hear = selector, hear

    def start(self, parent_fd: int, not_for_child: Iterable[Closable], now: float) -> None:
        """Forks it."""
        ours, theirs = pair()
        self.pid = fork(lambda: self._main(theirs), parent_fd, [ours, *not_for_child])
        theirs.close()
        self.control, self._started = ours, now
        if self._selector is not None:
            self._selector.register(ours, selectors.EVENT_READ, self._hear)

    def deaf(self) -> None:
        """It says nothing more: its socket would be readable for ever."""
        if self._selector is not None and self.control is not None and self.control in self._selector.get_map():
            self._selector.unregister(self.control)

    def due(self, now: float) -> bool:
        """Whether it should run and does not."""
        return not self.pid and now >= self._retry_at and not self.ending

    def buried(self, pid: int, code: int, now: float) -> bool:
        """Whether this dead child was it; a successor is then due, later and later."""
        if pid != self.pid:
            return False
        self._hear()  # its last words
        self._forget()
        if not self.ending or code:
            log.error("the %s ended with %s", self.name, f"signal {-code}" if code < 0 else f"exit code {code}")
            self.restarts += 1
        if now - self._started > STEADY_SECONDS:
            self._retry_seconds = RETRY_SECONDS_MIN
        self._retry_at = now + self._retry_seconds
        self._retry_seconds = min(RETRY_SECONDS_MAX, self._retry_seconds * 2)
        return True

    def end(self) -> None:
        """Waits a moment for its end, and then makes it."""
        self.ending = True
        if not self.pid:
            return
        give_up = time.monotonic() + END_SECONDS
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > give_up:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.01)
        self._forget()

    def _forget(self) -> None:
        if self.control is not None:
            self.deaf()
            self.control.close()
        self.control, self.pid = None, 0
