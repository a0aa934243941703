"""`sluice approvals wait`, where no gateway need run; tests/live/test_tickets_live.py has it at work."""

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from workers import approvals_wait_cli
from workers.admin_client import Refused
from workers.approvals_wait_cli import wait


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the gateway says, one after another; None: nothing."""
    said: list[Any] = []

    def asked(*_: str) -> Any:
        one = said.pop(0) if len(said) > 1 else said[0]
        if one is None or isinstance(one, int):
            raise Refused(one or 0, "no", "")
        return {"approval": {"state": one, "decision": "as it is" if one == "denied" else ""}}

    monkeypatch.setattr(approvals_wait_cli, "asked", asked)
    monkeypatch.setattr(approvals_wait_cli, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(approvals_wait_cli, "address", lambda config, environ: "http://127.0.0.1:1")
    monkeypatch.setenv("SLUICE_TOKEN", "a.b.c")
    return said


@pytest.mark.parametrize(
    ("said", "code", "line"),
    [
        (["pending", "pending", "approved"], 0, "h1: approved"),
        (["pending", None, 503, "denied"], 1, "h1: denied: as it is"),
        (["expired"], 1, "h1: expired"),
        ([404], 1, "sluice: no"),
    ],
)
def test_it_ends_with_the_decision(answers: list[Any], said: list[Any], code: int, line: str) -> None:
    answers += said
    done = CliRunner().invoke(wait, ["h1"])
    assert (done.exit_code, done.output.strip()) == (code, line)


def test_a_script_need_not_wait_for_ever(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(time=time.time, monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(approvals_wait_cli, "time", clock)
    monkeypatch.setattr(approvals_wait_cli, "POLL_SECONDS", 0.75)
    answers += ["pending"]
    done = CliRunner().invoke(wait, ["h1", "--timeout", "1s", "--json"])
    assert (done.exit_code, json.loads(done.output)["approval"]["state"]) == (3, "pending")
    assert slept == [0.75, 0.25]
