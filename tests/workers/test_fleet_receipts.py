"""People are told once, by one gateway of a fleet; when that is gone another finds its messages again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.workers.desk_rig import until, waits
from tests.workers.fleet_rig import Member, configured, fleet
from tests.workers.store_rig import StoreServer
from tests.workers.vendor_rig import Vendor, status, vendor
from workers import fleet_receipts, held_fleet, shared_approvals
from workers.configuration import Loaded

pytestmark = [pytest.mark.trio, pytest.mark.xdist_group("store")]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes["/hook"] = status(204)
        yield made


def told(folder: Path, store: StoreServer, house: Vendor) -> Loaded:
    folder.mkdir(parents=True)
    (folder / "hook.key").write_text(SECRET)
    (folder / "hook.key").chmod(0o600)
    channel = (
        f'[[channel]]\nname = "desk"\nkind = "webhook"\nurl = "{house.url}/hook"\nca_file = "{house.ca_file}"\n'
        'secret_file = "hook.key"\n'
    )
    return configured(folder, store, more=channel)


def messages(house: Vendor) -> list[tuple[str, str]]:
    bodies: list[dict[str, Any]] = [asked.json() for asked in house.asked if asked.path == "/hook"]
    return [(one["data"]["id"], one["type"]) for one in bodies]


def receipts(at: Member) -> int:
    made = at.channels._channels
    assert made is not None
    return len(made._lines["desk"]._receipts)


async def test_one_gateway_tells_and_the_message_ends_wherever_it_is_decided(
    tmp_path: Path, store: StoreServer, house: Vendor
) -> None:
    one, two = told(tmp_path / "a", store, house), told(tmp_path / "b", store, house)
    async with fleet(one, two) as (a, b):
        await a.up()
        await b.up()
        await a.worker(waits())
        await until(lambda: messages(house) == [("h1", "request.opened")])
        view = await b.channels.view("h1")
        assert view is not None
        assert (view.state, view.statement) == ("open", "")
        assert await b.approve() == 200
        await until(lambda: messages(house) == [("h1", "request.opened"), ("h1", "request.closed")])
        await until(lambda: not receipts(a))
        ended = await b.channels.view("h1")
        assert ended is not None
        assert ended.state == "approved"


async def test_what_a_gateway_that_is_gone_has_told_another_ends_and_tells_what_it_has_not(
    tmp_path: Path, store: StoreServer, house: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_approvals, "GONE_SECONDS", 0.4)
    monkeypatch.setattr(held_fleet, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(fleet_receipts, "TAKE_SECONDS", 0.05)
    monkeypatch.setattr("workers.approvals_fleet.SIGN_SECONDS", 0.05)
    one, two = told(tmp_path / "a", store, house), told(tmp_path / "b", store, house)
    async with fleet(one, two) as (a, b):
        await a.up()
        await b.up()
        await a.worker(waits())
        with store.superuser() as admin:
            await until(lambda: admin.execute("select count(*) from sluice.receipt").fetchone() == (1,))
        asked = await a.access.ask(
            a.call("", user="dave", groups=("devs",), body={"database": "prod", "reason": "TICKET-1", "seconds": 600})
        )
        a.scope.cancel()
        await until(lambda: messages(house) == [("h1", "request.opened"), ("h1", "request.closed")])
        await until(lambda: not receipts(b))
        with trio.fail_after(5):
            while (mine := await b.access.kept(asked["approval"]["id"])) is None or mine.host != b.fleet.host:
                await trio.sleep(0.01)
