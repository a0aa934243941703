"""Counting by any field."""

from dataclasses import replace

import pytest

from gateway.audit import grouping
from gateway.audit.grouping import FIELDS, Groups, TooManyGroups
from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, GrantInfo, Outcome, RulingInfo, SessionInfo

T = 1_700_000_000_000_000_000
WHO = SessionInfo("s1", "alice", groups=("a", "b"), actors=("agent-7",), address="10.0.0.9:5000", database="prod")
WHAT = RulingInfo(4, "abc", "SELECT", "ff", ("SELECT",), ("public.t", "public.u"), grant=GrantInfo("g1"))
SAID = Outcome(3, "ok", 3, 120, 0, "SELECT", "", 431)
INTENT = Entry("db-1-0.ab", 3, T, "intent", WHO, WHAT, (("route", "/a"),))
OUTCOME = Entry(
    "db-1-0.ab", 4, T + 9, "outcome", WHO, WHAT, outcome=SAID, columns=ColumnsInfo((("public.t.e", "email", "m"),))
)
EVENT = Entry("db-1-0.ab", 5, T + 5, "system", data={"what": "worker started"})


def counted(*fields: str) -> dict[tuple[str, ...], int]:
    groups = Groups(fields)
    for entry in (INTENT, OUTCOME, EVENT):
        groups.add(entry)
    return {key: count.records for key, count in groups.largest()}


def test_lists_count_each_of_their_values_and_nothing_counts_as_empty() -> None:
    assert counted("user") == {("alice",): 2, ("",): 1}
    assert counted("table") == {("public.t",): 2, ("public.u",): 2, ("",): 1}
    assert counted("group", "table")["a", "public.u"] == 2
    assert counted("tag:route") == {("/a",): 1, ("",): 2}
    assert counted("kind", "status")["outcome", "ok"] == 1
    assert counted("host") == {("db-1",): 3}
    assert counted("client") == {("10.0.0.9",): 2, ("",): 1}
    assert counted("hour") == {("2023-11-14T22:00Z",): 3}


def test_every_field_reads_every_record() -> None:
    for field in FIELDS:
        assert sum(counted(field).values()) >= 3, field


def test_a_count_has_sums_and_both_ends() -> None:
    groups = Groups(["user"])
    for entry in (OUTCOME, INTENT, replace(OUTCOME, time_ns=T + 50)):
        groups.add(entry)
    ((key, count),) = groups.largest()
    assert key == ("alice",)
    assert count.to_json() == {
        "records": 3,
        "intents": 1,
        "outcomes": 2,
        "rows": 6,
        "bytes": 240,
        "first": "2023-11-14T22:13:20.000000Z",
        "last": "2023-11-14T22:13:20.000000Z",
    }


def test_largest_groups_come_first() -> None:
    assert next(iter(counted("kind", "user"))) == ("intent", "alice")
    assert list(counted("user")) == [("alice",), ("",)]


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "GROUPS_MAX", 1)
    groups = Groups(["user"])
    groups.add(INTENT)
    with pytest.raises(TooManyGroups, match="more than 1 groups"):
        groups.add(EVENT)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        Groups(["colour"])
