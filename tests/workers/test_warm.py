"""Connections between sessions: the next one finds what it would find on a new one, or gets a new one."""

import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import psycopg
import pytest
import trio

from gateway.settings import Database
from parser import messages
from tests.workers.relay_rig import loopback, until
from tests.workers.worker_rig import Guest, House, housed, quiet, running_server
from workers.embedded import EmbeddedServer
from workers.sockets import Wire
from workers.upstream import Address, Target, Upstream
from workers.warm import KEPT_MAX, Shape, WarmServers

pytestmark = pytest.mark.trio

DATABASE = Database("shop", "sluice", pool_size=2)
TARGET = Target((("127.0.0.1", 5432),), "shop", "sluice")
SHAPE: Shape = (TARGET, (("application_name", "desk"),))
RESET_DONE = messages.command_complete("DISCARD ALL") + messages.ready_for_query(b"I")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


# --- with a server that does what the test says -------------------------------------------------------


class Bench:
    """Kept connections whose servers are the test."""

    def __init__(self, workers: int = 1) -> None:
        self.warm = WarmServers(workers)
        self.servers: list[socket.socket] = []
        self.upstreams: list[Upstream] = []

    def give(self, shape: Shape = SHAPE, database: Database = DATABASE, **changes: object) -> socket.socket:
        """A connection comes back from its session; the server's end of it."""
        near, far = loopback()
        far.settimeout(5)
        address = Address(socket.AF_INET, far.getsockname(), "127.0.0.1", "disable", None, 1.0)
        upstream = Upstream(Wire(near), address, len(self.upstreams), b"key", 0, b"I", (), ())
        for name, value in changes.items():
            setattr(upstream, name, value)
        self.upstreams.append(upstream)
        self.servers.append(far)
        self.warm.give(database, shape, upstream, {})
        return far

    async def taken(self, shape: Shape = SHAPE) -> int | None:
        """Which of them the next session gets."""
        found = await self.warm.take(shape)
        return None if found is None else found.pid

    def close(self) -> None:
        self.warm.close()
        for upstream in self.upstreams:
            upstream.wire.close()
        for far in self.servers:
            far.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.close()


async def arrived(bench: Bench, number: int) -> None:
    """What the server said is there to be read."""
    await trio.lowlevel.wait_readable(bench.upstreams[number].sock)


def is_closed(far: socket.socket) -> bool:
    """Whether our side is, after whatever it said."""
    while far.recv(4096):
        pass
    return True


async def test_reset_is_asked_at_the_end_and_its_answer_read_at_the_next_beginning(bench: Bench) -> None:
    far = bench.give()
    assert far.recv(4096) == messages.query("DISCARD ALL")
    far.sendall(RESET_DONE)
    assert await bench.taken() == 0
    assert await bench.taken() is None


async def test_session_does_not_wait_for_a_reset_where_there_may_be_one_more(bench: Bench) -> None:
    bench.give()
    assert await bench.taken() is None
    assert len(bench.warm) == 1


async def test_session_waits_for_a_reset_where_there_may_be_no_more(bench: Bench, autojump_clock: object) -> None:
    far = bench.give(database=msgspec.structs.replace(DATABASE, pool_size=1))
    found: list[int | None] = []

    async def take() -> None:
        found.append(await bench.taken())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        far.sendall(RESET_DONE)
    assert found == [0]


async def test_one_that_is_ready_is_preferred_to_one_that_is_not(bench: Bench) -> None:
    bench.give().sendall(RESET_DONE)
    await arrived(bench, 0)
    bench.give()
    assert await bench.taken() == 0


async def test_the_one_used_last_is_taken_first(bench: Bench) -> None:
    for number in range(2):
        bench.give().sendall(RESET_DONE)
        await arrived(bench, number)
    assert [await bench.taken(), await bench.taken()] == [1, 0]


@pytest.mark.parametrize(
    "said",
    [
        messages.error_response("FATAL", "57P01", "terminating connection due to administrator command"),
        messages.error_response("ERROR", "25001", "cannot run inside a transaction block") + messages.ready_for_query(b"I"),
        messages.command_complete("DISCARD ALL") + messages.ready_for_query(b"T"),
        RESET_DONE + messages.error_response("FATAL", "57P05", "idle session timeout"),
        RESET_DONE + b"?\0\0\0\4",
        b"Z\0\0\0\0",
    ],
)
async def test_connection_in_doubt_is_closed_and_not_handed_on(bench: Bench, said: bytes) -> None:
    far = bench.give()
    far.sendall(said)
    await arrived(bench, 0)
    assert await bench.taken() is None
    assert is_closed(far)
    assert len(bench.warm) == 0


@pytest.mark.parametrize("said", [b"", RESET_DONE])
async def test_connection_that_the_server_closed_is_not_handed_on(bench: Bench, said: bytes) -> None:
    far = bench.give()
    far.recv(4096)
    far.sendall(said)
    far.shutdown(socket.SHUT_WR)
    await arrived(bench, 0)
    bench.warm.tidy()
    bench.warm.tidy()
    assert len(bench.warm) == 0
    assert await bench.taken() is None


@pytest.mark.parametrize(
    "other",
    [
        (TARGET, (("application_name", "desk"), ("role", "app_ro"))),
        (TARGET, (("application_name", "other"),)),
        (TARGET, ()),
        (Target((("127.0.0.1", 5432),), "shop", "other"), SHAPE[1]),
        (Target((("127.0.0.1", 5432),), "hr", "sluice"), SHAPE[1]),
        (Target((("127.0.0.1", 5432),), "shop", "sluice", password="changed"), SHAPE[1]),
        (Target((("127.0.0.1", 5432),), "shop", "sluice", sslmode="require"), SHAPE[1]),
    ],
)
async def test_session_of_another_shape_gets_another_connection(bench: Bench, other: Shape) -> None:
    bench.give().sendall(RESET_DONE)
    await arrived(bench, 0)
    assert await bench.taken(other) is None
    assert await bench.taken() == 0


async def test_cancel_that_may_still_arrive_ends_the_connection(bench: Bench) -> None:
    assert is_closed(bench.give(cancels=1))
    assert len(bench.warm) == 0


async def test_old_connection_is_not_kept(bench: Bench) -> None:
    assert is_closed(bench.give(began=time.monotonic() - DATABASE.server_lifetime))


async def test_unused_and_aged_connections_are_ended(bench: Bench) -> None:
    for limit in ("server_idle_timeout", "server_lifetime"):
        far = bench.give(database=msgspec.structs.replace(DATABASE, **{limit: 0.05}))
        far.sendall(RESET_DONE)
        assert len(bench.warm) == 1
        while len(bench.warm):
            await trio.sleep(0.01)
            bench.warm.tidy()
        assert is_closed(far)


async def test_a_database_keeps_no_more_than_its_size_and_the_longest_unused_goes(bench: Bench) -> None:
    fars = [bench.give(shape=(TARGET, (("application_name", str(n)),))) for n in range(3)]
    assert len(bench.warm) == 2
    assert is_closed(fars[0])
    other = bench.give(database=msgspec.structs.replace(DATABASE, name="hr"))
    assert len(bench.warm) == 3
    other.sendall(RESET_DONE)
    assert await bench.taken() == 3


async def test_size_is_shared_by_the_workers_and_zero_keeps_nothing() -> None:
    many = msgspec.structs.replace(DATABASE, pool_size=20)
    assert [WarmServers(workers).share(many) for workers in (1, 2, 8, 64)] == [20, 10, 2, 1]
    assert WarmServers(1).share(msgspec.structs.replace(DATABASE, pool_size=0)) == 0


async def test_a_worker_keeps_a_bounded_number_over_all_databases(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.warm.KEPT_MAX", 3)
    for n in range(5):
        bench.give(database=msgspec.structs.replace(DATABASE, name=str(n)))
    assert len(bench.warm) == 3 < KEPT_MAX


async def test_full_server_gets_a_place_back(bench: Bench) -> None:
    far = bench.give()
    made: list[bool] = []

    async def make() -> None:
        made.append(await bench.warm.make_place(TARGET))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(make)
        await trio.testing.wait_all_tasks_blocked()
        assert made == []
        assert far.recv(4096).endswith(messages.TERMINATE)
        far.close()
    assert made == [True]
    assert not await bench.warm.make_place(TARGET)


# --- with PostgreSQL ----------------------------------------------------------------------------------


async def leave(house: House, guest: Guest, *, goodbye: bool = True) -> None:
    if goodbye:
        await guest.wire.write_all(messages.TERMINATE)
    guest.wire.close()
    await quiet(house)
    for kept in list(house.worker.standing.warm._kept):
        await until(kept.look, "the server has answered the reset")


def process(guest: Guest) -> int:
    return guest.key[0]


def settled(greeting: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """All that a client reads at its sign-in but for the cancel key."""
    return [(kind, body) for kind, body in greeting if kind != b"K"]


@pytest.mark.parametrize("goodbye", [True, False])
async def test_next_session_of_its_kind_gets_the_same_server_process_and_greeting(
    tmp_path: Path, server: EmbeddedServer, goodbye: bool
) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest(application_name="desk")
        await leave(house, first, goodbye=goodbye)
        second = await house.guest(application_name="desk")
        assert process(second) == process(first)
        assert int(await second.cell("select pg_backend_pid()")) == process(second)
        assert settled(second.greeting) == settled(first.greeting)
        assert second.key != first.key
        third = await house.guest(application_name="desk")
        assert process(third) != process(second)


LEFT = """
set application_name = 'other'; set timezone = 'Asia/Tokyo'; set work_mem = '7MB';
create temporary table left_behind (a int); prepare left_behind as select 1; listen left_behind;
declare left_behind cursor with hold for select 1; select nextval('counted'), pg_advisory_lock(77);
set search_path = nowhere
"""
FOUND = """
select current_user, current_setting('application_name'), current_setting('timezone') <> 'Asia/Tokyo',
    current_setting('search_path'), current_setting('work_mem'), to_regclass('pg_temp.left_behind'),
    (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors),
    (select count(*) from pg_listening_channels()), (select count(*) from pg_locks where locktype = 'advisory')
"""


async def test_nothing_of_a_session_is_found_by_the_next(tmp_path: Path, server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("create sequence if not exists counted; grant all on sequence counted to sluice")
    async with housed(tmp_path, server) as house:
        first = await house.guest(application_name="desk")
        before = await first.ask(FOUND)
        for sql in LEFT.split(";"):
            assert not [kind for kind, _ in await first.ask(sql) if kind == b"E"], sql
        await leave(house, first)
        second = await house.guest(application_name="desk")
        assert process(second) == process(first)
        assert await second.ask(FOUND) == before
        assert await second.error("select currval('counted')") == "55000"
        assert await second.error("execute left_behind") == "26000"


async def test_role_of_the_grant_is_there_again_and_for_its_holders_alone(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest(groups=("readers",))
        await leave(house, first)
        owner = await house.guest()
        assert await owner.cell("select current_user") == "sluice"
        second = await house.guest(groups=("readers",))
        assert process(second) == process(first) != process(owner)
        assert await second.cell("select current_user") == "app_ro"
        assert await second.cell("reset role; select current_user") == "app_ro"


@pytest.mark.parametrize("sql", ["begin", "begin; select 1/0", "set app.tenant = '7'"])
async def test_session_that_leaves_something_open_or_behind_is_not_handed_on(
    tmp_path: Path, server: EmbeddedServer, sql: str
) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest()
        await first.ask(sql)
        await leave(house, first)
        assert len(house.worker.standing.warm) == 0
        assert process(await house.guest()) != process(first)


async def test_client_that_leaves_in_the_middle_of_an_answer_ends_its_servers_session(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest()
        await first.wire.write_all(messages.query("select pg_sleep(0.2)"))
        await until(lambda: next(iter(house.worker.relay.links)).session.queue, "it runs")
        await leave(house, first, goodbye=False)
        assert len(house.worker.standing.warm) == 0


async def test_key_of_an_earlier_session_cancels_nothing(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest()
        await leave(house, first)
        second = await house.guest()
        assert process(second) == process(first)
        await second.wire.write_all(messages.query("select pg_sleep(0.3)"))
        await until(lambda: next(iter(house.worker.relay.links)).session.queue, "it runs")
        canceller = await house.knock()
        await canceller.wire.write_all(messages.cancel_request(*first.key))
        assert [kind for kind, _ in await second.replies()] == [b"T", b"D", b"C", b"Z"]
        assert len(house.events("cancel refused")) == 1


async def test_process_that_the_server_ended_is_not_handed_on(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        first = await house.guest()
        await leave(house, first)
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(%s, 5000)", (process(first),))
        second = await house.guest()
        assert process(second) != process(first)
        assert await second.cell("select 7") == "7"


async def test_drain_ends_the_kept_connections(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        await leave(house, await house.guest())
        assert len(house.worker.standing.warm) == 1
        await house.worker._drain(1.0)
        assert len(house.worker.standing.warm) == 0
