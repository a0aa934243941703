"""Who tries to release what waits, in the demo's order; the command line is the test's own."""

import json
from subprocess import CompletedProcess

import pytest

from workers import demo_release
from workers.demo_release import released


class Cli:
    """Answers as `sluice approvals` does."""

    def __init__(self, empty_for: int = 1) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.empty = empty_for

    def __call__(self, *arguments: str, token: str = "") -> CompletedProcess[str]:
        self.asked.append((token, *arguments))
        if arguments[1] == "list":
            self.empty -= 1
            found = [] if self.empty >= 0 else [{"id": "h1", "state": "pending"}]
            return CompletedProcess(arguments, 0, json.dumps({"approvals": found}), "")
        if token == "owner":
            return CompletedProcess(arguments, 1, "", "sluice: nobody decides about his own\n")
        return CompletedProcess(arguments, 0, "h1: approved\n", "")


def test_the_owner_fails_and_then_the_administrator_releases() -> None:
    cli = Cli()
    with released(cli, "owner", "administrator") as told:
        pass
    assert (told.id, told.done) == ("h1", True)
    assert told.lines == [("its owner", "sluice: nobody decides about his own"), ("administrator", "h1: approved")]
    assert [one[0] for one in cli.asked if one[2] == "approve"] == ["owner", "administrator"]


def test_where_nothing_waits_nobody_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_release, "WAIT_SECONDS", 0.15)
    with released(Cli(empty_for=99), "owner", "administrator") as told:
        pass
    assert (told.lines, told.done) == ([], False)
