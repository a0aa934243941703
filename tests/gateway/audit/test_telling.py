"""A session as a story."""

from typing import Any

from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, Declared, Outcome, RulingInfo, SessionInfo
from gateway.audit.telling import Story

T = 1_700_000_000_000_000_000
WHO = ("s1", "alice", "idp", ("a",), ("agent-7",), "10.0.0.9:5", "psql", "prod", "production", "app", "j", "m", "r")
ALICE = SessionInfo(*WHO)
READ = RulingInfo(4, "abc", "SELECT", "ff", ("SELECT",), ("public.c",))
DROP = RulingInfo(4, "abc", "DROP", "fd", ("DROP TABLE",), ("public.c",), decision="deny", rules=("no drops",))


def story(*entries: Entry) -> list[dict[str, Any]]:
    told = Story()
    steps = [step for entry in entries for step in told.tell(entry)]
    return [*steps, *told.end()]


def event(seq: int, what: str, **facts: object) -> Entry:
    return Entry("db-0.ab", seq, T + seq * 10**9, "session", ALICE, data={"what": what, **facts})


def intent(seq: int, what: RulingInfo, declared: Declared | None = None) -> Entry:
    return Entry("db-0.ab", seq, T + seq * 10**9, "intent", ALICE, what, declared=declared)


def outcome(seq: int, of: Entry, status: Any = "ok", sqlstate: str = "") -> Entry:
    said = Outcome(of.seq, status, 3, 100, 0, "SELECT", sqlstate, 500)
    shown = ColumnsInfo((("public.c.e", "email", "redact"),), ("public.c.id",))
    return Entry(of.label, seq, T + seq * 10**9, "outcome", ALICE, of.ruling, (), "", b"", of.declared, of.id, said, shown)


def test_a_story_begins_with_who_and_ends_with_the_sums() -> None:
    read, drop, third = intent(2, READ, Declared("x", mismatch=("writes",))), intent(3, DROP), intent(6, READ)
    steps = story(
        event(1, "session opened"),
        read,
        drop,
        outcome(4, drop, "refused", "42501"),
        outcome(5, read),
        third,
        event(7, "session closed", statements=3, why="idle"),
    )
    assert [step["step"] for step in steps] == ["session", "event", *["statement"] * 2, "event", "statement", "end"]
    who, _, refused, shown, _, running, end = steps
    assert (who["user"], who["actor"], who["model"], who["client"]["address"]) == ("alice", ["agent-7"], "m", "10.0.0.9:5")
    assert (refused["number"], refused["rules"], refused["status"], refused["sqlstate"]) == (
        2,
        ["no drops"],
        "refused",
        "42501",
    )
    assert (shown["number"], shown["id"], shown["outcome"]) == (1, "db-0.ab-2", "db-0.ab-5")
    assert shown["columns_masked"] == [{"column": "public.c.e", "label": "email", "mask": "redact"}]
    assert (running["number"], running["status"]) == (3, "running")
    assert end == {
        "step": "end",
        "statements": 3,
        "refused": 1,
        "failed": 0,
        "rows": 6,
        "bytes": 200,
        "mismatches": 1,
        "effects": {"read": 2, "ddl": 1},
        "running": 1,
        "ended": "2023-11-14T22:13:27.000000Z",
        "why": "idle",
        "last": "2023-11-14T22:13:27.000000Z",
        "seconds": 6.0,
    }


def test_an_outcome_whose_intent_is_not_told_is_told_all_the_same() -> None:
    step = story(outcome(5, intent(2, READ)))[1]
    assert (step["number"], step["statement"], step["id"]) == (0, "SELECT", "db-0.ab-2")


def test_nothing_is_no_story() -> None:
    assert story() == []
