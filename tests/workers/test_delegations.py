"""Rights to decide that are lent, in the admin process: asked for, on record, counted, taken back."""

import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.errors import ConfigError, ConfigFault
from gateway.identity.barred import Bar
from gateway.identity.principal import Principal
from tests.workers.admin_rig import calling
from tests.workers.desk_rig import SHOP, until, waits
from tests.workers.fleet_rig import Member, configured, fleet
from tests.workers.store_rig import StoreServer
from tests.workers.test_held_desk import House, house
from workers import admin_post, store_connection
from workers.admin_calls import Call, Turned
from workers.delegations import Delegations
from workers.delegations_store import DelegationsStore
from workers.holds_link import Decided
from workers.store_connection import StoreTarget

pytestmark = pytest.mark.trio
NOBODY: tuple[str, ...] = ("none",)


@asynccontextmanager
async def lending(folder: Path) -> AsyncIterator[tuple[House, Delegations]]:
    async with house(folder) as at:
        made = Delegations(at.desk)
        await made.keep()
        at.held.lent = made.to
        yield at, made
        if made._store is not None:
            made._store.close()


def call(
    at: House | Member, body: dict[str, Any] | None = None, user: str = "ann", groups: tuple[str, ...] = SHOP, **who: Any
) -> Call:
    path = {"id": who.pop("id", "")}
    return calling(at.desk, body or {}, path, user=user, groups=groups, **who)


def lent(**facts: Any) -> dict[str, Any]:
    return {"to": "bo", "until": time.time() + 3600, "reason": "holiday"} | facts


async def status(handler: Callable[[Call], Awaitable[Any]], one: Call) -> int:
    try:
        await handler(one)
    except Turned as turned:
        return int(turned.status)
    return 200


async def test_who_is_lent_a_right_decides_and_both_names_are_on_record(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        worker = await at.worker(waits())
        assert await at.approve("h1", "bo", NOBODY) == 404
        one = (await made.lend(call(at, lent())))["delegation"]
        assert (list(one["rules"]), one["state"], one["by"], "token_id" in one) == (
            ["again", "fresh", "shop", "two"], "holds", "ann (local)", False,
        )  # fmt: skip
        assert (await at.held.show(at.call("h1", "bo", NOBODY)))["approval"]["text"], "he sees what he decides"
        assert await at.approve("h1", "bo", NOBODY) == 200
        assert (await worker.hears()).by == "bo (local) for ann (local)"
        first, last = [each.data for each in at.supervisor.told if each.kind == "approval"]
        assert (first["what"], first["from"], first["to"]) == ("right delegated", "ann (local)", "bo (local)")
        assert (last["user"], last["for"], last["delegation"]) == ("bo", "ann (local)", one["id"])


async def test_a_giver_and_his_deputy_are_one_of_two(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        worker = await at.worker(waits("h1", "two"))
        await made.lend(call(at, lent()))
        assert await at.approve("h1", "bo", NOBODY) == 200
        assert await at.approve("h1", "ann") == 403
        assert await at.approve("h1", "zed") == 200
        assert (await worker.hears()).by == "bo (local) for ann (local), zed (local)"


async def test_a_requester_neither_lends_nor_is_lent_a_word_about_his_own(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        await at.worker(waits())
        await made.lend(call(at, lent(), user="dave"))
        await made.lend(call(at, lent(to="dave")))
        assert await at.approve("h1", "bo", NOBODY) == 403
        assert await at.approve("h1", "dave", NOBODY) == 403
        assert at.told()[-1] == "right delegated", "and nothing was decided"


async def test_it_counts_in_its_time_and_for_givers_who_are_not_kept_out(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        await at.worker(waits(), waits("h2"), waits("h3"))
        now = time.time()
        await made.lend(call(at, lent(since=now + 600, until=now + 700)))
        one = (await made.lend(call(at, lent(to="cy"))))["delegation"]
        assert await at.approve("h1", "bo", NOBODY) == 404
        for bar in (Bar("user", "ann"), Bar("token", next(iter(made._known.values())).token_id)):
            at.desk.bars.put(bar, now)
            if bar.kind == "user":
                assert await at.approve("h1", "cy", NOBODY) == 404
                at.desk.bars.move((), (bar.key,), now)
        assert await at.approve("h1", "cy", NOBODY) == 200, "another token of hers lent it"
        gone = await made.revoke(call(at, {"reason": "back"}, user="cy", groups=NOBODY, id=one["id"]))
        assert (gone["delegation"]["state"], gone["recorded"]) == ("revoked", True)
        assert await at.approve("h2", "cy", NOBODY) == 404
        assert await status(made.revoke, call(at, id=one["id"])) == 409


async def test_who_may_lend_what_to_whom(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        now = time.time()
        for body, who, code in (
            (lent(to="Ann"), {}, 403),
            (lent(), {"groups": NOBODY}, 403),
            (lent(), {"actors": ("bot",)}, 403),
            (lent(rule="production"), {}, 403),
            (lent(until=now - 1), {}, 403),
            (lent(until=now + 1e9), {}, 403),
            (lent(issuer="nowhere"), {}, 403),
            (lent(to="b\no"), {}, 400),
            (lent(reason=""), {}, 400),
            (lent(more=1), {}, 400),
            (lent(rule="two"), {}, 200),
        ):
            assert await status(made.lend, call(at, body, **who)) == code, (body, who)
        (one,) = made._known.values()
        assert one.rules == ("two",)
        await at.worker(waits(), waits("h2", "two"))
        assert await at.approve("h1", "bo", NOBODY) == 404
        assert await at.approve("h2", "bo", NOBODY) == 200


async def test_who_has_no_part_in_it_sees_nothing_of_it(tmp_path: Path) -> None:
    async with lending(tmp_path) as (at, made):
        one = (await made.lend(call(at, lent())))["delegation"]
        for user, groups, seen in (
            ("ann", SHOP, True), ("bo", NOBODY, True), ("olga", ("ops",), True), ("eve", SHOP, False),
        ):  # fmt: skip
            asked = call(at, user=user, groups=groups, id=one["id"])
            assert bool((await made.list(asked))["delegations"]) is seen
            if not seen:
                assert await status(made.revoke, asked) == 404
        assert await status(made.revoke, call(at, user="bo", actors=("bot",), id=one["id"])) == 404


async def test_it_outlives_the_process_and_what_cannot_be_read_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with lending(tmp_path) as (at, made):
        await at.worker(waits())
        await made.lend(call(at, lent()))
        again = Delegations(at.desk)
        at.held.lent = again.to
        with monkeypatch.context() as broke:
            broke.setattr(DelegationsStore, "all", broken)
            assert await status(again.list, call(at)) == 503
            assert await at.approve("h1", "bo", NOBODY) == 404
        await again.keep()
        assert await at.approve("h1", "bo", NOBODY) == 200
        assert again._store is not None
        again._store.close()


async def test_nothing_is_lent_without_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with lending(tmp_path) as (at, made):
        one = (await made.lend(call(at, lent(to="cy"))))["delegation"]
        monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.02)
        at.supervisor.records = False
        assert await status(made.lend, call(at, lent())) == 503
        assert len(made._known) == 1
        assert (await made.revoke(call(at, id=one["id"])))["recorded"] is False
        assert made._known[one["id"]].revoked, "what only takes away is done nevertheless"


@pytest.mark.xdist_group("store")
async def test_what_is_lent_or_taken_back_at_one_gateway_is_so_at_all_within_a_second(
    tmp_path: Path, store: StoreServer
) -> None:
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        await b.up()
        worker = await a.worker(*(waits(one) for one in ("h1", "h2")))
        assert await b.approve("h1", "cy", NOBODY) == 404
        one = (await a.delegations.lend(call(a, lent(to="cy"))))["delegation"]
        with trio.fail_after(1):
            await until(lambda: counts(b))
        assert await b.approve("h1", "cy", NOBODY) == 200
        heard = await worker.hears()
        assert isinstance(heard, Decided)
        assert heard.by == "cy (local) for ann (local)"
        listed = [(await at.delegations.list(call(at)))["delegations"] for at in (a, b)]
        assert listed[0] == listed[1] == [one]
        codes: list[int] = []

        async def revoke(at: Member, user: str) -> None:
            codes.append(await status(at.delegations.revoke, call(at, user=user, groups=NOBODY, id=one["id"])))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(revoke, a, "ann")
            nursery.start_soon(revoke, b, "cy")
        assert sorted(codes) == [200, 409]
        with trio.fail_after(1):
            await until(lambda: not counts(a) and not counts(b))
        assert [await at.approve("h2", "cy", NOBODY) for at in (a, b)] == [404, 404]


@pytest.mark.xdist_group("store")
async def test_a_gateway_that_is_cut_off_decides_nothing_and_knows_what_changed_when_it_is_back(
    tmp_path: Path, store: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_connection, "PAUSE_SECONDS_MAX", 0.1)
    monkeypatch.setattr("workers.approvals_fleet.SIGN_SECONDS", 0.05)
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        await b.up()
        await a.worker(waits())
        one = (await a.delegations.lend(call(a, lent(to="cy"))))["delegation"]["id"]
        await a.delegations.lend(call(a, lent(to="bo")))
        await until(lambda: counts(b) and counts(b, "bo"))
        with store.superuser() as admin:
            (lent_row,) = admin.execute("select body from sluice.delegation where id = %s", (one,)).fetchone() or ()
            with monkeypatch.context() as cut:
                cut.setattr(b.fleet.connection, "_where", nowhere)
                admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fleet'")
                await until(lambda: b.fleet._said is not None and not b.fleet._said.reached)
                await until(lambda: a.fleet._said is not None and a.fleet._said.reached)
                assert await status(a.delegations.revoke, call(a, id=one)) == 200
                assert counts(b), "it cannot know"
                assert [await b.approve("h1", user, NOBODY) for user in ("cy", "bo")] == [503, 503]
                assert await status(b.delegations.list, call(b)) == await status(b.delegations.lend, call(b, lent())) == 503
            await until(lambda: not counts(b))
            assert counts(b, "bo")
            admin.execute("update sluice.delegation set state = 'lent', body = %s where id = %s", (lent_row, one))
            await b.delegations._load()
            assert not counts(a), "what is put back into the database does not count"
            assert not counts(b)
            admin.execute("delete from sluice.delegation")
            await b.delegations._load()
            assert not counts(b, "bo")


@pytest.mark.xdist_group("store")
async def test_who_decides_by_a_right_that_was_ended_unheard_decides_nothing(tmp_path: Path, store: StoreServer) -> None:
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        await b.up()
        await a.worker(waits())
        asks = a.call("", "dave", ("devs",), {"database": "prod", "reason": "T-1", "seconds": 600})
        access = (await a.access.ask(asks))["approval"]["id"]
        lead = lent(to="di"), "lena", ("leads",)
        made = [(await a.delegations.lend(call(a, *each)))["delegation"]["id"] for each in ((lent(to="cy"),), lead)]
        await until(lambda: counts(b) and counts(b, "di"))
        with store.superuser() as admin:
            admin.execute("alter table sluice.delegation disable trigger changed")
            admin.execute("delete from sluice.delegation where id = %s", (made[1],))
        assert await status(a.delegations.revoke, call(a, id=made[0])) == 200
        assert counts(b)
        assert counts(b, "di")
        assert await b.approve("h1", "cy", NOBODY) == 404
        assert await b.status(b.access.approve, b.call(access, "di", NOBODY)) == 404
        assert not counts(b)
        assert not counts(b, "di")


def nowhere() -> StoreTarget:
    raise ConfigError(ConfigFault("sluice.toml", 0, "store", "it cannot be read", "mend it"))


def counts(at: Member, user: str = "cy") -> bool:
    """Whether somebody else's right is this one's, too."""
    return bool(at.held.lent(Principal(user, "local", (), (), 9e9, "t"), time.time()))
