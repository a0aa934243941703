"""Which settings may be changed, by name and value."""

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from gateway.policy.session_settings import barred
from parser.facts import Setting
from workers.embedded import EmbeddedServer, wheel_programs


def word(name: str, value: str | None, role: str | None = None, *, reset: bool = False) -> str:
    found = barred(Setting(name, value), role, reset=reset)
    return found.word if found else ""


@pytest.mark.parametrize("value", ["on", "ON", "t", "tr", "true", "y", "yes", "1", " on "])
def test_standard_conforming_strings_may_be_switched_on(value: str) -> None:
    assert word("standard_conforming_strings", value) == ""


@pytest.mark.parametrize("value", ["off", "o", "of", "0", "false", "n", "", "truely", None, "2"])
def test_standard_conforming_strings_stays_on(value: str | None) -> None:
    assert word("standard_conforming_strings", value) == "all"


@pytest.mark.parametrize("value", ["UTF8", "utf-8", "'utf-8'", "LATIN1", "ISO_8859_5", "WIN1252", "EUC_JP", "KOI8"])
def test_encodings_without_ascii_inside_characters_are_fine(value: str) -> None:
    assert word("client_encoding", value) == ""


@pytest.mark.parametrize(
    "value", ["SJIS", "Shift_JIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "mskanji", "x", "", None]
)
def test_encodings_with_ascii_inside_characters_are_barred(value: str | None) -> None:
    assert word("client_encoding", value) == "all"
    assert word("names", value) == "all"


def test_the_role_is_that_of_the_grant() -> None:
    assert word("role", "none") == ""
    assert word("role", "other") == "admin"
    assert word("role", None) == "admin"
    assert word("role", "app", "app") == ""
    assert word("role", "none", "app") == "admin"
    assert word("role", None, "app", reset=True) == ""
    assert word("session_authorization", None, reset=True) == ""
    assert word("session_authorization", None, "app", reset=True) == "admin"


@pytest.mark.parametrize("name", ["LOG_Statement", "log_anything_new", "pgaudit.log", "zero_damaged_pages", "lc_messages"])
def test_the_servers_own_settings_need_admin(name: str) -> None:
    assert word(name, "x") == "admin"
    assert word(name, None, reset=True) == ""


@pytest.mark.parametrize("name", ["search_path", "work_mem", "my.role", "login", "row_security", "bytea_output", "logs.x"])
def test_a_sessions_own_settings_are_free(name: str) -> None:
    assert word(name, "x") == ""
    assert word(name, None) == ""


def test_a_computed_name_may_be_any_setting() -> None:
    assert word("*", "x") == "all"
    assert word("*", None) == "all"
    assert word("*", None, reset=True) == ""
    assert word("*", "view, foreign-table") == ""


def test_a_name_behind_a_known_beginning_is_not_quoted() -> None:
    found = barred(Setting("log_s3cr3t", "x"), None, reset=False)
    assert found is not None
    assert "s3cr3t" not in repr(found)


def test_every_setting_that_only_a_superuser_may_change_is_barred_and_no_other() -> None:
    home = Path(tempfile.mkdtemp(prefix="sluice-settings-"))
    home.chmod(0o755)
    server = EmbeddedServer(wheel_programs(), home)
    try:
        server.create()
        server.start()
        with psycopg.connect(server.dsn()) as owner:
            rows = owner.execute("SELECT name, context FROM pg_catalog.pg_settings").fetchall()
    finally:
        server.stop()
        shutil.rmtree(home)
    assert len(rows) > 300
    passing = {name for name, _ in rows if not word(name, "x")}
    superusers = {name for name, context in rows if context.startswith("superuser")}
    assert not passing & superusers
    users = {name for name, context in rows if context == "user"}
    stricter = ("client_encoding", "standard_conforming_strings", "local_preload_libraries", "log_", "debug_", "trace_")
    assert all(name.startswith(stricter) for name in users - passing)
