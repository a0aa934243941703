"""Allowances in the admin process: the test is the workers, whose statements change rows, or die."""

import functools
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.workers import test_held_desk
from tests.workers.admin_rig import calling
from tests.workers.desk_rig import waits
from tests.workers.test_held_desk import House, Worker
from workers import allowance_desk, held_desk, holds_link
from workers.admin_calls import Turned
from workers.allowance_uses import Uses
from workers.holds_link import Counted, Decided, Leave, Ran, Ticketed, Used, Using, Waits, Withdrawn

pytestmark = pytest.mark.trio


RULE = 'name = "shop"\napprovers = { groups = ["shop"] }'
POLICY = test_held_desk.POLICY.replace(RULE, f"{RULE}\nmax_allowance = {{ times = 50, rows = 500, seconds = 600 }}")
house = functools.partial(test_held_desk.house, policy=POLICY)


def asks(request: str, **facts: Any) -> Waits:
    return waits(request, **{"repeatable": True, "on_hold": "ticket", **facts})


async def allow(at: House, request: str = "h1", verb: str = "approve", **allowance: Any) -> dict[str, Any]:
    wanted = {"times": 3, "rows": 10, "seconds": 60, **allowance}
    call = calling(at.desk, {"reason": "seen", "allowance": wanted}, {"id": request}, user="bo", groups=("shop",))
    answer: dict[str, Any] = await getattr(at.held, verb)(call)
    return answer


class Line(Worker):
    """A worker that hears everything."""

    async def told(self, *messages: holds_link.FromWorker) -> Any:
        await self.say(*messages)
        with trio.fail_after(5):
            return await holds_link.receive(self.stream)


async def line(at: House) -> Line:
    made = Line(await holds_link.connect(at.folder))
    at.streams.append(made.stream)
    return made


async def test_who_waits_is_the_first_to_use_it_and_the_next_ones_pass_unasked(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.say(asks("h1", on_hold="wait"))
        await at.kept("h1")
        await allow(at)
        assert await one.told() == Decided("h1", True, "bo (local)", "", Leave("h1", 10))
        assert await one.told(Ran("h1"), Used("h1", 4)) == Counted("h1")
        told = await one.told(asks("h2"))
        assert told == Ticketed("h2", "h2", "approved", told.until, "bo (local)", "", Leave("h1", 6))
        assert await one.told(Used("h2", 6)) == Counted("h2")
        assert (await one.told(asks("h3"))).state == "pending", "no rows are left"
        assert at.told() == ["statement approved", "statement approved"]
        record = at.supervisor.told[-1].data
        assert (record["allowance"], record["by"], record["times_left"], record["rows_left"]) == ("h1", ["bo (local)"], 1, 6)
        shown = (await at.held.show(at.call("h1")))["approval"]
        assert (shown["left"]["times"], shown["left"]["rows"], shown["allowance"]["scope"]) == (1, 0, "task")


@pytest.mark.parametrize(
    ("scope", "change", "state"),
    [
        ("task", {}, "approved"),
        ("task", {"binding": b"other values"}, "approved"),
        ("task", {"token_id": "another"}, "pending"),
        ("person", {"token_id": "another"}, "approved"),
        ("person", {"user": "eve"}, "pending"),
        ("person", {"statement": "update t set b = $1::text"}, "pending"),
        ("person", {"policy": "p2"}, "pending"),
        ("person", {"repeatable": False}, "pending"),
    ],
)
async def test_it_is_for_the_same_shape_of_the_same_task_or_person(
    tmp_path: Path, scope: str, change: dict[str, Any], state: str
) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.told(asks("h1"))
        await allow(at, scope=scope)
        assert (await one.told(asks("h2", **change))).state == state


async def test_only_what_is_counted_and_what_the_rule_lets_is_allowed(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.told(asks("h1", repeatable=False))
        await one.told(asks("h2", binding=b"2", approvals=("again",)))
        await one.told(asks("h3", binding=b"3"))
        too_much = {"times": 51}, {"rows": 501}, {"seconds": 601}
        for request, more in (("h1", {}), ("h2", {}), *(("h3", each) for each in too_much)):
            with pytest.raises(Turned) as turned:
                await allow(at, request, **more)
            assert turned.value.status == 403
        with pytest.raises(Turned) as turned:
            await allow(at, "h3", "deny")
        assert turned.value.status == 400
        assert (await at.kept("h3")).state == "pending"


async def test_revoked_it_is_worth_nothing_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.told(asks("h1"))
        await allow(at)
        assert await at.status(at.held.revoke, at.call("h1", "eve", ("shop2",))) == 404
        assert await at.status(at.held.revoke, at.call("h1")) == 200
        assert await at.status(at.held.revoke, at.call("h1")) == 409
        assert (await one.told(asks("h2"))).state == "pending"
        assert at.told() == ["statement approved", "allowance revoked"]
        await at.approve("h2")
        assert await at.status(at.held.revoke, at.call("h2", "dave", ("devs",))) == 200, "who asked may take it back, too"
        await at.kept("h2", state="withdrawn")
        assert (await one.told(asks("h3", binding=b"h2"))).ticket == "h3"


async def test_who_comes_while_it_is_used_waits_for_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
    async with house(tmp_path) as at:
        one, other = await line(at), await line(at)
        await one.told(asks("h1"))
        await allow(at, times=9)
        assert (await one.told(asks("h2"))).use == Leave("h1", 10)
        await other.say(asks("h3"), asks("h4", on_hold="wait"), Withdrawn("h4", "cancelled"), asks("h5"))
        await at.until(lambda: len(at.held._allowances._queues.get("h1", ())) == 2)
        assert await one.told(Used("h2", 3)) == Counted("h2")
        told = await other.told()
        assert (told.id, told.use) == ("h3", Leave("h1", 7))
        await other.say(Used("h3", 1))
        assert {type(await other.told()) for _ in range(2)} == {Counted, Ticketed}
        assert await at.held.kept("h4") is None
        monkeypatch.setattr(allowance_desk, "BUSY_SECONDS", 0.05)
        told = await one.told(asks("h6"))
        assert (told.ticket, told.state) == ("h6", "pending"), "it is still used: people are asked"


async def test_what_was_too_much_is_held_and_what_a_dead_worker_had_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        monkeypatch.setattr(held_desk, "LOST_SECONDS", 0.05)
        one, other = await line(at), await line(at)
        await one.told(asks("h1"))
        await allow(at, times=9)
        await one.told(asks("h2", binding=b"much"))
        await one.told(Used("h2", 0, exceeded=True))
        assert (await one.told(asks("h3", binding=b"much"))).state == "pending"
        assert (await one.told(asks("h4", binding=b"less"))).use == Leave("h1", 10)
        await one.stream.aclose()
        again = await line(at)
        await again.say(Using("h4"))  # it comes again in time
        await trio.sleep(0.1)
        assert await again.told(Used("h4", 2)) == Counted("h4")
        assert (await other.told(asks("h5"))).use == Leave("h1", 8)
        await other.stream.aclose()
        await at.until(lambda: "h5" not in at.held._allowances._leaves)
        assert (await again.told(asks("h6"))).state == "pending"


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_dies_no_more_is_used_than_was_allowed(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four workers with clients of one task, some of which are killed in the middle, and the admin process, too."""
    dice = random.Random(seed)
    monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(held_desk, "LOST_SECONDS", 0.1)
    monkeypatch.setattr(allowance_desk, "BUSY_SECONDS", 0.2)
    most = {"times": dice.randint(2, 12), "rows": dice.randint(5, 60)}
    changed: list[int] = []

    async def worker(at: House, number: int) -> None:
        told: list[Used] = []
        uses, turns = Uses(told.append), iter(range(50))
        name = next(turns)  # asked again under the same one until it is answered
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            try:
                async with (await line(at)).stream as stream:
                    for said in uses.again():
                        await holds_link.send(stream, said)
                    while True:
                        await holds_link.send(stream, asks(f"h{number}x{name}", binding=b"%d %d" % (number, name % 7)))
                        while not isinstance(message := await holds_link.receive(stream), Ticketed):
                            assert message is not None, "the admin process is gone"
                            uses.counted(message.id)
                        name = next(turns)
                        use = uses.begin(message.id, message.use)
                        if use is None:
                            continue
                        rows = dice.randint(0, use.rows_most + 2)
                        changed.append(rows if rows <= use.rows_most else 0)
                        if dice.random() < 0.1:
                            return  # killed before it told
                        use.settle(changed[-1], exceeded=rows > use.rows_most)
                        await holds_link.send(stream, told[-1])
            except StopIteration:
                return
            except (OSError, AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
                await trio.sleep(0.002)

    async with house(tmp_path) as at:
        await (await line(at)).told(asks("h1"))
        await allow(at, **most)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(worker, at, number)
            for _ in range(3):
                await trio.sleep(dice.random() / 8)
                await at.start()
        assert sum(changed) <= most["rows"]
        assert len(changed) <= most["times"]
        assert changed, "it was used at all"


async def test_a_word_for_more_than_once_is_on_record_with_the_decision(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.told(asks("h1"))
        await allow(at)
        said = at.supervisor.told[-1].data["allowance"]
        assert said == {"times": 3, "rows": 10, "seconds": 60, "scope": "task"}
        given = (await at.kept("h1")).given[0].allowance
        assert given is not None
        assert msgspec.to_builtins(given)["times"] == 3
