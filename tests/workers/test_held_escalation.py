"""Steps of a rule that are taken while nobody decides: by the clock for who decides, told once for who is told."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.approvals.statements import Held
from tests.workers.desk_rig import waits
from tests.workers.test_held_desk import POLICY, House, house
from workers import admin_post, held_escalation
from workers.held_desk import HeldDesk

pytestmark = pytest.mark.trio
STEPS = """
[[approval]]
name = "slow"
approvers = { groups = ["shop"] }
escalate = [
  { after_seconds = 20, approvers = { groups = ["leads"] }, channels = ["console"] },
  { after_seconds = 40, channels = ["night"] },
]
"""


@asynccontextmanager
async def escalating(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[House, list[Any]]]:
    monkeypatch.setattr(held_escalation, "LOOK_SECONDS", 0.005)
    async with house(folder, POLICY + STEPS) as at:
        moved: list[Any] = []
        follow(at, moved)
        yield at, moved


def follow(at: House, moved: list[Any]) -> None:
    at.held.moved = lambda held, change: moved.append((held.id, change, len(held.escalated)))
    at.nursery.start_soon(held_escalation.keep, at.held)


async def taken(held: HeldDesk, count: int) -> Held:
    with trio.fail_after(5):
        while True:
            found = await held.kept("h1")
            if found is not None and len(found.escalated) == count:
                return found
            await trio.sleep(0.002)


async def test_who_a_step_names_decides_from_its_time_on_whether_told_or_not(tmp_path: Path) -> None:
    async with house(tmp_path, POLICY + STEPS) as at:
        now = time.time()
        worker = await at.worker(waits("h1", "slow", since=now - 19), waits("h2", "slow", since=now - 21))
        lead = at.call("h2", "lee", ("leads",))
        assert await at.status(at.held.show, at.call("h1", "lee", ("leads",))) == 404
        assert await at.approve("h1", "lee", ("leads",)) == 404
        assert (await at.held.show(lead))["approval"]["text"]
        assert await at.approve("h2", "dave", ("leads",)) == 403, "nobody about his own"
        assert await at.approve("h2", "lee", ("leads",)) == 200
        assert (await worker.hears()).by == "lee (local)"


async def test_a_step_is_put_on_record_and_told_once_also_over_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with escalating(tmp_path, monkeypatch) as (at, moved):
        now = time.time()
        told = waits("h1", "slow", since=now - 21, until=now + 60)
        worker = await at.worker(told, waits("h2", "shop", since=now - 100))
        held = await taken(at.held, 1)
        assert (held.escalated[0].rule, held.escalated[0].after_seconds) == ("slow", 20)
        (record,) = [each.data for each in at.supervisor.told if each.data["what"] == "request escalated"]
        assert record["steps"] == [
            {"rule": "slow", "after_seconds": 20, "users": [], "groups": ["leads"], "channels": ["console"]}
        ]
        assert moved == [("h1", "request.escalated", 1)]
        assert await at.approve("h2") == 200
        await worker.hears()
        assert worker.news == ["leads may decide now, too"]
        await at.start()
        follow(at, moved)
        began = time.time()
        monkeypatch.setattr(held_escalation.time, "time", lambda: began + 21)
        await at.worker(told)
        await taken(at.held, 2)
        assert moved == [("h1", "request.escalated", 1), ("h1", "request.escalated", 2)]
        assert at.told().count("request escalated") == 2


async def test_a_step_that_cannot_be_put_on_record_is_taken_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.02)
    async with escalating(tmp_path, monkeypatch) as (at, moved):
        at.supervisor.records = False
        await at.worker(waits("h1", "slow", since=time.time() - 21))
        with trio.fail_after(5):
            while "request escalated" not in at.told():
                await trio.sleep(0.002)
        assert ((await at.kept("h1")).escalated, moved) == ((), [])
        at.supervisor.records = True
        await taken(at.held, 1)
        assert len(moved) == 1
