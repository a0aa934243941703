"""Rights to decide that are lent, on the disk: SQLite in write-ahead mode, synced with every change. Its one owner calls it
from one thread at a time."""

import os
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from gateway.approvals.delegation import Delegation

KEPT_MAX: Final = 10_000  # those that are over go first
_FILE: Final = "delegations.db"
_SCHEMA: Final = """
create table if not exists delegations (
    id text primary key,
    until real not null,
    body blob not null) strict, without rowid;
create index if not exists delegations_until on delegations (until desc, id);
"""
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Delegation)


class Full(Exception):
    """As many hold as may."""


class DelegationsStore:
    """Raises OSError where the disk, and sqlite3.Error where the file, cannot be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / _FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files this mode
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)

    def put(self, one: Delegation, now: float) -> None:
        """A new one, or what became of it. Raises Full."""
        (count,) = self._db.execute("select count(*) from delegations where id <> ?", (one.id,)).fetchone()
        if count >= KEPT_MAX:
            over = "delete from delegations where id in (select id from delegations where until <= ? order by until limit 1)"
            if not self._db.execute(over, (now,)).rowcount:
                raise Full(f"{KEPT_MAX} delegations hold already")
        until = one.revoked or one.until
        self._db.execute("insert or replace into delegations values (?, ?, ?)", (one.id, until, _encode(one)))

    def all(self) -> list[Delegation]:
        """Those that hold longest first."""
        rows = self._db.execute("select body from delegations order by until desc, id")
        return [_decoder.decode(body) for (body,) in rows]

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()
