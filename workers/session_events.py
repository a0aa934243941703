"""Events of sessions for the record, on disk at once."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from gateway.audit.defined import SessionCard
from gateway.errors import Refusal
from workers.audit_log import AuditLog

NOTHING_MORE: Final[Mapping[str, Any]] = {}
log = logging.getLogger("sluice.standing")


def put(audit: AuditLog, what: str, card: SessionCard, more: Mapping[str, Any] = NOTHING_MORE) -> None:
    """Puts an event of a session on record. Raises Unavailable where the audit cannot be written."""
    audit.chain.event(time.time_ns(), "session", {"what": what, **more}, card)
    audit.commit()


def note(audit: AuditLog, what: str, card: SessionCard, more: Mapping[str, Any]) -> None:
    """As `put`, where nothing hangs on the record. While the audit cannot be written it waits there."""
    audit.chain.event(time.time_ns(), "session", {"what": what, **more}, card)
    if audit.health != "ok":
        return
    try:
        audit.commit()
    except Refusal as refusal:
        log.error("the audit cannot be written: %s", refusal.refused.message)
