"""Entries as a period would hold them, made by hand."""

from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, GrantInfo, Outcome, RulingInfo, SessionInfo

MONDAY_NOON = 1_704_110_400_000_000_000  # 2024-01-01T12:00:00Z
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
GRANT = GrantInfo("analysts read production", "lead@example.com", "TICKET-1")


def who(user: str = "alice", *actors: str) -> SessionInfo:
    return SessionInfo(
        *(f"s-{user}", user, "https://idp", ("analysts",), actors, "10.0.0.9:5000", "psql"),
        *("prod", "production", "app_ro", "tok"),
    )


def ruling(statement: str = "SELECT $1::int4", kind: str = "SELECT", decision: str = "allow", **more: object) -> RulingInfo:
    facts = {"tables": ("public.customers",), "grant": None if decision == "deny" else GRANT} | more
    return RulingInfo(3, "ab" * 32, statement, "ff", (kind,), decision=decision, **facts)  # type: ignore[arg-type]


def intent(seq: int, time_ns: int, session: SessionInfo, what: RulingInfo) -> Entry:
    return Entry("db1-0.aabbccdd", seq, time_ns, "intent", session, what, (("ticket", "T-1"),))


def outcome(
    seq: int, time_ns: int, session: SessionInfo, what: RulingInfo, rows: int = 0, columns: ColumnsInfo | None = None,
    status: str = "ok", sqlstate: str = "",
) -> Entry:  # fmt: skip
    said = Outcome(seq - 1, status, rows, rows * 10, 1 if columns else 0, "SELECT", sqlstate, 500)  # type: ignore[arg-type]
    entry = Entry("db1-0.aabbccdd", seq, time_ns, "outcome", session, what, (("ticket", "T-1"),))
    entry.intent, entry.outcome, entry.columns = f"db1-0.aabbccdd-{seq - 1}", said, columns
    return entry


def event(seq: int, time_ns: int, kind: str, session: SessionInfo | None = None, **data: object) -> Entry:
    return Entry("db1-0.aabbccdd", seq, time_ns, kind, session, data=data)
