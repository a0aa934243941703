"""Gateways of a fleet without their processes: desks over one store, each with a worker that the test speaks for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from tests.workers.admin_rig import POLICY as ACCESS
from tests.workers.admin_rig import Supervisor, desk, load, tending
from tests.workers.desk_rig import Deciding
from tests.workers.store_rig import PASSWORD, StoreServer
from workers import approvals_fleet, configuration, holds_link
from workers.admin_access import AccessDesk
from workers.admin_process import Desk
from workers.approval_channels import ApprovalChannels
from workers.configuration import Loaded
from workers.delegations import Delegations
from workers.held_desk import HeldDesk
from workers.held_fleet import HeldFleet
from workers.holds_link import Decided, FromWorker, Noted, Waits
from workers.run_folder import RunFolder

POLICY = (
    ACCESS
    + """
[[grant]]
name = "people"
groups = ["devs"]
databases = ["prod"]
allow = ["all"]
[[approval]]
name = "shop"
approvers = { groups = ["shop"] }
channels = ["console", "webhook:desk"]
[[approval]]
name = "two"
approvers = { groups = ["shop"] }
approvals_needed = 2
[[approval]]
name = "again"
approvers = { groups = ["shop"] }
remember_seconds = 60
[[approval]]
name = "more"
approvers = { groups = ["shop"] }
max_allowance = { times = 9, rows = 99, seconds = 600 }
"""
)


def configured(folder: Path, store: StoreServer, key: bytes = b"k" * 40, more: str = "") -> Loaded:
    """A gateway's configuration: `key` is what all of a fleet share."""
    file = load(folder, POLICY).file
    (folder / "mask.key").write_bytes(key)
    (folder / "store.password").write_text(PASSWORD)
    (folder / "store.password").chmod(0o600)
    with file.open("a") as settings:
        settings.write(f'\n[approvals]\nstore = "{store.url}"\npassword_file = "store.password"\n{more}')
    return configuration.load(file, {})


class Member(Deciding):
    """One gateway of it."""

    def __init__(self, one: Desk, supervisor: Supervisor, nursery: trio.Nursery) -> None:
        self.desk, self.supervisor, self._nursery = one, supervisor, nursery
        self.folder = RunFolder.make(one.loaded.run_dir)
        self.streams: list[trio.SocketStream] = []
        self.scope = trio.CancelScope()
        self.start()

    def start(self) -> None:
        """A new admin process over the same state, as after one was killed."""
        self.scope.cancel()
        self.scope = trio.CancelScope()
        fleet = approvals_fleet.of(self.desk)
        assert fleet is not None
        self.fleet = fleet
        self.access, self.held = AccessDesk(self.desk, fleet), HeldDesk(self.desk, fleet)
        self.delegations = Delegations(self.desk, fleet)
        self.held.lent = self.access.lent = self.delegations.to
        self.held.confirm = self.access.confirm = self.delegations.confirm
        self.channels = ApprovalChannels(self.desk, self.access, self.held, fleet)
        Path(self.folder.socket_path(holds_link.SOCKET)).unlink(missing_ok=True)
        self._nursery.start_soon(self._run, self.scope)

    async def _run(self, scope: trio.CancelScope) -> None:
        fleet = self.fleet
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.channels.serve)
                    others = HeldFleet(fleet, self.held)
                    desks = (self.access.keep, self.held.keep, self.held.serve, self.delegations.keep)
                    for service in (others.keep, fleet.keep, *desks):
                        nursery.start_soon(service)
        finally:
            with trio.CancelScope(shield=True):
                await fleet.connection.close()

    async def up(self) -> None:
        """Until it is among the others, and hears them."""
        await self.until(lambda: self.fleet._said is not None and self.fleet._said.reached)

    async def worker(self, *messages: FromWorker, kept: bool = True) -> "Worker":
        with trio.fail_after(5):
            while True:
                with suppress(OSError):
                    stream = await holds_link.connect(self.folder)
                    break
                await trio.sleep(0.002)
        self.streams.append(stream)
        made = Worker(stream)
        await made.say(*messages)
        for message in messages:
            if kept and isinstance(message, Waits):
                await self.kept(message.id)
                await self.until(lambda message=message: message.id in self.held._workers)
        return made


class Worker:
    """One worker's connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def say(self, *messages: FromWorker) -> None:
        for message in messages:
            await holds_link.send(self.stream, message)

    async def hears(self) -> Decided | Noted:
        with trio.fail_after(15):
            message = await holds_link.receive(self.stream)
        assert isinstance(message, Decided | Noted)
        return message

    async def hears_nothing(self, seconds: float = 0.05) -> bool:
        with trio.move_on_after(seconds):
            await holds_link.receive(self.stream)
            return False
        return True


@asynccontextmanager
async def fleet(*loaded: Loaded) -> AsyncIterator[list[Member]]:
    """One gateway for each configuration; up or not is the test's to wait for."""
    made: list[Member] = []
    desks = [desk(one) for one in loaded]
    entered = [one.__enter__() for one in desks]
    try:
        async with trio.open_nursery() as nursery:
            for one, supervisor in entered:
                nursery.start_soon(tending, one, supervisor)
                made.append(Member(one, supervisor, nursery))
            yield made
            for member in made:
                member.scope.cancel()
            nursery.cancel_scope.cancel()
    finally:
        for member in made:
            for stream in member.streams:
                stream.socket.close()
            member.folder.close()
        for one in desks:
            one.__exit__(None, None, None)
