"""A relay with real sockets at both ends, a real session and a real audit; the tests speak for client and server."""

import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import trio

from gateway.audit.defined import SessionCard
from gateway.audit.query import Entry
from gateway.audit.records import SessionInfo
from gateway.classify.catalog import Catalog
from gateway.identity.principal import Principal
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.decision import Budget
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.session.session import Session
from gateway.settings import load as load_settings
from parser import messages
from workers.audit_log import AuditLog
from workers.audit_trail import read_all
from workers.host import IDLE_SECONDS
from workers.links import Link
from workers.relay import Relay
from workers.slab import Slab
from workers.sockets import Wire

PATH = [("search_path", "public")]  # reported by the server, as from PostgreSQL 18 on


def no_budget(budget: Budget) -> NoReturn:
    raise AssertionError("there are no budgets here")


SETTINGS = """
[[issuer]]
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local-issuer.pub"
[[database]]
name = "shop"
user = "sluice"
"""
POLICY = """
[[grant]]
name = "all may read and change"
allow = ["read", "ddl"]
databases = ["shop"]
"""
READY = messages.ready_for_query(b"I")
IN_TRANSACTION = messages.ready_for_query(b"T")
PATIENCE_SECONDS = 10.0


def make_scope(policy: str = POLICY) -> Scope:
    table = PolicyTable(
        policy_compile.compile(
            [rules.load(policy, "policy.toml")], load_settings(SETTINGS, "sluice.toml", {})
        )
    )
    now = time.time()
    principal = Principal("alice", "local", (), (), now + 3600, "t1")
    rights = table.rights(principal, "shop", "", now, 1, None)
    return Scope(rights, Catalog(1, {}, {}, {}), table.digest, search_path=("public",))


SCOPE = make_scope()


def row_description() -> bytes:
    return messages.frame(b"T", b"\0\1n\0" + bytes(6) + b"\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0")


def data_row(value: bytes) -> bytes:
    return messages.frame(b"D", b"\0\1" + len(value).to_bytes(4, "big") + value)


def answer(value: bytes = b"1") -> bytes:
    """What a server says to a simple `select`."""
    return row_description() + data_row(value) + messages.command_complete("SELECT 1") + READY


def fatal(sqlstate: str, message: str) -> bytes:
    return messages.error_response("FATAL", sqlstate, message)


@dataclass
class Pair:
    """One session: the far ends of its two connections, and the link in the relay."""

    client: Wire
    server: Wire
    link: Link

    async def ask(self, sql: str) -> None:
        await self.client.write_all(messages.query(sql))

    async def served(self) -> bytes:
        """The next message that reaches the server, whole."""
        with trio.fail_after(PATIENCE_SECONDS):
            return messages.frame(*await self.server.read_frame(1 << 24))

    async def says(self, data: bytes) -> None:
        await self.server.write_all(data)

    async def heard(self, until: bytes = b"Z") -> list[tuple[bytes, bytes]]:
        """What the client reads, up to the first message of this type."""
        seen: list[tuple[bytes, bytes]] = []
        with trio.fail_after(PATIENCE_SECONDS):
            while not seen or seen[-1][0] != until:
                seen.append(await self.client.read_frame(1 << 24))
        return seen

    async def last_words(self) -> str:
        """The SQLSTATE of the FATAL error with which the client's connection ends."""
        kind, body = (await self.heard(b"E"))[-1]
        fields = messages.read_error_fields(body)
        assert (kind, fields["V"]) == (b"E", "FATAL")
        with trio.fail_after(PATIENCE_SECONDS):
            assert not await self.client.receive(), "nothing comes after the last words"
        return fields["C"]


@dataclass
class Rig:
    """A relay in the test's own process."""

    folder: Path
    audit: AuditLog
    slab: Slab
    relay: Relay
    pairs: list[Pair] = field(default_factory=list)
    closed: list[Link] = field(default_factory=list)

    def open(
        self,
        scope: Scope = SCOPE,
        *,
        client_ends: tuple[socket.socket, socket.socket] | None = None,
        server_ends: tuple[socket.socket, socket.socket] | None = None,
        client_early: bytes = b"",
        server_early: bytes = b"",
    ) -> Pair:
        """A signed-in session in the relay. Ends are (near, far), made here unless given."""
        near_client, far_client = client_ends or loopback()
        near_server, far_server = server_ends or loopback()
        card = SessionCard(SessionInfo(f"s{len(self.pairs)}", "alice"))
        session = Session(
            scope, lambda session: session.scope, self.audit.chain, card, PATH, 1 << 20, no_budget, no_budget
        )
        link = Link(session, near_client, near_server, "shop", self.closed.append)
        self.relay.add(link, client_early, server_early)
        pair = Pair(Wire(far_client), Wire(far_server), link)
        self.pairs.append(pair)
        return pair

    def records(self) -> list[Entry]:
        self.audit.commit()
        return list(read_all(self.folder))

    def outcomes(self) -> list[str]:
        return [entry.outcome.status for entry in self.records() if entry.outcome is not None]

    def close(self) -> None:
        for pair in self.pairs:
            pair.client.sock.close()
            pair.server.sock.close()
        self.relay.close()
        self.audit.close()


def make_rig(folder: Path, log: Callable[[Path, str, int], AuditLog] = AuditLog) -> Rig:
    slab = Slab(1)
    audit = log(folder, "host", 0)
    return Rig(folder, audit, slab, Relay(audit, slab.row(0)))


@asynccontextmanager
async def turning(folder: Path) -> AsyncIterator[Rig]:
    """A rig whose relay runs beside the test."""
    rig = make_rig(folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns, rig.relay)
        try:
            yield rig
        finally:
            nursery.cancel_scope.cancel()
            rig.close()


async def turns(relay: Relay) -> None:
    """In place of workers.host, beside a test that trio runs."""
    while True:
        if relay.serve(0):
            await trio.lowlevel.checkpoint()
        else:
            with trio.move_on_after(IDLE_SECONDS):
                await trio.lowlevel.wait_readable(relay.fileno())


def loopback() -> tuple[socket.socket, socket.socket]:
    """Both ends of one TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    near.setblocking(False)
    return near, far


async def encrypted(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Both ends of one TLS connection, the server's first."""
    ours, theirs = map(Wire, loopback())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: ours.start_tls(server, server_side=True))
        nursery.start_soon(lambda: theirs.start_tls(client, server_side=False, server_hostname="localhost"))
    assert isinstance(ours.sock, ssl.SSLSocket)
    assert isinstance(theirs.sock, ssl.SSLSocket)
    return ours.sock, theirs.sock


@contextmanager
def no_file_grows() -> Iterator[None]:
    """Every write to a file fails (EFBIG) until the end of the block, as on a broken disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def until(true: Callable[[], object], what: str) -> None:
    """Lets the other tasks run until `true()` is."""
    with trio.move_on_after(PATIENCE_SECONDS):
        while not true():
            await trio.sleep(0.002)
        return
    raise AssertionError(f"waited too long until {what}")
