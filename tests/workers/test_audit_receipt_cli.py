"""The verbs' words where a proof cannot be made or read: one line, and what would help."""

from pathlib import Path

from click.testing import CliRunner

from workers.audit_group import audit


def test_trail_that_nobody_signed_says_so(tmp_path: Path) -> None:
    for verb in (["head"], ["receipt", "db1-0.00000000-1"]):
        said = CliRunner().invoke(audit, ["--dir", str(tmp_path), *verb])
        assert said.exit_code == 1
        assert said.output.count("\n") == 1


def test_file_that_is_no_receipt_is_not_proven(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    for content in (b"", b"{}", b"\xff\xfe", b'{"kind":"record"}'):
        file.write_bytes(content)
        said = CliRunner().invoke(audit, ["check-receipt", str(file)])
        assert said.exit_code == 1
        assert "no receipt" in said.output
        as_json = CliRunner().invoke(audit, ["check-receipt", str(file), "--json"])
        assert '"broken"' in as_json.output


def test_key_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"{}")
    said = CliRunner().invoke(audit, ["check-receipt", str(file), "--pub", str(file)])
    assert said.exit_code == 2
