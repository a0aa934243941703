"""What is new against the last one that was approved."""

from typing import Any

import msgspec

from gateway.approvals.since_last import lines
from gateway.approvals.statements import Given, Held
from tests.gateway.approvals.test_statements import NOW, held


def last(**facts: Any) -> Held:
    given = (Given(("dba",), "dora", "okta", NOW - 5),)
    return msgspec.structs.replace(held(id="h0", since=NOW - 9), state="approved", decided=NOW - 5, given=given, **facts)


def test_of_the_first_there_is_nothing_to_say() -> None:
    assert lines(held(), None) == ()


def test_the_same_again_says_when_and_by_whom_it_was_approved() -> None:
    (line,) = lines(held(), last())
    assert line == "the same statement was approved 2027-01-15 07:59:55 UTC by dora (okta) (request h0)"


def test_what_differs_is_said_in_names_and_numbers_alone() -> None:
    now = held(
        shape=b"z", tables=("t", "u"), labels=("email",), actors=("bot",), run="r2", ticket="T-2", role="w", policy="p2",
        rows=500, since=NOW,
    )  # fmt: skip
    then = last(run="r1", rows=10, policy="p1", ticket="T-1")
    then = msgspec.structs.replace(then, since=NOW - 6 * 3600)
    assert lines(now, then)[1:] == (
        "more tables: u", "more personal data: email", "another agent: bot, then none", "another task: r2, then r1",
        "another ticket: T-2, then T-1", "another role: w, then r", "the policy has changed since",
        "about 500 rows, then 10", "at another time of day: 08:00 UTC, then 02:00 UTC",
    )  # fmt: skip
    assert lines(now, then)[0].startswith("another statement over the same tables")


def test_little_more_rows_and_midnight_are_no_news() -> None:
    night = 20_000 * 86_400.0
    assert len(lines(held(rows=19, since=night + 60), msgspec.structs.replace(last(rows=10), since=night - 60))) == 1
    assert len(lines(held(rows=-2), last(rows=10))) == 1
