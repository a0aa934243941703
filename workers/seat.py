"""A slot and the worker in it, as the supervisor sees them. Times are of the monotonic clock, in seconds."""

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any

from workers.slab import Counter, Row
from workers.slot import ToWorker, send

STALE_SECONDS = 5.0  # without a turn of the relay: SIGABRT, for a traceback
ABORT_SECONDS = 2.0  # after that: SIGKILL
BOOT_SECONDS = 20.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.1, 5.0
STEADY_SECONDS = 2.0  # a worker that served so long did not die of its start: the back-off begins anew


@dataclass
class Child:
    """A running worker."""

    pid: int
    control: socket.socket
    started: float
    ready_at: float | None = None
    acked: int = 0  # the newest policy version it has on its shelf
    abort_at: float | None = None
    why: str = ""  # its last words
    listening: bool = True  # False once its end of the control socket is closed

    def kill(self, number: signal.Signals) -> None:
        """Send a signal; the pid cannot be another's, because only we reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def abort(self, now: float) -> None:
        """Ask for a traceback (faulthandler), which ends it; where it does not, SIGKILL is due a little later."""
        self.abort_at = now + ABORT_SECONDS
        self.kill(signal.SIGABRT)

    def tell(self, message: ToWorker, fd: int | None = None) -> None:
        """Send a message. A worker that does not read its messages hangs, and is killed; a dead one is left
        to the reaper."""
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it may have left last words: go on listening
            try:
                send(self.control, message, fd)
            except BlockingIOError:
                self.kill(signal.SIGKILL)


@dataclass
class Seat:
    """A slot: its listener lives on, its workers come and go."""

    index: int
    listener: socket.socket
    row: Row
    incarnation: int = 0
    child: Child | None = None
    retry_at: float = 0.0
    retry_seconds: float = RETRY_SECONDS_MIN

    def silence_seconds(self, child: Child, awake_since: float, now: float) -> float:
        """How long the worker gave no sign. Before `awake_since` the supervisor itself was stopped, and
        judges nobody by that time."""
        beat = self.row.get(Counter.BEAT) / 1e9
        return now - max(beat, child.ready_at or child.started, awake_since)

    def hangs(self, child: Child, awake_since: float, now: float) -> bool:
        """Whether the relay's turn stands still, or the start does."""
        limit = BOOT_SECONDS if child.ready_at is None else STALE_SECONDS
        return self.silence_seconds(child, awake_since, now) > limit

    def back_off(self, child: Child, now: float) -> None:
        """Decide when the successor starts."""
        if child.ready_at is not None and now - child.ready_at > STEADY_SECONDS:
            self.retry_seconds = RETRY_SECONDS_MIN
        self.retry_at = now + self.retry_seconds
        self.retry_seconds = min(RETRY_SECONDS_MAX, self.retry_seconds * 2)

    def describe(self, now: float) -> dict[str, Any]:
        """For `sluice status`: who sits here, since when nothing was heard (seconds), and the row's counters."""
        child = self.child
        beat = self.row.get(Counter.BEAT) / 1e9
        return {
            "slot": self.index,
            "pid": child.pid if child else None,
            "incarnation": self.incarnation,
            "state": "gone" if child is None else "ready" if child.ready_at else "starting",
            "beat_age_seconds": round(max(0.0, now - beat), 3) if beat else None,
            **{
                counter.name.lower(): self.row.get(counter)
                for counter in Counter
                if counter is not Counter.BEAT
            },
        }
