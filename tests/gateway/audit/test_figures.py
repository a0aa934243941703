"""The figures of a period: each count and each exception from records that were made for it."""

from datetime import UTC

import pytest

from gateway.audit import figures as counting
from gateway.audit.figures import Figures, Terms, facts
from gateway.audit.records import ColumnsInfo, Declared, SessionInfo
from tests.gateway.audit.report_rig import DAY, HOUR, MONDAY_NOON, event, intent, outcome, ruling, who

TERMS = Terms(MONDAY_NOON, MONDAY_NOON + 7 * DAY, UTC, bulk_rows=100)


def counted(*entries: object, terms: Terms = TERMS) -> Figures:
    figures = Figures(terms)
    figures.feed(entries)  # type: ignore[arg-type]
    return figures


def test_statements_are_counted_by_decision_person_agent_and_rule() -> None:
    drop = ruling("DROP TABLE t", "DROP TABLE", "deny", rules=("no drops",))
    figures = counted(
        intent(1, MONDAY_NOON, who(), ruling()),
        intent(2, MONDAY_NOON, who("bob", "agent-7"), drop),
        intent(3, MONDAY_NOON, who("bob", "agent-7"), ruling("SELECT", decision="deny")),
        intent(4, MONDAY_NOON + DAY, who(), ruling("UPDATE t SET a = $1", "UPDATE", "hold", rules=("writes",))),
    )
    assert figures.decisions == {"allow": 1, "deny": 2, "hold": 1}
    assert figures.users == {"alice": 2, "bob": 2}
    assert figures.actors == {"agent-7": 2}
    assert figures.rules == {"no drops": 1, counting.NO_GRANT: 1}
    assert [each.id for each in figures.listed["deny"]] == ["db1-0.aabbccdd-2", "db1-0.aabbccdd-3"]
    assert figures.listed["hold"][0].what == "writes: UPDATE t SET a = $1"
    assert figures.listed["deny"][0].who == "bob > agent-7"


def test_only_the_period_counts_but_what_was_used_before_is_no_first_access() -> None:
    figures = counted(
        intent(1, MONDAY_NOON - 1, who(), ruling()),
        intent(2, MONDAY_NOON, who(), ruling()),
        intent(3, MONDAY_NOON + 1, who("bob"), ruling()),
        intent(4, MONDAY_NOON + 2, who("bob"), ruling()),
        intent(5, TERMS.until_ns, who("bob"), ruling()),
    )
    assert figures.counts["intents"] == 3
    assert [(each.id[-1], each.who) for each in figures.listed["first"]] == [("3", "bob")]


@pytest.mark.parametrize(
    ("later", "outside"),
    [(0, False), (6 * HOUR, False), (7 * HOUR, True), (19 * HOUR - 1, True), (19 * HOUR, False), (5 * DAY, True)],
)
def test_working_hours_are_monday_to_friday(later: int, outside: bool) -> None:
    figures = counted(intent(1, MONDAY_NOON + later, who(), ruling()))
    assert bool(figures.exceptions["off-hours"]) is outside


def test_rows_are_told_apart_by_mask_and_by_label() -> None:
    read = ruling(labels=(("public.customers.email", "email"), ("public.customers.phone", "phone")))
    masked = ColumnsInfo((("public.customers.email", "email", "redact"),), ("public.customers.phone",))
    clear = ColumnsInfo((), ("public.customers.email", "public.x.y"))
    figures = counted(
        outcome(2, MONDAY_NOON, who(), read, 5, masked),
        outcome(4, MONDAY_NOON, who("bob"), read, 7, clear),
        outcome(6, MONDAY_NOON + DAY, who(), read, 100),
        outcome(8, MONDAY_NOON + DAY, who(), read, 0, clear),
    )
    assert figures.masked_rows == {"email": 5}
    assert figures.clear_rows == {"phone": 5, "email": 7, "(label not on record)": 7}
    assert figures.disclosed["email", "bob"] == 7
    assert list(figures.rows_by_day.values()) == [[5, 7], [0, 100]]
    assert [each.id[-1] for each in figures.listed["bulk"]] == ["6"]
    assert figures.exceptions["disclosed"] == 2


def test_grants_tell_who_used_them_and_who_gave_them() -> None:
    figures = counted(intent(1, MONDAY_NOON, who(), ruling()), intent(2, MONDAY_NOON + HOUR, who("bob"), ruling()))
    use = figures.grants["analysts read production"]
    assert (use.statements, use.users, use.granted_by, use.reason) == (2, {"alice", "bob"}, "lead@example.com", "TICKET-1")
    assert use.last == "2024-01-01T13:00:00.000000Z"


def test_events_become_counts_and_exceptions() -> None:
    figures = counted(
        event(1, MONDAY_NOON, "session", who(), what="session opened"),
        event(2, MONDAY_NOON, "session", who("bob", "agent-7"), what="session opened"),
        event(3, MONDAY_NOON, "session", who("eve"), what="sign-in refused", why="the token has expired"),
        event(4, MONDAY_NOON, "session", who(), what="session closed", statements=3),
        event(5, MONDAY_NOON, "policy", what="policy in force", generation=1),
        event(6, MONDAY_NOON, "policy", what="policy published", generation=2),
        event(7, MONDAY_NOON, "system", what="audit failed", statements=4),
        event(8, MONDAY_NOON, "system", what="command", command="audit compress"),
        event(9, MONDAY_NOON, "approval", what="approved"),
        outcome(11, MONDAY_NOON, who(), ruling(), status="unresolved"),
    )
    counts = figures.counts
    assert (counts["sessions"], counts["sessions of agents"], counts["sessions closed"]) == (2, 1, 1)
    assert (counts["sign-ins refused"], counts["approval decisions"]) == (1, 1)
    assert {kind: count for kind, count in figures.exceptions.items() if count} == {
        "sign-in": 1, "policy": 1, "gap": 1, "command": 1, "unresolved": 1
    }  # fmt: skip
    assert figures.listed["policy"][0].what == "policy published; generation: 2"
    assert figures.listed["sign-in"][0].what == "the token has expired"


def test_weak_sessions_and_limited_sign_ins_are_counted() -> None:
    weak = SessionInfo("s1", "svc-a", method="scram", weak=True)
    opened = event(1, MONDAY_NOON, "session", weak, what="session opened")
    limited = event(2, MONDAY_NOON, "session", SessionInfo("", "", address="10.0.0.1"), what="sign-ins limited", count=41)
    figures = counted(opened, limited)
    assert (figures.counts["sessions signed in weakly"], figures.counts["sign-ins refused"]) == (1, 41)
    assert figures.exceptions["sign-in"] == 1


def test_changes_of_structure_and_rights_are_privileged_unless_refused() -> None:
    figures = counted(
        intent(1, MONDAY_NOON, who(), ruling("GRANT SELECT ON t TO x", "GRANT")),
        intent(2, MONDAY_NOON, who(), ruling("ALTER TABLE t ADD a int", "ALTER TABLE")),
        intent(3, MONDAY_NOON, who(), ruling("DROP TABLE t", "DROP TABLE", "deny")),
    )
    assert figures.exceptions["privileged"] == 2


def test_what_was_declared_otherwise_is_an_exception() -> None:
    entry = intent(1, MONDAY_NOON, who(), ruling())
    entry.declared = Declared("fix", effect="read", mismatch=("it writes",))
    figures = counted(entry)
    assert figures.listed["mismatch"][0].what == "it writes: SELECT $1::int4"


def test_memory_is_bounded_and_what_did_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "NAMES_MAX", 3)
    monkeypatch.setattr(counting, "PAIRS_MAX", 3)
    monkeypatch.setattr(counting, "LISTED_MAX", 2)
    long = ruling("SELECT " + "x" * 10_000)
    figures = counted(*(intent(seq, MONDAY_NOON + 8 * HOUR, who(f"u{seq}"), long) for seq in range(9)))
    assert figures.users == {"u0": 1, "u1": 1, "u2": 1, counting.OTHERS: 6}
    assert figures.crowded
    assert (len(figures.listed["off-hours"]), figures.exceptions["off-hours"]) == (2, 9)
    assert len(figures.listed["off-hours"][0].what) == counting.TEXT_MAX + 1


def test_facts_of_an_event_stand_in_one_line() -> None:
    assert facts({"what": "worker ended", "pid": 7}) == "worker ended; pid: 7"
    assert facts({"state": "full"}) == "state: full"
