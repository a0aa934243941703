"""Events of sessions: on disk at once, or it is said that they are not."""

from pathlib import Path

import pytest

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refused, State, Unavailable
from tests.workers.audit_rig import entries
from workers.audit_log import AuditLog
from workers.session_events import note, put

CARD = SessionCard(SessionInfo("s1", "ada"))


class Full:
    """A log whose disk is full."""

    health = "ok"

    def __init__(self, log: AuditLog) -> None:
        self.chain = log.chain

    def commit(self) -> None:
        raise Unavailable(Refused(State.AUDIT, "the audit cannot be written"))


def test_an_event_is_on_disk_when_it_was_put(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    put(log, "session opened", CARD)
    note(log, "cancel refused", CARD, {"why": "no session"})
    kept = [(one.kind, one.data) for one in entries(tmp_path)]
    log.close()
    assert kept == [
        ("session", {"what": "session opened"}),
        ("session", {"what": "cancel refused", "why": "no session"}),
    ]


def test_what_hangs_on_a_record_does_not_happen_without_it_and_the_rest_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    full = Full(log)
    with pytest.raises(Unavailable):
        put(full, "session opened", CARD)  # type: ignore[arg-type]
    note(full, "cancel refused", CARD, {})  # type: ignore[arg-type]
    assert "the audit cannot be written" in caplog.text
    assert list(entries(tmp_path)) == []
    log.commit()
    assert len(list(entries(tmp_path))) == 2, "they waited there"
    log.close()
