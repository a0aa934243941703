"""Verbs for access on request, where no gateway need run; tests/live/test_operations_live.py has them at work."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from tests.gateway.approvals.test_statements import held
from tests.workers.cli_rig import folder, one_line, sluice
from workers import access_cli

__all__ = ["folder"]


@pytest.mark.parametrize(
    "verb",
    [("request", "--database", "prod", "--reason", "T-1"), ("approvals", "approve", "a-1"), ("access", "revoke", "a-1")],
)
def test_who_is_not_signed_in_is_told_how(folder: Path, verb: tuple[str, ...]) -> None:
    assert "sluice login" in one_line(sluice(*verb, cwd=folder, HOME=str(folder)), 2)


def test_a_request_says_where_and_why(folder: Path) -> None:
    for words, missing in ((("--database", "prod"), "--reason"), (("--reason", "T-1"), "--database")):
        done = sluice("request", *words, cwd=folder, SLUICE_TOKEN="a.b.c")
        assert (done.returncode, missing in done.stderr) == (2, True)
    done = sluice("request", "--database", "prod", "--reason", "T", "--for", "ever", cwd=folder, SLUICE_TOKEN="a.b.c")
    assert (done.returncode, "15m" in done.stderr) == (2, True)


def test_a_list_says_the_risk_and_how_many_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    one = msgspec.to_builtins(held(risk="high"))
    for key in ("binding", "shape", "secret"):
        del one[key]
    told = {**one, "kind": "statement", "by": "ann (okta)", "approved_by": [], "alike": 3}
    monkeypatch.setattr(access_cli, "ask", lambda config, method, path: {"approvals": [told, {**told, "alike": 1}]})
    shown = CliRunner().invoke(access_cli.approvals, ["list"]).output
    assert "pending, 3 alike" in shown
    assert shown.count("high") == 2
    assert shown.count("alike") == 1
