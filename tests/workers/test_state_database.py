"""Files of the gateway's state: nobody else reads them, and what was taken out of them is gone."""

import sqlite3
from pathlib import Path

import pytest

from workers.state_database import open_database

SCHEMA = "create table if not exists one (name text primary key)"


def test_it_is_the_owners_alone_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for count in (1, 2):
        database = open_database(folder, "one.db", SCHEMA)
        database.execute("insert into one values (?)", (f"n{count}",))
        assert database.execute("select count(*) from one").fetchone() == (count,)
        assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        database.close()


@pytest.mark.parametrize(("word", "number"), [("full", 2), ("normal", 1)])
def test_it_is_synced_as_was_asked_and_erases(tmp_path: Path, word: str, number: int) -> None:
    database = open_database(tmp_path, "one.db", SCHEMA, synchronous=word)
    found = [database.execute(f"pragma {one}").fetchone()[0] for one in ("synchronous", "secure_delete", "journal_mode")]
    database.close()
    assert found == [number, 1, "wal"]


def test_what_is_no_such_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.db").write_bytes(b"nothing" * 1000)
    with pytest.raises(sqlite3.Error):
        open_database(tmp_path, "one.db", SCHEMA)
    with pytest.raises(OSError, match="Not a directory"):
        open_database(tmp_path / "one.db" / "below", "one.db", SCHEMA)
