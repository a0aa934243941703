"""The schema `sluice` in the database that gateways share: made on first use, by one of them, and known by its versions.

A gateway with another mask.key could neither read what the others have sealed nor count as they do: it is kept out.
"""

from collections.abc import Sequence
from typing import Final

from workers.store_connection import Away, Connection

_LOCK: Final = int.from_bytes(b"sluice", "big")  # an advisory lock, for as long as something is made
_SCHEMA: Final = """
do $$ begin
    if not exists (select from pg_namespace where nspname = 'sluice') then create schema sluice; end if;
end $$
"""
_FIRST: Final = """
create table if not exists sluice.part (name text primary key, version integer not null);
create table if not exists sluice.installation (one boolean primary key default true check (one), digest bytea not null);
"""
# Not by to_regclass: within a transaction that may be what it was before the lock was waited for.
_THERE: Final = """
select from pg_class join pg_namespace n on n.oid = relnamespace where nspname = 'sluice' and relname = 'installation'
"""
_MAY: Final = """
select coalesce((select has_schema_privilege(oid, 'create') from pg_namespace where nspname = 'sluice'),
                has_database_privilege(current_database(), 'create'))
"""


def prepare(connection: Connection, part: str, steps: Sequence[str], digest: bytes) -> None:
    """Makes what this part needs: its version is how many of its `steps` are done. `digest`: of mask.key, one way. Raises
    Away, and psycopg.Error."""
    if _version(connection, part) != len(steps):
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            version = _version(connection, part)
            if version > len(steps):
                raise Away("a newer Sluice has changed the store; upgrade this gateway")
            if version < 0:
                connection.execute(_SCHEMA)  # which a user without the right to make one may have been given
                connection.execute(_FIRST)
            for step in steps[max(version, 0) :]:
                connection.execute(step.encode())
            upsert = "insert into sluice.part values (%s, %s) on conflict (name) do update set version = excluded.version"
            connection.execute(upsert, (part, len(steps)))
            connection.execute("insert into sluice.installation (digest) values (%s) on conflict do nothing", (digest,))
    _compare(connection, digest)


def review(connection: Connection, digest: bytes) -> None:
    """Whether it could be used, or made. Raises Away, and psycopg.Error."""
    if connection.execute(_THERE).fetchone() is not None:
        return _compare(connection, digest)
    if connection.execute(_MAY).fetchone() != (True,):
        raise Away("its user may not make the schema; grant create on the database, or make the schema sluice for it")


def _compare(connection: Connection, digest: bytes) -> None:
    known = connection.execute("select digest from sluice.installation").fetchone()
    if known is None or known[0] != digest:
        raise Away("the mask.key of this host is not that of the others; give all hosts the same one")


def _version(connection: Connection, part: str) -> int:
    """0: nothing is made of it; -1: of none."""
    if connection.execute(_THERE).fetchone() is None:
        return -1
    found = connection.execute("select version from sluice.part where name = %s", (part,)).fetchone()
    return 0 if found is None else int(found[0])
