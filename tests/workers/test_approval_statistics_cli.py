"""The verb that shows how people decide: what it prints of the gateway's answer."""

from typing import Any

import pytest
from click.testing import CliRunner

from workers import approval_statistics_cli
from workers.approval_statistics_cli import stats

ANSWER: dict[str, Any] = {
    "since": 1_790_000_000.0,
    "until": 1_790_000_300.0,
    "rules": [
        {
            "rule": "the [shop]", "requests": 3, "approved": 2, "denied": 1, "expired": 0, "withdrawn": 0, "waiting": 0,
            "escalated": 1, "remembered": 4, "approved_share": 2 / 3, "median_seconds": 12.34, "p95_seconds": None,
        }
    ],
    "approvers": [
        {
            "approver": "bo (local)", "approved": 2, "denied": 0, "in_stead": 1, "unread": 1, "quick": 0,
            "rubber_stamp_rate": 0.5, "approved_share": 1.0, "median_seconds": 1.0, "p95_seconds": 2.0,
            "channels": {"slack": 2},
        }
    ],
    "shapes": [{"statement": "update t set a = $1", "requests": 3, "approved": 2}],
}  # fmt: skip


def test_every_figure_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(approval_statistics_cli, "ask", lambda config, method, path: asked.append(path) or ANSWER)
    done = CliRunner().invoke(stats, ["--since", "2d"])
    assert (done.exit_code, asked) == (0, ["/v1/statistics/approvals/172800"])
    for text in ("the [shop]", "67%", "12.3 s", "bo (local)", "50%", "slack 2", "update t set a = $1"):
        assert text in done.output
    assert '"rubber_stamp_rate": 0.5' in CliRunner().invoke(stats, ["--json"]).output
