"""Connections that are lent for a transaction: to whom, in which order, and when they are not lent again."""

import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.session.session import Session
from gateway.settings import Database
from parser import messages
from tests.workers.relay_rig import (
    IN_TRANSACTION,
    PATH,
    SCOPE,
    Pair,
    Rig,
    answer,
    loopback,
    no_budget,
    turning,
    until,
)
from workers import lending
from workers.lending import Borrower, Lending
from workers.links import Link
from workers.sockets import Wire
from workers.upstream import Address, Target, Upstream
from workers.warm import Shape

pytestmark = pytest.mark.trio

DATABASE = Database("shop", "sluice", pool="transaction", pool_size=1)
TARGET = Target((("127.0.0.1", 5432),), "shop", "sluice")
SHAPE: Shape = (TARGET, (("application_name", "desk"),))
OTHER: Shape = (TARGET, (("application_name", "shop"),))
BEGUN = messages.command_complete("BEGIN") + IN_TRANSACTION
COMMITTED = messages.command_complete("COMMIT") + messages.ready_for_query(b"I")


@dataclass
class Bench:
    """A relay whose sessions borrow from servers that the test speaks for."""

    rig: Rig
    nursery: trio.Nursery
    servers: list[Wire] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=list)
    fails: Refusal | None = None

    def __post_init__(self) -> None:
        self.lending = Lending(self.rig.relay, 1)
        self.lending.begin = lambda database, shape: self.nursery.start_soon(self.lending.open, database, shape)
        self._numbers = itertools.count()

    async def connect(self, *shape: object) -> Upstream:
        if self.fails is not None:
            raise self.fails
        near, far = loopback()
        address = Address(socket.AF_INET, far.getsockname(), "127.0.0.1", "disable", None, 1.0)
        upstream = Upstream(Wire(near), address, len(self.servers) + 1, b"key", 0, b"I", tuple(PATH), ())
        self.servers.append(Wire(far))
        self.upstreams.append(upstream)
        return upstream

    def open(self, shape: Shape = SHAPE, parameters: tuple[tuple[str, str], ...] = tuple(PATH)) -> Pair:
        near, far = loopback()
        card = SessionCard(SessionInfo(f"s{next(self._numbers)}", "alice"))
        session = Session(
            SCOPE, lambda session: session.scope, self.rig.audit.chain, card, parameters, 1 << 20, no_budget, no_budget
        )
        borrower = Borrower(DATABASE, shape, parameters)
        link = Link(session, near, None, "shop", self.closed, lends=True, borrower=borrower)
        self.rig.relay.add(link, b"", b"")
        pair = Pair(Wire(far), Wire(far), link)  # its server is whichever it has
        self.rig.pairs.append(pair)
        return pair

    def closed(self, link: Link) -> None:
        self.lending.gone(link)
        self.rig.closed.append(link)

    async def there(self, number: int) -> Wire:
        await until(lambda: len(self.servers) > number, "the connection is opened")
        return self.servers[number]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    servers: list[Wire] = []
    async with turning(tmp_path) as rig, trio.open_nursery() as nursery:
        made = Bench(rig, nursery, servers)
        monkeypatch.setattr(lending, "connect", made.connect)
        yield made
        made.lending.close()
    for wire in servers:
        wire.sock.close()


async def heard(server: Wire) -> bytes:
    with trio.fail_after(10):
        return (await server.read_frame(1 << 20))[1]


async def test_connection_goes_to_the_next_when_the_transaction_is_over(bench: Bench) -> None:
    first, second = bench.open(), bench.open()
    await first.ask("begin")
    server = await bench.there(0)
    assert await heard(server) == b"begin\0"
    await server.write_all(BEGUN)
    await first.heard()
    await second.ask("select 2")
    await until(lambda: second.link.session.waiting, "the second waits")
    await first.ask("commit")
    assert await heard(server) == b"commit\0"
    assert second.link.session.waiting
    await server.write_all(COMMITTED)
    assert await heard(server) == b"select 2\0"
    await server.write_all(answer())
    assert [kind for kind, _ in await second.heard()] == [b"T", b"D", b"C", b"Z"]
    assert len(bench.servers) == 1


async def test_those_who_wait_come_in_their_order(bench: Bench) -> None:
    pairs = [bench.open() for _ in range(4)]
    await pairs[0].ask("select 0")
    server = await bench.there(0)
    for number, pair in enumerate(pairs[1:], 1):
        await pair.ask(f"select {number}")
        await until(lambda pair=pair: pair.link.session.waiting, "it waits")
    for number in range(4):
        assert await heard(server) == b"select %d\0" % number
        await server.write_all(answer())


async def test_who_waits_for_too_long_is_told_for_how_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = bench.open(), bench.open()
    await first.ask("begin")
    await (await bench.there(0)).write_all(BEGUN)
    await first.heard()
    await second.ask("select 2")
    await until(lambda: second.link.session.waiting, "the second waits")
    monkeypatch.setattr(lending, "WAIT_SECONDS", 0.0)
    bench.lending.tidy()
    kind, body = (await second.heard(b"E"))[-1]
    fields = messages.read_error_fields(body)
    assert (kind, fields["C"]) == (b"E", "53300")
    assert "within 0 seconds" in fields["M"]


async def test_server_that_is_not_there_is_told_to_who_waits(bench: Bench) -> None:
    bench.fails = Unavailable(Refused(State.UNREACHABLE, "the database is not there"))
    pair = bench.open()
    await pair.ask("select 1")
    assert await pair.last_words() == "08006"


@pytest.mark.parametrize("said", [b"", messages.parameter_status("TimeZone", "UTC")])
async def test_connection_on_which_something_was_said_between_lendings_is_closed(bench: Bench, said: bytes) -> None:
    pair = bench.open()
    await pair.ask("select 1")
    server = await bench.there(0)
    await server.write_all(answer())
    await pair.heard()
    await until(lambda: pair.link.borrower and pair.link.borrower.has is None, "it is given back")
    if said:
        await server.write_all(said)
    else:
        server.sock.shutdown(socket.SHUT_WR)
    await trio.lowlevel.wait_readable(bench.upstreams[0].sock)
    await pair.ask("select 2")
    await heard(server)  # what it was asked first
    other = await bench.there(1)
    assert await heard(other) == b"select 2\0"


@pytest.mark.parametrize("cancels", [0, 1])
async def test_connection_with_a_cancel_on_its_way_is_not_lent_again(bench: Bench, cancels: int) -> None:
    pair = bench.open()
    await pair.ask("select 1")
    server = await bench.there(0)
    assert await heard(server) == b"select 1\0"
    bench.upstreams[0].cancels = cancels
    await server.write_all(answer())
    await pair.heard()
    await pair.ask("select 2")
    assert await heard(await bench.there(cancels)) == b"select 2\0"


async def test_client_that_leaves_in_a_transaction_takes_its_connection_along(bench: Bench) -> None:
    first, second = bench.open(), bench.open()
    await first.ask("begin")
    server = await bench.there(0)
    await server.write_all(BEGUN)
    await first.heard()
    await second.ask("select 2")
    first.client.sock.close()
    assert await heard(await bench.there(1)) == b"select 2\0"


async def test_session_that_was_told_other_settings_ends(bench: Bench) -> None:
    pair = bench.open(parameters=(*PATH, ("TimeZone", "Asia/Tokyo")))
    await pair.ask("select 1")
    assert await pair.last_words() == "57P01"


async def test_free_connection_of_another_shape_makes_room(bench: Bench) -> None:
    first, second = bench.open(), bench.open(OTHER)
    await first.ask("select 1")
    await (await bench.there(0)).write_all(answer())
    await first.heard()
    await second.ask("select 2")
    assert await heard(await bench.there(1)) == b"select 2\0"
    assert await heard(bench.servers[0]) == b"select 1\0"
    assert (await bench.servers[0].read_frame(8))[0] == b"X"


async def test_terminate_needs_no_connection(bench: Bench) -> None:
    pair = bench.open()
    await pair.client.write_all(messages.TERMINATE)
    await until(lambda: bench.rig.closed, "the session ends")
    assert not bench.servers


async def test_greeting_is_asked_for_once_and_names_the_session(bench: Bench) -> None:
    greetings: list[Upstream] = []

    async def greet() -> None:
        greetings.append(await bench.lending.greeting(DATABASE, SHAPE))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(greet)
    assert len(bench.servers) == 1
    assert len({one.pid for one in greetings}) == 5
    assert {one.parameters for one in greetings} == {tuple(PATH)}
    with pytest.raises(Refusal) as refused:
        await bench.lending.greeting(DATABASE, (TARGET, (("replication", "database"),)))
    assert refused.value.refused.sqlstate == State.FEATURE
