"""Gateways over one store while processes and connections break, seeded: what was approved is let go once, nothing else."""

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.workers.desk_rig import waits
from tests.workers.fleet_rig import Member, configured, fleet
from tests.workers.store_rig import StoreServer
from workers import held_desk, held_fleet, holds_link
from workers.holds_link import Decided, Ran, Waits, Withdrawn

pytestmark = [pytest.mark.trio, pytest.mark.xdist_group("store")]
SEEDS = int(os.environ.get("SLUICE_FLEET_SEEDS", "1"))
REQUESTS = 12
BROKEN = OSError, trio.BrokenResourceError, trio.ClosedResourceError, ValueError


class Worker:
    """As `workers.holds`: tells again what waits whenever it has to connect anew, and lets go what waits, once."""

    def __init__(self, at: Member) -> None:
        self.at = at
        self.waiting: dict[str, Waits] = {}
        self.let_go: list[str] = []
        self.refused: list[str] = []
        self.stream: trio.SocketStream | None = None
        self.speaks = trio.Lock()

    async def keep(self) -> None:
        while True:
            with suppress(*BROKEN):
                async with await holds_link.connect(self.at.folder) as self.stream:
                    await self.say(*self.waiting.values())
                    while (message := await holds_link.receive(self.stream)) is not None:
                        if isinstance(message, Decided):
                            await self.decided(message)
            self.stream = None
            await trio.sleep(0.005)

    async def decided(self, said: Decided) -> None:
        if self.waiting.pop(said.id, None) is None:
            return await self.say(Withdrawn(said.id, "too late"))
        (self.let_go if said.approve else self.refused).append(said.id)
        await self.say(Ran(said.id))

    async def ask(self, request: str) -> None:
        self.waiting[request] = waits(request)
        await self.say(self.waiting[request])

    async def cancel(self, request: str) -> None:
        if self.waiting.pop(request, None) is not None:
            await self.say(Withdrawn(request, "cancelled"))

    async def say(self, *messages: holds_link.FromWorker) -> None:
        async with self.speaks:
            with suppress(*BROKEN):
                for message in messages:
                    if self.stream is not None:  # else it is said when it has connected
                        await holds_link.send(self.stream, message)


async def breaks(rng: random.Random, members: list[Member], store: StoreServer) -> None:
    """An admin process dies, or every connection to the store."""
    if rng.random() < 0.6:
        rng.choice(members).start()
    else:
        with store.superuser() as admin:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fleet'")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_breaks_a_statement_is_let_go_at_most_once_and_only_where_it_was_approved(
    seed: int, tmp_path: Path, store: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(held_fleet, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(held_fleet, "LOOK_SECONDS", 0.05)
    rng, said_no, ids = random.Random(seed), set[str](), [f"h{number}" for number in range(REQUESTS)]
    async with fleet(configured(tmp_path / "a", store), configured(tmp_path / "b", store)) as members:
        workers = [Worker(one) for one in members]
        home = {request: rng.choice(workers) for request in ids}

        async def decide(request: str, no: bool = False) -> None:
            at = rng.choice(members)
            done = await at.status(at.held.deny if no else at.held.approve, at.call(request, f"p{rng.random()}"))
            if done == 200 and no:
                said_no.add(request)

        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(worker.keep)
            async with trio.open_nursery() as busy:
                for number, request in enumerate(ids):
                    await home[request].ask(request)
                    await trio.sleep(rng.random() * 0.02)
                    asked = rng.choice(ids[: number + 1])
                    for vote in range(6):  # of different minds, at the same moment
                        busy.start_soon(decide, asked, vote % 2 == 0)
                    if rng.random() < 0.3:
                        busy.start_soon(breaks, rng, members, store)
                    if rng.random() < 0.1:
                        busy.start_soon(home[request].cancel, request)
            with trio.fail_after(20):
                while any(worker.waiting for worker in workers):  # all is well again: everybody gets an answer
                    for worker in workers:
                        for request in list(worker.waiting):
                            await decide(request)
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()
        went = [request for worker in workers for request in worker.let_go]
        assert len(went) == len(set(went))
        assert not said_no & set(went)
        for request in went:
            held = await members[0].kept(request)
            assert (held.state, held.claimed, bool(held.givers), held.secret) == ("approved", True, True, b"")
        for request in (one for worker in workers for one in worker.refused):
            assert (await members[0].kept(request)).state != "approved"
