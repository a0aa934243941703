"""Statements that wait, in the admin process: the test is the worker on the socket, and the people who decide."""

import contextlib
import json
import random
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.workers.admin_rig import Supervisor, desk, load, tending
from tests.workers.desk_rig import SHOP, Deciding, waits
from workers import admin_post, held_desk, holds_link
from workers.admin_process import Desk
from workers.held_desk import HeldDesk
from workers.held_store import HeldStore
from workers.holds_link import Decided, FromWorker, Noted, Ran, Waits, Withdrawn
from workers.run_folder import RunFolder

pytestmark = pytest.mark.trio
POLICY = """
[[grant]]
name = "operators"
groups = ["ops"]
allow = ["all"]
[[grant]]
name = "people"
groups = ["devs"]
databases = ["prod"]
allow = ["all"]
[[approval]]
name = "shop"
approvers = { groups = ["shop"] }
[[approval]]
name = "two"
approvers = { groups = ["shop"] }
approvals_needed = 2
[[approval]]
name = "fresh"
approvers = { groups = ["shop"] }
step_up = { max_age_seconds = 300, acr = ["phr", "phrh"], amr = ["mfa"] }
[[approval]]
name = "again"
approvers = { groups = ["shop"] }
remember_seconds = 60
"""


class Worker:
    """One worker's connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.news: list[str] = []

    async def say(self, *messages: FromWorker) -> None:
        for message in messages:
            await holds_link.send(self.stream, message)

    async def hears(self) -> Decided:
        with trio.fail_after(5):
            while isinstance(message := await holds_link.receive(self.stream), Noted):
                self.news.append(message.words)
        assert isinstance(message, Decided)
        return message


class House(Deciding):
    def __init__(self, one: Desk, supervisor: Supervisor, nursery: trio.Nursery) -> None:
        self.desk, self.supervisor, self.nursery = one, supervisor, nursery
        self.scope, self.held = trio.CancelScope(), HeldDesk(one)
        self.streams: list[trio.SocketStream] = []
        self.folder = RunFolder.make(one.loaded.run_dir)
        self.path = self.folder.socket_path(holds_link.SOCKET)

    async def start(self) -> None:
        """A new desk over the same disk, as after a restart."""
        self.scope.cancel()
        await self.held.keeping.close()
        self.held, self.scope = HeldDesk(self.desk), trio.CancelScope()
        Path(self.path).unlink(missing_ok=True)
        self.nursery.start_soon(self._run, self.held, self.scope)
        with trio.fail_after(5):
            while True:
                with contextlib.suppress(OSError):
                    await (await holds_link.connect(self.folder)).aclose()
                    return
                await trio.sleep(0.002)

    async def _run(self, held: HeldDesk, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(held.serve)
                nursery.start_soon(held.keep)

    async def worker(self, *messages: FromWorker) -> Worker:
        made = Worker(await holds_link.connect(self.folder))
        self.streams.append(made.stream)
        await made.say(*messages)
        for message in messages:
            if isinstance(message, Waits):
                await self.kept(message.id)
        return made


@asynccontextmanager
async def house(folder: Path, policy: str = POLICY) -> AsyncIterator[House]:
    with desk(load(folder, policy)) as (one, supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            made = House(one, supervisor, nursery)
            await made.start()
            try:
                yield made
            finally:  # what a failing test leaves would fail the next one, too
                nursery.cancel_scope.cancel()
                for stream in made.streams:
                    stream.socket.close()
                made.folder.close()
        await made.held.keeping.close()


async def test_an_approval_reaches_the_worker_and_what_was_approved_has_run(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        answer = await at.held.approve(at.call())
        assert (answer["approval"]["state"], answer["approval"]["missing"]) == ("approved", {"shop": 0})
        assert await worker.hears() == Decided("h1", True, "bo (local)")
        await worker.say(Ran("h1"))
        await at.kept("h1", state="approved", ran=True, secret=b"")
        assert at.told() == ["statement approved"]
        record = at.supervisor.told[-1].data
        assert (record["approval"], record["user"], record["requester"], record["ticket"]) == (
            "h1", "bo", "dave (local)", "T-1",
        )  # fmt: skip
        assert "4711" not in str(at.supervisor.told)
        assert await at.approve() == await at.status(at.held.deny, at.call()) == 409


async def test_a_no_reaches_the_worker_in_its_words(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        assert (await at.held.deny(at.call()))["approval"]["state"] == "denied"
        assert await worker.hears() == Decided("h1", False, "bo (local)", "seen")
        assert at.told() == ["statement denied"]
        assert await at.approve() == 409


@pytest.mark.parametrize(
    ("why", "state"), [("cancelled", "withdrawn"), ("client gone", "withdrawn"), ("too late", "expired")]
)
async def test_what_its_client_takes_back_nobody_can_approve(tmp_path: Path, why: str, state: str) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits(), Withdrawn("h1", why))
        assert (await at.kept("h1", state=state)).secret == b""
        assert await at.approve() == 409
        assert at.told() == []


async def test_what_a_lost_worker_had_waiting_is_over_unless_it_tells_again_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        first = await at.worker(waits(), waits("h2"))
        await first.stream.aclose()
        await at.until(lambda: not at.held._workers)
        assert await at.approve() == 409, "nobody is there who would run it"
        again = await at.worker(waits())
        await at.until(lambda: "h1" in at.held._workers)
        monkeypatch.setattr(held_desk, "LOST_SECONDS", 0.05)
        await at.kept("h2", state="withdrawn")
        assert await at.approve() == 200
        assert (await again.hears()).approve
        await again.say(waits("h2"))
        assert await again.hears() == Decided("h2", False, "the gateway", "its worker has ended")


async def test_after_a_restart_the_answer_is_the_same_and_nothing_runs_twice(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        told = {one: waits(one) for one in ("h1", "h2", "h3", "h4")}
        await at.worker(*told.values())
        for one in ("h1", "h2"):
            assert await at.approve(one) == 200
        await at.held.deny(at.call("h3"))
        worker = await at.worker(Ran("h2"))
        await at.kept("h2", ran=True)
        await at.start()
        worker = await at.worker(*told.values())
        assert [await worker.hears(), await worker.hears()] == [
            Decided("h1", True, "bo (local)"), Decided("h3", False, "bo (local)", "seen"),
        ]  # fmt: skip
        assert await at.approve("h4") == 200
        assert (await worker.hears()).id == "h4", "and nothing of h2, which has run"


async def test_a_name_that_another_request_had_gets_nothing_of_its_approval(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        other = await at.worker(waits(binding=b"another"))
        assert (await other.hears()).approve is False
        assert await at.approve() == 200
        assert (await worker.hears()).approve
        await other.say(waits(binding=b"another"))
        assert (await other.hears()).approve is False


async def approved_and_run(at: House, worker: Worker, request: str) -> None:
    assert await at.approve(request) == 200
    assert (await worker.hears()).approve
    await worker.say(Ran(request))
    await at.kept(request, ran=True)


async def test_a_remembered_shape_passes_at_once_and_no_other_does(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits("h1", "again"))
        await approved_and_run(at, worker, "h1")
        first = await at.kept("h1")
        await worker.say(waits("h2", "again", text=b"update t set a = 'other'"))
        assert await worker.hears() == Decided("h2", True, "bo (local)")
        assert (await at.kept("h2")).decided == first.decided, "its time does not begin anew"
        assert at.supervisor.told[-1].data["remembered"] == "h1"
        others: list[dict[str, Any]] = [
            {"user": "eve"}, {"issuer": "okta"}, {"actors": ("bot",)}, {"account": "app"}, {"database": "dev"},
            {"role": "x"}, {"policy": "p2"}, {"rules": ("other",)}, {"statement": "update t set b = $1"}, {"tables": ("u",)},
            {"approvals": ("again", "shop")}, {"kinds": ("DO",)}, {"by_text": True},
        ]  # fmt: skip
        for number, change in enumerate(others):
            request = f"h1{number}"
            await worker.say(waits(request, **{"approvals": ("again",), **change}))
            assert (await at.kept(request)).state == "pending", change


async def test_an_approval_is_remembered_for_its_time_from_the_decision_of_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits("h1", "again"))
        await approved_and_run(at, worker, "h1")
        begun = time.time()
        for request, later, passes in (("h2", 40, True), ("h3", 59, True), ("h4", 61, False)):
            monkeypatch.setattr(held_desk.time, "time", lambda later=later: begun + later)
            await worker.say(waits(request, "again"))
            if passes:
                assert (await worker.hears()).approve
                await worker.say(Ran(request))
                await at.kept(request, ran=True)
            else:
                await at.kept(request, state="pending")


async def test_a_text_whose_literals_are_code_is_remembered_as_it_is(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        block: dict[str, Any] = {"by_text": True, "statement": "do $1::text", "kinds": ("DO",)}
        worker = await at.worker(waits("h1", "again", text=b"do $$begin a; end$$", **block))
        await approved_and_run(at, worker, "h1")
        await worker.say(waits("h2", "again", text=b"do $$begin b; end$$", **block))
        assert (await at.kept("h2")).state == "pending"
        await worker.say(waits("h3", "again", text=b"do $$begin a; end$$", **block))
        assert (await worker.hears()).id == "h3"


async def test_two_people_are_two_people(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits("h1", "two", "shop"))
        answer = await at.held.approve(at.call())
        assert (answer["approval"]["state"], answer["approval"]["missing"]) == ("pending", {"two": 1, "shop": 0})
        assert [await at.approve("h1", name) for name in ("bo", "BO", "dave", "zed")] == [403, 403, 403, 200]
        assert await worker.hears() == Decided("h1", True, "bo (local), zed (local)")
        assert worker.news == ["approved by bo (local); others have to approve it, too"]
        assert at.told() == ["approval given", "statement approved"]


async def test_of_a_hundred_who_decide_at_once_one_has_decided(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        got: list[int] = []

        async def decide(number: int) -> None:
            handler = at.held.approve if number % 2 else at.held.deny
            got.append(await at.status(handler, at.call("h1", f"p{number}")))

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(decide, number)
        assert sorted(got) == [200] + [409] * 99
        decided = await worker.hears()
        assert at.told() == ["statement approved" if decided.approve else "statement denied"], "as is on record, once"


async def test_nothing_is_released_or_shown_without_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits(), waits("h2", "again"))
        await approved_and_run(at, worker, "h2")
        monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.05)
        at.supervisor.records = False
        assert await at.approve() == 503
        assert await at.status(at.held.deny, at.call()) == 503
        assert await at.status(at.held.show, at.call()) == 503
        await worker.say(waits("h3", "again"))
        assert (await at.kept("h3")).state == "pending", "what cannot be let pass waits for people"
        at.supervisor.records = True
        assert (await at.kept("h1")).state == "pending"
        assert await at.approve() == 200
        assert (await worker.hears()).id == "h1"


async def test_nothing_is_released_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(held_desk, "LOST_SECONDS", 0.01)
        worker = await at.worker(waits(), waits("h2"))
        with monkeypatch.context() as broke:
            broke.setattr(HeldStore, "move", broken)
            assert await at.approve() == 503
            await worker.say(Withdrawn("h2", "cancelled"))
            await at.until(lambda: "h2" not in at.held._workers)
            broke.setattr(HeldStore, "add", broken)
            await worker.say(waits("h3"))
        await at.kept("h2", state="withdrawn")
        assert await at.approve() == 200
        assert (await worker.hears()).id == "h1"


async def test_what_a_disk_did_not_tell_at_the_beginning_is_over_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is not there")

    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        await at.worker(waits(), waits("h2"))
        with monkeypatch.context() as broke:
            broke.setattr(HeldStore, "pending", broken)
            await at.start()
            worker = await at.worker(waits())
        await at.until(lambda: "h2" in at.held._lost)
        monkeypatch.setattr(held_desk, "LOST_SECONDS", 0.0)
        await at.kept("h2", state="withdrawn")
        assert await at.approve() == 200, "its worker has told it"
        assert (await worker.hears()).approve


async def test_hostile_bytes_end_their_own_connection_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        nan = msgspec.msgpack.encode(waits("h9", since=float("nan")))
        pieces = b"\xff" * 9, b"\0\0\0\3abc", b"\0\0\0\0", b"\0\0\0\2\x81\xa1", random.Random(7).randbytes(64)
        for data in (*pieces, len(nan).to_bytes(4) + nan):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(at.path)
                raw.sendall(data)
        strange = await at.worker()
        await holds_link.send(strange.stream, Decided("h1", True, "eve", ""))
        await strange.say(Ran("h1"), Ran("h404"), Withdrawn("h404", "x"), waits("h5"))
        await at.kept("h5")
        assert (await at.kept("h1")).state == "pending", "a worker decides nothing"
        await worker.say(waits())
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await at.approve() == 200
        assert (await worker.hears()).approve


async def test_literals_are_for_those_who_may_decide_while_it_waits(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits())
        shown = (await at.held.show(at.call()))["approval"]
        assert (shown["text"], shown["missing"]) == ("update t set a = 'geheim-4711'", {"shop": 1})
        assert at.supervisor.told[-1].data["operation"] == "show statement"
        for user, groups in (("dave", ("devs",)), ("dave", (*SHOP, "devs")), ("olga", ("ops",))):
            read = json.dumps(await at.held.show(at.call("h1", user, groups)))
            assert "h1" in read
            assert "4711" not in read
        bot = at.call("h1", "bo", SHOP, actors=("bot",))
        assert "4711" not in json.dumps(await at.held.show(bot))
        assert "4711" not in json.dumps(await at.held.list(at.call()))
        assert "4711" not in repr(await at.kept("h1"))
        assert len([what for what in at.told("system") if what == "operation"]) == 1
        await at.held.deny(at.call())
        assert "4711" not in json.dumps(await at.held.show(at.call()))


async def test_what_waits_is_listed_however_much_came_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "SHOWN_MAX", 1)
        now = time.time()
        await at.worker(*(waits(f"h{number}", since=now + number) for number in range(4)), Withdrawn("h2", "cancelled"))
        await at.kept("h2", state="withdrawn")
        assert sorted(one["id"] for one in await at.held.list(at.call())) == ["h0", "h1", "h3"]


async def test_what_others_have_waiting_is_none_of_ones_business(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits())
        who: list[tuple[str, tuple[str, ...], bool]] = [
            ("dave", ("devs",), True), ("bo", SHOP, True), ("olga", ("ops",), True), ("eve", ("devs",), False),
        ]  # fmt: skip
        for user, groups, seen in who:
            call = at.call("h1", user, groups)
            assert bool(await at.held.list(call)) is seen
            if not seen:
                for handler in (at.held.show, at.held.approve, at.held.deny):
                    assert await at.status(handler, call) == 404
        listed = json.dumps(await at.held.list(at.call()))
        assert not {"token_id", "secret", "binding", "shape"} & set(json.loads(listed)[0])
        late = at.call()
        late.now += 61
        assert (await at.held.list(late))[0]["state"] == "expired"
        assert await at.status(at.held.approve, late) == 409
