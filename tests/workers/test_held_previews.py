"""Previews in the admin process: told once, sealed with the literals, and nobody approves before they are there."""

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.approvals.outcomes import Changed, Preview, Sample
from gateway.approvals.statements import Held
from tests.workers.admin_rig import calling
from tests.workers.desk_rig import SHOP, waits
from tests.workers.test_held_desk import house
from workers import held_desk
from workers.held_store import HeldStore
from workers.holds_link import Decided, Previewed, Withdrawn

pytestmark = pytest.mark.trio
SECRET = "ada-4711"
DONE = Preview("", "UPDATE", 2, (Changed("public.t", updated=2),))
SAMPLES = (Sample("public.t", ("id", "note"), (("1", SECRET),), (("1", None),)),)


async def test_it_is_approved_once_its_outcome_is_there_and_told_then(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        opened: list[Held] = []
        at.held.opened = opened.append
        worker = await at.worker(waits(previews=True))
        assert [one.awaits_preview for one in opened] == [True]
        assert await at.approve() == 409
        assert (await at.held.show(at.call()))["approval"]["preview"] is None
        await worker.say(Previewed("h1", DONE, SAMPLES), Previewed("h1", Preview("again")))
        await at.kept("h1", preview=DONE)
        assert [one.preview for one in opened] == [None, DONE]
        shown = (await at.held.show(at.call()))["approval"]
        assert list(shown["preview"]["tables"]) == [{"table": "public.t", "inserted": 0, "updated": 2, "deleted": 0}]
        assert json.loads(json.dumps(shown["samples"]))[0]["before"] == [["1", SECRET]]
        assert "geheim-4711" in shown["text"]
        own = (await at.held.show(at.call(user="dave", groups=("devs",))))["approval"]
        assert not {"samples", "preview"} & own.keys(), "who asks learns nothing that he may not read himself"
        listed = (await at.held.list(at.call()))[0]
        assert "preview" not in listed
        files = b"".join(path.read_bytes() for path in at.desk.loaded.state_dir.iterdir())
        assert SECRET.encode() not in files
        assert await at.approve() == 200
        assert await worker.hears() == Decided("h1", True, "bo (local)")
        assert (await at.kept("h1")).secret == b""
        assert SECRET not in json.dumps([each.data for each in at.supervisor.told])


async def test_a_no_needs_no_preview_and_what_was_approved_may_still_not_run(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits(previews=True), waits("h2", previews=True))
        assert await at.status(at.held.deny, at.call()) == 200
        assert not (await worker.hears()).approve
        await worker.say(Previewed("h1", DONE), Previewed("h2", DONE))
        await at.kept("h2", preview=DONE)
        assert (await at.kept("h1")).preview is None
        assert await at.approve("h2") == 200
        await worker.hears()
        await worker.say(Withdrawn("h2", "its outcome is another now: 3 rows"))
        over = await at.kept("h2", state="withdrawn")
        assert over.decision == "its outcome is another now: 3 rows"
        assert not over.ran


async def test_one_word_for_all_that_are_alike_is_for_the_same_outcome_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(*(waits(f"h{number}", previews=True) for number in range(1, 5)))
        more = Preview("", "UPDATE", 3000, (Changed("public.t", updated=3000),))
        await worker.say(Previewed("h1", DONE), Previewed("h2", DONE), Previewed("h3", more))
        await at.kept("h3", preview=more)
        call = calling(at.desk, {"alike": ["h2", "h3", "h4"]}, {"id": "h1"}, user="bo", groups=SHOP)
        alike = (await at.held.approve(call))["alike"]
        assert alike == {"h2": "approved", "h3": "it is not alike", "h4": "it is not alike"}


async def test_an_outcome_that_could_not_be_kept_is_kept_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        worker = await at.worker(waits(previews=True))
        with monkeypatch.context() as broke:
            broke.setattr(HeldStore, "add", broken)
            broke.setattr(HeldStore, "move", broken)
            await worker.say(waits("h2", previews=True), Previewed("h1", DONE, SAMPLES), Previewed("h2", DONE, SAMPLES))
            await at.until(lambda: set(at.held._previews._told) == {"h1", "h2"})
            assert await at.approve() == 409
        await at.kept("h1", preview=DONE)
        await at.kept("h2", preview=DONE)
        assert await at.approve() == 200
        await worker.say(Withdrawn("h2", "cancelled"))
        await at.kept("h2", state="withdrawn")
        assert not at.held._previews._told
