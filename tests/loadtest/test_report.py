"""The page about a load run: complete, plain for whoever opens it, and nothing in it is run."""

import json
from pathlib import Path
from typing import Any

import kept_demo
import pytest

pytest.importorskip("matplotlib")
import report


def bucket(time: int, **counted: float) -> dict[str, Any]:
    return {"time": time, "count": 10, "failures": 0, "refused": 0, "p50": 1.5, "p95": 3, "p99": 9, **counted}


def left_by_a_run(folder: Path, processes: dict[str, Any]) -> Path:
    """What locust and load.py leave in their folder."""
    series = {
        "bucket_seconds": 2,
        "kinds": {
            "analyst": [bucket(1000), bucket(1004, failures=1)],
            "agent": [bucket(1002, refused=3)],
            "idle": [],
        },
        "sessions": [[1000.5, 1], [1002.0, 7]],
        "requests": [{"kind": "analyst", "name": "<script>one person</script>", "count": 20, "failures": 1, "rate": 3.33,
                      "p50": 1, "p95": 3, "p99": 9, "most": 1234.5}],
        "failures": [{"kind": "analyst", "name": "one person", "count": 1, "error": "Wrong('<b>LEAK</b>')"}],
    }
    (folder / "series.json").write_text(json.dumps(series))
    (folder / "processes.json").write_text(json.dumps(processes))
    return folder


@pytest.mark.parametrize(
    "processes", [{}, {"locust": [[1001.0, 0.5, 60.0]], "gateway": [[1001.0, 0.25, 150.0], [1002.0, 0.75, 160.0]]}]
)
def test_page_shows_figures_plots_and_failures(tmp_path: Path, processes: dict[str, Any]) -> None:
    page = report.write(left_by_a_run(tmp_path, processes)).read_text()
    assert page.count("<svg") == (4 if processes else 3)
    assert "<b>30</b><span>Requests</span>" in page
    assert "<b>1</b><span>Wrong or failed</span>" in page
    assert "<b>3</b><span>Refused, as they must be</span>" in page
    assert ("<b>160 MiB</b>" in page) is bool(processes)
    assert "1,234" in page


def test_page_runs_nothing_of_what_it_shows(tmp_path: Path) -> None:
    page = report.write(left_by_a_run(tmp_path, {})).read_text()
    assert "<script" not in page
    assert "<b>LEAK" not in page
    assert "&lt;b&gt;LEAK" in page


def test_demo_is_found_by_the_lines_it_prints() -> None:
    printed = """It is still up. Connect as the analyst:
  PGPASSWORD=$(sluice token mint --config /d/sluice.toml --user ann --groups analysts) psql "host=127.0.0.1 port=7 user=ann"
End it and remove its files:
  kill 41 && sleep 1 && kill -INT 40 && sleep 1 && rm -r /d
"""
    found = kept_demo.read(printed)
    assert found.dsn == "host=127.0.0.1 port=7 user=ann"
    assert (found.config, found.gateway) == (Path("/d/sluice.toml"), 41)
    assert found.end.startswith("kill 41 && ")


def test_demo_that_says_nothing_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="did not say"):
        kept_demo.read("")
