"""Rights to decide that are lent, on the disk: SQLite in write-ahead mode, synced with every change. Its one owner calls it
from one thread at a time."""

from pathlib import Path
from typing import Final

import msgspec

from gateway.approvals.delegation import Delegation
from workers.held_store import Database
from workers.state_database import open_database

KEPT_MAX: Final = 10_000  # those that are over go first
_FILE: Final = "delegations.db"
_SCHEMA: Final = """
create table if not exists delegation (
    id text primary key,
    until real not null,
    body blob not null) strict, without rowid;
create index if not exists delegation_until on delegation (until desc, id);
"""
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Delegation)


class Full(Exception):
    """As many hold as may."""


class DelegationsStore:
    """Raises OSError where the disk, and sqlite3.Error where the file, cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._file = open_database(folder, _FILE, _SCHEMA)
        self._db: Database = self._file

    def add(self, one: Delegation, now: float) -> None:
        """A new one. Raises Full."""
        (count,) = self._db.execute("select count(*) from delegation").fetchone()
        if count >= KEPT_MAX:
            over = "delete from delegation where id in (select id from delegation where until <= ? order by until limit 1)"
            if not self._db.execute(over, (now,)).rowcount:
                raise Full(f"{KEPT_MAX} delegations hold already")
        columns = {"id": one.id, **self._columns(one)}
        places = ", ".join("?" for _ in columns)
        self._db.execute(
            f"insert into delegation ({', '.join(columns)}) values ({places})",  # noqa: S608 - names of ours
            tuple(columns.values()),
        )

    def move(self, before: Delegation, after: Delegation) -> bool:
        """Puts `after` in the place of `before`, if that is still as it was: of many who try, one does."""
        columns = self._columns(after)
        changes = ", ".join(f"{name} = ?" for name in columns)
        done = self._db.execute(
            f"update delegation set {changes} where id = ? and body = ?",  # noqa: S608 - names of ours
            (*columns.values(), before.id, self._pack(before)),
        )
        return done.rowcount == 1

    def get(self, delegation_id: str) -> Delegation | None:
        """The one of this id."""
        return next(iter(self._all("select body from delegation where id = ?", (delegation_id,))), None)

    def all(self) -> list[Delegation]:
        """Those that hold longest first."""
        return self._all("select body from delegation order by until desc, id", ())

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _columns(self, one: Delegation) -> dict[str, object]:
        """What may change."""
        return {"until": one.revoked or one.until, "body": self._pack(one)}

    def _pack(self, one: Delegation) -> bytes:
        return _encode(one)

    def _unpack(self, body: bytes) -> Delegation | None:
        """None: it is nothing that was kept."""
        return _decoder.decode(body)

    def _all(self, sql: str, values: tuple[object, ...]) -> list[Delegation]:
        found = (self._unpack(row[0]) for row in self._db.execute(sql, values))
        return [one for one in found if one is not None]
