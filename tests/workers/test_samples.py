"""Samples are read in small, bounded statements, once for each state of a table; what cannot be read stops nothing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from gateway.errors import Refused, State, Unavailable
from tests.workers.worker_rig import running_server
from workers import catalog
from workers.embedded import EmbeddedServer
from workers.samples import QUIET_SECONDS, ROWS, Row, Samples, Table, Wanted
from workers.upstream import Target, Upstream, connect

pytestmark = pytest.mark.trio

MAILS = [f"user{number}@mail.example".encode() for number in range(40)]
C1 = (Wanted("c1", "text", None),)
ONE = Table(1, "public", "one", 11, 2, 40, C1)
TWO = Table(2, "public", "two", 12, 2, 40, C1)

SCHEMA = """
drop schema if exists shop cascade;
create schema shop;
create role reader;
grant reader to sluice;
grant usage on schema shop to reader;
create table shop.big (id int, c1 text, c2 jsonb, c3 varchar(90), "Odd ""name" text);
insert into shop.big select n, 'user' || n || '@mail.example', jsonb_build_object('n', n), repeat('x', 80), 'a'
  from generate_series(1, 12000) n;
create table shop.locked (c1 text);
insert into shop.locked select 'user' || n || '@mail.example' from generate_series(1, 60) n;
create table shop.hidden (c1 text);
insert into shop.hidden select 'user' || n || '@mail.example' from generate_series(1, 60) n;
create table shop.empty (c1 text);
analyze shop.big;
grant select on shop.big, shop.locked, shop.empty to reader;
"""


@dataclass
class Answering:
    """A server that answers every statement with the same rows, or not at all."""

    cells: list[bytes] = field(default_factory=lambda: list(MAILS))
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    async def query(self, sql: str) -> list[Row]:
        self.asked.append(sql)
        if self.fails:
            raise Unavailable(Refused(State.UNREACHABLE, "no"))
        return [[cell] for cell in self.cells]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        with psycopg.connect(running.dsn(), autocommit=True) as owner:
            owner.execute(SCHEMA)
        yield running


@asynccontextmanager
async def own_session(server: EmbeddedServer) -> AsyncIterator[Upstream]:
    target = Target((("127.0.0.1", server.port),), "postgres", "sluice", sslmode="disable", connect_timeout=5.0)
    parameters = [("role", "reader"), ("search_path", ""), ("client_encoding", "UTF8")]
    connection = await connect(target, parameters)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_table_is_read_once_for_each_of_its_states() -> None:
    server, samples = Answering(), Samples()
    found = await samples.look(server, [ONE, TWO], 10)
    assert {oid: columns["c1"].label for oid, columns in found.items()} == {1: "email", 2: "email"}
    assert len(server.asked) == 2
    assert await samples.look(server, [ONE, TWO], 10) == found
    assert len(server.asked) == 2
    await samples.look(server, [ONE._replace(pages=3, rows=60), TWO], 10)
    assert len(server.asked) == 2
    await samples.look(server, [ONE._replace(rows=90), TWO._replace(filenode=13)], 10)
    assert len(server.asked) == 4
    assert await samples.look(server, [TWO._replace(filenode=13)], 10) == {2: found[2]}


async def test_what_the_budget_does_not_reach_is_left_for_the_next_time() -> None:
    server, samples = Answering(), Samples()
    assert await samples.look(server, [ONE], 0) == {}
    assert samples.unfinished
    assert len(await samples.look(server, [ONE], 10)) == 1
    assert not samples.unfinished


async def test_a_table_that_cannot_be_read_is_not_asked_for_again_while_somebody_waits() -> None:
    server, samples = Answering(fails=True), Samples()
    assert await samples.look(server, [ONE], 1) == {1: {}}
    assert not samples.unfinished
    assert samples.hollow
    await samples.look(server, [ONE], 1)
    assert len(server.asked) == 1
    server.fails = False
    assert (await samples.look(server, [ONE], QUIET_SECONDS))[1]["c1"].label == "email"
    assert not samples.hollow


async def test_columns_without_values_are_not_seen() -> None:
    found = await Samples().look(Answering(cells=[]), [ONE], 1)
    assert found == {1: {}}


async def test_real_tables_are_read_in_part_and_by_their_quoted_names(server: EmbeddedServer) -> None:
    async with own_session(server) as connection:
        samples = Samples()
        found = await catalog.read(connection, 1, (), samples=samples, sample_seconds=10)
    (big,) = found.find("shop", "big")
    assert {column.name: (column.label, column.scan) for column in big.columns} == {
        "id": (None, False), "c1": ("email", False), "c2": (None, False), "c3": (None, True), 'Odd "name': (None, False),
    }  # fmt: skip
    assert big.by_name["c1"].evidence == (f"100% of {ROWS} values have its form",)
    (hidden,) = found.find("shop", "hidden")
    (empty,) = found.find("shop", "empty")
    assert hidden.columns[0].scan
    assert empty.columns[0].scan


async def test_a_locked_table_delays_nobody(server: EmbeddedServer) -> None:
    async with own_session(server) as connection:
        with psycopg.connect(server.dsn()) as other:
            other.execute("lock table shop.locked in access exclusive mode")
            samples = Samples()
            found = await catalog.read(connection, 1, (), samples=samples, sample_seconds=10)
            (locked,) = found.find("shop", "locked")
            assert (locked.columns[0].label, locked.columns[0].scan) == (None, True)
            other.rollback()
        found = await catalog.read(connection, 2, (), samples=samples, sample_seconds=10)
        (locked,) = found.find("shop", "locked")
        assert locked.columns[0].label == "email"
