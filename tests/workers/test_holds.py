"""Statements that wait for people in a whole worker before a real PostgreSQL; the test decides as the admin process."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from gateway.approvals.risk import Signs
from parser import messages
from tests.workers.relay_rig import until
from tests.workers.worker_rig import Guest, House, housed, quiet, running_server
from workers import holds, holds_link
from workers.audit_trail import read_all
from workers.embedded import EmbeddedServer
from workers.holds_link import Decided, FromWorker, Noted, Ran, Waits, Withdrawn
from workers.run_folder import RunFolder

pytestmark = pytest.mark.trio

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["shop"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "updates wait"
effect = "hold"
statements = ["UPDATE"]
[[approval]]
name = "lead"
approvers = { groups = ["leads"] }
wait_seconds = 30
"""
M = TypeVar("M", bound=FromWorker)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


@dataclass
class Admin:
    """What the worker says, and the way to answer."""

    heard: list[FromWorker] = field(default_factory=list)
    stream: trio.SocketStream | None = None

    async def serve(self, house: House, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        path = RunFolder(house.slot.run_dir).socket_path(holds_link.SOCKET)
        Path(path).unlink(missing_ok=True)
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            await listening.bind(path)
            listening.listen(8)
            task_status.started()
            sock, _ = await listening.accept()
            self.stream = trio.SocketStream(sock)
            try:
                while (message := await holds_link.receive(self.stream)) is not None:
                    assert not isinstance(message, Decided | Noted)
                    self.heard.append(message)
            finally:
                await trio.aclose_forcefully(self.stream)
                self.stream = None

    async def hears(self, kind: type[M], count: int = 1) -> M:
        await until(lambda: len([one for one in self.heard if isinstance(one, kind)]) >= count, f"{kind.__name__} is said")
        return [one for one in self.heard if isinstance(one, kind)][-1]

    async def decide(self, request: str, *, approve: bool, words: str = "") -> None:
        assert self.stream is not None
        await holds_link.send(self.stream, Decided(request, approve, "bo (local)", words))


@asynccontextmanager
async def staffed(folder: Path, server: EmbeddedServer) -> AsyncIterator[tuple[House, Guest, Admin]]:
    """A worker, its client with a table of its own, and the admin process."""
    async with housed(folder, server, POLICY) as house, trio.open_nursery() as nursery:
        admin = Admin()
        await nursery.start(admin.serve, house)
        guest = await house.guest()
        await guest.ask("create temp table held (a int)")
        await guest.ask("insert into held values (1)")
        yield house, guest, admin
        nursery.cancel_scope.cancel()


UPDATE = "update held set a = a + 41"


async def test_a_statement_runs_when_it_is_approved_and_the_record_names_the_request(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        asked = await admin.hears(Waits)
        assert (asked.user, asked.text) == ("ada", UPDATE.encode())
        assert (asked.rules, asked.approvals) == (("updates wait",), ("lead",))
        assert asked.statement == "update held set a = a + $1::integer"
        assert asked.until - asked.since == pytest.approx(30)
        assert asked.signs == Signs(unfiltered=True)
        await admin.decide(asked.id, approve=True)
        replies = await guest.replies()
        assert any(kind == b"N" and asked.id.encode() in body for kind, body in replies), "it was told what waits"
        assert await guest.cell("select a from held") == "42"
        assert (await admin.hears(Ran)).id == asked.id
        (held,) = house.events("statement held")
        assert held.data["approval"] == asked.id
        intents = [one for one in read_all(house.slot.audit_dir) if one.kind == "intent" and one.approval]
        assert [one.approval for one in intents] == [asked.id]


async def test_what_a_client_should_know_while_it_waits_reaches_it_at_once(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        asked = await admin.hears(Waits)
        assert admin.stream is not None
        await holds_link.send(admin.stream, Noted("h0", "of somebody else"))
        await holds_link.send(admin.stream, Noted(asked.id, "nobody can be asked"))
        told = b"".join(body for _, body in await guest.replies(b"N") + await guest.replies(b"N"))
        assert f"request {asked.id}: nobody can be asked".encode() in told
        assert b"of somebody else" not in told
        await admin.decide(asked.id, approve=True)
        await guest.replies()


async def test_a_text_whose_literals_are_code_is_told_apart(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        texts = {
            UPDATE: False,
            "update held set a = 2 where a in (select 1)": False,
            "do $$begin update held set a = 3; end$$": True,
            "update held set a = length(query_to_xml('select 1', true, true, '')::text)": True,
        }
        for number, (text, by_text) in enumerate(texts.items(), 1):
            await guest.wire.write_all(messages.query(text))
            asked = await admin.hears(Waits, number)
            assert (asked.text, asked.by_text) == (text.encode(), by_text)
            await admin.decide(asked.id, approve=False)
            await guest.replies()


async def test_a_denial_reaches_the_client_in_the_words_of_who_decided(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        asked = await admin.hears(Waits)
        await admin.decide(asked.id, approve=False, words="not on a Friday")
        text = str(await guest.replies())
        assert "was denied by bo (local): not on a Friday" in text
        assert await guest.cell("select a from held") == "1"


async def test_nobody_in_time_is_a_refusal(tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        asked = await admin.hears(Waits)
        (one,) = house.worker.holds._waiting.values()
        assert admin.stream is not None
        begun = one.told
        await holds_link.send(admin.stream, Noted("h404", "nobody waits for this"))
        await holds_link.send(admin.stream, Noted(asked.id, "leads may decide now, too"))
        await until(lambda: one.told > begun, "it is told")
        one.told -= int(holds.REMIND_SECONDS * 1e9)
        await until(lambda: one.told > one.held.until - 31 * 10**9, "it was reminded")
        one.held.until = 0
        replies = str(await guest.replies())
        assert f"request {asked.id} is still waiting" in replies
        assert f"request {asked.id}: leads may decide now, too" in replies
        assert f"nobody decided in time about request {asked.id}" in replies
        assert (await admin.hears(Withdrawn)).why == "too late"
        await admin.decide(asked.id, approve=True)
        await admin.hears(Withdrawn, 2)
        assert await guest.cell("select a from held") == "1"


async def test_ctrl_c_withdraws_the_request_and_the_session_goes_on(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        await admin.hears(Waits)
        canceller = await house.knock()
        await canceller.wire.write_all(messages.cancel_request(*guest.key))
        assert "57014" in str(await guest.replies())
        assert (await admin.hears(Withdrawn)).why == "cancelled"
        assert await guest.cell("select a from held") == "1"
        assert len(house.worker.holds) == 0


async def test_a_client_that_goes_away_withdraws_its_request(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        await admin.hears(Waits)
        guest.wire.close()
        assert (await admin.hears(Withdrawn)).why == "client gone"
        await quiet(house)
        assert len(house.worker.holds) == 0


async def test_a_client_that_has_read_everything_and_goes_away_runs_nothing(tmp_path: Path, server: EmbeddedServer) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(UPDATE))
        await admin.hears(Waits)
        assert (await guest.wire.read_frame(65_536))[0] == b"N"
        guest.wire.close()
        assert (await admin.hears(Withdrawn)).why == "client gone"
        await quiet(house)


async def test_an_admin_process_that_comes_back_is_told_again_and_answers_once(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server, POLICY) as house:
        guest = await house.guest()
        await guest.ask("create temp table held (a int)")
        await guest.ask("insert into held values (1)")
        await guest.wire.write_all(messages.query(UPDATE))
        await until(lambda: len(house.worker.holds) == 1, "it waits")
        ids = set()
        for _ in range(2):  # the first one is gone before it has answered
            async with trio.open_nursery() as nursery:
                admin = Admin()
                await nursery.start(admin.serve, house)
                asked = await admin.hears(Waits)
                ids.add(asked.id)
                nursery.cancel_scope.cancel()
        assert len(ids) == 1
        async with trio.open_nursery() as nursery:
            admin = Admin()
            await nursery.start(admin.serve, house)
            asked = await admin.hears(Waits)
            for _ in range(3):
                await admin.decide(asked.id, approve=True)
            await guest.replies()
            await admin.hears(Withdrawn, 2)
            assert await guest.cell("select a from held") == "42"
            nursery.cancel_scope.cancel()
