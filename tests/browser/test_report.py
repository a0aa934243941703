"""The report's page in a real browser: what it shows, that it fits narrow and wide windows, and that it loads nothing."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.workers import report_trail
from workers.audit_group import audit

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
FRAMES = """<!doctype html><title>w</title><pre id="said"></pre>
<iframe src="report.html" width="390" height="800" style="border:0"></iframe>
<iframe src="report.html" width="1280" height="800" style="border:0"></iframe>
<script>addEventListener("load", () => {
said.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(each => {
  const page = each.contentDocument.documentElement;
  return { width: each.clientWidth, needs: page.scrollWidth,
    loaded: each.contentWindow.performance.getEntriesByType("resource").map(one => one.name),
    scripts: page.querySelectorAll("script").length, bars: page.querySelectorAll("svg rect").length,
    verdict: page.querySelector(".verdict").textContent, refused: page.querySelector("#kind-deny").innerText,
    cards: page.querySelector(".cards").innerText };
})); });</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        asked.append(self.path)


asked: list[str] = []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("site")
    report_trail.write(folder / "audit")
    arguments = ["--dir", str(folder / "audit"), "report", "--framework", "soc2", "--out", str(folder / "report.html")]
    done = CliRunner().invoke(audit, [*arguments, "--since", report_trail.SINCE, "--until", report_trail.UNTIL])
    assert done.exit_code == 0, done.output
    (folder / "frames.html").write_text(FRAMES)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


def browse(folder: Path, *arguments: str) -> str:
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run([str(CHROMIUM), *QUIET, profile, *arguments], capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def test_page_fits_narrow_and_wide_shows_its_figures_and_loads_nothing(site: tuple[str, Path]) -> None:
    address, folder = site
    dumped = browse(folder, "--dump-dom", f"{address}/frames.html")
    said = re.search(r'<pre id="said">(.+?)</pre>', dumped, re.DOTALL)
    assert said, dumped
    text = said[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    frames = json.loads(text)
    assert [each["width"] for each in frames] == [390, 1280]
    for each in frames:
        assert each["needs"] <= each["width"]
        assert each["loaded"] == []
        assert each["scripts"] == 0
        assert each["bars"] > 10
        assert "nothing is signed" in each["verdict"]
        assert re.search(r"40\s+Statements", each["cards"])
        assert re.search(r"10\s+Statements refused", each["cards"])
        assert "no drops: DROP TABLE customers" in each["refused"]
        assert "<script>alert(1)</script>" in each["refused"]  # eve's name, as text
    assert {path for path in asked if path != "/favicon.ico"} == {"/frames.html", "/report.html"}


def test_page_is_drawn(site: tuple[str, Path]) -> None:
    address, folder = site
    picture = folder / "page.png"
    browse(folder, f"--screenshot={picture}", "--window-size=390,1600", f"{address}/report.html")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000  # an empty page of this size takes a few kilobytes
