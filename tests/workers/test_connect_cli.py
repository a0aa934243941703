"""`sluice connect`: what the client gets, and the files for clients of other makers."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from tests.workers.test_token_cache import KEPT
from workers import token_cache
from workers.cli import verbs
from workers.init import init

Run = Callable[..., Result]
TOKEN = msgspec.structs.replace(KEPT, host="gw.example", port=6433)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have become of the process."""
    found: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *become: found.append(become))
    return found


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith(("PG", "SLUICE_"))]:
        monkeypatch.delenv(name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("psql", "pgcli"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return lambda *arguments: CliRunner().invoke(verbs, ["connect", *arguments])


def test_psql_gets_the_token_in_its_environment_alone(
    run: Run, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token_cache.write(TOKEN, os.environ)
    for name in ("PGSERVICE", "PGHOSTADDR", "PGPASSFILE"):
        monkeypatch.setenv(name, "astray")
    monkeypatch.setenv("PGAPPNAME", "mine")
    done = run("prod", "--", "-Atc", "select 1")
    assert done.exit_code == 0, done.output
    ((program, command, environ),) = started
    assert (Path(program).name, command) == ("psql", ("psql", "-Atc", "select 1"))
    given = {name: value for name, value in environ.items() if name.startswith(("PG", "SLUICE"))}
    assert given == {
        "PGHOST": "gw.example", "PGPORT": "6433", "PGDATABASE": "prod", "PGUSER": "ada", "PGSSLMODE": "verify-full",
        "PGPASSWORD": "the-token", "PGAPPNAME": "mine",
    }  # fmt: skip
    assert "the-token" not in done.output


def test_flags_and_another_client_come_first(run: Run, started: list[Any], tmp_path: Path) -> None:
    init(tmp_path)
    token_cache.write(TOKEN, os.environ)
    assert run("prod", "--", "pgcli", "--less-chatty").exit_code == 0
    assert run("--port", "7000", "--user", "bo", "--sslmode", "disable", "prod").exit_code == 0
    (_, command, environ), (_, _, flagged) = started
    assert command == ("pgcli", "--less-chatty")
    assert (environ["PGHOST"], environ["PGPORT"], environ["PGSSLMODE"]) == ("127.0.0.1", "6432", "prefer")
    assert (flagged["PGPORT"], flagged["PGUSER"], flagged["PGSSLMODE"]) == ("7000", "bo", "disable")


def test_a_token_of_the_environment_names_its_user(
    run: Run, started: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    init(tmp_path)
    minted = CliRunner().invoke(verbs, ["token", "mint", "--user", "zoe"]).stdout.strip()
    monkeypatch.setenv("SLUICE_TOKEN", minted)
    assert run("prod").exit_code == 0
    assert (started[0][2]["PGUSER"], started[0][2]["PGPASSWORD"]) == ("zoe", minted)
    monkeypatch.setenv("SLUICE_TOKEN", "unreadable")
    assert "--user" in run("prod").stderr


def test_files_for_other_clients_are_written_and_their_end_is_told(run: Run, started: list[Any], tmp_path: Path) -> None:
    token_cache.write(msgspec.structs.replace(TOKEN, expires=time.time() + 600), os.environ)
    done = run("prod", "--write-service", "--write-passfile")
    assert done.exit_code == 0, done.output
    assert started == []
    assert "psql service=prod" in done.stdout
    assert "lasts for 10 min" in done.stdout
    assert "the-token" not in done.output
    service = (tmp_path / ".pg_service.conf").read_text()
    assert service == "[prod]\nhost=gw.example\nport=6433\ndbname=prod\nuser=ada\nsslmode=verify-full\n"
    assert (tmp_path / ".pgpass").read_text() == "gw.example:6433:prod:ada:the-token\n"
    assert run("prod", "--write-service", "mine").exit_code == 0
    assert "[mine]" in (tmp_path / ".pg_service.conf").read_text()


def test_what_is_missing_is_told_in_a_line(run: Run, started: list[Any]) -> None:
    assert "sluice login" in run("prod").stderr
    token_cache.write(KEPT, os.environ)
    assert (run("prod").exit_code, started) == (2, [])
    assert "--host" in run("prod").stderr
    token_cache.write(TOKEN, os.environ)
    assert "nowhere is not installed" in run("prod", "--", "nowhere").stderr
    token_cache.write(msgspec.structs.replace(TOKEN, expires=1.0), os.environ)
    assert "has expired" in run("prod").stderr
