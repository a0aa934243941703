"""The group of audit verbs: which directories they read, and the one line where there is none."""

from pathlib import Path

from click.testing import CliRunner

from workers.audit_group import audit


def test_help_names_the_verbs_without_importing_them() -> None:
    said = CliRunner().invoke(audit, ["--help"])
    assert said.exit_code == 0
    for verb in ("tail", "query", "show", "verify"):
        assert verb in said.output


def test_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    said = CliRunner().invoke(audit, ["--dir", str(tmp_path / "none"), "verify"])
    assert said.exit_code == 2
    assert said.output.count("\n") == 1
    assert "no audit directory" in said.output


def test_verb_that_reads_one_directory_refuses_two(tmp_path: Path) -> None:
    said = CliRunner().invoke(audit, ["--dir", str(tmp_path), "--dir", str(tmp_path), "receipt", "db1-0.ab-1"])
    assert said.exit_code == 2
    assert "one --dir" in said.output
