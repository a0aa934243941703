"""Which held statements have a ticket, beside those statements on the disk: what a ticket is for, whose it is, and when
it is to be looked at again. What is over is forgotten here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.approvals.statements import Held

if TYPE_CHECKING:
    from workers.held_store import Database

SCHEMA: Final = """
create table if not exists ticket (
    id text primary key,
    key blob not null,
    owner blob not null,
    asks text not null,
    ends real not null) strict, without rowid;
create index if not exists ticket_key on ticket (key);
create index if not exists ticket_owner on ticket (owner);
create index if not exists ticket_ends on ticket (ends);
"""


class TicketStore:
    """In the database of the held statements; `unpack` reads one of them. Raises what that does where it cannot be used."""

    def __init__(self, db: Database, unpack: Callable[[bytes], Held | None]) -> None:
        self._db = db
        self._unpack = unpack

    def add(self, held: Held, key: bytes, owner: bytes) -> None:
        """Before the statement itself: without it this means nothing."""
        row = held.id, key, owner, held.used_by, held.until
        add = "insert into ticket (id, key, owner, asks, ends) values (?, ?, ?, ?, ?) on conflict do nothing"
        self._db.execute(add, row)

    def latest(self, key: bytes, asks: str) -> Held | None:
        """The ticket for this that whoever asks was about to use, else the newest."""
        found = "select body from held join ticket using (id) where key = ? order by asks = ? desc, since desc, id limit 1"
        row = self._db.execute(found, (key, asks)).fetchone()
        return None if row is None else self._unpack(row[0])

    def about(self, ticket: str, asks: str) -> None:
        """Whoever asks under this name is about to use it."""
        self._db.execute("update ticket set asks = ? where id = ?", (asks, ticket))

    def pending(self, owner: bytes) -> int:
        """How many of this one wait."""
        found = "select count(*) from held join ticket using (id) where owner = ? and state = 'pending'"
        return int(self._db.execute(found, (owner,)).fetchone()[0])

    def due(self, now: float) -> list[str]:
        """Those whose time has come."""
        return [row[0] for row in self._db.execute("select id from ticket where ends <= ? order by ends", (now,))]

    def again(self, ticket: str, ends: float) -> None:
        """It is to be looked at again only then."""
        self._db.execute("update ticket set ends = ? where id = ?", (ends, ticket))

    def forget(self, ticket: str) -> None:
        """It is over."""
        self._db.execute("delete from ticket where id = ?", (ticket,))
