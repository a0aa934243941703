"""A request as a terminal shows it."""

from typing import Any

import pytest

from workers.preview_cli import print_request

ONE: dict[str, Any] = {
    "id": "h1", "state": "pending", "user": "ada", "statement": "update t set a = $1", "since": 0.0, "until": 100.0,
    "rules": ["one", "two"], "missing": {"dba": 1}, "text": "update t\x1b[2J", "parameters": [None, "7"], "ran": False,
    "previews": True, "preview": None,
}  # fmt: skip
PREVIEW: dict[str, Any] = {
    "why": "", "command": "UPDATE", "rows": 2, "tables": [{"table": "public.t", "inserted": 0, "updated": 2, "deleted": 0}],
    "seconds": 0.0123, "notes": ["sequences"], "replaces": "",
}  # fmt: skip


def shown(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    print_request(ONE | changes)
    return capsys.readouterr().out


def test_a_request_is_told_line_by_line_without_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys)
    assert "rules: one, two" in said
    assert "until: 1970-01-01 00:01:40Z" in said
    assert "$1: NULL\n$2: 7\n" in said
    assert "missing: dba 1" in said
    assert "still being tried" in said
    assert "ran:" not in said
    assert "\x1b" not in said


def test_its_preview_is_told_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    sample = {"table": "public.t", "columns": ["id"], "before": [["11"]], "after": [[None]]}
    said = shown(capsys, preview=PREVIEW, samples=[sample])
    assert "preview: UPDATE 2 in 0.012 s, rolled back" in said
    assert "public.t" in said
    assert "before" in said
    assert "11" in said
    assert "NULL" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"why": "a lock"}, "not previewed: a lock"),
        ({"tables": None}, "does not count"),
        ({"replaces": "3 rows"}, "another than was approved: 3 rows"),
    ],
)
def test_what_is_not_known_of_it_is_said(capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str) -> None:
    assert words in shown(capsys, preview=PREVIEW | changes)


def test_to_who_is_told_nothing_of_a_preview_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_request({name: value for name, value in ONE.items() if name != "preview"})
    assert "preview" not in capsys.readouterr().out
