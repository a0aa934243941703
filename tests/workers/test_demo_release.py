"""Who tries to release what waits, in the demo's order; the Slack is the test's own."""

import pytest

from workers.demo_release import released


class Slack:
    """Answers as the demo's does."""

    def __init__(self, message: list[str]) -> None:
        self._message = message
        self.pressed: list[tuple[str, str, bool]] = []

    def message(self) -> list[str]:
        return self._message

    def decide(self, door: str, user: str, approve: bool, words: str) -> str:
        assert words
        self.pressed.append((door, user, approve))
        return f"said to {user}"


def test_the_owner_tries_first_and_then_the_administrator() -> None:
    slack = Slack(["Request: h1"])
    with released(slack, "http://door") as told:  # type: ignore[arg-type]
        pass
    assert slack.pressed == [("http://door", "UMIA", True), ("http://door", "UBO", True)]
    assert told.message == ["Request: h1"]
    assert told.lines == [("UMIA", "said to UMIA"), ("UBO", "said to UBO")]


def test_where_nothing_was_posted_nobody_presses() -> None:
    slack = Slack([])
    with released(slack, "http://door") as told:  # type: ignore[arg-type]
        pass
    assert (slack.pressed, told.lines) == ([], [])


def test_a_statement_that_fails_meanwhile_does_not_hide_what_happened() -> None:
    slack = Slack(["Request: h1"])
    with pytest.raises(ValueError, match="refused"), released(slack, "http://door") as told:  # type: ignore[arg-type]
        raise ValueError("refused")
    assert len(slack.pressed) == 2
    assert len(told.lines) == 2
