"""The admin process keeps bars: on the disk, in force, and until their time is over."""

import time
from pathlib import Path

import pytest
import trio

from gateway.identity import barred
from gateway.identity.barred import Bar, Full
from tests.workers.admin_rig import desk, load, tending
from workers import admin_bars, barred_file
from workers.admin_bars import Keeper
from workers.admin_link import Errand
from workers.errands import Ended, MoveBars

pytestmark = pytest.mark.trio


async def test_a_bar_is_on_the_disk_before_it_is_in_force(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with desk(loaded) as (one, supervisor):
        seen: list[list[str]] = []

        def ended(errand: Errand) -> Ended:
            seen.append([bar.name for bar in barred_file.read(loaded.state_dir)])
            return Ended(0)

        supervisor.ended = ended
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            keeper = Keeper(one)
            replies, kept = await keeper.move((Bar("user", "ann"),))
            nursery.cancel_scope.cancel()
        assert (replies.workers, kept, seen) == (2, True, [["ann"], ["ann"]])
        assert [bar.name for bar in one.bars] == ["ann"]


async def test_what_cannot_be_kept_is_in_force_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(barred_file, "write", full)
    with desk(load(tmp_path)) as (one, supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            replies, kept = await Keeper(one).move((Bar("user", "ann"),))
            nursery.cancel_scope.cancel()
        assert (replies.workers, kept) == (2, False)


async def test_more_than_there_may_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barred, "BARS_MAX", 1)
    with desk(load(tmp_path)) as (one, supervisor):
        one.bars.put(Bar("user", "bob"), 0.0)
        with pytest.raises(Full):
            await Keeper(one).move((Bar("user", "ann"),))
        assert ([bar.name for bar in one.bars], supervisor.errands) == (["bob"], [])


async def test_what_rules_have_barred_is_kept_and_what_is_over_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_bars, "TIDY_SECONDS", 0.01)
    loaded = load(tmp_path)
    with desk(loaded) as (one, supervisor):
        over = Bar("user", "ann", until=time.time() - 1)
        one.bars.put(over, 0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            nursery.start_soon(Keeper(one).keep)
            with trio.fail_after(5):
                while len(one.bars):
                    await trio.sleep(0.01)
            one.barred(Bar("actor", "bot", by="rule"))
            with trio.fail_after(5):
                while [bar.name for bar in barred_file.read(loaded.state_dir)] != ["bot"]:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert [each.errand for each in supervisor.errands] == [MoveBars((), (over.key,))]
