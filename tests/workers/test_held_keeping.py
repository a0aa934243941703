"""Where statements that wait are kept: with a store that cannot be used nothing is done."""

import sqlite3
from pathlib import Path

import pytest

from gateway.approvals.statements import Held
from tests.gateway.approvals.test_statements import NOW, held
from tests.workers.admin_rig import desk, load
from workers import held_keeping
from workers.admin_calls import Turned
from workers.held_keeping import Keeping
from workers.held_store import HeldStore

pytestmark = pytest.mark.trio
POLICY = '[[grant]]\nname = "g"\nallow = ["read"]\n'


async def test_history_comes_page_by_page_and_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_keeping, "PAGE", 2)
    with desk(load(tmp_path, POLICY)) as (one, _):
        keeping = Keeping(one, None)

        def fill(store: HeldStore) -> None:
            for number in range(5):
                store.add(held(id=f"h{number}", since=NOW + number))

        await keeping.do(fill)
        found: list[Held] = await keeping.history(NOW + 1, 3)
        assert [each.id for each in found] == ["h4", "h3", "h2"]
        assert len(await keeping.history(0.0, 99)) == 5
        await keeping.close()


async def test_a_store_that_cannot_be_used_turns_whoever_asks_away(tmp_path: Path) -> None:
    with desk(load(tmp_path, POLICY)) as (one, _):
        keeping = Keeping(one, None)

        def fails(store: HeldStore) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with pytest.raises(Turned, match="cannot be kept") as turned:
            await keeping.do(fails)
        assert turned.value.status == 503
        await keeping.close()
