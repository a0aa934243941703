"""One whole worker in the test's own process, with a real PostgreSQL behind it; the test is its supervisor and client."""

import contextlib
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.audit.query import Entry
from gateway.identity import keys as issuer_keys
from gateway.identity.mint import mint
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.settings import load as load_settings
from parser import messages
from tests.workers.relay_rig import PATIENCE_SECONDS, turns, until
from workers.audit_trail import read_all
from workers.budgets import Budgets
from workers.configuration import Secrets
from workers.control import pair
from workers.embedded import EmbeddedServer, free_port, wheel_programs
from workers.positions import Positions
from workers.process import _Worker
from workers.shared_policy import seal
from workers.slab import Slab
from workers.slot import Failed, Message, PolicyAck, PolicyMessage, Ready, Slot, receive, send
from workers.sockets import Closed, Wire

KEY = Ed25519PrivateKey.generate()
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SETTINGS = """
[gateway]
listen = "127.0.0.1:6432"
{gateway}
[[issuer]]
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local-issuer.pub"
[[database]]
name = "shop"
environment = "development"
host = "127.0.0.1"
port = {port}
dbname = "postgres"
user = "sluice"
sslmode = "disable"
[[database]]
name = "down"
host = "127.0.0.1"
port = {down}
dbname = "postgres"
user = "sluice"
sslmode = "disable"
"""
POLICY = """
[[grant]]
name = "owners do all"
groups = ["owners"]
allow = ["all"]
unmask = ["*"]
[[grant]]
name = "analysts read"
groups = ["analysts"]
allow = ["read", "write", "ddl"]
[[grant]]
name = "readers have a role"
groups = ["readers"]
allow = ["read"]
role = "app_ro"
"""
ROLES = """
create role app_ro nologin;
create role sluice login superuser;
create table people (id int, email text);
insert into people values (1, 'ada@example.com');
grant select on people to app_ro;
"""


@contextmanager
def running_server() -> Iterator[EmbeddedServer]:
    """PostgreSQL 18 that trusts `sluice`, with one table."""
    home = Path(tempfile.mkdtemp(prefix="sluice-worker-"))
    home.chmod(0o755)
    hba = ("host all sluice 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256")
    server = EmbeddedServer(wheel_programs(), home, hba=hba)
    server.create()
    try:
        server.start()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(ROLES)
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


@dataclass
class Guest:
    """A client of the worker, signed in or not."""

    wire: Wire
    greeting: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def replies(self, until_kind: bytes = b"Z") -> list[tuple[bytes, bytes]]:
        """Messages up to the first of this type, or the end of the connection, which counts as (b"", b"")."""
        seen: list[tuple[bytes, bytes]] = []
        with trio.fail_after(PATIENCE_SECONDS):
            while not seen or seen[-1][0] not in (until_kind, b""):
                try:
                    seen.append(await self.wire.read_frame(1 << 24))
                except Closed:
                    seen.append((b"", b""))
        return seen

    async def ask(self, sql: str) -> list[tuple[bytes, bytes]]:
        """The answer to a simple query, whole."""
        await self.wire.write_all(messages.query(sql))
        return await self.replies()

    async def cell(self, sql: str) -> str:
        """The first column of the first row."""
        body = next(body for kind, body in await self.ask(sql) if kind == b"D")
        return (messages.data_row(body)[0] or b"").decode()

    async def error(self, sql: str) -> str:
        """The SQLSTATE with which the statement fails."""
        return error_state(await self.ask(sql))

    async def last_words(self) -> str:
        return error_state(await self.replies(b"E"))

    @property
    def refused(self) -> str:
        """The SQLSTATE with which the sign-in ended."""
        return error_state(self.greeting)

    @property
    def key(self) -> tuple[int, bytes]:
        """For a cancel request."""
        return messages.read_backend_key_data(next(body for kind, body in self.greeting if kind == b"K"))


def error_state(seen: list[tuple[bytes, bytes]]) -> str:
    body = next(body for kind, body in seen if kind == b"E")
    return messages.read_error_fields(body)["C"]


@dataclass
class House:
    """The worker's surroundings."""

    folder: Path
    slot: Slot
    worker: _Worker
    control: socket.socket
    address: tuple[str, int]
    version: int = 0
    heard: list[Message] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    guests: list[socket.socket] = field(default_factory=list)

    def token(
        self, user: str = "ada", groups: tuple[str, ...] = ("owners",), ends_in: float | None = None
    ) -> str:
        """`ends_in`: seconds until the token no longer counts, its leeway included."""
        issuer = self.slot.settings.issuers[0]
        began = time.time() if ends_in is None else time.time() - 3570 + ends_in - 60
        return mint(PRIVATE, issuer, user, groups, (), began, 3600, secrets.token_hex(8))

    def agent(self, actor: str, user: str = "ada", groups: tuple[str, ...] = ("owners",)) -> str:
        """A token of an agent that acts for the user."""
        issuer = self.slot.settings.issuers[0]
        return mint(PRIVATE, issuer, user, groups, (actor,), time.time(), 3600, secrets.token_hex(8))

    async def offer(self, policy: str) -> None:
        """Sends a policy to the worker and waits for its answer."""
        table = policy_compile.compile([rules.load(policy, "policy.toml")], self.slot.settings)
        sealed = seal(table)
        self.version += 1
        send(self.control, PolicyMessage(self.version, sealed.size, sealed.digest), sealed.fd)
        sealed.close()
        await self.hears(PolicyAck, Failed)

    async def publish(self, policy: str) -> None:
        """Puts a policy in force, as the supervisor does."""
        await self.offer(policy)
        self.slot.slab.publish(self.version)

    async def hears(self, *kinds: type) -> Message:
        """The worker's next message, which is of one of these types."""
        with trio.fail_after(PATIENCE_SECONDS):
            await trio.lowlevel.wait_readable(self.control)
        found = receive(self.control)
        assert found is not None
        assert isinstance(found[0], kinds), found
        self.heard.append(found[0])
        return found[0]

    async def knock(self) -> Guest:
        sock = socket.socket()
        sock.setblocking(False)
        self.guests.append(sock)
        with contextlib.suppress(BlockingIOError):
            sock.connect(self.address)
        await trio.lowlevel.wait_writable(sock)
        return Guest(Wire(sock))

    async def guest(
        self,
        user: str = "ada",
        groups: tuple[str, ...] = ("owners",),
        database: str = "shop",
        token: str = "",
        **parameters: str,
    ) -> Guest:
        """A client after its sign-in, which may have been refused."""
        guest = await self.knock()
        pairs = [("user", user), ("database", database), *parameters.items()]
        await guest.wire.write_all(messages.startup_message(pairs))
        guest.greeting = await guest.replies(b"R")
        if guest.greeting[-1][0] == b"R":
            await guest.wire.write_all(messages.password_message(token or self.token(user, groups)))
            guest.greeting += await guest.replies()
        return guest

    def trail(self) -> list[Entry]:
        """What is on disk."""
        return list(read_all(self.folder / "audit"))

    def records(self) -> list[Entry]:
        self.worker.audit.commit()
        return self.trail()

    def events(self, what: str) -> list[Entry]:
        return [entry for entry in self.records() if entry.data.get("what") == what]

    def outcomes(self) -> list[str]:
        return [entry.outcome.status for entry in self.records() if entry.outcome is not None]


def make_slot(folder: Path, port: int, gateway: str = "") -> tuple[Slot, socket.socket]:
    """What a worker is born with, and the supervisor's end of its control socket."""
    settings = load_settings(SETTINGS.format(gateway=gateway, port=port, down=free_port()), "sluice.toml", {})
    keys = issuer_keys.read(settings.issuers, {"local": ("local-issuer.pub", PUBLIC)})
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ours, theirs = pair()
    passwords = {database.name: None for database in settings.databases}
    slot = Slot(
        index=0,
        slots=1,
        incarnation=1,
        listener=listener,
        control=theirs,
        parent_fd=-1,
        slab=Slab(1),
        budgets=Budgets(1),
        positions=Positions(1),
        settings=settings,
        secrets=Secrets(b"m" * 32, passwords),
        keys=keys,
        folder=folder,
        run_dir=run_dir,
        audit_dir=folder / "audit",
        host="host",
    )
    return slot, ours


@asynccontextmanager
async def housed(
    folder: Path, server: EmbeddedServer, policy: str = POLICY, gateway: str = ""
) -> AsyncIterator[House]:
    """A worker that has said Ready."""
    slot, control = make_slot(folder, server.port, gateway)
    alive_read, alive_write = socket.socketpair()
    slot.parent_fd = alive_read.fileno()
    worker = _Worker(slot)
    house = House(folder, slot, worker, control, slot.listener.getsockname())

    async def run() -> None:
        async with trio.open_nursery() as beside:
            beside.start_soon(turns, worker.relay)
            code = await worker.main()
            beside.cancel_scope.cancel()
        worker.finish()
        house.exit_codes.append(code)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            slot.slab.publish(1)  # as the supervisor does before it forks
            await house.offer(policy)
            await house.hears(Ready)
            yield house
            nursery.cancel_scope.cancel()
    finally:
        if not worker.audit.closed:
            worker.finish()
        kept = [each.connection for each in worker.catalogs._kept.values() if each.connection is not None]
        kept += [connection for pool in worker.estimates._pools.values() for connection, _ in pool.idle]
        for end in (*house.guests, *(connection.sock for connection in kept)):
            end.close()
        for end in (alive_read, alive_write, control, slot.control, slot.listener):
            end.close()


async def quiet(house: House) -> None:
    """No session is left."""
    await until(lambda: not house.worker.relay.links, "no session is left")
