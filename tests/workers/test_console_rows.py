"""What waits, in words."""

from typing import Any

import msgspec
import pytest

from gateway.approvals.requests import Asked, Request
from workers.console_rows import STATES, chain, lasts, line, moment, row


@pytest.mark.parametrize(
    ("actors", "account", "words"),
    [
        ([], "", "ada"),
        (["bot"], "", "bot acts for ada"),
        (["bot", "planner"], "", "bot acts for planner, which acts for ada"),
        ([], "dashboards", "ada, through the account dashboards"),
    ],
)
def test_a_chain_says_who_acts_for_whom(actors: list[str], account: str, words: str) -> None:
    assert chain(actors, "ada", account) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (59.4, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (3601, "1 h"),
     (90_000, "1 d 1 h"), (7260, "2 h 1 min")],
)  # fmt: skip
def test_times_have_two_units_at_most(seconds: float, words: str) -> None:
    assert lasts(seconds) == words


def test_moments_and_lines() -> None:
    assert moment(0.0) == ""
    assert moment(1e9) == "2001-09-09 01:46:40Z"
    assert line("x" * 160) == "x" * 160
    assert len(line("x" * 500)) == 160


def access(**facts: Any) -> dict[str, Any]:
    asked = Asked("prod", "production", ("read", "write"), 7200.0, "T-1: look", ("email",))
    made = Request("a-1", "access", "pending", "on request", "ada", "local", (), "t", asked, 10.0, 20.0)
    told: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(made, **facts))
    return told


def test_access_is_told_by_what_it_gives() -> None:
    found = row(access())
    assert (found.title, found.where, found.waits) == (
        "access to read, write, email in clear, for 2 h", "prod (production)", True,
    )  # fmt: skip
    answered = row(access(state="denied", decided_by="lea (local)", decision="no", decided=15.0))
    assert (answered.state_words, answered.decided_by, answered.words) == ("denied", "lea (local)", "no")
    assert not answered.waits


def test_every_state_has_its_words() -> None:
    assert [row(access(state=state)).state_words for state in STATES] == list(STATES.values())
