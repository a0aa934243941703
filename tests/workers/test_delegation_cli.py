"""Verbs for rights that are lent, where no gateway need run; tests/live/test_people_live.py has them at work."""

from pathlib import Path

import pytest

from tests.workers.cli_rig import folder, one_line, sluice
from workers.delegation_cli import seconds

__all__ = ["folder"]
DAY = 1_796_083_200.0  # 2026-12-01


def test_who_is_not_signed_in_is_told_how(folder: Path) -> None:
    verb = ("delegate", "--to", "bo", "--until", "2026-12-01", "--reason", "leave")
    assert "sluice login" in one_line(sluice(*verb, cwd=folder, HOME=str(folder)), 2)


def test_a_day_is_its_beginning_or_its_end_in_utc() -> None:
    assert seconds("2026-12-01") == DAY
    assert seconds("2026-12-01", end=True) == DAY + 86_400
    assert seconds("2026-12-01T08:30", end=True) == DAY + 8.5 * 3600
    assert seconds("2026-12-01T08:30+02:00") == DAY + 6.5 * 3600


def test_what_is_no_time_is_refused_with_its_mend(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        seconds("next week")
    assert ended.value.code == 2
    assert "write it as 2026-12-01" in capsys.readouterr().err
