"""A trail on disk as a gateway writes it, with something of everything that exports and reports speak of."""

from pathlib import Path

from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, GrantInfo, RulingInfo, SessionInfo
from workers.audit_log import AuditLog

BEGIN = 1_704_110_400_000_000_000  # 2024-01-01T12:00:00Z, a Monday
MINUTE = 60_000_000_000
UNTIL = "2024-01-02T00:00:00Z"
SINCE = "2024-01-01T00:00:00Z"
HOSTILE = "</td><script>alert(1)</script>\t\"]\\"
_GRANT = GrantInfo("analysts read production", "lead@example.com", "TICKET-1")
_EMAIL = "public.customers.email"


def session(user: str, *actors: str) -> SessionCard:
    who = (f"s-{user}", user, "https://idp", ("analysts", "all"), actors, "10.0.0.9:5000", HOSTILE)
    return SessionCard(SessionInfo(*who, "prod", "production", "app_ro", "tok-1"))


def ruling(statement: str, kind: str, decision: str = "allow", rules: tuple[str, ...] = ()) -> RulingCard:
    columns = (_EMAIL,) if kind == "SELECT" else ()
    grant = _GRANT if decision == "allow" else None
    what = (statement, "ff01", (kind,), ("public.customers",), columns, (), decision, rules, grant)
    return RulingCard(RulingInfo(2, "ab" * 32, *what, labels=((_EMAIL, "email"),) if columns else ()))


def write(directory: Path, statements: int = 40, segment_bytes: int = 1 << 20, host: str = "db1") -> None:
    """`statements` a minute apart: reads masked and in clear, writes, refused ones; sign-ins and a policy change."""
    log = AuditLog(directory, host, 0, "process", segment_bytes, "refuse", lambda: BEGIN)
    chain = log.chain
    people = [session("alice"), session("bob", "agent-7"), session(f"eve{HOSTILE}")]
    shapes = [
        (ruling("SELECT email FROM customers WHERE id = $1::int4", "SELECT"), "ok", 3, ""),
        (ruling("UPDATE customers SET email = $1::text", "UPDATE"), "ok", 1, ""),
        (ruling("DROP TABLE customers", "DROP TABLE", "deny", ("no drops",)), "refused", 0, "42501"),
        (ruling("SELECT email FROM customers", "SELECT"), "error", 0, "57014"),
    ]
    shown = [ColumnsCard(ColumnsInfo(((_EMAIL, "email", "redact"),))), ColumnsCard(ColumnsInfo((), (_EMAIL,)))]
    chain.event(BEGIN, "system", {"what": "worker ready", "generation": 2})
    chain.event(BEGIN, "policy", {"what": "policy published", "generation": 2, "changes": {"added": [HOSTILE]}})
    for person in people:
        chain.event(BEGIN, "session", {"what": "session opened"}, person)
    chain.event(BEGIN, "session", {"what": "sign-in refused", "why": "the token has expired"}, people[2])
    for number in range(statements):
        now, (what, state, rows, code) = BEGIN + number * MINUTE, shapes[number % 4]
        intent = chain.intent(now, people[number % 3], what, (("ticket", "T-1"),))
        columns = shown[number % 8 == 0] if rows == 3 else None
        chain.outcome(now + 5_000, intent, state, rows, rows * 9, columns, what.info.kinds[0], code, 5)  # type: ignore[arg-type]
        log.commit()
    chain.event(BEGIN + statements * MINUTE, "session", {"what": "session closed", "statements": 4, "refused": 1}, people[0])
    log.commit()
    log.close()
