"""What the audit's tests stand on: cards, a clock, and what was written as it is read back and proven."""

from pathlib import Path

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.query import Entry
from gateway.audit.records import Declared, RulingInfo, SessionInfo
from gateway.audit.verify import ChainCheck
from workers import audit_trail
from workers.audit_log import AuditLog

T = 1_700_000_000_000_000_000
SECOND = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = T

    def __call__(self) -> int:
        return self.now


LITERALS = b"\xab" * 8
SAID = Declared("late orders", ("public.orders",), "read", "T-12", "session")


class Cards:
    def __init__(self) -> None:
        self.who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        self.what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))

    def ask(self, log: AuditLog) -> int:
        return log.chain.intent(T, self.who, self.what, literals=LITERALS, declared=SAID)

    def answer(self, log: AuditLog, intent: int) -> None:
        log.chain.outcome(T, intent, "ok", 1, 2, None, "SELECT", "", 5)


def checks(directory: Path) -> list[ChainCheck]:
    said = audit_trail.recoveries(directory)
    done = []
    for chain in audit_trail.chains(directory):
        check = ChainCheck(chain.id)
        for number, data, following in audit_trail.segment_bytes(chain, chain.segments()):
            check.segment(number, data, following)
        check.end(chain.is_live(), said.get(chain.id))
        done.append(check)
    return done


def grades(directory: Path) -> set[str]:
    return {each.grade for check in checks(directory) for each in check.findings}


def entries(directory: Path) -> list[Entry]:
    return list(audit_trail.read_all(directory))


def lone(log: AuditLog) -> audit_trail.ChainFiles:
    return audit_trail.ChainFiles(log.path)
