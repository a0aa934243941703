"""Sign-ins that were refused without a look, put on record in bulk: one record a second and address, with how many there
were."""

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.identity.throttle import host_of
from workers.audit_log import AuditLog
from workers.session_events import note

ADDRESSES_MAX = 1024  # counted apart until they are put on record; the rest is counted together
OTHERS = "others"
_SECOND = 1.0


class LimitedSignIns:
    """Those of one worker."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._counts: dict[str, int] = {}
        self._since = 0.0

    def add(self, address: str, now: float) -> None:
        host = host_of(address)
        if not self._counts:
            self._since = now
        elif host not in self._counts and len(self._counts) >= ADDRESSES_MAX:
            host = OTHERS
        self._counts[host] = self._counts.get(host, 0) + 1

    def put(self, now: float, *, all_of_them: bool = False) -> None:
        """Puts on record what has come up for a second; called about twice a second."""
        if not self._counts or (now - self._since < _SECOND and not all_of_them):
            return
        counts, self._counts = self._counts, {}
        for host, count in counts.items():
            who = SessionCard(SessionInfo("", "", address=host))
            note(self._audit, "sign-ins limited", who, {"why": "too many sign-ins had failed", "count": count})
