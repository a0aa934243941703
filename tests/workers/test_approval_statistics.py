"""Who may read how people decide, and over which requests."""

from pathlib import Path
from typing import Any

import pytest

from tests.workers.admin_rig import calling
from tests.workers.desk_rig import SHOP, waits
from tests.workers.test_held_desk import House, approved_and_run, house
from workers import approval_statistics
from workers.admin_calls import Turned
from workers.approval_statistics import ApprovalStatistics

pytestmark = pytest.mark.trio


async def figures(at: House, user: str = "bo", groups: tuple[str, ...] = SHOP, seconds: str = "3600", **who: Any) -> Any:
    try:
        return await ApprovalStatistics(at.held).statistics(
            calling(at.desk, None, {"seconds": seconds}, user=user, groups=groups, **who)
        )
    except Turned as turned:
        return turned.status


async def test_what_was_decided_is_counted_by_rule_and_person(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits(), waits("h2", "two"))
        await at.held.show(at.call())
        await approved_and_run(at, worker, "h1")
        await at.held.deny(at.call("h2", "zed"))
        told = await figures(at)
        rules = {one["rule"]: one for one in told["rules"]}
        assert (rules["shop"]["approved"], rules["two"]["denied"]) == (1, 1)
        people = {one["approver"]: one for one in told["approvers"]}
        assert (people["bo (local)"]["quick"], people["bo (local)"]["rubber_stamp_rate"]) == (1, 1.0)
        assert people["zed (local)"]["channels"] == {"token": 1}
        assert told["shapes"][0]["requests"] == 2


async def test_they_are_for_those_who_decide_and_those_who_operate(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits(), waits("h2", "elsewhere"))
        assert len((await figures(at, "olga", ("ops",)))["rules"]) == 2
        assert [one["rule"] for one in (await figures(at))["rules"]] == ["shop"]
        assert await figures(at, "eve", ("devs",)) == 403
        assert await figures(at, actors=("bot",)) == 403
        for seconds in ("", "-1", "nan", "inf", "1e99", "week"):
            assert await figures(at, seconds=seconds) == 400


async def test_they_say_how_far_back_they_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_statistics, "LOOKED_AT_MAX", 2)
    async with house(tmp_path) as at:
        first = waits()
        await at.worker(*(waits(f"h{number}", since=first.since + number - 9) for number in range(4)))
        told = await figures(at)
        assert told["since"] == first.since - 7
        assert told["rules"][0]["requests"] == 2
