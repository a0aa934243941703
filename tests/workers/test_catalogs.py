"""Catalogues are read again when they moved, through whatever door, and an old one is better than none."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psycopg
import pytest
import trio

from gateway.classify.catalog import Catalog, CatalogColumn
from gateway.classify.learned import Learned
from gateway.errors import State, Unavailable
from gateway.policy.rules import Classify
from gateway.settings import Database
from tests.workers.relay_rig import until
from tests.workers.worker_rig import running_server
from workers import catalogs as catalogs_module
from workers.catalogs import Catalogs
from workers.embedded import EmbeddedServer, free_port
from workers.learned import LabelBooks
from workers.slab import Slab
from workers.upstream import Target

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def admin(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        yield connection


@dataclass
class Keeper:
    """The catalogues of one worker."""

    catalogs: Catalogs
    database: Database
    target: Target
    renewed: list[tuple[str, int]] = field(default_factory=list)

    async def read(self) -> Catalog:
        return await self.catalogs.of(self.database, self.target)

    @property
    def columns(self) -> dict[str, str | None]:
        """Column to label of the table `people`, in the catalogue in force."""
        catalog = self.catalogs.get("shop")
        assert catalog is not None
        (table,) = catalog.find("public", "people")
        return {column.name: column.label for column in table.columns}


@asynccontextmanager
async def keeping(
    server: EmbeddedServer, slots: int = 1, folder: Path | None = None
) -> AsyncIterator[list[Keeper]]:
    """`folder`: where learned labels lie; without one they end with the test."""
    with tempfile.TemporaryDirectory() as fresh:
        async with _keeping(server, slots, folder or Path(fresh)) as keepers:
            yield keepers


@asynccontextmanager
async def _keeping(server: EmbeddedServer, slots: int, folder: Path) -> AsyncIterator[list[Keeper]]:
    slab = Slab(slots)
    keepers: list[Keeper] = []
    target = Target(
        (("127.0.0.1", server.port),), "postgres", "sluice", sslmode="disable", connect_timeout=2.0
    )
    for index in range(slots):
        renewed: list[tuple[str, int]] = []
        books = LabelBooks(folder, slab.row(index))
        made = Catalogs(
            slab, slab.row(index), books, lambda name, changes, kept=renewed: kept.append((name, changes))
        )
        keepers.append(Keeper(made, Database(name="shop", user="sluice"), target, renewed))
    async with trio.open_nursery() as nursery:
        for keeper in keepers:
            nursery.start_soon(keeper.catalogs.keep)
        try:
            yield keepers
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                for keeper in keepers:
                    await keeper.catalogs.close()


async def test_a_catalogue_is_read_once_and_kept(server: EmbeddedServer) -> None:
    async with keeping(server) as (keeper,):
        assert keeper.catalogs.get("shop") is None
        found: list[Catalog] = []

        async def sign_in() -> None:
            found.append(await keeper.read())

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(sign_in)
        assert len({id(catalog) for catalog in found}) == 1
        assert keeper.columns == {"id": None, "email": "email"}
        assert keeper.renewed == []


async def test_ddl_through_one_worker_makes_every_worker_read_anew(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    async with keeping(server, slots=3) as keepers:
        before = [await keeper.read() for keeper in keepers]
        admin.execute("alter table people add column phone text")
        change = keepers[1].catalogs.moved("shop")
        await until(lambda: all(keeper.renewed for keeper in keepers), "all have read")
        for keeper, old in zip(keepers, before, strict=True):
            assert keeper.columns["phone"] == "phone"
            assert keeper.renewed == [("shop", change)]
            catalog = keeper.catalogs.get("shop")
            assert catalog is not None
            assert catalog.version > old.version
        admin.execute("alter table people drop column phone")


async def test_a_table_that_was_empty_is_looked_at_again_and_its_columns_get_labels(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(catalogs_module, "HOLLOW_SECONDS", 0.2)
    admin.execute("create table filled_later (c1 text)")
    async with keeping(server) as (keeper,):

        def column() -> CatalogColumn:
            catalog = keeper.catalogs.get("shop")
            assert catalog is not None
            return catalog.find("public", "filled_later")[0].columns[0]

        await keeper.read()
        assert (column().label, column().scan) == (None, True)
        admin.execute("insert into filled_later select 'user' || n || '@mail.example' from generate_series(1, 20) n")
        await until(lambda: column().label == "email", "the rows have been looked at")
    admin.execute("drop table filled_later")


async def test_changes_that_came_another_way_are_found_by_the_regular_look(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs_module, "LOOK_SECONDS", 0.3)
    async with keeping(server) as (keeper,):
        first = await keeper.read()
        kept = keeper.catalogs._kept["shop"]
        looked = kept.looked
        await until(lambda: kept.looked > looked, "it looked")
        assert keeper.catalogs.get("shop") is first, "nothing moved, so nothing was read"
        admin.execute("alter table people add column ssn text")
        await until(lambda: keeper.renewed, "it was found")
        assert keeper.columns["ssn"] == "ssn"
        admin.execute("alter table people drop column ssn")


async def test_corrections_of_a_new_policy_are_applied(server: EmbeddedServer) -> None:
    correction = Classify(label="secret", columns=("public.people.id",))
    async with keeping(server) as (keeper,):
        await keeper.read()
        keeper.catalogs.reclassify((correction,))
        await until(lambda: keeper.renewed, "it was read anew")
        assert keeper.columns["id"] == "secret"
        keeper.catalogs.reclassify((correction,))
        keeper.catalogs.reclassify(())
        await until(lambda: len(keeper.renewed) == 2, "and back")
        assert keeper.columns["id"] is None


async def test_a_catalogue_that_cannot_be_read_stays_and_nobody_waits_for_it(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogs_module, "RETRY_SECONDS", 0.5)
    async with keeping(server) as (keeper,):
        first = await keeper.read()
        kept = keeper.catalogs._kept["shop"]
        await keeper.catalogs._hang_up(kept)
        reachable, kept.target = (
            kept.target,
            Target((("127.0.0.1", free_port()),), "postgres", "sluice", sslmode="disable"),
        )
        change = keeper.catalogs.moved("shop")
        await until(lambda: keeper.renewed, "it gave up")
        assert keeper.renewed[0] == ("shop", change), "held sessions go on"
        assert keeper.catalogs.get("shop") is first
        await trio.sleep(1.2)
        assert 1 <= len(keeper.renewed) <= 4, "tried again, but not all the time"
        kept.target = reachable
        await until(lambda: keeper.catalogs.get("shop") is not first, "it is read when the server is back")


async def test_a_first_reading_that_fails_is_told_and_tried_again(server: EmbeddedServer) -> None:
    async with keeping(server) as (keeper,):
        good, keeper.target = (
            keeper.target,
            Target((("127.0.0.1", free_port()),), "postgres", "sluice", sslmode="disable"),
        )
        with pytest.raises(Unavailable) as caught:
            await keeper.read()
        assert caught.value.refused.sqlstate == State.UNREACHABLE
        keeper.catalogs._kept["shop"].target = good
        assert (await keeper.read()).find("public", "people")


async def test_a_reading_that_was_given_up_in_the_middle_leaves_nothing_behind(
    server: EmbeddedServer,
) -> None:
    """The rest of its answer must not be taken for the next one's."""
    async with keeping(server) as (keeper,):
        await keeper.read()
        kept = keeper.catalogs._kept["shop"]
        connection = await keeper.catalogs._connection(kept)
        with trio.move_on_after(0.1) as given_up:
            await connection.query("select 'old', pg_sleep(0.5)")
        assert given_up.cancelled_caught
        await trio.sleep(0.6)
        fresh = await keeper.catalogs._connection(kept)
        assert await fresh.query("select 'new'") == [[b"new"]]


async def test_a_server_that_hangs_keeps_no_other_waiting(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")  # accepts in the kernel and says nothing
    port = listener[0].socket.getsockname()[1]
    hangs = Target((("127.0.0.1", port),), "postgres", "sluice", sslmode="disable", connect_timeout=60.0)
    async with keeping(server) as (keeper,):

        async def hanging(name: str) -> catalogs_module._Kept:
            await keeper.catalogs.of(Database(name=name, user="sluice"), keeper.target)
            kept = keeper.catalogs._kept[name]
            await keeper.catalogs._hang_up(kept)
            kept.target = hangs
            return kept

        await keeper.read()
        slow = await hanging("slow")
        keeper.catalogs.moved("slow")
        await until(slow.lock.locked, "it hangs")
        keeper.catalogs.moved("shop")
        await until(lambda: keeper.renewed, "one was read")
        assert {name for name, _ in keeper.renewed} == {"shop"}
        assert slow.lock.locked()
        slower = await hanging("slower")
        monkeypatch.setattr(catalogs_module, "READ_SECONDS", 0.3)
        keeper.catalogs.moved("slower")
        await until(lambda: any(name == "slower" for name, _ in keeper.renewed), "the other was given up")
        assert not slower.lock.locked()
        assert keeper.catalogs.get("slower") is not None
    await listener[0].aclose()


async def test_versions_are_never_used_twice(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scopes are kept by version: a database that was forgotten and came back is not taken for its old self."""
    monkeypatch.setattr(catalogs_module, "DATABASES_MAX", 2)
    async with keeping(server) as (keeper,):
        versions = []
        for name in ("one", "two", "three", "one"):
            catalog = await keeper.catalogs.of(Database(name=name, user="sluice"), keeper.target)
            versions.append(catalog.version)
            assert len(keeper.catalogs._kept) <= 2
        assert len(set(versions)) == 4
        assert keeper.catalogs.get("two") is None


def copied(column: str, **more: object) -> Learned:
    return msgspec.structs.replace(Learned("public", "people", column, "ssn", "copied"), **more)


async def test_what_one_worker_learns_holds_in_all_before_they_plan_anything_more(server: EmbeddedServer) -> None:
    async with keeping(server, slots=2) as (one, other):
        before = await one.read()
        await other.read()
        (table,) = before.find("public", "people")
        one.catalogs.learn("shop", [copied("id", oid=table.oid, number=1)], certain=True)
        assert one.columns["id"] == "ssn"
        assert before.newer is one.catalogs.get("shop"), "what runs already is masked too"
        assert other.columns["id"] is None, "it has not looked yet"
        other.catalogs.follow_labels()
        assert other.columns["id"] == "ssn"
        assert other.renewed, "scopes are asked for anew"
        await until(lambda: len(one.renewed) > 1, "it was read again")
        assert one.columns["id"] == "ssn"


async def test_learned_labels_are_there_after_a_restart_and_follow_a_rename(
    server: EmbeddedServer, admin: psycopg.Connection, tmp_path: Path
) -> None:
    admin.execute("create table brought (a text, email text)")
    try:
        async with keeping(server, folder=tmp_path) as (keeper,):
            await keeper.read()
            keeper.catalogs.learn("shop", [copied("a", table="brought")], certain=True)
        admin.execute("alter table brought rename to elsewhere")
        admin.execute("create table brought (a text)")
        async with keeping(server, folder=tmp_path) as (keeper,):
            assert [column.label for column in (await keeper.read()).find("public", "brought")[0].columns] == ["ssn"]
        admin.execute("drop table brought")
        async with keeping(server, folder=tmp_path) as (keeper,):
            assert (await keeper.read()).find("public", "elsewhere")[0].columns[0].label is None
            admin.execute("alter table elsewhere rename email to b")  # behind the gateway's back
            keeper.catalogs.moved("shop")
            await until(lambda: keeper.renewed, "it was read anew")
            catalog = keeper.catalogs.get("shop")
            assert catalog is not None
            assert catalog.find("public", "elsewhere")[0].by_name["b"].label == "email"
    finally:
        admin.execute("drop table if exists brought, elsewhere")


async def test_label_is_bound_to_its_table_when_the_catalogue_shows_it(
    server: EmbeddedServer, admin: psycopg.Connection
) -> None:
    async with keeping(server) as (keeper,):
        await keeper.read()
        keeper.catalogs.learn("shop", [copied("a", table="fresh")], certain=True)
        for clean in (False, True):
            admin.execute("create table fresh (a text)")
            change = keeper.catalogs.moved("shop")
            await until(lambda want=change: ("shop", want) in keeper.renewed, "it was read anew")
            catalog = keeper.catalogs.get("shop")
            assert catalog is not None
            assert catalog.find("public", "fresh")[0].columns[0].label == (None if clean else "ssn")
            admin.execute("drop table fresh")


async def test_label_learned_while_the_catalogue_is_behind_keeps_to_the_name(server: EmbeddedServer) -> None:
    """The table of this name may be another one already."""
    async with keeping(server) as (keeper,):
        catalog = await keeper.read()
        (table,) = catalog.find("public", "people")
        bound = copied("id", oid=table.oid, number=1)
        keeper.catalogs.moved("shop")
        keeper.catalogs.learn("shop", [bound], certain=True)
        book = keeper.catalogs._kept["shop"].book
        assert book is not None
        assert list(book.labels) == [bound.unsure()]
        await until(lambda: len(book.labels) == 2, "it is bound as well")
        keeper.catalogs.learn("shop", [copied("email", oid=table.oid, number=2)], certain=False)
        assert [one.oid for one in book.labels] == [0, table.oid, 0]


async def test_database_under_two_names_has_one_catalogue_of_labels_and_changes(server: EmbeddedServer) -> None:
    async with keeping(server) as (keeper,):
        await keeper.read()
        await keeper.catalogs.of(Database(name="alias", user="sluice"), keeper.target)
        keeper.catalogs.learn("alias", [copied("id")], certain=True)
        assert keeper.columns["id"] == "ssn"
        keeper.renewed.clear()
        change = keeper.catalogs.moved("alias")
        await until(lambda: ("shop", change) in keeper.renewed, "DDL under one name is seen under the other")


async def test_nothing_is_learned_of_a_database_that_is_not_known(server: EmbeddedServer) -> None:
    async with keeping(server) as (keeper,):
        with pytest.raises(Unavailable):
            keeper.catalogs.learn("shop", [copied("id")], certain=True)
