"""Requests and their answers on the disk: SQLite in write-ahead mode, synced with every change. Its one owner calls it from
one thread at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from gateway.approvals.requests import Request
from workers.held_store import Database
from workers.state_database import open_database

REQUESTS_MAX: Final = 100_000  # kept; the oldest that are settled go first
PENDING_MAX: Final = 10_000
_FILE: Final = "approvals.db"
_SCHEMA: Final = """
create table if not exists request (
    id text primary key,
    kind text not null,
    state text not null,
    review text not null,
    since real not null,
    body blob not null) strict, without rowid;
create index if not exists request_state on request (state, since);
create index if not exists request_review on request (review) where review = 'open';
"""
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Request)


class Full(Exception):
    """Too many requests wait for an answer."""


class Store:
    """Raises OSError where the disk, and sqlite3.Error where the file, cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._file = open_database(folder, _FILE, _SCHEMA)
        self._db: Database = self._file

    def add(self, request: Request) -> None:
        """A new one. Raises Full."""
        (pending,) = self._db.execute("select count(*) from request where state = 'pending'").fetchone()
        if pending >= PENDING_MAX:
            raise Full("too many requests wait for an answer")
        columns = {"id": request.id, "kind": request.kind, "since": request.since, **self._columns(request)}
        places = ", ".join("?" for _ in columns)
        self._db.execute(
            f"insert into request ({', '.join(columns)}) values ({places})",  # noqa: S608 - names of ours
            tuple(columns.values()),
        )
        self._db.execute(
            "delete from request where id in (select id from request where state in ('denied', 'expired', 'revoked', 'over')"
            " and review <> 'open' order by since"
            " limit (select case when count(*) > ? then count(*) - ? else 0 end from request))",
            (REQUESTS_MAX, REQUESTS_MAX),
        )

    def get(self, request_id: str) -> Request | None:
        """The request of this id."""
        return next(iter(self._all("select body from request where id = ?", (request_id,))), None)

    def newest(self, count: int) -> list[Request]:
        """The latest, newest first."""
        return self._all("select body from request order by since desc, id limit ?", (count,))

    def of_state(self, state: str) -> list[Request]:
        """Those in this state, oldest first."""
        return self._all("select body from request where state = ? order by since, id", (state,))

    def open_reviews(self) -> list[Request]:
        """Those that were broken open and nobody has reviewed."""
        return self._all("select body from request where review = 'open' order by since, id", ())

    def move(self, before: Request, after: Request) -> bool:
        """Puts `after` in the place of `before`, if that is still as it was: of many who try, one does."""
        columns = self._columns(after)
        changes = ", ".join(f"{name} = ?" for name in columns)
        done = self._db.execute(
            f"update request set {changes} where id = ? and body = ?",  # noqa: S608 - names of ours
            (*columns.values(), before.id, self._pack(before)),
        )
        return done.rowcount == 1

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _columns(self, request: Request) -> dict[str, object]:
        """What may change."""
        return {"state": request.state, "review": request.review, "body": self._pack(request)}

    def _pack(self, request: Request) -> bytes:
        return _encode(request)

    def _unpack(self, body: bytes) -> Request | None:
        """None: it is nothing that was kept."""
        return _decoder.decode(body)

    def _all(self, sql: str, values: Iterable[object]) -> list[Request]:
        found = (self._unpack(row[0]) for row in self._db.execute(sql, tuple(values)))
        return [request for request in found if request is not None]
