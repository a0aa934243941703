"""The embedded server, run for real: it answers, keeps others out, and leaves nothing behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from workers.embedded import EmbeddedError, EmbeddedServer, clean_environment, free_port, wheel_programs


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory the server's own user may enter (pytest's are private to the one who runs the tests)."""
    folder = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_server_answers_then_stops_and_leaves_no_process(home: Path) -> None:
    server = EmbeddedServer(wheel_programs(18), home, settings={"work_mem": "5MB"})
    server.create()
    server.start()
    pid = server.pid
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("show work_mem").fetchone() == ("5MB",)
        assert connection.info.server_version // 10000 == 18
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EmbeddedError, match="not running"):
        _ = server.pid
    server.stop()  # harmless the second time


def test_wrong_password_is_refused_by_the_server(home: Path) -> None:
    server = EmbeddedServer(wheel_programs(16), home)
    server.create()
    server.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(password="wrong"))
    finally:
        server.stop()


def test_server_that_cannot_start_says_why(home: Path) -> None:
    server = EmbeddedServer(wheel_programs(18), home, settings={"shared_buffers": "nonsense"})
    server.create()
    with pytest.raises(EmbeddedError, match="shared_buffers"):
        server.start()


def test_programs_its_user_cannot_reach_are_copied(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root does the server run as somebody else")
    private = home / "private"
    private.mkdir(mode=0o700)
    site = private / "site-packages"
    package = wheel_programs(18).parent.parent
    shutil.copytree(wheel_programs(18).parent, site / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.parent / f"{package.name}.libs", site / f"{package.name}.libs", symlinks=True)
    server = EmbeddedServer(site / package.name / "pginstall18" / "bin", home)
    assert private not in server.programs.parents
    server.create()
    server.start()
    server.stop()


def test_libpq_variables_of_the_caller_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere.example")
    monkeypatch.setenv("PGPASSFILE", "somebody's")
    assert not [name for name in clean_environment() if name.startswith("PG")]


def test_free_port_is_not_one_that_a_connection_could_take_meanwhile() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert 1024 <= free_port() < int(given[0])
