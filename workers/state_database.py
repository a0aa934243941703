"""SQLite files of the gateway's state: for their owner alone, in write-ahead mode."""

import os
import sqlite3
from pathlib import Path


def open_database(folder: Path, name: str, *schemas: str, synchronous: str = "full") -> sqlite3.Connection:
    """In autocommit mode, for one thread at a time. Raises OSError where the disk, and sqlite3.Error where the file, cannot
    be used."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files this mode
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("pragma journal_mode = wal")
    database.execute(f"pragma synchronous = {synchronous}")
    database.execute("pragma secure_delete = on")  # what was taken out is not left on a free page
    for schema in schemas:
        database.executescript(schema)
    return database
