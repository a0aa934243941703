"""What hosts of a fleet tell each other through a PostgreSQL that they share: rows of `workers.fleet_rows`.

A host has a name that is drawn with its counters, at each start of its supervisor: what it used before counts on, and no
state is ever taken for a newer one. It numbers what it tells, and its rows bear the number they came with. As it alone
writes them, one transaction after the other, whoever has read its rows up to a number misses none.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from workers import store_schema
from workers.fleet_rows import Row
from workers.store_connection import Connection

PART: Final = "fleet"
STEPS: Final = (
    """
create table sluice.fleet_host (
    host bytea primary key,
    name text not null,
    number bigint not null,
    seen timestamptz not null
);
create table sluice.fleet_use (
    host bytea not null,
    sort smallint not null,
    key bigint not null,
    part smallint not null,
    number bigint not null,
    until timestamptz not null,
    content bytea not null,
    primary key (host, sort, key, part)
);
create index fleet_use_number on sluice.fleet_use (host, number);
create index fleet_use_until on sluice.fleet_use (until);
""",
)
# What is lost when the store crashes, of the last moments, is told again by whoever lives.
_SETTINGS: Final = "set synchronous_commit = off"
_TELL: Final = """
with told as (
    insert into sluice.fleet_use (host, sort, key, part, number, until, content)
    select %(host)s, sort, key, part, %(number)s, clock_timestamp() + seconds * interval '1 second', content
    from unnest(%(sorts)s::smallint[], %(keys)s::bigint[], %(parts)s::smallint[], %(seconds)s::integer[],
    %(contents)s::bytea[]) as said (sort, key, part, seconds, content)
    on conflict (host, sort, key, part)
    do update set number = excluded.number, until = excluded.until, content = excluded.content
    where excluded.number > fleet_use.number
)
insert into sluice.fleet_host (host, name, number, seen) values (%(host)s, %(name)s, %(number)s, clock_timestamp())
on conflict (host) do update set number = excluded.number, seen = excluded.seen where excluded.number >= fleet_host.number
"""
_HOSTS: Final = """
select host, name, number, extract(epoch from clock_timestamp() - seen)::float8,
    extract(epoch from clock_timestamp())::float8
from sluice.fleet_host
"""
_READ: Final = "select sort, key, part, content from sluice.fleet_use where host = %s and number > %s and until > now()"
_CLEAN: Final = """
with old as (delete from sluice.fleet_use where until < now())
delete from sluice.fleet_host
where seen < now() - interval '1 day'
    and not exists (select from sluice.fleet_use where fleet_use.host = fleet_host.host and until > now())
"""
_SIGN: Final = 1 << 63
_SECONDS_MAX: Final = 400 * 86_400


class Host(NamedTuple):
    """One that tells, this one among them."""

    host: bytes
    name: str
    number: int  # of the last that it told
    age: float  # seconds since then


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is to be heard. `clock_off`: seconds by which this host's clock is certainly before or behind the
    store's."""

    hosts: tuple[Host, ...]
    rows: tuple[tuple[Host, tuple[Row, ...]], ...]
    clock_off: float


def begin(connection: Connection, host: bytes, digest: bytes) -> int:
    """What a new connection needs first; the number that this host begins with. Raises Away. What an earlier connection told
    last may come yet: its number is passed over, and then it comes too late."""
    store_schema.prepare(connection, PART, STEPS, digest)
    connection.execute(_SETTINGS)
    row = connection.execute("select number from sluice.fleet_host where host = %s", (host,)).fetchone()
    return 1 if row is None else int(row[0]) + 2


def tell(connection: Connection, host: bytes, name: str, number: int, rows: Sequence[Row]) -> None:
    """Tells all of them or none, and that the host is there."""
    connection.execute(_TELL, {"host": host, "name": name, "number": number, **_columns(rows)})


def hear(connection: Connection, host: bytes, known: Mapping[bytes, int]) -> Heard:
    """What other hosts say beyond the numbers known of them."""
    before = time.time()
    found = connection.execute(_HOSTS).fetchall()
    after = time.time()
    hosts = tuple(Host(bytes(one), name, number, age) for one, name, number, age, _ in found)
    rows = tuple(
        (one, tuple(_rows(connection.execute(_READ, (one.host, _known(one, known))))))
        for one in hosts
        if one.host != host and one.number != known.get(one.host, 0)
    )
    return Heard(hosts, rows, _off(found[0][-1], before, after) if found else 0.0)


def clean(connection: Connection) -> None:
    """Deletes what counts no more, whoever said it."""
    connection.execute(_CLEAN)


def _known(one: Host, known: Mapping[bytes, int]) -> int:
    """Everything is read again of a host whose number is less than it was: the store was put back to an earlier state."""
    number = known.get(one.host, 0)
    return number if one.number > number else 0


def _off(store: float, before: float, after: float) -> float:
    """0 where it may be that they agree."""
    if before <= store <= after:
        return 0.0
    return before - store if before > store else after - store


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {
        "sorts": [row.sort for row in rows],
        "keys": [row.key - 2 * _SIGN if row.key >= _SIGN else row.key for row in rows],
        "parts": [row.part for row in rows],
        "seconds": [min(row.seconds, _SECONDS_MAX) for row in rows],
        "contents": [row.content for row in rows],
    }


def _rows(found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    for sort, key, part, content in found:
        yield Row(sort, key % (2 * _SIGN), part, bytes(content), 0)
