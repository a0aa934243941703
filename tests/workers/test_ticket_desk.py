"""Tickets in the admin process: the test is the workers, and the people who decide."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.approvals import tickets
from tests.workers.desk_rig import waits
from tests.workers.test_held_desk import House, Worker, house
from workers import held_desk, holds_link
from workers.holds_link import FromWorker, Ticketed, Waits

pytestmark = pytest.mark.trio


def asks(request: str, **facts: Any) -> Waits:
    """The same statement under another name."""
    return waits(request, **{"binding": b"same", "on_hold": "ticket", **facts})


class Line(Worker):
    """A worker that asks for tickets."""

    async def ticket(self, *messages: FromWorker) -> Ticketed:
        await self.say(*messages)
        with trio.fail_after(5):
            told = await holds_link.receive(self.stream)
        assert isinstance(told, Ticketed)
        return told


async def line(at: House) -> Line:
    made = Line(await holds_link.connect(at.folder))
    at.streams.append(made.stream)
    return made


async def test_one_request_stands_for_the_statement_and_is_used_once(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one, other = await line(at), await line(at)
        first = await one.ticket(asks("h1"))
        assert (first.ticket, first.state) == ("h1", "pending")
        assert (await other.ticket(asks("h2"))).ticket == "h1"
        await one.stream.aclose()  # nobody needs to be there
        answer = await at.held.approve(at.call())
        assert (answer["approval"]["state"], answer["approval"]["on_hold"]) == ("approved", "ticket")
        await at.kept("h1", secret=b"", ran=False)
        told = await other.ticket(asks("h3"))
        assert (told.id, told.ticket, told.state, told.by) == ("h3", "h1", "approved", "bo (local)")
        assert (await other.ticket(asks("h3"))).state == "approved", "the same question, as after a broken connection"
        assert await other.ticket(asks("h4")) != told
        assert (await other.ticket(asks("h5"))).ticket == "h4"
        assert at.told() == ["statement approved"]


async def test_what_is_another_in_anything_has_a_ticket_of_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.ticket(asks("h1", run="task-1"))
        await at.approve()
        for number, other in enumerate(({"binding": b"Same"}, {"run": "task-2"}, {"run": ""})):
            told = await one.ticket(asks(f"h1{number}", **{"run": "task-1", **other}))
            assert (told.ticket, told.state) == (f"h1{number}", "pending")
        assert (await one.ticket(asks("h2", run="task-1"))).state == "approved"


async def test_a_denial_stands_until_the_ticket_would_have_ended(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.ticket(asks("h1"))
        await at.held.deny(at.call())
        told = await one.ticket(asks("h2"))
        assert (told.ticket, told.state, told.by, told.words) == ("h1", "denied", "bo (local)", "seen")
        late = await at.kept("h1")
        assert tickets.standing(late, "h3", late.until) is None


async def test_tickets_end_by_themselves_and_their_literals_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.01)
        one = await line(at)
        ended: list[str] = []
        at.held.ended = lambda held: ended.append(f"{held.id} {held.state}")
        await one.ticket(asks("h1"))
        await at.held._do(lambda store: store.tickets.again("h1", 0.0))  # it is looked at too soon, and left
        await one.ticket(asks("h2", binding=b"short", until=time.time() + 0.1))
        after = await at.kept("h2", state="expired")
        assert (after.secret, ended) == (b"", ["h2 expired"])
        assert (await one.ticket(asks("h3", binding=b"short"))).ticket == "h3"
        assert (await at.kept("h1")).state == "pending"


async def test_nobody_fills_the_queue_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "PENDING_MAX", 2)
    async with house(tmp_path) as at:
        one = await line(at)
        states = [(await one.ticket(asks(f"h{n}", binding=b"%d" % n))).state for n in range(3)]
        assert states == ["pending", "pending", "full"]
        assert (await one.ticket(asks("h9", user="eve"))).state == "pending"
        assert (await one.ticket(asks("h8", binding=b"1"))).ticket == "h1", "those that wait are still found"


@pytest.mark.parametrize("seed", range(4))
async def test_however_often_the_admin_process_dies_a_ticket_is_used_once(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    used: list[str] = []

    async def tries(at: House, number: int) -> None:
        """A worker with one client, that asks until it is answered and once more."""
        for turn in range(3):
            name = f"h{number}{turn}"
            while True:
                try:
                    told = await (await line(at)).ticket(asks(name))
                    break
                except (OSError, AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
                    await trio.sleep(0.001)
            if told.state == "approved":
                used.append(name)

    async with house(tmp_path) as at:
        await (await line(at)).ticket(asks("h1"))
        await at.approve()
        async with trio.open_nursery() as nursery:
            for number in range(2, 6):
                nursery.start_soon(tries, at, number)
            for _ in range(2):
                await trio.sleep(dice.random() / 20)
                await at.start()
        assert len(used) == 1
        assert (await at.kept("h1", ran=True)).used_by == used[0]
