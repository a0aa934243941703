"""`sluice audit query` as a user types it."""

import re
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from tests.gateway.audit.trail_rig import write_trail
from workers import audit_query_cli
from workers.audit_group import audit


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The trails of two hosts."""
    found = [tmp_path_factory.mktemp("host") for _ in range(2)]
    for seed, place in enumerate(found):
        write_trail(place, seed)
    return found


def run(places: list[Path], *arguments: str) -> Result:
    named = [part for place in places for part in ("--dir", str(place))]
    result = CliRunner().invoke(audit, [*named, "query", *arguments])
    assert result.exit_code == 0, result.output
    return result


def lines(places: list[Path], *arguments: str) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in run(places, "--json", *arguments).stdout.splitlines()]


def test_records_of_all_hosts_come_by_time(places: list[Path]) -> None:
    found = lines(places)
    assert [each["time"] for each in found] == sorted(str(each["time"]) for each in found)
    assert {str(each["id"]).partition("-")[0] for each in found} == {"db0", "db1"}
    assert len(found) == len(lines(places[:1])) + len(lines(places[1:]))


def test_newest_first_and_limits(places: list[Path]) -> None:
    found = lines(places, "--user", "alice")
    newest = lines(places, "--user", "alice", "--reverse")
    assert [each["time"] for each in newest] == [each["time"] for each in found][::-1]
    assert lines(places, "--user", "alice", "--limit", "4") == found[:4]
    assert [each["time"] for each in lines(places, "--user", "alice", "--limit", "4", "--reverse")] == [
        each["time"] for each in newest[:4]
    ]


def test_counts_are_those_of_the_records(places: list[Path]) -> None:
    found = lines(places, "--user", "alice")
    (count,) = lines(places, "--user", "alice", "--count")
    assert count["records"] == len(found)
    assert count["rows"] == sum(int(str(each.get("rows", 0))) for each in found)
    assert (count["first"], count["last"]) == (found[0]["time"], found[-1]["time"])
    said = run(places, "--user", "alice", "--count").stdout
    assert said.startswith(f"{len(found)} records: ")
    assert lines(places, "--user", "nobody", "--count")[0]["first"] is None
    assert run(places, "--user", "nobody", "--count").stdout.startswith("0 records")


def test_groups_add_up_and_the_largest_comes_first(places: list[Path]) -> None:
    groups = lines(places, "--group-by", "user,kind")
    assert [each["records"] for each in groups] == sorted((each["records"] for each in groups), reverse=True)  # type: ignore[type-var]
    total = sum(int(str(each["records"])) for each in groups)
    assert total == len(lines(places))
    assert {(each["user"], each["kind"]) for each in groups} >= {("alice", "intent"), ("bob", "outcome")}
    assert lines(places, "--group-by", "user,kind", "--limit", "2") == groups[:2]
    shown = run(places, "--group-by", "table")
    assert re.search(r"^public\.customers +\d+ ", shown.stdout, re.MULTILINE)


def test_wrong_fields_and_too_many_groups_are_wrong_usage(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ["--dir", str(places[0]), "query", "--group-by"]
    wrong = CliRunner().invoke(audit, [*named, "colour"])
    assert wrong.exit_code == 2
    assert "knows no colour; it knows actor," in wrong.stderr
    monkeypatch.setattr("gateway.audit.grouping.GROUPS_MAX", 1)
    many = CliRunner().invoke(audit, [*named, "session"])
    assert many.exit_code == 2
    assert "narrow the question" in many.stderr


def test_the_index_changes_nothing(places: list[Path]) -> None:
    for asked in (["--user", "alice"], ["--table", "customers", "--decision", "deny"], ["--literal-digest", "02" * 8]):
        assert run(places, "--json", *asked).stdout == run(places, "--json", "--no-index", *asked).stdout


def test_people_get_a_table_of_few_and_lines_of_many(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    few = run(places, "--user", "alice", "--limit", "3").stdout
    assert len(few.splitlines()) == 4
    assert "statement" in few.splitlines()[0]
    monkeypatch.setattr(audit_query_cli, "_TABLE_ROWS", 2)
    assert len(run(places, "--user", "alice", "--limit", "3").stdout.splitlines()) == 3
