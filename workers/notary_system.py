"""The notary's own chain: what happens to the gateway itself, who changed its policy and how, what was deleted."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.audit.chain import Position
from gateway.audit.records import EventKind
from gateway.errors import Unavailable
from gateway.settings import Audit
from workers.audit_log import AuditLog
from workers.audit_trail import SYSTEM_WORKER

HELD: Final = 1000  # events kept while the chain cannot be begun; the oldest go first, and are counted


class SystemTrail:
    """The chain of system events of one notary. Where it cannot be written events wait, and nothing is raised."""

    def __init__(self, directory: Path, host: str, settings: Audit, clock: Callable[[], int]) -> None:
        self._directory, self._host, self._settings, self._clock = directory, host, settings, clock
        self._log: AuditLog | None = None
        self._waiting: deque[tuple[int, EventKind, dict[str, Any]]] = deque(maxlen=HELD)
        self._dropped = 0

    def record(self, kind: EventKind, data: Mapping[str, Any], time_ns: int = 0) -> None:
        """Puts an event down; `commit` writes it."""
        if len(self._waiting) == HELD:
            self._dropped += 1
        self._waiting.append((time_ns or self._clock(), kind, dict(data)))

    def commit(self) -> bool:
        """Writes what has gathered; False where that failed: it is kept, and written with the next commit."""
        try:
            if self._log is None:
                self._log = AuditLog(
                    self._directory,
                    self._host,
                    SYSTEM_WORKER,
                    self._settings.durability,
                    self._settings.segment_bytes,
                    "continue",
                    self._clock,
                    reserve_bytes=0,  # nobody waits for what is said here
                )
            self._hand_over(self._log)
            self._log.commit()
        except Unavailable:
            return False
        return self._log.health == "ok"

    def position(self) -> Position | None:
        """How far the chain is promised."""
        return self._log.position() if self._log is not None else None

    def close(self) -> None:
        """Ends the chain."""
        self.commit()
        if self._log is not None:
            try:
                self._log.close()
            except Unavailable:
                return

    def _hand_over(self, log: AuditLog) -> None:
        if self._dropped:
            log.chain.event(self._clock(), "system", {"what": "events dropped", "count": self._dropped})
            self._dropped = 0
        while self._waiting:
            log.chain.event(*self._waiting.popleft())
