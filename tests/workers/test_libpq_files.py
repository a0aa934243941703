"""Services and passwords in libpq's files: what others wrote stays, and libpq itself reads what was written."""

import stat
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import Conninfo

from workers.libpq_files import NotWritable, password_file, service_file, write_password, write_service

PARAMETERS = {"host": "127.0.0.1", "port": "6432", "dbname": "prod", "user": "ada"}
OTHERS = "# mine\n[other]\nhost=db.example\n# [prod] is not here\n\n[last]\nport=5433"


def test_a_service_is_added_and_replaced_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(OTHERS)
    write_service(file, "prod", PARAMETERS)
    assert file.read_text() == OTHERS + "\n\n[prod]\nhost=127.0.0.1\nport=6432\ndbname=prod\nuser=ada\n"
    write_service(file, "other", {"host": "x"})
    write_service(file, "prod", {"host": "y"})
    assert file.read_text() == "# mine\n\n[other]\nhost=x\n\n[last]\nport=5433\n\n[prod]\nhost=y\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_same_service_twice_is_there_once(tmp_path: Path) -> None:
    file = tmp_path / "services"
    for _ in range(3):
        write_service(file, "prod", PARAMETERS)
        write_service(file, "dev", PARAMETERS)
    assert file.read_text().count("[prod]") == 1
    assert file.read_text().count("\n\n\n") == 0


@pytest.mark.parametrize("name", ["", "a]b", "a\nb", " a"])
def test_such_a_service_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotWritable):
        write_service(tmp_path / "services", name, PARAMETERS)


@pytest.mark.parametrize("value", ["a\nhost=evil", "a\rb", " a"])
def test_a_value_cannot_bring_lines_of_its_own(tmp_path: Path, value: str) -> None:
    with pytest.raises(NotWritable):
        write_service(tmp_path / "services", "prod", {"user": value})
    with pytest.raises(NotWritable) if value.strip() == value else pytest.raises(StopIteration):
        write_password(tmp_path / "pass", "h", 1, "d", value, "secret")
        raise StopIteration
    assert not (tmp_path / "services").exists()


def test_a_password_comes_first_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "pass"
    file.write_text("# mine\n*:*:*:*:another\n")
    file.chmod(0o644)
    write_password(file, "::1", 6432, "pr:od", "DOM\\ada", "tok:en\\1")
    write_password(file, "::1", 6432, "pr:od", "DOM\\ada", "tok:en\\2")
    assert file.read_text() == "\\:\\:1:6432:pr\\:od:DOM\\\\ada:tok\\:en\\\\2\n# mine\n*:*:*:*:another\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "pass").symlink_to(tmp_path / "real")
    write_password(tmp_path / "pass", "h", 1, "d", "u", "p")
    assert (tmp_path / "pass").is_symlink()
    assert (tmp_path / "real").read_text() == "h:1:d:u:p\n"


def test_a_disk_that_takes_nothing_leaves_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_password(tmp_path / "none" / "pass", "h", 1, "d", "u", "p")


def test_files_lie_where_libpq_looks_for_them() -> None:
    assert service_file({"HOME": "/home/ada"}) == Path("/home/ada/.pg_service.conf")
    assert service_file({"HOME": "/home/ada", "PGSERVICEFILE": "/etc/services"}) == Path("/etc/services")
    assert password_file({"HOME": "/home/ada"}) == Path("/home/ada/.pgpass")
    assert password_file({"PGPASSFILE": "/run/pass"}) == Path("/run/pass")


def test_libpq_reads_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "services"
    write_service(file, "prod", PARAMETERS)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "prod")
    found = {one.keyword.decode(): one.val for one in Conninfo.get_defaults()}
    assert (found["host"], found["port"], found["dbname"], found["user"]) == (b"127.0.0.1", b"6432", b"prod", b"ada")
    assert psycopg.pq.version() > 0
