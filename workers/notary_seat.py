"""The notary as the supervisor sees it: started, told, heard, started again when it died."""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.audit.records import EventKind, encode_bounded
from workers import notary_link
from workers.companion import Companion
from workers.notary_link import Finish, Happened, Message, Report, Reread

FACTS_BYTES: Final = 32 * 1024  # of one event, so that it always fits the socket
HELD: Final = 1000  # messages kept while it cannot be told; the oldest go first
FINISH_SECONDS: Final = 10.0  # for the last signatures, when all workers have ended


@dataclass(frozen=True, slots=True)
class _Told:
    message: Message
    then: Callable[[], None] | None = None


class NotarySeat:
    """`main` is what the notary's process runs, given its end of the control socket; its result is the exit code."""

    def __init__(self, main: Callable[[socket.socket], int]) -> None:
        self.process = Companion("notary", main)
        self._waiting: deque[_Told] = deque(maxlen=HELD)
        self._unheard: deque[_Told] = deque(maxlen=HELD)  # told to this one, and not yet on record
        self._heard = 0
        self._report: Report | None = None
        self._finish_by = 0.0

    def happened(self, kind: EventKind, what: str, **facts: Any) -> None:
        """Something for the record of the gateway itself. Never waits. What the operator asked for is `by` a "signal": the
        kernel does not say whose.
        """
        self.told(kind, {"what": what, **facts})

    def told(self, kind: EventKind, data: dict[str, Any], then: Callable[[], None] | None = None) -> None:
        """As `happened`; `then` is called once it is on record."""
        data = msgspec.msgpack.decode(encode_bounded(data, FACTS_BYTES))
        self._tell(Happened(kind, data, time.time_ns()), then)

    def published(self, generation: int, digest: bytes, changes: dict[str, Any] | None, by: str = "signal") -> None:
        """Which policy is in force from now on, and what it changes; None for the first."""
        facts = {"generation": generation, "policy": digest.hex()}
        if changes is None:
            self.happened("policy", "policy in force", **facts)
        else:
            self.happened("policy", "policy published", **facts, changes=changes, by=by)

    def reread(self) -> None:
        """The operator wants files read again."""
        self._tell(Reread())

    def finish(self, now: float) -> bool:
        """Asks it, once, to sign the rest and to end; True when it has ended, or had its time."""
        if not self.process.ending:
            self.process.ending = True
            self._finish_by = now + FINISH_SECONDS
            self._tell(Finish())
        return not self.process.pid or now >= self._finish_by

    def turn(self) -> None:
        """Hears what it says, and tells what waits."""
        control = self.process.control
        if control is None:
            return
        with contextlib.suppress(OSError):
            while (message := notary_link.receive(control)) is not None:
                if isinstance(message, Report):
                    self._hear(message)
            self.process.deaf()
        while self._waiting:
            try:
                control.send(notary_link.encode(self._waiting[0].message))
            except OSError:  # it does not read, or has ended
                return
            told = self._waiting.popleft()
            if isinstance(told.message, Happened):
                self._unheard.append(told)

    def buried(self, pid: int, code: int, now: float) -> bool:
        """Whether this dead child was the notary; a successor is then due, later and later."""
        if pid == self.process.pid:
            self.turn()  # its last words
            self._remember()
        return self.process.buried(pid, code, now)

    def end(self) -> None:
        """Leave nobody behind; what it was told it may still write."""
        if self.process.pid:
            self.finish(0.0)
        self.process.end()

    def describe(self) -> dict[str, Any]:
        """For `sluice status`: when the trail was last signed (seconds ago, None for never), and what is wrong."""
        report = self._report
        if report is None:
            return {"signed_age_seconds": None, "notary": self._state(), "alarms": 0, "alarm": None}
        age = round(max(0.0, time.time() - report.signed_ns / 1e9), 1) if report.signed_ns else None
        return {
            "signed_age_seconds": age,
            "notary": report.unsigned or self._state(),
            "key": report.key or None,
            "alarms": report.alarms,
            "alarm": report.alarm or None,
        }

    def _remember(self) -> None:
        """What it did not put on record its successor is told again."""
        self._waiting.extendleft(reversed(self._unheard))
        self._unheard.clear()
        self._heard = 0

    def _state(self) -> str:
        return "signing" if self.process.pid else "gone"

    def _tell(self, message: Message, then: Callable[[], None] | None = None) -> None:
        self._waiting.append(_Told(message, then))
        self.turn()

    def _hear(self, report: Report) -> None:
        self._report = report
        for _ in range(min(report.heard - self._heard, len(self._unheard))):
            then = self._unheard.popleft().then
            if then is not None:
                then()
        self._heard = report.heard
