"""`sluice audit report` as an operator types it, over a trail on disk."""

import stat
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.workers import report_trail
from tests.workers.report_trail import SINCE, UNTIL
from workers.audit_group import audit


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trail") / "audit"
    report_trail.write(directory)
    return directory


def run(*directories: Path, arguments: tuple[str, ...] = (), framework: str = "soc2") -> Result:
    named = [word for each in directories for word in ("--dir", str(each))]
    period = ("--since", SINCE, "--until", UNTIL)
    return CliRunner().invoke(audit, [*named, "report", "--framework", framework, *period, *arguments])


def test_report_is_a_page_and_the_same_as_json(trail: Path, tmp_path: Path) -> None:
    done = run(trail, arguments=("--out", str(tmp_path)))
    assert done.exit_code == 0, done.output
    page = tmp_path / "sluice-soc2-2024-01-01-to-2024-01-02.html"
    assert done.stdout.splitlines()[-1] == str(page)
    made = orjson.loads(page.with_suffix(".json").read_bytes())
    assert made["verdict"]["grade"] == "attention"  # whole, but nothing is signed
    assert made["figures"]["Verification"] == "good"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "CC6.1" in page.read_text()
    assert "<script" not in page.read_text()


def test_figures_are_those_of_the_trail(trail: Path) -> None:
    figures = orjson.loads(run(trail, arguments=("--json", "--no-verify", "--bulk-rows", "3")).stdout)["figures"]
    expected = {"Statements": 40, "Statements refused": 10, "Sessions": 3, "Sign-ins refused": 1, "People": 3, "Agents": 1}
    expected |= {"Outcomes": 40, "Rows returned": 40, "Policy changes": 1, "Grants used": 1, "Bulk reads": 10}
    expected |= {"Rows with masked columns": 15, "Rows shown in clear, labelled": 15}
    assert {name: figures[name] for name in expected} == expected
    assert figures["Verification"] == "not verified"


def test_several_hosts_add_up(trail: Path, tmp_path: Path) -> None:
    report_trail.write(tmp_path / "other", 8, host="db2")
    made = orjson.loads(run(trail, tmp_path / "other", arguments=("--json", "--no-verify")).stdout)
    assert made["figures"]["Statements"] == 48


def test_a_changed_trail_ends_with_1_and_says_so_on_the_page(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    report_trail.write(directory, 4)
    (file,) = directory.glob("chain-*/*.seg")
    spoilt = bytearray(file.read_bytes())
    at = spoilt.index(b"DROP TABLE")
    spoilt[at : at + 4] = b"KEEP"
    file.chmod(0o600)
    file.write_bytes(spoilt)
    done = run(directory, arguments=("--out", str(tmp_path / "page.html")))
    assert done.exit_code in (1, 3), done.output


@pytest.mark.parametrize(
    "arguments",
    [("--since", "never"), ("--since", "2024-01-03"), ("--hours", "9"), ("--hours", "19-7"), ("--zone", "Mars/Base"),
     ("--framework", "iso"), ("--bulk-rows", "0")],
)  # fmt: skip
def test_wrong_usage_exits_2(trail: Path, arguments: tuple[str, ...]) -> None:
    done = run(trail, arguments=arguments)
    assert done.exit_code == 2, done.output


def test_working_hours_are_those_of_the_zone(trail: Path) -> None:
    def outside(*arguments: str) -> int:
        done = run(trail, arguments=("--json", "--no-verify", *arguments))
        return int(orjson.loads(done.stdout)["figures"]["Statements out of hours"])

    assert outside() == 0
    assert outside("--zone", "Asia/Tokyo") == 40
    assert outside("--hours", "0-12") == 40
