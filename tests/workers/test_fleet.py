"""A host of a fleet tells and hears, goes on with its share while the store is away, and says so."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from gateway.store_settings import Fleet
from tests.workers import admin_rig
from tests.workers.fleet_hosts import TASK, AHost, until
from workers import fleet, fleet_store
from workers.fleet import keep
from workers.fleet_store import Heard, Host
from workers.store_connection import Away

pytestmark = pytest.mark.trio
NOWHERE: Any = object()


class Store:
    """What a fleet's store does, in memory. `away`: why it cannot be used."""

    def __init__(self) -> None:
        self.away = ""
        self.rows: dict[bytes, dict[tuple[int, int, int], tuple[int, Any]]] = {}
        self.hosts: dict[bytes, Host] = {}
        self.connections = 0
        self.cleaned = 0
        self.clock_off = 0.0

    def begin(self, connection: object, host: bytes, digest: bytes) -> int:
        assert len(digest) == 32
        self.connections += 1
        return self.hosts[host].number + 2 if host in self.hosts else 1

    def tell(self, connection: object, host: bytes, name: str, number: int, rows: list[Any]) -> None:
        assert host not in self.hosts or number > self.hosts[host].number
        of_host = self.rows.setdefault(host, {})
        of_host.update({row[:3]: (number, row) for row in rows})
        self.hosts[host] = Host(host, name, number, 0.0)

    def hear(self, connection: object, host: bytes, known: dict[bytes, int]) -> Heard:
        news = {one: [row for number, row in of.values() if number > known.get(one, 0)] for one, of in self.rows.items()}
        rows = tuple((self.hosts[one], tuple(said)) for one, said in news.items() if said and one != host)
        return Heard(tuple(self.hosts.values()), rows, self.clock_off)

    def clean(self, connection: object) -> None:
        self.cleaned += 1


class Connection:
    """As workers.store_connection.StoreConnection."""

    store: Store

    def __init__(self, where: object, application: str, prepare: Callable[[object], None]) -> None:
        self._prepare = prepare
        self._there = False
        self.why = ""

    async def close(self) -> None:
        self._there = False

    async def run(self, work: Callable[[object], Heard]) -> Heard:
        await trio.lowlevel.checkpoint()
        self.why = self.store.away
        if self.why:
            self._there = False
            raise Away(self.why)
        if not self._there:
            self._prepare(self)
            self._there = True
        return work(self)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    for name in ("begin", "tell", "hear", "clean"):
        monkeypatch.setattr(fleet_store, name, getattr(made, name))
    monkeypatch.setattr(Connection, "store", made, raising=False)
    monkeypatch.setattr(fleet, "StoreConnection", Connection)
    monkeypatch.setattr(fleet, "EXCHANGE_SECONDS", 0.01)
    monkeypatch.setattr(fleet, "PRESENT_SECONDS", 0.02)
    monkeypatch.setattr(fleet, "ALONE_SECONDS", 0.1)
    return made


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[AHost, AHost]]:
    loaded = admin_rig.load(tmp_path)
    with admin_rig.desk(loaded) as one, admin_rig.desk(loaded) as other:
        yield AHost(*one), AHost(*other)


async def test_what_one_uses_the_other_soon_has_no_more(store: Store, hosts: tuple[AHost, AHost]) -> None:
    one, other = hosts
    async with trio.open_nursery() as nursery:
        one.begin(nursery, NOWHERE)
        other.begin(nursery, NOWHERE)
        one.spend(400)
        other.spend(7, TASK)
        await until(lambda: (other.left(), one.left(TASK)) == (600, 993))
        one.spend(1)
        await until(lambda: other.left() == 599)
        assert one.left() == 599
        await until(lambda: other.fares and other.fares[-1].hosts)
        assert (other.fares[-1].name, other.fares[-1].reached, other.fares[-1].why) == ("fleet", True, "")
        assert store.cleaned == 2
        assert one.happened() == ["fleet: together"]
        nursery.cancel_scope.cancel()


async def test_without_the_store_each_has_its_share_and_says_so(store: Store, hosts: tuple[AHost, AHost]) -> None:
    one, other = hosts
    async with trio.open_nursery() as nursery:
        one.begin(nursery, NOWHERE)
        other.begin(nursery, NOWHERE)
        for host in hosts:
            host.spend(100)
        await until(lambda: (one.left(), other.left()) == (800, 800))  # and so they know of each other
        store.away = "connection refused"
        await until(lambda: "fleet: alone" in one.happened() and "fleet: alone" in other.happened())
        one.spend(300)
        await until(lambda: one.left() == 200)
        other.spend(400)
        await until(lambda: other.left() == 0)
        await until(lambda: one.fares[-1].why == "connection refused")
        since = one.fares[-1].since
        store.rows.clear()  # and it comes back empty
        store.away = ""
        await until(lambda: (one.left(), other.left()) == (100, 100))
        await until(lambda: one.fares[-1].reached)
        assert one.fares[-1].since >= since
        assert one.happened() == ["fleet: together", "fleet: alone", "fleet: together"]
        assert store.connections == 4
        nursery.cancel_scope.cancel()


async def test_a_clock_that_is_off_is_on_record_once(store: Store, hosts: tuple[AHost, AHost]) -> None:
    one, _ = hosts
    store.clock_off = -7.04
    async with trio.open_nursery() as nursery:
        one.begin(nursery, NOWHERE)
        await until(lambda: one.fares and one.fares[-1].why == "this host's clock is -7 s off the store's")
        store.clock_off = -8.0
        await until(lambda: "-8 s" in one.fares[-1].why)
        store.clock_off = 1.9
        await until(lambda: not one.fares[-1].why)
        assert one.happened() == ["fleet: together"]
        nursery.cancel_scope.cancel()


async def test_where_there_is_no_fleet_nothing_runs(hosts: tuple[AHost, AHost]) -> None:
    await keep(hosts[0].desk)


async def test_where_there_is_one_it_is_asked(store: Store, hosts: tuple[AHost, AHost]) -> None:
    one, _ = hosts
    named = Fleet("postgres://u@127.0.0.1/d", sslmode="prefer")
    loaded = one.desk.loaded
    one.desk.loaded = replace(loaded, settings=msgspec.structs.replace(loaded.settings, fleet=named))
    assert loaded.fleet_key is None
    assert one.desk.loaded.fleet_key == loaded.secrets.budgets_key
    one.desk.budgets = one.budgets
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.listen)
        nursery.start_soon(keep, one.desk)
        await until(lambda: store.hosts)
        nursery.cancel_scope.cancel()
