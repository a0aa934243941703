"""Sign-in: every state against every packet, hostile bytes, and real drivers in front of a real server."""

import asyncio
import logging
import socket
import ssl
import struct
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import asyncpg
import psycopg
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal, Refused, State, Unavailable
from parser import messages
from parser.messages import frame
from parser.startup import Startup
from tests.workers.wire_rig import PASSWORD, Server, attended, listen, make_certificate, postgres_15
from workers.proofs import Ask, Password
from workers.sign_in import Attempt, Claimed, SignedIn, TlsMode, sign_in
from workers.sockets import Closed, Wire
from workers.tls import server_context
from workers.upstream import Address, Target, Upstream, connect, send_cancel

pytestmark = pytest.mark.trio

TOKEN = "eyJ.the-token.sig"
GSSENC_REQUEST = struct.pack(">II", 8, messages.GSSENC_REQUEST_CODE)
CANCEL = messages.cancel_request(7, b"1234")
STARTUP = messages.startup_message([("user", "alice"), ("database", "prod"), ("options", "-c a=b")])
SECOND_STARTUP = messages.startup_message([("user", "mallory"), ("database", "prod")])
NOTICE = messages.notice_response("NOTICE", "00000", "hello")
PARAMETERS = [("server_version", "15.18"), ("TimeZone", "UTC")]


@dataclass
class FakeGate:
    """Admits everybody; the server's side is one end of a socket pair, whose other end is in `servers`."""

    tls: TlsMode = "off"
    tls_context: ssl.SSLContext | None = None
    login_seconds: float = 5.0
    refuse: Exception | None = None
    unreachable: Exception | None = None
    hang: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    cancels: list[tuple[int, bytes]] = field(default_factory=list)
    servers: list[socket.socket] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    turned: list[tuple[str, str | None, str]] = field(default_factory=list)
    secret: bytes = b"1234"

    async def prepare(self, attempt: Attempt) -> None:
        await trio.lowlevel.checkpoint()

    def ask(self, packet: Startup, wire: Wire) -> Ask:
        return Password()

    def admit(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        if self.refuse is not None:
            raise self.refuse
        return attempt.user

    async def connect(self, admission: str) -> Upstream:
        if self.unreachable is not None:
            raise self.unreachable
        if self.hang:
            await trio.sleep_forever()
        ours, theirs = socket.socketpair()
        self.servers.append(theirs)
        address = Address(socket.AF_UNIX, "", "", "disable", None, 1.0)
        return Upstream(Wire(ours), address, 4242, self.secret, 0, b"I", tuple(PARAMETERS), (NOTICE,))

    def turned_away(self, claimed: Claimed, admission: str | None, refused: Refused) -> None:
        self.turned.append((claimed.get("user"), admission, str(refused.sqlstate)))

    def lost(self, admission: str) -> None:
        self.losses.append(admission)

    async def cancel(self, pid: int, secret: bytes, address: str) -> None:
        self.cancels.append((pid, secret))
        raise Refusal(Refused(State.DENIED, "wrong keys are nobody's business"))

    def close(self) -> None:
        for server in self.servers:
            server.close()


@dataclass
class Visit:
    """A client's end of a sign-in in progress, and what the sign-in returned."""

    wire: Wire
    gate: FakeGate
    signed: list[SignedIn[str] | None] = field(default_factory=list)

    def stop_sending(self) -> None:
        with suppress(OSError):  # the gateway may have closed already
            self.wire.sock.shutdown(socket.SHUT_WR)

    async def rest(self) -> bytes:
        """All bytes until the gateway closes."""
        with trio.fail_after(5):
            with suppress(Closed):
                while await self.wire.receive():
                    pass
        found = bytes(self.wire.buffer)
        self.wire.buffer.clear()
        return found


@asynccontextmanager
async def visiting(gate: FakeGate) -> AsyncIterator[Visit]:
    ours, theirs = socket.socketpair()
    visit = Visit(Wire(ours), gate)

    async def run() -> None:
        visit.signed.append(await sign_in(Wire(theirs), gate))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield visit
            visit.wire.close()
    for signed in visit.signed:
        if signed is not None:
            signed.wire.close()
            signed.upstream.wire.close()
    gate.close()


def error_of(received: bytes) -> tuple[str, str]:
    """SQLSTATE and message of the only frame, a FATAL ErrorResponse."""
    assert received[:1] == b"E", received[:40]
    assert len(received) == 1 + struct.unpack(">I", received[1:5])[0]
    fields = messages.read_error_fields(received[5:])
    assert fields["S"] == fields["V"] == "FATAL"
    return fields["C"], fields["M"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def gate_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return server_context(*map(str, certificate))


def client_tls(alpn: str | None = "postgresql") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


# --- the good way -----------------------------------------------------------------------------------


async def test_the_client_reads_the_servers_greeting_with_a_key_of_our_own() -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP)
        assert await visit.wire.read_frame(100) == (b"R", struct.pack(">I", 3))
        await visit.wire.write_all(messages.password_message(TOKEN) + b"Q early")
        assert await visit.wire.read_frame(100) == (b"R", struct.pack(">I", 0))
        for pair in PARAMETERS:
            kind, body = await visit.wire.read_frame(100)
            assert (kind, messages.read_parameter_status(body)) == (b"S", pair)
        kind, body = await visit.wire.read_frame(100)
        pid, secret = messages.read_backend_key_data(body)
        assert (kind, pid, len(secret)) == (b"K", 4242, 4)
        assert secret != gate.secret
        assert frame(*await visit.wire.read_frame(100)) == NOTICE
        assert await visit.wire.read_frame(100) == (b"Z", b"I")
        assert not visit.wire.buffer
        while not visit.signed:
            await trio.lowlevel.checkpoint()
    (signed,) = visit.signed
    assert signed is not None
    assert (signed.admission, signed.secret) == ("alice", secret)
    (attempt,) = gate.attempts
    assert attempt == signed.attempt
    assert (attempt.user, attempt.database, attempt.token) == ("alice", "prod", TOKEN)
    assert attempt.params == (("options", "-c a=b"),)
    assert (attempt.tls, attempt.minor) == (False, 0)
    assert TOKEN not in repr(attempt)
    assert TOKEN not in repr(signed)


async def test_bytes_behind_the_token_are_kept_for_the_relay() -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + messages.password_message(TOKEN) + messages.query("select 1"))
        while not visit.signed:
            await trio.lowlevel.checkpoint()
        (signed,) = visit.signed
        assert signed is not None
        assert signed.wire.buffer == messages.query("select 1")


async def test_the_database_is_the_users_name_when_none_is_given() -> None:
    gate = FakeGate(refuse=Refusal(Refused(State.BAD_TOKEN, "no")))
    async with visiting(gate) as visit:
        await visit.wire.write_all(messages.startup_message([("user", "alice")]))
        await visit.wire.write_all(messages.password_message(TOKEN))
        await visit.rest()
    assert gate.attempts[0].database == "alice"


@pytest.mark.parametrize(
    ("minor", "options", "spoken", "unknown", "key_bytes"),
    [
        (0, [], None, [], 4),
        (2, [], None, [], 32),
        (9999, [], 2, [], 32),
        (0, ["_pq_.fancy"], 0, ["_pq_.fancy"], 4),
        (3, ["_pq_.a", "_pq_.b"], 2, ["_pq_.a", "_pq_.b"], 32),
    ],
)
async def test_the_protocol_is_negotiated_once_and_before_the_token_is_asked_for(
    minor: int, options: list[str], spoken: int | None, unknown: list[str], key_bytes: int
) -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        pairs = [("user", "alice"), *((name, "1") for name in options)]
        await visit.wire.write_all(messages.startup_message(pairs, minor))
        if spoken is not None:
            kind, body = await visit.wire.read_frame(200)
            assert (kind, messages.read_negotiation(body)) == (b"v", (spoken, unknown))
        assert await visit.wire.read_frame(100) == (b"R", struct.pack(">I", 3))
        await visit.wire.write_all(messages.password_message(TOKEN))
        kinds = []
        while (found := await visit.wire.read_frame(1000)).kind != b"Z":
            kinds.append(found.kind)
            if found.kind == b"K":
                assert len(messages.read_backend_key_data(found.body)[1]) == key_bytes
        assert b"v" not in kinds
    assert gate.attempts[0].params == ()


async def test_no_key_is_invented_for_a_server_that_gave_none() -> None:
    async with visiting(FakeGate(secret=b"")) as visit:
        await visit.wire.write_all(STARTUP + messages.password_message(TOKEN))
        kinds = []
        while (found := await visit.wire.read_frame(1000)).kind != b"Z":
            kinds.append(found.kind)
        assert b"K" not in kinds


# --- the states -------------------------------------------------------------------------------------

DOORS: dict[str, tuple[list[bytes], set[str]]] = {
    "fresh": ([], {"ssl", "gss", "cancel", "startup"}),
    "ssl refused": ([messages.SSL_REQUEST], {"gss", "cancel", "startup"}),
    "gss refused": ([GSSENC_REQUEST], {"ssl", "cancel", "startup"}),
    "both refused": ([messages.SSL_REQUEST, GSSENC_REQUEST], {"cancel", "startup"}),
    "both refused, gss first": ([GSSENC_REQUEST, messages.SSL_REQUEST], {"cancel", "startup"}),
    "encrypted": ([], {"cancel", "startup"}),
    "encrypted after gss": ([GSSENC_REQUEST], {"cancel", "startup"}),
}
PACKETS = {
    "ssl": messages.SSL_REQUEST,
    "gss": GSSENC_REQUEST,
    "cancel": CANCEL,
    "startup": STARTUP,
    "token": messages.password_message(TOKEN),
    "query": messages.query("select 1"),
    "terminate": messages.TERMINATE,
    "version 2": struct.pack(">II", 8, 2 << 16),
    "no user": struct.pack(">II", 9, 3 << 16) + b"\0",
    "empty": struct.pack(">I", 4),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("packet", PACKETS)
async def test_every_first_packet_in_every_state(door: str, packet: str, gate_tls: ssl.SSLContext) -> None:
    before, allowed = DOORS[door]
    encrypted = door.startswith("encrypted")
    gate = FakeGate(tls="optional" if encrypted else "off", tls_context=gate_tls)
    async with visiting(gate) as visit:
        for request in before:
            await visit.wire.write_all(request)
            assert await visit.wire.read_exactly(1) == b"N"
        if encrypted:
            await visit.wire.write_all(messages.SSL_REQUEST)
            assert await visit.wire.read_exactly(1) == b"S"
            await visit.wire.start_tls(client_tls(), server_side=False)
        await visit.wire.write_all(PACKETS[packet])
        if packet not in allowed:
            sqlstate, _ = error_of(await visit.rest())
            assert sqlstate == (State.FEATURE if packet == "version 2" else State.PROTOCOL)
        elif packet == "cancel":
            assert await visit.rest() == b""
            assert gate.cancels == [(7, b"1234")]
        elif packet == "startup":
            assert await visit.wire.read_frame(100) == (b"R", struct.pack(">I", 3))
        else:
            assert await visit.wire.read_exactly(1) == b"N"
    assert visit.signed == [None]
    assert not gate.attempts


@pytest.mark.parametrize("kind", [bytes((byte,)) for byte in range(256) if byte not in b"pX"])
async def test_nothing_but_the_token_is_taken_where_the_token_is_due(kind: bytes) -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP)
        await visit.wire.read_frame(100)
        await visit.wire.write_all(frame(kind, b"alice\0"))
        assert error_of(await visit.rest())[0] == State.PROTOCOL
    assert not gate.attempts


@pytest.mark.parametrize("again", [SECOND_STARTUP, messages.SSL_REQUEST, GSSENC_REQUEST, CANCEL])
async def test_a_second_first_packet_never_changes_who_signs_in(again: bytes) -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP)
        await visit.wire.read_frame(100)
        await visit.wire.write_all(again)
        assert error_of(await visit.rest())[0] == State.PROTOCOL
    assert not gate.attempts
    assert not gate.cancels


@pytest.mark.parametrize("ending", [messages.TERMINATE, b""])
async def test_a_client_that_leaves_before_its_token_hears_nothing(ending: bytes) -> None:
    """libpq does so to ask for the password, and connects again."""
    async with visiting(FakeGate()) as visit:
        await visit.wire.write_all(STARTUP)
        await visit.wire.read_frame(100)
        await visit.wire.write_all(ending)
        visit.stop_sending()
        assert await visit.rest() == b""
    assert visit.signed == [None]


async def test_a_client_that_leaves_before_its_greeting_gives_its_place_back() -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP)
        await visit.wire.read_frame(100)
        await visit.wire.write_all(messages.password_message("token"))
        visit.wire.close()
        with trio.fail_after(5):
            while not visit.signed:
                await trio.lowlevel.checkpoint()
        (server,) = gate.servers
        assert server.recv(100) == messages.TERMINATE, "the server's session does not linger"
    assert visit.signed == [None]
    assert gate.losses == ["alice"]


# --- lengths and junk -------------------------------------------------------------------------------

LENGTHS = [0, 1, 2, 3, 4, 7, 10_005, 2**31 - 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize("length", LENGTHS)
async def test_a_first_packet_of_bad_length_is_refused_before_it_is_read(length: int) -> None:
    async with visiting(FakeGate()) as visit:
        await visit.wire.write_all(struct.pack(">I", length))
        assert error_of(await visit.rest())[0] == State.PROTOCOL


@pytest.mark.parametrize("size", [9_999, 10_000, 10_001])
async def test_the_startup_packet_may_be_as_long_as_the_server_takes(size: int) -> None:
    bare = len(messages.startup_message([("user", "alice"), ("options", "")])) - 4
    packet = messages.startup_message([("user", "alice"), ("options", "x" * (size - bare))])
    assert len(packet) - 4 == size
    async with visiting(FakeGate()) as visit:
        await visit.wire.write_all(packet)
        if size <= 10_000:
            assert await visit.wire.read_frame(100) == (b"R", struct.pack(">I", 3))
        else:
            assert error_of(await visit.rest())[0] == State.PROTOCOL


@pytest.mark.parametrize("length", [0, 1, 2, 3, 65_541, 2**31 - 1, 2**31, 2**32 - 1])
async def test_a_token_of_bad_length_is_refused_before_it_is_read(length: int) -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + b"p" + struct.pack(">I", length) + b"x" * 50)
        received = await visit.rest()
        assert error_of(received[9:])[0] == State.PROTOCOL
    assert not gate.attempts


@pytest.mark.parametrize("body", [b"", b"no terminator", b"a\0b\0", b"a\0b"])
async def test_a_malformed_token_message_is_refused(body: bytes) -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + frame(b"p", body))
        assert error_of((await visit.rest())[9:])[0] == State.PROTOCOL
    assert not gate.attempts


async def test_a_token_of_almost_64_kib_is_handed_to_the_gate() -> None:
    gate = FakeGate(refuse=Refusal(Refused(State.BAD_TOKEN, "no")))
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + messages.password_message("x" * 65_535))
        assert error_of((await visit.rest())[9:])[0] == State.BAD_TOKEN
    assert len(gate.attempts[0].token) == 65_535


@pytest.mark.parametrize("junk", [1, 2, 7, 8, 33, 64])
@pytest.mark.parametrize("tls", ["off", "optional", "required"])
@pytest.mark.parametrize("request_", [messages.SSL_REQUEST, GSSENC_REQUEST])
async def test_bytes_before_the_handshake_are_never_data(
    junk: int, tls: TlsMode, request_: bytes, gate_tls: ssl.SSLContext
) -> None:
    gate = FakeGate(tls=tls, tls_context=gate_tls)
    async with visiting(gate) as visit:
        await visit.wire.write_all(request_ + STARTUP[:junk].ljust(junk, b"x"))
        assert error_of(await visit.rest())[0] == State.PROTOCOL
    assert not gate.attempts


async def test_bytes_before_the_handshake_in_any_cut_end_the_connection(gate_tls: ssl.SSLContext) -> None:
    chance = Random(23)
    for _ in range(60):
        gate = FakeGate(tls="optional", tls_context=gate_tls, login_seconds=0.5)
        data = messages.SSL_REQUEST + chance.randbytes(chance.randint(1, 64))
        async with visiting(gate) as visit:
            while data:
                size = chance.randint(1, len(data))
                try:
                    await visit.wire.write_all(data[:size])
                except Closed:
                    break
                data = data[size:]
                for _ in range(chance.randint(0, 3)):
                    await trio.testing.wait_all_tasks_blocked()
            visit.stop_sending()
            received = await visit.rest()
            assert received[:1] in (b"S", b"E", b"")
            assert b"R\0\0\0\x08" not in received
        assert visit.signed == [None]
        assert not gate.attempts


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), st.booleans())
async def test_no_first_packet_ends_in_an_unexpected_error(body: bytes, code: int, startup: bool) -> None:
    head = struct.pack(">I", 3 << 16 if startup else code)
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(struct.pack(">I", len(body) + 8) + head + body)
        visit.stop_sending()
        received = await visit.rest()
        assert received[:1] in (b"", b"E", b"R", b"N", b"v")
        assert b"XX000" not in received


async def test_sign_in_byte_by_byte_is_the_same() -> None:
    async with visiting(FakeGate()) as visit:
        for byte in STARTUP + messages.password_message(TOKEN):
            await visit.wire.write_all(bytes((byte,)))
        while (await visit.wire.read_frame(1000)).kind != b"Z":
            pass


# --- refusals, limits of time, our own faults -------------------------------------------------------


async def test_a_plain_client_is_refused_before_any_token_is_asked_for(gate_tls: ssl.SSLContext) -> None:
    gate = FakeGate(tls="required", tls_context=gate_tls)
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP)
        assert error_of(await visit.rest())[0] == State.NOT_SIGNED_IN
    assert gate.turned == [("alice", None, State.NOT_SIGNED_IN)]


async def test_the_gate_hears_of_everybody_who_said_a_name_and_did_not_come_in() -> None:
    gate = FakeGate()
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + SECOND_STARTUP)
        assert error_of((await visit.rest())[9:])[0] == State.PROTOCOL
    async with visiting(gate) as visit:
        await visit.wire.write_all(b"GET / HTTP/1.1\r\n\r\n")
        await visit.rest()
    assert gate.turned == [("alice", None, State.PROTOCOL)]


@pytest.mark.parametrize("where", ["admit", "connect"])
@pytest.mark.parametrize("state", [State.BAD_TOKEN, State.NO_DATABASE, State.TOO_MANY, State.UNREACHABLE])
async def test_the_gates_refusal_is_the_clients_fatal_error(where: str, state: State) -> None:
    no = (Unavailable if state == State.UNREACHABLE else Refusal)(Refused(state, "not today", "try later"))
    gate = FakeGate(refuse=no if where == "admit" else None, unreachable=no)
    async with visiting(gate) as visit:
        await visit.wire.write_all(STARTUP + messages.password_message(TOKEN))
        received = (await visit.rest())[9:]
        assert error_of(received) == (state, "not today")
        assert messages.read_error_fields(received[5:])["H"] == "try later"
    assert visit.signed == [None]
    assert gate.turned == [("alice", None if where == "admit" else "alice", state)]


async def test_an_unexpected_error_ends_one_connection_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = FakeGate(refuse=ZeroDivisionError("a secret detail"))
    with caplog.at_level(logging.ERROR):
        async with visiting(gate) as visit:
            await visit.wire.write_all(STARTUP + messages.password_message(TOKEN))
            received = (await visit.rest())[9:]
    assert error_of(received) == ("XX000", "internal error")
    assert "unexpected" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("said", [b"", STARTUP[:20], STARTUP, messages.SSL_REQUEST])
async def test_a_silent_client_is_gone_when_its_time_is_up(said: bytes, gate_tls: ssl.SSLContext) -> None:
    gate = FakeGate(login_seconds=0.2, tls="optional", tls_context=gate_tls)
    began = time.monotonic()
    async with visiting(gate) as visit:
        await visit.wire.write_all(said)
        assert b"E" not in await visit.rest()
        assert time.monotonic() - began < 2
    assert visit.signed == [None]


async def test_a_client_that_waits_for_us_too_long_is_told() -> None:
    async with visiting(FakeGate(login_seconds=0.3, hang=True)) as visit:
        await visit.wire.write_all(STARTUP + messages.password_message(TOKEN))
        assert error_of((await visit.rest())[9:])[0] == State.UNREACHABLE


async def test_direct_tls_is_taken_with_its_alpn_and_not_without(gate_tls: ssl.SSLContext) -> None:
    for alpn, good in (("postgresql", True), (None, False), ("h2", False)):
        async with visiting(FakeGate(tls="required", tls_context=gate_tls)) as visit:
            try:
                await visit.wire.start_tls(client_tls(alpn), server_side=False)
                await visit.wire.write_all(STARTUP)
                answered = (await visit.wire.read_frame(100)).kind == b"R"
            except Closed:
                answered = False
            assert answered == good
    async with visiting(FakeGate()) as visit:  # TLS is off
        with pytest.raises(Closed):
            await visit.wire.start_tls(client_tls(), server_side=False)


async def test_tls_older_than_1_2_is_refused(gate_tls: ssl.SSLContext) -> None:
    context = client_tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with visiting(FakeGate(tls="required", tls_context=gate_tls)) as visit:
        await visit.wire.write_all(messages.SSL_REQUEST)
        assert await visit.wire.read_exactly(1) == b"S"
        with pytest.raises(Closed):
            await visit.wire.start_tls(context, server_side=False)


# --- real drivers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_15() as running:
        yield running


@dataclass
class RealGate:
    """Knows one token; hands each client a session of its own on the real server."""

    server: Server
    tls: TlsMode
    tls_context: ssl.SSLContext
    login_seconds: float = 10.0
    keys: dict[tuple[int, bytes], Upstream] = field(default_factory=dict)

    async def prepare(self, attempt: Attempt) -> None:
        await trio.lowlevel.checkpoint()

    def ask(self, packet: Startup, wire: Wire) -> Ask:
        return Password()

    def admit(self, attempt: Attempt) -> Attempt:
        if attempt.token != TOKEN:
            raise Refusal(Refused(State.BAD_TOKEN, "the token is not valid"))
        return attempt

    async def connect(self, admission: Attempt) -> Upstream:
        hosts = (("127.0.0.1", self.server.port),)
        target = Target(hosts, admission.database, "scrammed", PASSWORD)
        return await connect(target, admission.params)

    def turned_away(self, claimed: Claimed, admission: Attempt | None, refused: Refused) -> None:
        """Nobody counts."""

    def lost(self, admission: Attempt) -> None:
        raise AssertionError("every client here stays")

    async def cancel(self, pid: int, secret: bytes, address: str) -> None:
        upstream = self.keys.get((pid, secret))
        if upstream is not None:
            await send_cancel(upstream.address, upstream.pid, upstream.secret, encrypted=upstream.tls)


@asynccontextmanager
async def gateway(gate: RealGate) -> AsyncIterator[int]:
    """A listener whose signed-in clients are copied through, byte for byte."""

    async def copy(source: Wire, target: Wire) -> None:
        try:
            with suppress(Closed):
                while data := await source.read(65_536):
                    await target.write_all(data)
        finally:
            source.close()
            target.close()

    async with trio.open_nursery() as nursery:

        async def handler(wire: Wire) -> None:
            signed = await sign_in(wire, gate)
            if signed is not None:
                gate.keys[signed.upstream.pid, signed.secret] = signed.upstream
                nursery.start_soon(copy, signed.wire, signed.upstream.wire)
                nursery.start_soon(copy, signed.upstream.wire, signed.wire)

        with listen() as listener:
            nursery.start_soon(partial(attended, listener, handler, signing_in_max=100))
            yield listener.getsockname()[1]
            nursery.cancel_scope.cancel()


async def in_thread(call: Callable[[], object]) -> object:
    with trio.fail_after(20):
        return await trio.to_thread.run_sync(call)


def dsn(port: int, **changes: str) -> str:
    parts = {
        "host": "127.0.0.1",
        "port": str(port),
        "user": "alice",
        "dbname": "postgres",
        "password": TOKEN,
        "sslmode": "prefer",
    }
    return " ".join(f"{name}={value}" for name, value in (parts | changes).items())


@pytest.mark.parametrize(
    "changes",
    [
        {"sslmode": "disable"},
        {"sslmode": "prefer"},
        {"sslmode": "require"},
        {"sslmode": "require", "sslnegotiation": "direct"},
        {"sslmode": "verify-full", "sslrootcert": "own"},
        {"min_protocol_version": "3.2", "max_protocol_version": "latest"},
    ],
    ids=str,
)
async def test_psycopg_signs_in_and_sees_the_server_itself(
    server: Server, certificate: tuple[Path, Path], gate_tls: ssl.SSLContext, changes: dict[str, str]
) -> None:
    if "sslrootcert" in changes:
        changes = changes | {"sslrootcert": str(certificate[0])}

    def session(port: int) -> None:
        options = "'-c statement_timeout=1234'"
        with psycopg.connect(dsn(port, options=options, application_name="report", **changes)) as connection:
            pid, timeout, name = (
                connection.execute(
                    "select pg_backend_pid(), current_setting('statement_timeout'), current_setting('application_name')"
                ).fetchone()
                or ()
            )
            assert pid == connection.info.backend_pid
            assert (timeout, name) == ("1234ms", "report")
            assert connection.info.parameter_status("server_version")
            assert connection.info.server_version // 10_000 == 15
            assert connection.pgconn.ssl_in_use == (changes.get("sslmode") != "disable")
            assert connection.execute("select repeat('x', 100000)").fetchone() == ("x" * 100_000,)

    async with gateway(RealGate(server, "optional", gate_tls)) as port:
        await in_thread(partial(session, port))


async def test_psycopg_is_told_why_it_may_not_come_in(server: Server, gate_tls: ssl.SSLContext) -> None:
    def attempt(port: int, **changes: str) -> str:
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(dsn(port, **changes))
        return str(caught.value)

    async with gateway(RealGate(server, "required", gate_tls)) as port:
        assert "the token is not valid" in str(await in_thread(partial(attempt, port, password="wrong")))
        assert 'database "missing" does not exist' in str(
            await in_thread(partial(attempt, port, dbname="missing"))
        )
        assert "TLS is required" in str(await in_thread(partial(attempt, port, sslmode="disable")))
        bad = "'-c statement_timeout=soon'"
        assert "statement_timeout" in str(await in_thread(partial(attempt, port, options=bad)))


@pytest.mark.parametrize("version", ["3.0", "3.2"])
async def test_psycopg_cancels_with_the_key_that_it_was_given(
    server: Server, gate_tls: ssl.SSLContext, version: str
) -> None:
    gate = RealGate(server, "optional", gate_tls)

    def sleep(connection: psycopg.Connection) -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(60)")

    def cancel(connection: psycopg.Connection) -> None:
        asleep = "select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"
        with psycopg.connect(server.dsn, autocommit=True) as watcher:
            while not watcher.execute(asleep, (connection.info.backend_pid,)).fetchone():
                pass
        connection.cancel_safe(timeout=10)

    async with gateway(gate) as port:
        parameters = dsn(port, max_protocol_version=version)
        connection = await in_thread(partial(psycopg.connect, parameters, autocommit=True))
        assert isinstance(connection, psycopg.Connection)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, partial(sleep, connection))
            nursery.start_soon(in_thread, partial(cancel, connection))
        connection.close()
    assert {len(secret) for _, secret in gate.keys} == {4 if version == "3.0" else 32}


@pytest.mark.parametrize("encrypted", [False, True])
async def test_asyncpg_signs_in(server: Server, gate_tls: ssl.SSLContext, encrypted: bool) -> None:
    async def session(port: int) -> None:
        context = client_tls(None) if encrypted else False
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=port,
            user="alice",
            database="postgres",
            password=TOKEN,
            ssl=context,
            server_settings={"application_name": "report"},
        )
        assert (
            await connection.fetchval("select current_setting('application_name') || $1::int", 7) == "report7"
        )
        assert await connection.fetchval("select pg_backend_pid()") == connection.get_server_pid()
        await connection.close()

    async with gateway(RealGate(server, "optional", gate_tls)) as port:
        await in_thread(lambda: asyncio.run(session(port)))
