"""A gateway among others: access that one gives is in force at all, and how their store fares is told."""

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.workers.desk_rig import until
from tests.workers.fleet_rig import Member, configured, fleet
from tests.workers.store_rig import StoreServer
from workers import approvals_fleet, store_connection
from workers.admin_link import StoreFares
from workers.approvals_fleet import Changed

pytestmark = [pytest.mark.trio, pytest.mark.xdist_group("store")]
ASK: dict[str, Any] = {"database": "prod", "reason": "TICKET-1", "seconds": 600}
DEV: dict[str, Any] = {"user": "dave", "groups": ("devs",)}
LEAD: dict[str, Any] = {"user": "lena", "groups": ("leads",)}


async def asked(at: Member, **body: Any) -> str:
    answer = await at.access.ask(at.call("", **DEV, body={**ASK, **body}))
    return str(answer["approval"]["id"])


def granted(at: Member) -> list[str]:
    return [one.name for one in at.supervisor.grants]


async def test_access_that_is_approved_or_revoked_at_one_is_in_force_or_over_at_all_within_a_second(
    tmp_path: Path, store: StoreServer
) -> None:
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        await b.up()
        one = await asked(a)
        assert await asked(b) == one, "the same request again is the one that waits"
        assert await b.status(b.access.approve, b.call(one, **LEAD)) == 200
        with trio.fail_after(1):
            await until(lambda: granted(a) == granted(b) == [f"access {one}"])
        assert await a.status(a.access.approve, a.call(one, **LEAD)) == 409
        assert await a.status(a.access.revoke, a.call(one, **LEAD)) == 200
        with trio.fail_after(1):
            await until(lambda: granted(a) == granted(b) == [])
        broken = await asked(b, break_glass=True)
        with trio.fail_after(1):
            await until(lambda: granted(a) == granted(b) == [f"access {broken}"])
            await until(lambda: a.supervisor.reviews == b.supervisor.reviews == 1)
        review = a.call(broken, user="sam", groups=("security",))
        assert await a.status(a.access.review, review) == 200
        with trio.fail_after(1):
            await until(lambda: a.supervisor.reviews == b.supervisor.reviews == 0)


async def test_what_is_in_force_stays_so_while_the_store_is_away_and_is_looked_at_again_after_that(
    tmp_path: Path, store: StoreServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(approvals_fleet, "SIGN_SECONDS", 0.05)
    monkeypatch.setattr(store_connection, "PAUSE_SECONDS_MAX", 0.1)
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        await b.up()
        one = await asked(a)
        assert await a.status(a.access.approve, a.call(one, **LEAD)) == 200
        await until(lambda: granted(b) == [f"access {one}"])
        with caplog.at_level(logging.WARNING, "sluice.admin"):
            await trio.to_thread.run_sync(store.stop)
            await until(lambda: b.fleet._said is not None and not b.fleet._said.reached)
            assert granted(b) == [f"access {one}"]
            assert await b.status(b.access.revoke, b.call(one, **LEAD)) == 503
            await trio.to_thread.run_sync(store.start)
            await b.up()
        assert await b.status(b.access.revoke, b.call(one, **LEAD)) == 200
        await until(lambda: granted(a) == granted(b) == [])
        assert "the store of approvals cannot be used" in caplog.text
        assert "can be used again" in caplog.text


async def test_status_tells_who_is_there_and_a_clock_that_is_off(
    tmp_path: Path, store: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals_fleet, "SIGN_SECONDS", 0.05)
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await b.up()
        await until(lambda: a.fleet._said is not None and len(a.fleet._said.hosts) == 2)
        said = a.fleet._said
        assert isinstance(said, StoreFares)
        assert (said.name, said.reached, said.why) == ("approvals", True, "")
        a.fleet.connection.clock_off = -7.0
        await until(lambda: a.fleet._said is not None and a.fleet._said.why)
        assert a.fleet._said is not None
        assert a.fleet._said.why == "this host's clock is -7.0 s off the store's"


async def test_a_gateway_keeps_its_name_and_hears_only_what_is_meant(tmp_path: Path, store: StoreServer) -> None:
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as (a, b):
        await a.up()
        name = a.fleet.host
        assert name != b.fleet.host
        assert stat.S_IMODE((a.desk.loaded.state_dir / "host").stat().st_mode) & 0o077 == 0
        a.start()
        assert a.fleet.host == name
        await a.up()
        heard: list[Changed] = []

        async def hear(changed: Changed) -> None:
            heard.append(changed)

        b.fleet.hears("sluice_request", hear)
        for payload in ("", "one", "a b c d"):
            b.fleet._hear("sluice_request", payload)
        b.fleet._hear("other", "h1 pending x")
        assert heard == []


async def test_without_a_store_there_is_no_fleet(tmp_path: Path, store: StoreServer) -> None:
    from tests.workers.admin_rig import desk, load

    with desk(load(tmp_path)) as (one, _):
        assert approvals_fleet.of(one) is None
