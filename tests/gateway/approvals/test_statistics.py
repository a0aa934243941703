"""How people decide, counted from what is kept."""

from typing import Any

import msgspec

from gateway.approvals.statements import Escalated, Given, Held, Look
from gateway.approvals.statistics import of, percentile
from tests.gateway.approvals.test_statements import NOW, held


def given(user: str, after: float, how: str = "slack", giver: str = "") -> Given:
    lent = (("dba",), giver, "okta") if giver else ((), "", "")
    return Given(("dba",), user, "okta", NOW + after, "", *lent, how)


def decided(number: int, after: float, *words: Given, looks: dict[str, float] | None = None, **facts: Any) -> Held:
    shown = tuple(Look(user, "okta", NOW + at) for user, at in (looks or {}).items())
    end: dict[str, Any] = {"state": "approved", "decided": NOW + after, "given": words, "looks": shown}
    return msgspec.structs.replace(held(id=f"h{number}"), **(end | facts))


HELD = [
    decided(1, 10.0, given("dora", 10.0), looks={"dora": 2.0}),
    decided(2, 20.0, given("dora", 20.0), looks={"dora": 18.0}, statement="delete from t"),
    decided(3, 30.0, given("dora", 30.0, "token"), looks={"dora": 31.0, "dan": 2.0}),
    decided(4, 40.0, given("bo", 5.0, giver="dora"), given("dan", 40.0), looks={"BO": 0.0},
            escalated=(Escalated("dba", 30.0, NOW + 30),)),
    decided(5, 50.0, state="denied", denied_by="dan (okta) for lee (okta)", how="token"),
    decided(6, 60.0, state="expired"),
    decided(7, 60.0, state="withdrawn"),
    decided(8, -9.0, given("dora", -9.0)),
    held(id="h9"),
    decided(10, 1.0, given("dora", 1.0), since=NOW - 100),
]  # fmt: skip


def test_rules_are_told_with_what_became_of_their_requests_and_how_fast() -> None:
    (rule,) = of(HELD, NOW - 50, NOW + 100).rules
    assert (rule.rule, rule.requests, rule.approved, rule.denied, rule.expired, rule.withdrawn, rule.waiting) == (
        "dba", 8, 4, 1, 1, 1, 1,
    )  # fmt: skip
    assert (rule.remembered, rule.escalated, rule.median_seconds, rule.p95_seconds) == (1, 1, 30.0, 50.0)
    assert rule.approved_share == 0.8


def test_approvers_are_told_with_what_they_have_not_read() -> None:
    found = {one.approver: one for one in of(HELD, NOW - 50, NOW + 100).approvers}
    assert sorted(found) == ["bo (okta)", "dan (okta)", "dora (okta)"]
    dora = found["dora (okta)"]
    assert (dora.approved, dora.denied, dora.unread, dora.quick, dora.rubber_stamp_rate) == (3, 0, 1, 1, 2 / 3)
    assert (dora.median_seconds, dora.approved_share, dora.channels) == (20.0, 1.0, {"slack": 2, "token": 1})
    bo = found["bo (okta)"]
    assert (bo.approved, bo.in_stead, bo.unread, bo.quick) == (1, 1, 0, 0)
    dan = found["dan (okta)"]
    assert (dan.approved, dan.denied, dan.in_stead, dan.unread, dan.approved_share) == (1, 1, 1, 1, 0.5)


def test_the_most_frequent_shapes_come_first() -> None:
    first, second = of(HELD, NOW - 50, NOW + 100).shapes
    assert (first.statement, first.requests, first.approved) == ("update t set a = $1", 7, 3)
    assert (second.statement, second.requests) == ("delete from t", 1)


def test_of_nothing_there_is_nothing_to_tell() -> None:
    assert of(HELD, NOW + 100, NOW + 200).rules == ()
    assert percentile([], 0.5) is None
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95)] == [1.0, 2.0, 3.0]
