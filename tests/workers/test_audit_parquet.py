"""Parquet files of real trails, read back by another engine; and the queries that the documentation shows."""

import re
from pathlib import Path

import duckdb
import pytest

from gateway.audit.query import to_json
from tests.gateway.audit.trail_rig import write_trail
from workers.audit_parquet import complete, export, row, schema
from workers.audit_trail import read_all

DOCS = Path(__file__).parents[2] / "docs" / "audit-lake.md"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trail of several chains and hosts, and its Parquet files."""
    trail, out = tmp_path_factory.mktemp("trail"), tmp_path_factory.mktemp("lake")
    write_trail(trail, 1)
    write_trail(trail, 2)
    assert list(export(trail, out))
    return trail, out


def test_every_record_is_a_row(lake: tuple[Path, Path]) -> None:
    trail, out = lake
    expected = {each.id: to_json(each) for each in read_all(trail)}
    found = duckdb.sql(
        f"select id, kind, user, rows, tables, columns_masked, tags, dt, host, epoch_us(time), time "
        f"from read_parquet('{out}/**/*.parquet', hive_partitioning = true)"
    ).fetchall()
    assert {each[0] for each in found} == set(expected)
    assert len(found) == len(expected)
    for record, kind, user, rows, tables, masked, tags, day, host, _, time in found:
        said = expected[record]
        assert (kind, user, rows) == (said["kind"], said.get("user"), said.get("rows"))
        assert tables == said.get("tables")
        assert masked == said.get("columns_masked")
        assert dict(tags or {}) == said.get("tags", {})
        assert said["time"].startswith(f"{time:%Y-%m-%dT%H:%M:%S.%f}")
        assert str(day) == said["time"][:10]
        assert record.startswith(host)


def test_second_run_adds_nothing_and_changes_nothing(lake: tuple[Path, Path]) -> None:
    trail, out = lake
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()}
    assert list(export(trail, out)) == []
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()} == before


def test_run_that_was_cut_short_is_finished_by_the_next(lake: tuple[Path, Path], tmp_path: Path) -> None:
    trail, out = lake
    whole = {file.relative_to(out) for file in out.rglob("*.parquet")}
    running = export(trail, tmp_path)
    next(running)
    running.close()
    assert len(list(tmp_path.rglob("*.parquet"))) < len(whole)
    list(export(trail, tmp_path))
    assert {file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()} == whole


def test_times_choose_among_segments(lake: tuple[Path, Path], tmp_path: Path) -> None:
    trail, _ = lake
    assert list(export(trail, tmp_path, until_ns=1)) == []
    assert len(list(complete(trail))) == 18


def test_row_has_every_column(lake: tuple[Path, Path]) -> None:
    for entry in read_all(lake[0]):
        assert set(row(entry)) == set(schema().names)


def test_queries_of_the_documentation_run(lake: tuple[Path, Path]) -> None:
    queries = re.findall(r"```sql duckdb\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(queries) >= 4
    for text in queries:
        duckdb.sql(text.replace("lake/", f"{lake[1]}/")).fetchall()
