"""What is around a statement that waits: told to those who decide, and decided with one word where it is alike."""

import json
import time
from pathlib import Path

import pytest

from gateway.approvals.risk import Signs
from gateway.identity.principal import Principal
from tests.gateway.approvals.test_statements import NOW, held
from tests.workers.admin_rig import calling
from tests.workers.desk_rig import SHOP, waits
from tests.workers.test_held_desk import House, approved_and_run, house
from workers import held_circumstances
from workers.admin_calls import Call
from workers.held_circumstances import looked

pytestmark = pytest.mark.trio


def deciding(at: House, request: str, *alike: str, user: str = "bo") -> Call:
    body = {"reason": "all of them", "alike": list(alike)}
    return calling(at.desk, body, {"id": request}, user=user, groups=SHOP)


async def test_the_risk_of_a_statement_and_why_are_kept_with_it(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits("h1", "shop", signs=Signs(unfiltered=True, rows=5000)))
        shown = (await at.held.show(at.call()))["approval"]
        assert (shown["risk"], shown["rows"]) == ("high", 5000)
        assert list(shown["risk_why"]) == [
            "no WHERE excludes a row", "it is production", "about 5000 rows, by the planner's estimate",
            "nothing of this person's was approved before on: t",
        ]  # fmt: skip
        await approved_and_run(at, worker, "h1")
        await worker.say(waits("h2"))
        again = await at.kept("h2")
        assert (again.risk, again.risk_why) == ("low", ("it is production",)), "the table is known of him by now"


async def test_what_is_new_against_the_last_one_is_known_over_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits())
        assert (await at.held.show(at.call()))["approval"]["since_last"] == []
        await approved_and_run(at, worker, "h1")
        await at.start()
        await at.worker(waits("h2", text=b"update t set a = 'other-4712'", run="r9"))
        same, task = (await at.held.show(at.call("h2", "dave", ("devs",))))["approval"]["since_last"]
        assert same.startswith("the same statement was approved")
        assert same.endswith("by bo (local) (request h1)")
        assert task == "another task: r9, then none"


async def test_those_that_are_alike_are_decided_with_one_word_each_on_record(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        now = time.time()
        same = [waits(f"h{number}", since=now + number, text=b"update t set a = '%d'" % number) for number in range(4)]
        worker = await at.worker(*same, waits("h9", user="eve"))
        shown = (await at.held.show(at.call()))["approval"]
        assert (shown["alike"], shown["alike_ids"]) == (4, ["h0", "h1", "h2", "h3"])
        listed = {one["id"]: one["alike"] for one in await at.held.list(at.call())}
        assert listed == {"h0": 4, "h1": 4, "h2": 4, "h3": 4, "h9": 1}
        answer = await at.held.approve(deciding(at, "h1", "h0", "h1", "h2", "h9", "h404"))
        assert answer["approval"]["state"] == "approved"
        assert answer["alike"] == {
            "h0": "approved", "h2": "approved", "h9": "it is not alike", "h404": "it is not alike",
        }  # fmt: skip
        assert {(await worker.hears()).id for _ in range(3)} == {"h0", "h1", "h2"}
        records = [each.data for each in at.supervisor.told if each.data["what"] == "statement approved"]
        assert [(one["approval"], one.get("alike")) for one in records] == [("h1", None), ("h0", "h1"), ("h2", "h1")]
        assert (await at.kept("h3")).state == "pending", "what was not named waits on"
        assert (await at.held.show(at.call("h3")))["approval"]["alike"] == 1


async def test_a_word_for_all_is_no_right_over_any(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits(), waits("h2"))
        assert await at.status(at.held.approve, deciding(at, "h1", "h1", "h2", user="dave")) == 403
        assert (await at.kept("h2")).state == "pending"
        answer = await at.held.deny(deciding(at, "h1", "h2"))
        assert answer["alike"] == {"h2": "denied"}
        again = await at.held.list(at.call())
        assert {one["alike"] for one in again} == {0}


async def test_who_was_shown_it_is_kept_once(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits())
        for user in ("bo", "bo", "zed"):
            assert "4711" in json.dumps(await at.held.show(at.call("h1", user)))
        assert [one.user for one in (await at.kept("h1")).looks] == ["bo", "zed"]
        assert await at.approve() == 200, "and it is decided as before"


async def test_not_everybody_who_looks_is_noted_for_ever() -> None:
    one = held()
    for number in range(40):
        one = looked(one, Principal(f"p{number}", "okta", (), (), NOW, "t"), NOW)
    assert len(one.looks) == held_circumstances.LOOKS_MAX
