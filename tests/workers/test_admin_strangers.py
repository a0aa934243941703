"""Who has no token is on record in bulk."""

from pathlib import Path

import pytest
import trio

from tests.workers.admin_rig import desk, load, tending
from workers import admin_strangers
from workers.admin_strangers import Strangers

pytestmark = pytest.mark.trio


async def test_strangers_are_counted_and_told_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_strangers, "BULK_SECONDS", 0.01)
    with desk(load(tmp_path)) as (one, supervisor):
        strangers = Strangers(one)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            nursery.start_soon(strangers.tell)
            for number in range(50):
                strangers.note(f"host:{number}", "why")
            with trio.fail_after(5):
                while not supervisor.told:
                    await trio.sleep(0.005)
            strangers.note("host:50", "why")
            with trio.fail_after(5):
                while len(supervisor.told) < 2:
                    await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
        told = [each.data for each in supervisor.told]
        assert [(each["what"], each["count"], each["address"]) for each in told] == [
            ("operators turned away", 50, "host:49"), ("operators turned away", 1, "host:50"),
        ]  # fmt: skip
