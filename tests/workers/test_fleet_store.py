"""What a host tells the store the others hear, once and completely, and nothing there names anybody."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import psycopg
import pytest
import trio

from gateway.store_settings import Fleet
from tests.workers import admin_rig
from tests.workers.fleet_hosts import AHost, until
from tests.workers.store_rig import DIGEST, PASSWORD, StoreServer
from workers import fleet, fleet_store
from workers.fleet_rows import Row
from workers.store_connection import Away
from workers.store_review import reach_all

HIGH = (1 << 64) - 1
ONE, OTHER = b"one", b"other"
pytestmark = pytest.mark.xdist_group("store")


def row(key: int, content: bytes = b"what was used", seconds: int = 60, part: int = 0) -> Row:
    return Row(2, key, part, content, seconds)


def heard(connection: psycopg.Connection, host: bytes, known: dict[bytes, int]) -> dict[bytes, list[Row]]:
    """What is new; `known` is so afterwards."""
    found = fleet_store.hear(connection, host, known)
    known.update({one.host: one.number for one in found.hosts})
    return {one.host: sorted(rows) for one, rows in found.rows}


def test_what_one_host_tells_another_hears_once(store: StoreServer) -> None:
    with store.connect() as one, store.connect() as other:
        number = fleet_store.begin(one, ONE, DIGEST)
        fleet_store.begin(other, OTHER, DIGEST)
        known: dict[bytes, int] = {}
        assert heard(other, OTHER, known) == {}
        rows = [row(0), row(HIGH), row(1 << 63, b"", part=3), row((1 << 63) - 1)]
        fleet_store.tell(one, ONE, "db-gate-1", number + 1, rows)
        assert heard(other, OTHER, known) == {ONE: sorted(one._replace(seconds=0) for one in rows)}
        assert heard(other, OTHER, known) == {}
        assert heard(one, ONE, {}) == {}, "its own words it does not hear"
        fleet_store.tell(one, ONE, "db-gate-1", number + 2, [])
        assert heard(other, OTHER, known) == {ONE: []}
        fleet_store.tell(one, ONE, "db-gate-1", number + 3, [row(0, b"more")])
        assert heard(other, OTHER, known) == {ONE: [row(0, b"more", 0)]}
        (host,) = fleet_store.hear(other, OTHER, known).hosts
        assert (host.host, host.name, host.number) == (ONE, "db-gate-1", number + 3)
        assert 0 <= host.age < 10


def test_hosts_that_tell_at_once_miss_nothing_of_each_other(store: StoreServer) -> None:
    hosts = [b"host %d" % number for number in range(4)]

    def work(host: bytes) -> dict[tuple[bytes, int], bytes]:
        found: dict[tuple[bytes, int], bytes] = {}
        known: dict[bytes, int] = {}
        with store.connect() as connection:
            number = fleet_store.begin(connection, host, DIGEST)

            def hear() -> None:
                for who, rows in heard(connection, host, known).items():
                    found.update({(who, one.key): one.content for one in rows})

            for turn in range(1, 26):
                keys = {turn, turn % 7, 1000}
                fleet_store.tell(connection, host, "name", number + turn, [row(key, b"%d" % turn) for key in keys])
                hear()
            done.append(host)
            while len(done) < len(hosts):
                hear()
            hear()
        return found

    done: list[bytes] = []
    with store.connect() as first, ThreadPoolExecutor(len(hosts)) as threads:
        fleet_store.begin(first, b"first", DIGEST)
        results = dict(zip(hosts, threads.map(work, hosts), strict=True))
        expected = {
            (bytes(host), key): bytes(content)
            for host, key, content in first.execute("select host, key, content from sluice.fleet_use").fetchall()
        }
    assert len(expected) == len(hosts) * 27
    for host, found in results.items():
        assert found == {of: content for of, content in expected.items() if of[0] != host}


def test_a_word_that_comes_after_a_later_one_is_too_late(store: StoreServer) -> None:
    with store.connect() as late, store.connect() as one:
        number = fleet_store.begin(late, ONE, DIGEST)
        fleet_store.tell(late, ONE, "name", number, [row(1, b"first")])
        assert fleet_store.begin(one, ONE, DIGEST) == number + 2
        fleet_store.tell(one, ONE, "name", number + 3, [row(1, b"third")])
        fleet_store.tell(late, ONE, "name", number + 1, [row(1, b"second")])
        assert heard(one, OTHER, {}) == {ONE: [row(1, b"third", 0)]}
        assert fleet_store.begin(one, ONE, DIGEST) == number + 5


def test_a_store_that_was_put_back_to_an_earlier_state_is_read_anew(store: StoreServer) -> None:
    with store.connect() as one:
        fleet_store.begin(one, ONE, DIGEST)
        fleet_store.tell(one, ONE, "name", 5, [row(1)])
        assert heard(one, OTHER, {ONE: 900}) == {ONE: [row(1, seconds=0)]}


def test_what_counts_no_more_is_not_heard_and_is_deleted(store: StoreServer) -> None:
    with store.connect() as one, store.superuser() as admin:
        fleet_store.begin(one, ONE, DIGEST)
        for host in (ONE, OTHER):
            fleet_store.tell(one, host, "name", 5, [row(1, seconds=0), row(2, seconds=60)])
        assert heard(one, b"third", {}) == {host: [row(2, seconds=0)] for host in (ONE, OTHER)}
        old = "update sluice.fleet_host set seen = seen - interval '2 days'"
        admin.execute(old)
        admin.execute("update sluice.fleet_use set until = now() - interval '1 second' where host = %s", (ONE,))
        fleet_store.clean(one)
        assert admin.execute("select host, key from sluice.fleet_use").fetchall() == [(OTHER, 2)]
        assert admin.execute("select host from sluice.fleet_host").fetchall() == [(OTHER,)]


def test_a_host_with_another_key_neither_tells_nor_hears(store: StoreServer) -> None:
    with store.connect() as one:
        fleet_store.begin(one, ONE, DIGEST)
        with pytest.raises(Away, match=r"mask\.key"):
            fleet_store.begin(one, OTHER, b"another")


def test_a_clock_is_off_only_by_what_is_certain(store: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.connect() as one:
        fleet_store.begin(one, ONE, DIGEST)
        fleet_store.tell(one, ONE, "name", 5, [])
        assert abs(fleet_store.hear(one, ONE, {}).clock_off) < 1
        for off in (-30.0, 30.0):
            clock = fleet_store.time.time
            monkeypatch.setattr(fleet_store.time, "time", lambda clock=clock, off=off: clock() + off)
            assert abs(fleet_store.hear(one, ONE, {}).clock_off - off) < 1
            monkeypatch.undo()


@pytest.mark.trio
async def test_hosts_live_through_a_restart_of_their_store(
    store: StoreServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "EXCHANGE_SECONDS", 0.02)
    monkeypatch.setattr(fleet, "ALONE_SECONDS", 0.3)
    loaded = admin_rig.load(tmp_path)
    with admin_rig.desk(loaded) as first, admin_rig.desk(loaded) as second:
        async with trio.open_nursery() as nursery:
            one, other = hosts = AHost(*first), AHost(*second)
            for host in hosts:
                host.begin(nursery, lambda: store.target)
            one.spend(400)
            await until(lambda: other.left() == 600)
            await trio.to_thread.run_sync(store.stop)
            await until(lambda: all("fleet: alone" in host.happened() for host in hosts))
            other.spend(300)
            await until(lambda: other.left() == 0)
            await trio.to_thread.run_sync(store.start)
            await until(lambda: (one.left(), other.left()) == (300, 300))
            await until(lambda: all(host.happened()[-1] == "fleet: together" for host in hosts))
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_fleets_store_is_checked_as_that_of_approvals_is(store: StoreServer, tmp_path: Path) -> None:
    loaded = admin_rig.load(tmp_path)
    named = Fleet(store.url, password_env="STORE", sslmode="prefer")
    loaded = replace(loaded, settings=msgspec.structs.replace(loaded.settings, fleet=named))
    (found,) = await reach_all(loaded, {"STORE": PASSWORD})
    assert (found["name"], found["reached"]) == ("fleet", True)
