"""Statements that wait, from a worker's word to a channel and back: the real desk and store, a webhook that decides."""

import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from gateway.approvals import signatures
from gateway.approvals.view import Approver
from gateway.identity.barred import Bar
from tests.workers.admin_rig import calling, desk, load, tending, token
from tests.workers.inbound_rig import Inbound, served
from tests.workers.vendor_rig import Vendor, status, vendor
from workers import configuration, holds_link
from workers.admin_access import AccessDesk
from workers.admin_process import Desk
from workers.approval_channels import ApprovalChannels
from workers.held_desk import HeldDesk
from workers.holds_link import Decided, Noted, Waits, Withdrawn
from workers.run_folder import RunFolder

pytestmark = pytest.mark.trio
POLICY = """
[[grant]]
name = "all"
groups = ["dba"]
allow = ["all"]
[[approval]]
name = "the shop"
approvers = { groups = ["dba"] }
channels = ["console", "webhook:desk"]
approvals_needed = 2
[[access]]
name = "on request"
groups = ["devs"]
databases = ["prod"]
allow = ["read"]
approvers = { groups = ["dba"] }
channels = ["webhook:desk"]
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VALUE = "canary-4711"
WAITS = Waits(
    id="h0123456789", binding=b"b" * 32, session="s1", user="ada", issuer="local", groups=("owners",), actors=("agent-7",),
    account="", token_id="t", model="", run="", address="a:1", application="psql", database="prod",
    environment="production", role="app", text=f"update orders set note = '{VALUE}'".encode(), types=None, values=None,
    statement="update orders set note = $1", by_text=False, kinds=("UPDATE",), tables=("public.orders",), labels=(),
    rules=("changes",),
    words="it changes orders", approvals=("the shop",), policy="p", in_transaction=False, reason="repair", ticket="",
    since=time.time(), until=time.time() + 300,
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes["/hook"] = status(204)
        yield made


class Bench:
    """A worker's end of the link, the desk, and what the webhook's house does."""

    def __init__(
        self,
        one: Desk,
        access: AccessDesk,
        channels: ApprovalChannels,
        worker: trio.SocketStream,
        inbound: Inbound,
        house: Vendor,
    ) -> None:
        self.access = access
        self.desk = one
        self.channels = channels
        self.worker = worker
        self.inbound = inbound
        self.house = house

    def kept(self) -> bool:
        """Whether it is on the disk which message is about the request."""
        return bool(self.channels._channels and self.channels._channels.receipts("desk", WAITS.id))

    async def told(self, count: int) -> dict[str, Any]:
        asked = await trio.to_thread.run_sync(self.house.await_asked, "/hook", count)
        found: dict[str, Any] = asked[count - 1].json()
        return found

    async def decide(self, user: str, approve: bool = True, request: str = WAITS.id, **how: Any) -> httpx2.Response:
        given = token(self.desk.loaded, user, **({"groups": ("dba",)} | how))
        body = json.dumps({"request": request, "approve": approve, "words": "seen", "token": given}).encode()
        signed = signatures.sign(secrets.token_hex(4), body, signatures.secret_of(SECRET), time.time())
        return await self.inbound.post("/hooks/desk", body, signed)


def configure(folder: Path, house: Vendor, literals: bool) -> None:
    (folder / "key").write_text(SECRET)
    (folder / "key").chmod(0o600)
    with (folder / "sluice.toml").open("a") as settings:
        settings.write(
            f'\n[[channel]]\nname = "desk"\nkind = "webhook"\nurl = "{house.url}/hook"\nca_file = "{house.ca_file}"\n'
            f'secret_file = "key"\ncallback_secret_file = "key"\nliterals = {"true" if literals else "false"}\n'
        )


@asynccontextmanager
async def bench(
    folder: Path, house: Vendor, *, literals: bool = False, again: bool = False
) -> AsyncIterator[Bench]:
    file = folder / "gateway" / "sluice.toml"
    if not again:
        configure(load(folder / "gateway", POLICY).folder, house, literals)
    loaded = configuration.load(file, {})
    loaded.run_dir.mkdir(parents=True, exist_ok=True)
    with desk(loaded) as (one, supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            held, access = HeldDesk(one), AccessDesk(one)
            channels = ApprovalChannels(one, access, held)
            await nursery.start(channels.serve)
            nursery.start_soon(held.serve)
            async with served(channels.callbacks) as inbound, await connected(loaded.run_dir) as worker:
                await holds_link.send(worker, WAITS)
                yield Bench(one, access, channels, worker, inbound, house)
            nursery.cancel_scope.cancel()


async def connected(run_dir: Path) -> trio.SocketStream:
    with trio.fail_after(10):
        while True:
            try:
                return await holds_link.connect(RunFolder(run_dir))
            except OSError:
                await trio.sleep(0.01)


async def test_two_people_release_it_through_a_webhook_and_the_house_hears_the_end(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        opened = await made.told(1)
        assert (opened["type"], opened["data"]["user"], opened["data"]["needed"]) == ("request.opened", "ada", 2)
        assert VALUE not in json.dumps(opened)
        first = await made.decide("dora")
        assert first.json() == {"ok": True, "words": 'It still needs 1 more by "the shop".'}
        assert (await made.decide("dora")).status_code == 409
        given = await made.told(2)
        assert (given["type"], given["data"]["given"], given["data"]["needed"]) == ("approval.given", 1, 2)
        second = await made.decide("carol")
        assert second.json() == {"ok": True, "words": "It is approved."}
        with trio.fail_after(10):
            assert isinstance(await holds_link.receive(made.worker), Noted)
            decided = await holds_link.receive(made.worker)
        assert isinstance(decided, Decided)
        assert (decided.approve, decided.by) == (True, "dora (local), carol (local)")
        closed = await made.told(3)
        assert (closed["type"], closed["data"]["state"]) == ("request.closed", "approved")
        assert (await made.decide("erin")).status_code == 409


async def test_neither_the_requester_nor_his_agent_nor_who_is_locked_decides(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        await made.told(1)
        made.desk.bars.put(Bar("user", "lou"), time.time())
        for user, how, code in (
            ("ada", {}, 409), ("Ada", {}, 409), ("dora", {"actors": ("agent-7",)}, 403), ("erin", {"groups": ()}, 409),
            ("lou", {}, 403),
        ):  # fmt: skip
            answer = await made.decide(user, **how)
            assert answer.status_code == code, answer.text
        lou = Approver("lou", "local", ("dba",), "slack")
        assert (await made.channels.decide(WAITS.id, lou, True, "", {})).words == "You may not sign in."
        assert await made.channels.look(WAITS.id, lou, {}) is None


async def test_literals_are_shown_to_approvers_and_in_channels_that_say_so(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house, literals=True) as made:
        assert VALUE in (await made.told(1))["data"]["statement"]
        dora = Approver("dora", "local", ("dba",), "slack")
        looked = await made.channels.look(WAITS.id, dora, {"channel": "slack"})
        assert looked is not None
        assert VALUE in looked.statement
        for other in (Approver("ada", "local", ("dba",), "slack"), Approver("erin", "local", (), "slack")):
            assert await made.channels.look(WAITS.id, other, {}) is None
        known = await made.channels.view(WAITS.id)
        assert known is not None
        assert known.statement == ""
        await holds_link.send(made.worker, Withdrawn(WAITS.id, "cancelled"))
        closed = await made.told(2)
        assert (closed["data"]["state"], closed["data"]["statement"]) == ("withdrawn", "")


async def test_access_that_is_asked_for_is_told_and_given_through_a_channel(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        await made.told(1)  # the statement
        body = {"database": "prod", "reason": "incident 7"}
        asked = await made.access.ask(calling(made.desk, body, user="dev", groups=("devs",)))
        request = asked["approval"]["id"]
        opened = (await made.told(2))["data"]
        assert (opened["id"], opened["kind"], opened["title"]) == (request, "access", "access: read for 1 h")
        assert (await made.decide("dev", request=request)).status_code == 409
        kept = await made.access.kept(request)
        assert kept is not None
        made.access.moved(kept)
        assert (await made.told(3))["type"] == "request.escalated"
        answer = await made.decide("dora", request=request)
        assert answer.json() == {"ok": True, "words": "It is approved."}
        assert (await made.told(4))["data"]["state"] == "approved"
        assert await made.access.waiting() == ()


async def test_the_end_of_what_was_told_before_a_restart_is_told_after_it(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        await made.told(1)
        while not made.kept():
            await trio.sleep(0.005)
    async with bench(tmp_path, house, again=True) as made:
        await holds_link.send(made.worker, Withdrawn(WAITS.id, "cancelled"))
        assert (await made.told(2))["data"]["state"] == "withdrawn"
        assert len(house.of("/hook")) == 2, "and nobody was told of it twice"


async def test_what_a_worker_tells_again_is_told_once(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        await made.told(1)
        await holds_link.send(made.worker, WAITS)
        assert (await made.decide("dora", approve=False)).status_code == 200
        assert (await made.told(2))["data"]["state"] == "denied"
        assert len(house.of("/hook")) == 2


async def test_of_those_that_are_alike_one_is_told_and_then_the_next(tmp_path: Path, house: Vendor) -> None:
    async with bench(tmp_path, house) as made:
        await made.told(1)
        while not made.kept():
            await trio.sleep(0.005)
        second = msgspec.structs.replace(WAITS, id="h1123456789", since=WAITS.since + 1)
        await holds_link.send(made.worker, second)
        grouped = await made.told(2)
        assert (grouped["type"], grouped["data"]["id"], grouped["data"]["alike"]) == ("request.grouped", WAITS.id, 2)
        assert (await made.channels.view(second.id)) is not None, "what is not told can be decided nevertheless"
        assert (await made.decide("dora", approve=False)).status_code == 200
        types = {each["type"]: each["data"] for each in [await made.told(3), await made.told(4)]}
        assert types["request.closed"]["id"] == WAITS.id
        assert (types["request.opened"]["id"], types["request.opened"]["alike"]) == (second.id, 1)


async def test_without_channels_nothing_is_made(tmp_path: Path) -> None:
    with desk(load(tmp_path / "gateway")) as (one, _):
        channels = ApprovalChannels(one, AccessDesk(one), HeldDesk(one))
        async with trio.open_nursery() as nursery:
            await nursery.start(channels.serve)
        assert list(channels.callbacks) == []
