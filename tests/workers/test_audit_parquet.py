"""Parquet: every record once, typed, and a second run adds only what is new."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gateway.audit.query import to_json
from gateway.audit.records import RulingCard, RulingInfo
from tests.workers import report_trail
from workers import audit_parquet, audit_trail
from workers.audit_log import AuditLog
from workers.audit_parquet import Conflict, export


def ids(lake: Path) -> list[str]:
    return [row[0] for row in duckdb.sql(f"select id from '{lake}/**/*.parquet' order by id").fetchall()]


def contents(lake: Path) -> dict[Path, tuple[bytes, int]]:
    return {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in lake.rglob("*.parquet")}


def expected(directory: Path) -> list[str]:
    return sorted(each.id for each in audit_trail.read_all(directory))


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    report_trail.write(tmp_path / "audit", 90, segment_bytes=4096)
    return tmp_path / "audit"


def test_every_record_is_there_once_in_its_partition(trail: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    written = export(trail, lake)
    assert ids(lake) == expected(trail)
    assert written.records == len(expected(trail))
    assert written.segments > 3
    parts = f"read_parquet('{lake}/**/*.parquet', hive_partitioning=true)"
    found = duckdb.sql(f"select distinct dt::text, hour::int, host from {parts} where hour(time) = hour::int")
    assert sorted(found.fetchall()) == [("2024-01-01", 12, "db1"), ("2024-01-01", 13, "db1")]


def test_columns_say_the_same_as_json(trail: Path, tmp_path: Path) -> None:
    export(trail, tmp_path / "lake")
    rows = pa.concat_tables(pq.read_table(each, partitioning=None) for each in (tmp_path / "lake").rglob("*.parquet"))
    by_id = {row["id"]: row for row in rows.to_pylist()}
    for entry in audit_trail.read_all(trail):
        said, row = to_json(entry), by_id[entry.id]
        same = {"kind", "session", "user", "groups", "actor", "statement", "tables", "rules", "decision", "rows"}
        same |= {"columns_masked", "columns_clear", "sqlstate", "intent", "status", "bytes"}
        for name in same & said.keys():
            assert row[name] == said[name], name
        assert row["time"].isoformat().startswith(said["time"][:19])
        assert row["policy_generation"] == said.get("policy", {}).get("generation")
    assert rows.schema.field("time").type == pa.timestamp("us", tz="UTC")


def test_a_second_run_changes_nothing_and_a_grown_trail_adds_its_own(tmp_path: Path) -> None:
    directory, lake = tmp_path / "audit", tmp_path / "lake"
    log = AuditLog(directory, "db1", 0, "process", 1 << 20, "refuse", lambda: report_trail.BEGIN)
    who, what = report_trail.session("alice"), RulingCard(RulingInfo(1, "ab", "SELECT 1", "ff", ("SELECT",)))
    for round_ in range(3):
        for number in range(3):
            log.chain.intent(report_trail.BEGIN + round_ * 10 + number, who, what)
        log.commit()
        before = contents(lake)
        export(directory, lake)
        assert ids(lake) == expected(directory)
        assert {path: kept for path, kept in contents(lake).items() if path in before} == before
    files = contents(lake)
    assert len(files) == 3
    assert export(directory, lake).files == 0
    log.close()  # open intents get their outcomes
    export(directory, lake)
    assert ids(lake) == expected(directory)
    assert {path: kept for path, kept in contents(lake).items() if path in files} == files
    files = contents(lake)
    assert export(directory, lake).skipped == 1
    assert contents(lake) == files


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_run_cut_short_is_gone_on_with(trail: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, settle, made = tmp_path / "lake", audit_parquet._settle, [0]

    def failing(temporary: Path, path: Path) -> int:
        made[0] += 1
        if made[0] > after:
            raise OSError(28, "No space left on device")
        return settle(temporary, path)

    monkeypatch.setattr(audit_parquet, "_settle", failing)
    with pytest.raises(OSError, match="No space"):
        export(trail, lake)
    assert not list(lake.rglob(".*.tmp"))
    monkeypatch.undo()
    export(trail, lake)
    assert ids(lake) == expected(trail)


def test_another_content_is_never_overwritten(trail: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    export(trail, lake)
    first, second = sorted(lake.rglob("*.parquet"))[:2]
    first.write_bytes(second.read_bytes())
    for ledger in (lake / "_sluice").iterdir():
        ledger.unlink()
    with pytest.raises(Conflict, match="another content"):
        export(trail, lake)
    assert first.read_bytes() == second.read_bytes()


def test_large_partitions_have_several_row_groups(trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_parquet, "ROW_GROUP", 5)
    export(trail, tmp_path / "lake")
    assert max(pq.ParquetFile(each).num_row_groups for each in (tmp_path / "lake").rglob("*.parquet")) > 1
    assert ids(tmp_path / "lake") == expected(trail)


def test_segments_outside_the_times_are_left_out(trail: Path, tmp_path: Path) -> None:
    assert export(trail, tmp_path / "lake", until_ns=report_trail.BEGIN - 1).files == 0
