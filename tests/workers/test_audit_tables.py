"""Tables for people and for pipes."""

import pytest

from workers.audit_tables import print_table


def test_a_pipe_gets_every_cell_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("user", "rows"), [("alice", "12"), ("x" * 300, "7")])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].split() == ["user", "rows"]
    assert lines[1].split() == ["alice", "12"]
    assert lines[2].split() == ["x" * 300, "7"]
    assert lines[1].endswith("  12")
    assert lines[2].endswith("   7")


def test_nothing_in_a_cell_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("[red]name",), [("[bold]x[/bold]",)])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == ["[red]name", "[bold]x[/bold]"]


def test_a_terminal_wraps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("user", "id"), [("y" * 60, "whole")], whole=("id",))
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_no_rows_is_a_header_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("user",), [])
    assert capsys.readouterr().out.split() == ["user"]
