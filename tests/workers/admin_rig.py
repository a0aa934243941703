"""What tests of the operators' interface stand on: a desk whose supervisor is the test."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.identity.mint import mint
from gateway.policy.rules import Grant
from gateway.policy.table import PolicyTable
from workers import admin_link, configuration
from workers.admin_calls import Call, caller
from workers.admin_link import Done, Errand, Granted, InForce, Message, Recorded, Sent, Told
from workers.admin_process import Desk
from workers.configuration import Loaded
from workers.control import pair
from workers.errands import Answer, Ended, Listed, ListSessions
from workers.init import init
from workers.sessions_shown import SessionShown, pack
from workers.shared_policy import seal, unseal

POLICY = """
[[grant]]
name = "operators"
groups = ["dba"]
allow = ["all"]
[[grant]]
name = "administrators of production"
groups = ["prod-admins"]
databases = ["prod"]
allow = ["admin"]
[[grant]]
name = "readers"
groups = ["readers"]
databases = ["prod"]
allow = ["read"]
[[grant]]
name = "their agents"
groups = ["readers"]
actors = ["*"]
databases = ["prod"]
allow = ["read"]
[[access]]
name = "on request"
groups = ["devs"]
databases = ["prod"]
allow = ["read", "write"]
unmask = ["email"]
max_seconds = 3600
approvers = { groups = ["leads"] }
break_glass = true
review_by = { groups = ["security"] }
"""


def load(folder: Path, policy: str = POLICY) -> Loaded:
    """A fresh configuration with this policy."""
    init(folder)
    (folder / "policy.toml").write_text(policy)
    with (folder / "sluice.toml").open("a") as settings:
        settings.write('\n[[database]]\nname = "dev"\nuser = "sluice"\n')
    return configuration.load(folder / "sluice.toml", {})


def token(
    loaded: Loaded, user: str = "dora", groups: tuple[str, ...] = ("dba",), actors: tuple[str, ...] = (), life: int = 3600
) -> str:
    """A token of the local issuer, whose private key lies there."""
    issuer, key = configuration.local_issuer(loaded.file, {}, None)
    return mint(key, issuer, user, groups, actors, time.time() - max(0, 60 - life), life, secrets.token_hex(8))


def session(number: int = 1, **facts: object) -> SessionShown:
    """A session as a worker shows it."""
    shown = SessionShown(
        id=f"s{number}", user="rob", issuer="local", actors=(), model="", run="", token_id="t", address="a:1",
        application="", database="prod", environment="production", role="r", grants=("readers",), since=1.0,
        statements=0, rows=0, state="idle", running_since=None, statement="", tables=(), worker=0,
    )  # fmt: skip
    return msgspec.structs.replace(shown, **facts)


class Supervisor:
    """Answers as the supervisor and two workers do; what it heard is kept. `deaf` workers say nothing."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.told: list[Told] = []
        self.errands: list[Errand] = []
        self.sessions: list[SessionShown] = []
        self.records = True
        self.grants: list[Grant] = []
        self.reviews = 0
        self.deaf: set[int] = set()
        self.ended: Callable[[Errand], Answer] = lambda errand: Ended(1)

    def hear(self) -> None:
        """All that there is to be heard."""
        while True:
            try:
                heard = admin_link.receive(self.control)
            except (BlockingIOError, ConnectionResetError):
                return
            if heard is None:
                return
            self._answer(*heard)
            if heard[1] is not None:
                os.close(heard[1])

    def _answer(self, message: Message, fd: int | None) -> None:
        match message:
            case Told(number=number):
                self.told.append(message)
                if number and self.records:
                    admin_link.send(self.control, Recorded(number))
            case Granted(number, size, digest, reviews):
                assert fd is not None
                self.grants = msgspec.msgpack.decode(unseal(fd, size, digest), type=list[Grant])
                self.reviews = reviews
                admin_link.send(self.control, InForce(number))
            case Errand(number, errand):
                self.errands.append(message)
                admin_link.send(self.control, Sent(number, (0, 1)))
                for worker in {0, 1} - self.deaf:
                    if isinstance(errand, ListSessions):
                        mine = [one for one in self.sessions if one.worker == worker]
                        sealed = seal(pack(mine))
                        admin_link.send(self.control, Done(number, worker, Listed(sealed.size, sealed.digest)), sealed.fd)
                        sealed.close()
                    else:
                        admin_link.send(self.control, Done(number, worker, self.ended(message)))


@contextmanager
def desk(loaded: Loaded) -> Iterator[tuple[Desk, Supervisor]]:
    """A desk, and its supervisor; `tending` runs both."""
    ours, theirs = pair()
    with ours, theirs:
        yield Desk(theirs, loaded, {}), Supervisor(ours)


async def tending(one: Desk, supervisor: Supervisor) -> None:
    """For ever: the supervisor answers, and the desk hears."""
    import trio

    async def answers() -> None:
        while True:
            await trio.lowlevel.wait_readable(supervisor.control)
            supervisor.hear()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answers)
        while True:
            await trio.lowlevel.wait_readable(one.control)
            try:
                heard = admin_link.receive(one.control)
            except BlockingIOError:
                continue
            assert heard is not None
            one.post.hear(*heard)


def calling(one: Desk, body: object = None, path: dict[str, str] | None = None, **who: object) -> Call:
    """A request of somebody, verified."""
    given = token(one.loaded, **who)  # type: ignore[arg-type]
    now = time.time()
    principal = caller(one, [b"Bearer " + given.encode()], now)
    content = msgspec.json.encode(body) if body is not None else b""
    return Call(one, PolicyTable(one.loaded.policy), principal, "127.0.0.1:9", content, path or {}, now)


