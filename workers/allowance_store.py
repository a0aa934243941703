"""Allowances on the disk, beside the held statements that they were given with: what is left of each, and who uses it.

Each step is one statement, and what is taken is taken before it is given: where the process dies in between something is
lost, and nothing is used twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from workers.held_store import Database

SCHEMA: Final = """
create table if not exists allowance (
    id text primary key,
    key blob not null,
    times_left integer not null,
    rows_left integer not null,
    until real not null) strict, without rowid;
create index if not exists allowance_key on allowance (key, until);
create table if not exists allowance_use (
    asks text primary key,
    allowance text not null,
    binding blob not null,
    rows integer not null,
    host text not null,
    state text not null) strict, without rowid;
create index if not exists allowance_use_state on allowance_use (allowance, state);
create index if not exists allowance_use_open on allowance_use (host) where state = 'open';
"""
KEPT_SECONDS: Final = 86_400.0  # an allowance that is over is shown for so long


class Left(NamedTuple):
    """What is left of an allowance. `rows` that a use has in its hands are not counted."""

    id: str
    times: int
    rows: int
    until: float


class Use(NamedTuple):
    """Somebody has so many rows of an allowance in his hands."""

    allowance: str
    rows: int


class AllowanceStore:
    """In the database of the held statements. Raises what that does where it cannot be used."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def open(self, left: Left, key: bytes, first: bytes | None, host: str = "") -> None:
        """A new one. With `first`, the binding of the statement that it was given with, that has all of it in its hands."""
        if first is not None:
            self._use(left.id, left, first, host)
            left = left._replace(times=left.times - 1, rows=0)
        self._db.execute(
            "insert into allowance (id, key, times_left, rows_left, until) values (?, ?, ?, ?, ?) on conflict do nothing",
            (left.id, key, left.times, left.rows, left.until),
        )

    def left(self, allowance: str) -> Left | None:
        """What is left of it."""
        row = self._db.execute(
            "select id, times_left, rows_left, until from allowance where id = ?", (allowance,)
        ).fetchone()
        return None if row is None else Left(*row)

    def fitting(self, task: bytes, person: bytes, binding: bytes, now: float) -> list[Left]:
        """Those for this that may still be used, for this very statement too, or are in somebody's hands: the first to end
        comes first, and behind them those that are."""
        found = (
            "select id, times_left, rows_left, until from allowance as a"
            " where key in (?, ?) and until > ? and times_left > 0"
            " and not exists (select 1 from allowance_use where allowance = a.id and binding = ? and state = 'exceeded')"
            " and (rows_left > 0 or exists (select 1 from allowance_use where allowance = a.id and state = 'open'))"
            " order by rows_left = 0, until, id"
        )
        return [Left(*row) for row in self._db.execute(found, (task, person, now, binding))]

    def take(self, left: Left, asks: str, binding: bytes, host: str = "") -> bool:
        """All rows that are left, once, for whoever asks at this host; False where somebody was quicker."""
        done = self._db.execute(
            "update allowance set times_left = times_left - 1, rows_left = 0"
            " where id = ? and times_left = ? and rows_left = ? and until = ?",
            (left.id, left.times, left.rows, left.until),
        )
        if done.rowcount != 1:
            return False
        self._use(asks, left, binding, host)
        return True

    def _use(self, asks: str, left: Left, binding: bytes, host: str) -> None:
        self._db.execute(
            "insert into allowance_use (asks, allowance, binding, rows, host, state) values (?, ?, ?, ?, ?, 'open')"
            " on conflict do nothing",
            (asks, left.id, binding, left.rows, host),
        )

    def give_back(self, asks: str) -> None:
        """It is not used, and never was."""
        self.count(asks, 0)
        self._db.execute("delete from allowance_use where asks = ?", (asks,))

    def using(self, asks: str) -> Use | None:
        """What this one has in his hands, or had until nobody told its outcome: none of it has come back."""
        found = "select allowance, rows from allowance_use where asks = ? and state in ('open', 'lost')"
        row = self._db.execute(found, (asks,)).fetchone()
        return None if row is None else Use(*row)

    def in_hand(self, host: str = "") -> list[str]:
        """Who has something in his hands at this host."""
        found = "select asks from allowance_use where host = ? and state = 'open'"
        return [row[0] for row in self._db.execute(found, (host,))]

    def busy(self, allowance: str) -> bool:
        """Whether somebody has what is left of it in his hands."""
        found = "select 1 from allowance_use where allowance = ? and state = 'open' limit 1"
        return self._db.execute(found, (allowance,)).fetchone() is not None

    def count(self, asks: str, rows: int | None, *, exceeded: bool = False) -> None:
        """What he changed is gone, and the rest is back; None: nobody knows, so all is gone."""
        use = self.using(asks)
        state = "exceeded" if exceeded else "lost" if rows is None else "counted"
        done = self._db.execute("update allowance_use set state = ? where asks = ? and state = 'open'", (state, asks))
        if use is not None and done.rowcount == 1 and rows is not None:
            back = max(0, use.rows - rows)
            self._db.execute("update allowance set rows_left = rows_left + ? where id = ?", (back, use.allowance))

    def end(self, allowance: str, now: float) -> bool:
        """It is worth nothing from now on; whether it was before."""
        done = self._db.execute("update allowance set until = ? where id = ? and until > ?", (now, allowance, now))
        return done.rowcount == 1

    def tidy(self, now: float) -> None:
        """Forgets what has been over for long."""
        late = now - KEPT_SECONDS
        self._db.execute(
            "delete from allowance_use where state <> 'open' and allowance in (select id from allowance where until < ?)",
            (late,),
        )
        self._db.execute(
            "delete from allowance where until < ? and id not in (select allowance from allowance_use)", (late,)
        )
