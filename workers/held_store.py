"""Statements that wait for people, on the disk: SQLite in write-ahead mode, synced with every change. Its one owner calls it
from one thread at a time."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from gateway.approvals.statements import Held
from workers import allowance_store, ticket_store
from workers.allowance_store import AllowanceStore
from workers.state_database import open_database
from workers.ticket_store import TicketStore

HELD_MAX: Final = 100_000  # kept; the oldest that are over go first
BRIEF_CHARACTERS: Final = 200  # of a statement, for those who count
_FILE: Final = "held.db"
_SCHEMA: Final = """
create table if not exists held (
    id text primary key,
    state text not null,
    shape blob not null,
    ran integer not null,
    since real not null,
    decided real not null,
    body blob not null) strict, without rowid;
create index if not exists held_since on held (since desc, id);
create index if not exists held_state on held (state, since);
create index if not exists held_shape on held (shape, decided) where state = 'approved' and ran = 1;
"""
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Held)


class Rows(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def __iter__(self) -> Any: ...


class Database(Protocol):
    """What the store asks: SQL that SQLite and PostgreSQL both read, with ? for each value."""

    def execute(self, sql: str, values: tuple[object, ...] = (), /) -> Rows: ...


class HeldStore:
    """Raises OSError where the disk, and sqlite3.Error where the file, cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._file = open_database(folder, _FILE, _SCHEMA, ticket_store.SCHEMA, allowance_store.SCHEMA)
        self._over(self._file)

    def _over(self, db: Database) -> None:
        """This is what is asked."""
        self._db = db
        self.tickets, self.allowances = TicketStore(db, self._unpack), AllowanceStore(db)

    def add(self, held: Held) -> bool:
        """A new one; False where one of this id is there."""
        columns = {"id": held.id, "shape": held.shape, "since": held.since, **self._columns(held)}
        places = ", ".join("?" for _ in columns)
        done = self._db.execute(
            f"insert into held ({', '.join(columns)}) values ({places}) on conflict do nothing",  # noqa: S608 - names of ours
            tuple(columns.values()),
        )
        self._db.execute(
            "delete from held where id in (select id from held where state <> 'pending' order by since"
            " limit (select case when count(*) > ? then count(*) - ? else 0 end from held))",
            (HELD_MAX, HELD_MAX),
        )
        return done.rowcount == 1

    def get(self, held_id: str) -> Held | None:
        """The statement of this id."""
        return next(iter(self._all("select body from held where id = ?", (held_id,))), None)

    def newest(self, count: int) -> list[Held]:
        """The latest, newest first."""
        return self._all("select body from held order by since desc, id limit ?", (count,))

    def page(self, since: float, before: tuple[float, str], count: int) -> list[Held]:
        """The latest made since then, newest first, behind that one (its `since` and id), for counting: without what is
        sealed, and of long statements the beginning."""
        sql = "select body from held where since between ? and ? and (since < ? or id > ?) order by since desc, id limit ?"
        return [_brief(one) for one in self._all(sql, (since, before[0], *before, count))]

    def pending(self) -> list[Held]:
        """Those that wait, oldest first."""
        return self._all("select body from held where state = 'pending' order by since, id", ())

    def let_go(self, shape: bytes) -> Held | None:
        """The one of this shape that was approved last, of those that have run."""
        found = "select body from held where shape = ? and state = 'approved' and ran = 1 order by decided desc limit 1"
        return next(iter(self._all(found, (shape,))), None)

    def move(self, before: Held, after: Held) -> bool:
        """Puts `after` in the place of `before`, if that is still as it was: of many who try, one does."""
        columns = self._columns(after)
        changes = ", ".join(f"{name} = ?" for name in columns)
        done = self._db.execute(
            f"update held set {changes} where id = ? and body = ?",  # noqa: S608 - names of ours
            (*columns.values(), before.id, self._pack(before)),
        )
        if before.secret and not after.secret:
            self._forget()
        return done.rowcount == 1

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _columns(self, held: Held) -> dict[str, object]:
        """What may change."""
        return {"state": held.state, "ran": int(held.ran), "decided": held.decided, "body": self._pack(held)}

    def _pack(self, held: Held) -> bytes:
        return _encode(held)

    def _unpack(self, body: bytes) -> Held | None:
        """None: it is nothing that was kept."""
        return _decoder.decode(body)

    def _forget(self) -> None:
        """The log still has what was sealed; a disk that cannot now does so with the next one."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._file.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _all(self, sql: str, values: Iterable[object]) -> list[Held]:
        found = (self._unpack(row[0]) for row in self._db.execute(sql, tuple(values)))
        return [held for held in found if held is not None]


def _brief(held: Held) -> Held:
    return msgspec.structs.replace(held, statement=held.statement[:BRIEF_CHARACTERS], words="", secret=b"")
