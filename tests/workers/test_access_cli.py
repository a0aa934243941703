"""Verbs for access on request, where no gateway need run; tests/live/test_operations_live.py has them at work."""

from pathlib import Path

import pytest

from tests.workers.cli_rig import folder, one_line, sluice

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
