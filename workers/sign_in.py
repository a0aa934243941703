"""A client's way in: first packet, TLS, proof, and then the server's own greeting (manual, section 55.2.1).

What may arrive is written as a table (`FIRST_PACKETS`) and one type (`p`, the proof: workers.proofs); everything else ends
the connection with 08P01. The identity is made once, by the gate, from one Attempt, and nothing later
changes it.
"""

import logging
import secrets
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Literal, Protocol, TypeVar

import trio

from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.identity.claims import BY_TOKEN, Presented
from gateway.identity.principal import Method, Principal
from parser import messages, startup
from parser.errors import ProtocolError
from parser.startup import CancelRequest, FirstPacket, GssEncRequest, SslRequest, Startup
from workers.proofs import Ask, Discovered, Password, Proof, prove, refuse_token
from workers.sockets import BadCertificate, Closed, Wire, tune, untimed
from workers.tls import ALPN
from workers.upstream import Upstream

FIRST_BYTE_SECONDS = 5.0
TLS_RECORD_HANDSHAKE = b"\x16"

TlsMode = Literal["off", "optional", "required"]
A = TypeVar("A")  # the gate's own admission: the verified identity and what belongs to it

_INTERNAL = Refused("XX000", "internal error")

log = logging.getLogger("sluice.sign_in")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a client said of itself. `params`: the other start-up parameters in their order; `address` of the
    peer; `minor`: it speaks protocol 3.`minor`. `principal`: who it is, where its proof has told that already; else it is
    to be read from the token."""

    user: str
    database: str
    token: str = field(repr=False)
    params: tuple[tuple[str, str], ...]
    address: str
    tls: bool
    minor: int
    presented: Presented = BY_TOKEN
    principal: Principal | None = None


@dataclass(slots=True)
class Claimed:
    """Who a client says it is, as far as it has said anything: its start-up packet, and where it calls from."""

    address: str
    tls: bool = False
    packet: Startup | None = None
    method: Method | Literal[""] = ""  # what it was asked for
    answered: bool = False  # its proof is there, right or wrong

    def get(self, name: str) -> str:
        """A start-up parameter, "" where it did not come."""
        return (self.packet.get(name) if self.packet is not None else None) or ""


class Gate(Protocol[A]):
    """Who decides. `tls_context` is None only where `tls` is off; `login_seconds` bounds a whole sign-in."""

    tls: TlsMode
    login_seconds: float

    @property
    def tls_context(self) -> ssl.SSLContext | None: ...

    def ask(self, packet: Startup, wire: Wire) -> Ask:
        """What a client has to show. Raises Refusal."""

    async def prepare(self, attempt: Attempt) -> None:
        """Waits for what `admit` may need and does not have yet. Raises Refusal."""

    def admit(self, attempt: Attempt) -> A:
        """The verified identity. Raises Refusal."""

    async def connect(self, admission: A) -> Upstream:
        """The server's session of its own. Raises Refusal."""

    def turned_away(self, claimed: Claimed, admission: A | None, refused: Refused) -> None:
        """Somebody did not come in. `admission`: who it was, where that is verified. Raises nothing."""

    def lost(self, admission: A) -> None:
        """The client went away between `connect` and its greeting; the server's session is closed."""

    async def cancel(self, pid: int, secret: bytes, address: str) -> None:
        """A cancel request with a key that may be right or wrong."""


@dataclass(frozen=True, slots=True)
class SignedIn(Generic[A]):
    """A client that read ReadyForQuery. `wire.buffer` and `upstream.buffer` may hold bytes already received;
    `secret` is Sluice's own cancel key, which goes with `upstream.pid`."""

    wire: Wire
    upstream: Upstream
    admission: A
    attempt: Attempt
    secret: bytes = field(repr=False)


class Door(Enum):
    """Where a connection stands before its StartupMessage."""

    FRESH = "nothing said yet"
    SSL_REFUSED = "N to an SSLRequest"
    GSS_REFUSED = "N to a GSSENCRequest"
    BOTH_REFUSED = "N to both"
    ENCRYPTED = "inside TLS"


FIRST_PACKETS: dict[Door, tuple[type[FirstPacket], ...]] = {
    Door.FRESH: (SslRequest, GssEncRequest, CancelRequest, Startup),
    Door.SSL_REFUSED: (GssEncRequest, CancelRequest, Startup),
    Door.GSS_REFUSED: (SslRequest, CancelRequest, Startup),
    Door.BOTH_REFUSED: (CancelRequest, Startup),
    Door.ENCRYPTED: (CancelRequest, Startup),
}


@dataclass(slots=True)
class Begun:
    """How far a sign-in has come: where it stands, and its StartupMessage once the token was asked for."""

    door: Door = Door.FRESH
    packet: Startup | None = None


async def sign_in(wire: Wire, gate: Gate[A], begun: Begun | None = None) -> SignedIn[A] | None:
    """Takes a new connection to its ReadyForQuery. None: the client did not come in and `wire` is closed.

    Never raises for what a client or a server did; an unexpected error is logged and ends this connection.
    """
    waits_for_us = False
    begun = begun or Begun()
    claimed = Claimed(wire.address, packet=begun.packet)
    admission: A | None = None
    try:
        tune(wire.sock, gate.login_seconds)
        with trio.move_on_after(gate.login_seconds) as deadline:
            entry = await _enter(wire, gate, claimed, begun)
            if entry is not None:
                attempt = attempt_of(wire, entry.packet, entry.proof)
                waits_for_us = True
                admission = await _admit(wire, gate, entry.ask, attempt)
                upstream = await gate.connect(admission)
                waits_for_us = False
                try:
                    secret = await _greet(wire, upstream, attempt.minor)
                    untimed(wire.sock)
                except BaseException:
                    await upstream.close()
                    gate.lost(admission)
                    raise
                return SignedIn(wire, upstream, admission, attempt, secret)
        if deadline.cancelled_caught and waits_for_us:
            raise Unavailable(Refused(State.UNREACHABLE, "the sign-in took too long"))
    except BadCertificate as bad:
        claimed.tls, claimed.method = True, "certificate"
        gate.turned_away(claimed, None, Refused(State.NOT_SIGNED_IN, f"the client certificate was refused: {bad.why}"))
        await wire.finish()  # else what TLS tells the client may be lost
    except Closed:
        pass
    except Discovered as discovered:
        await _refuse(wire, discovered.refused)
    except ProtocolError as error:
        version = isinstance(error, startup.UnsupportedVersion)
        refused = Refused(State.FEATURE if version else State.PROTOCOL, str(error))
        if claimed.packet is not None:  # else it is anything that found the port
            gate.turned_away(claimed, admission, refused)
        await _refuse(wire, refused)
    except Refusal as refusal:
        gate.turned_away(claimed, admission, refusal.refused)
        await _refuse(wire, refusal.refused)
    except Exception:
        log.exception("a sign-in from %s ended on an unexpected error", wire.address)
        gate.turned_away(claimed, admission, _INTERNAL)
        await _refuse(wire, _INTERNAL)
    except BaseException:
        wire.close()
        raise
    wire.close()
    return None


async def _refuse(wire: Wire, refused: Refused) -> None:
    """The last words, FATAL, so that the client reads them before the end. Within a second."""
    words = messages.error_response("FATAL", refused.sqlstate, refused.message, hint=refused.hint)
    with trio.move_on_after(1.0):
        with suppress(Closed):
            await wire.write_all(words)
            await wire.finish()
    wire.close()


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a client has said, what it was asked for, and what it gave."""

    packet: Startup
    ask: Ask
    proof: Proof


async def _enter(wire: Wire, gate: Gate[A], claimed: Claimed, begun: Begun) -> _Entry | None:
    """The StartupMessage and the proof. None where the connection is over and nothing is to be said."""
    packet = begun.packet
    ask: Ask = Password()
    if packet is None:
        packet = await _first_packet(wire, gate, begun.door)
        if packet is None:
            return None
        claimed.packet, claimed.tls = packet, wire.tls
        if gate.tls == "required" and not wire.tls:
            why = Refused(State.NOT_SIGNED_IN, "TLS is required", "Connect with sslmode=require or stronger.")
            raise Refusal(why)
        ask = gate.ask(packet, wire)
        if packet.negotiate:
            await wire.write_all(messages.negotiate_protocol_version(packet.minor, packet.extensions))
    claimed.method = ask.method
    proof = await prove(wire, ask, packet.get("user") or "", asked=begun.packet is not None)
    claimed.answered = True
    return None if proof is None else _Entry(packet, ask, proof)


async def _admit(wire: Wire, gate: Gate[A], ask: Ask, attempt: Attempt) -> A:
    try:
        await gate.prepare(attempt)
        return gate.admit(attempt)
    except Refusal as refusal:
        if refusal.refused.sqlstate == State.BAD_TOKEN:
            await refuse_token(wire, ask)
        raise


async def _first_packet(wire: Wire, gate: Gate[A], door: Door) -> Startup | None:
    """Answers encryption and cancel requests until the StartupMessage. None where the connection is over."""
    first = b""
    with trio.move_on_after(FIRST_BYTE_SECONDS):
        first = await wire.peek()
    if not first:
        return None
    if first == TLS_RECORD_HANDSHAKE and door is Door.FRESH:  # without asking; only with ALPN is it meant for us
        if gate.tls == "off" or not await _encrypt(wire, gate, alpn=True):
            return None
        door = Door.ENCRYPTED
    while True:
        head = await wire.read_exactly(4)
        packet = startup.read(await wire.read_exactly(startup.packet_length(head)))
        if not isinstance(packet, FIRST_PACKETS[door]):
            raise ProtocolError("this request has no place here")
        if isinstance(packet, Startup):
            return packet
        if isinstance(packet, CancelRequest):
            with suppress(Refusal):  # the protocol has no answer to a cancel request
                await gate.cancel(packet.pid, packet.secret, wire.address)
            return None
        if wire.buffer:
            # Sent in clear before we answered, perhaps by somebody in between: never part of the session.
            raise ProtocolError("received unencrypted data after an encryption request")
        door = await _answer(wire, gate, packet, door)


async def _answer(wire: Wire, gate: Gate[A], packet: SslRequest | GssEncRequest, door: Door) -> Door:
    """Says S and shakes hands, or says N; where the connection stands then."""
    if isinstance(packet, SslRequest) and gate.tls != "off":
        await wire.write_all(b"S")
        await _encrypt(wire, gate, alpn=False)
        return Door.ENCRYPTED
    await wire.write_all(b"N")
    if door is not Door.FRESH:
        return Door.BOTH_REFUSED
    return Door.SSL_REFUSED if isinstance(packet, SslRequest) else Door.GSS_REFUSED


async def _encrypt(wire: Wire, gate: Gate[A], *, alpn: bool) -> bool:
    """Shakes hands. False where `alpn` is demanded and the client did not offer this protocol."""
    assert gate.tls_context is not None, "a gate that speaks TLS has its context"
    await wire.start_tls(gate.tls_context, server_side=True)
    assert isinstance(wire.sock, ssl.SSLSocket), "the handshake made it one"
    return not alpn or wire.sock.selected_alpn_protocol() == ALPN


def attempt_of(wire: Wire, packet: Startup, proof: Proof) -> Attempt:
    """What the client has said of itself."""
    user = packet.get("user") or ""
    return Attempt(
        user=user,
        database=packet.get("database") or user,
        token=proof.token,
        params=tuple(pair for pair in packet.pairs if pair[0] not in ("user", "database")),
        address=wire.address,
        tls=wire.tls,
        minor=packet.minor,
        presented=proof.presented,
        principal=proof.principal,
    )


async def _greet(wire: Wire, upstream: Upstream, minor: int) -> bytes:
    """Says what the server said, in its order and words, but with a cancel key of our own, which is
    returned."""
    secret = secrets.token_bytes(32 if minor >= 2 else 4)
    await wire.write_all(upstream.greeting(secret))
    return secret
