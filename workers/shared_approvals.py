"""What waits for people, in the PostgreSQL that the gateways of a fleet share: the same stores as on a disk, and what is
asked about the others: who is there, and what nobody looks after any more.

A gateway says each second that it is there, by the store's clock. What one that is gone has left is taken over by another,
which has itself been there for as long: after an interruption everybody has had the time to come back.

A row is believed where a gateway of the fleet has made it (HMAC): who can write to the database cannot approve anything.
"""

import hashlib
import hmac
import logging
from functools import lru_cache
from typing import Any, Final

from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Request
from gateway.approvals.statements import Held
from workers.approvals_store import Store
from workers.delegations_store import DelegationsStore
from workers.held_store import HeldStore
from workers.store_connection import Connection

PART: Final = "approvals"
HELD, REQUEST, DELEGATION = "sluice_held", "sluice_request", "sluice_delegation"  # channels: id, state, host of a change
GONE_SECONDS: Final = 10.0  # without a sign of life
FORGOTTEN_SECONDS: Final = 86_400.0
TAKEN_MAX: Final = 100  # at a time
_MAC_BYTES: Final = 32
log = logging.getLogger("sluice.admin")
STEPS: Final = (
    """
create table sluice.host (
    id text primary key, name text not null, since timestamptz not null, seen timestamptz not null);
create table sluice.held (
    id text primary key, state text not null, shape bytea not null, ran integer not null, since float8 not null,
    decided float8 not null, host text not null, claimed boolean not null, body bytea not null);
create index on sluice.held (since desc, id);
create index on sluice.held (state, since) where state in ('pending', 'approved');
create index on sluice.held (shape, decided) where state = 'approved' and ran = 1;
create table sluice.request (
    id text primary key, kind text not null, state text not null, review text not null, since float8 not null,
    host text not null, body bytea not null);
create index on sluice.request (state, since);
create index on sluice.request (review) where review = 'open';
create table sluice.receipt (
    request text not null, channel text not null, receipt text not null, host text not null,
    primary key (request, channel));
create function sluice.changed() returns trigger language plpgsql as
    'begin perform pg_notify(tg_argv[0], concat_ws('' '', new.id, new.state, new.host)); return null; end';
create trigger made after insert on sluice.held for each row when (new.state = 'pending')
    execute function sluice.changed('sluice_held');
create trigger moved after update on sluice.held for each row
    when (old.state <> new.state or (new.state = 'pending' and old.body <> new.body))
    execute function sluice.changed('sluice_held');
create trigger made after insert on sluice.request for each row execute function sluice.changed('sluice_request');
create trigger moved after update on sluice.request for each row when (old.state <> new.state or old.review <> new.review)
    execute function sluice.changed('sluice_request');
""",
    """
create table sluice.ticket (
    id text primary key, key bytea not null, owner bytea not null, asks text not null, ends float8 not null);
create index on sluice.ticket (key);
create index on sluice.ticket (owner);
create index on sluice.ticket (ends);
create table sluice.allowance (
    id text primary key, key bytea not null, times_left bigint not null, rows_left bigint not null, until float8 not null);
create index on sluice.allowance (key, until);
create table sluice.allowance_use (
    asks text primary key, allowance text not null, binding bytea not null, rows bigint not null, host text not null,
    state text not null);
create index on sluice.allowance_use (allowance, state);
create index on sluice.allowance_use (host) where state = 'open';
""",
    """
create table sluice.delegation (
    id text primary key, state text not null, host text not null, until float8 not null, body bytea not null);
create index on sluice.delegation (until desc, id);
create trigger changed after insert or update on sluice.delegation for each row
    execute function sluice.changed('sluice_delegation');
""",
)
# Of hosts: those that are gone; nobody is, for one that has not been there without a break for that long itself.
_GONE: Final = """
not exists (select from host h where h.id = one.host and h.seen > now() - make_interval(secs => ?))
and exists (select from host h where h.id = ? and h.seen > now() - make_interval(secs => ?)
            and h.since < now() - make_interval(secs => ?))
"""


class _Postgres:
    """The stores' SQL as psycopg takes it; the schema is what the connection looks for tables in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: tuple[object, ...] = (), /) -> Any:
        return self._connection.execute(sql.replace("%", "%%").replace("?", "%s").encode(), values)


class SharedHeld(HeldStore):
    """Statements that wait with any of the gateways. `key`: what knows their rows. Raises psycopg.Error."""

    def __init__(self, connection: Connection, key: bytes) -> None:
        self._key = key
        self._over(_Postgres(connection))

    def decided(self, ids: list[str]) -> list[Held]:
        """Those of these that wait no more."""
        return self._all("select body from held where id = any(?) and state <> 'pending'", (ids,))

    def left(self, host: str) -> list[Held]:
        """What waits with hosts that are gone, or was to run there; `host` asks."""
        waits = "(state = 'pending' or (state = 'approved' and not claimed)) and one.host <> ''"  # a ticket waits with none
        sql = f"select body from held one where {waits} and {_GONE} limit ?"  # noqa: S608 - texts of ours
        return self._all(sql, (*_gone(host), TAKEN_MAX))

    def _columns(self, held: Held) -> dict[str, object]:
        return {**super()._columns(held), "host": held.host, "claimed": held.claimed}

    def _pack(self, held: Held) -> bytes:
        return _sign(super()._pack(held), self._key)

    def _unpack(self, body: bytes) -> Held | None:
        known = _known(body, self._key)
        return None if known is None else super()._unpack(known)

    def _forget(self) -> None:
        """What was sealed may be in dead rows and in logs for a while: it cannot be read without mask.key."""


class SharedRequests(Store):
    """Requests for access, of all gateways. `key`: what knows their rows. Raises psycopg.Error."""

    def __init__(self, connection: Connection, key: bytes) -> None:
        self._db = _Postgres(connection)
        self._key = key

    def left(self, host: str) -> list[Request]:
        """Those that wait and were told of by hosts that are gone; `host` asks."""
        sql = f"select body from request one where state = 'pending' and {_GONE} limit ?"  # noqa: S608 - a text of ours
        return self._all(sql, (*_gone(host), TAKEN_MAX))

    def _columns(self, request: Request) -> dict[str, object]:
        return {**super()._columns(request), "host": request.host}

    def _pack(self, request: Request) -> bytes:
        return _sign(super()._pack(request), self._key)

    def _unpack(self, body: bytes) -> Request | None:
        known = _known(body, self._key)
        return None if known is None else super()._unpack(known)


class SharedDelegations(DelegationsStore):
    """Rights that are lent at any of the gateways; `host` lends, or takes back. `key`: what knows their rows. Raises
    psycopg.Error."""

    def __init__(self, connection: Connection, key: bytes, host: str) -> None:
        self._db = _Postgres(connection)
        self._key = hmac.digest(key, b"delegation", hashlib.sha256)  # no row of another kind is one
        self._host = host

    def _columns(self, one: Delegation) -> dict[str, object]:
        state = "revoked" if one.revoked else "lent"
        return {**super()._columns(one), "state": state, "host": self._host}

    def _pack(self, one: Delegation) -> bytes:
        return _sign(super()._pack(one), self._key)

    def _unpack(self, body: bytes) -> Delegation | None:
        known = _known(body, self._key)
        return None if known is None else super()._unpack(known)


class SharedReceipts:
    """Which messages are about which request, and which host looks after them. Raises psycopg.Error."""

    def __init__(self, connection: Connection) -> None:
        self._db = _Postgres(connection)

    def of(self, host: str) -> dict[tuple[str, str], str]:
        """Its own, by request and channel."""
        sql = "select request, channel, receipt from receipt where host = ?"
        return {(request, channel): receipt for request, channel, receipt in self._db.execute(sql, (host,))}

    def take(self, host: str) -> dict[tuple[str, str], str]:
        """Those of hosts that are gone: they are this one's from now on, and no other's."""
        sql = f"update receipt one set host = ? where {_GONE} returning request, channel, receipt"  # noqa: S608
        taken = self._db.execute(sql, (host, *_gone(host)))
        return {(request, channel): receipt for request, channel, receipt in taken}

    def put(self, host: str, request: str, channel: str, receipt: str | None) -> None:
        """None: it is needed no more."""
        if receipt is None:
            self._db.execute("delete from receipt where request = ? and channel = ?", (request, channel))
        else:
            sql = (
                "insert into receipt values (?, ?, ?, ?) on conflict (request, channel)"
                " do update set receipt = excluded.receipt, host = excluded.host"
            )
            self._db.execute(sql, (request, channel, receipt, host))


def here(connection: Connection, host: str, name: str) -> None:
    """A sign of life. After a break it counts as one that has just come."""
    connection.execute(
        "insert into host as h values (%s, %s, now(), now()) on conflict (id) do update set name = excluded.name,"
        " since = case when h.seen < now() - make_interval(secs => %s) then now() else h.since end, seen = now()",
        (host, name, GONE_SECONDS),
    )
    connection.execute(
        "delete from host where seen < now() - make_interval(secs => %s)", (FORGOTTEN_SECONDS,)
    )


def alive(connection: Connection, host: str) -> bool:
    """Whether it has given one."""
    sql = "select from host where id = %s and seen > now() - make_interval(secs => %s)"
    return connection.execute(sql, (host, GONE_SECONDS)).fetchone() is not None


def hosts(connection: Connection) -> list[str]:
    """The names of those that have."""
    sql = "select name from host where seen > now() - make_interval(secs => %s) order by name, id"
    return [name for (name,) in connection.execute(sql, (GONE_SECONDS,))]


def _gone(host: str) -> tuple[object, ...]:
    return GONE_SECONDS, host, GONE_SECONDS, GONE_SECONDS


def _sign(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256) + body


def _known(body: bytes, key: bytes) -> bytes | None:
    """None: no gateway of this fleet has made it so."""
    mac, rest = body[:_MAC_BYTES], body[_MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.digest(key, rest, hashlib.sha256)):
        _strange(mac)
        return None
    return rest


@lru_cache(maxsize=1000)
def _strange(_: bytes) -> None:
    """Once for each."""
    log.critical("the store of approvals has a row that no gateway of this fleet has made: it counts for nothing")
