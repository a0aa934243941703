"""Verbs for operators, where no gateway need run; tests/live/test_operations_live.py has them at work."""

import hashlib
from pathlib import Path

import pytest

from tests.workers.admin_rig import load, token
from tests.workers.cli_rig import folder, one_line, sluice
from workers.embedded import free_port
from workers.operations_cli import id_of, moment

__all__ = ["folder"]
VERBS = [
    ("sessions", "list"), ("sessions", "kill", "s1"), ("stop", "--actor", "bot"), ("resume", "--actor", "bot"),
    ("lock", "--user", "ann"), ("unlock", "--user", "ann"), ("revoke", "--token-id", "t"), ("barred", "list"),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS[:1] + VERBS[-2:])
def test_who_is_not_signed_in_is_told_how(folder: Path, verb: tuple[str, ...]) -> None:
    said = one_line(sluice(*verb, cwd=folder, HOME=str(folder)), 2)
    assert "sluice login" in said


def test_where_no_gateway_runs_that_is_said(folder: Path) -> None:
    said = one_line(
        sluice("sessions", "list", cwd=folder, SLUICE_TOKEN="a.b.c", SLUICE_ADMIN=f"http://127.0.0.1:{free_port()}"), 1
    )
    assert "no gateway answers" in said


def test_a_token_is_revoked_by_its_id_or_by_itself(folder: Path) -> None:
    assert "--token-id" in one_line(sluice("revoke", cwd=folder, SLUICE_TOKEN="a.b.c"), 2)
    both = sluice("revoke", "--token-id", "t", "--token", cwd=folder, SLUICE_TOKEN="a.b.c")
    assert "--token-id" in one_line(both, 2)


def test_the_id_of_a_token_is_that_by_which_the_gateway_knows_it(tmp_path: Path) -> None:
    given = token(load(tmp_path))
    assert len(id_of(given)) == 16
    without = "e30.e30.x"
    assert id_of(without) == hashlib.sha256(without.encode()).hexdigest()[:16]
    for wrong in ("", "x", "a.!.c", "a.W10.c"):
        with pytest.raises(SystemExit):
            id_of(wrong)


def test_moments_are_told_in_utc() -> None:
    assert (moment(0), moment(1_800_000_000)) == ("", "2027-01-15 08:00:00Z")
