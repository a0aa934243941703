"""What a client is asked for between its StartupMessage and its greeting, and the conversation that gets it.

The gate says which of the four proofs it is (`Ask`); nothing here knows whom to believe. A token is handed on as it is, the
exchanges of SASL end in a Principal or in a refusal.
"""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from gateway.errors import Refused, State
from gateway.identity import bearer, scram
from gateway.identity.claims import BY_TOKEN, Presented
from gateway.identity.principal import Method, Principal
from gateway.identity.scram import Verifier
from gateway.issuers import Issuer
from parser import messages, sasl
from parser.errors import ProtocolError
from workers.sockets import Wire

TOKEN_FRAME_BYTES_MAX = 65_536
DUMMY_SECONDS = 1.0  # for which a client may take to say that it has read an error of OAUTHBEARER


@dataclass(frozen=True, slots=True)
class Password:
    """The token as a password in clear. `thumbprint`: of the connection's client certificate, b"" without."""

    thumbprint: bytes = b""
    method: Method = "token"


@dataclass(frozen=True, slots=True)
class OAuth:
    """The token by SASL OAUTHBEARER, or where to get one: from `issuer`."""

    issuer: Issuer
    thumbprint: bytes = b""
    method: Method = "oauthbearer"


@dataclass(frozen=True, slots=True)
class Scram:
    """The proof that a password is known. `judge` gives the Principal for the verifier it was proven by, or raises Refusal:
    for None, where none was, always."""

    verifiers: tuple[Verifier, ...] = field(repr=False)
    binding: bytes | None
    judge: Callable[[Verifier | None], Principal]
    method: Method = "scram"


@dataclass(frozen=True, slots=True)
class Certified:
    """Nothing: the TLS handshake has proven it."""

    principal: Principal
    method: Method = "certificate"


Ask = Password | OAuth | Scram | Certified


@dataclass(frozen=True, slots=True)
class Proof:
    """What the client gave: a token, or what ended in a Principal already."""

    token: str = field(default="", repr=False)
    presented: Presented = BY_TOKEN
    principal: Principal | None = None


class Discovered(Exception):
    """The client wanted to know where tokens come from and was told; `refused` is the last word of its connection."""

    refused = Refused(
        State.NOT_SIGNED_IN, "OAUTHBEARER: a token is needed", "Get one from the issuer that was named, and connect again."
    )


async def prove(wire: Wire, ask: Ask, user: str, *, asked: bool = False) -> Proof | None:
    """What `user`'s client has to show. None where it left. `asked`: the password was asked for already.

    Raises ProtocolError, Refusal, Closed and Discovered.
    """
    if isinstance(ask, Certified):
        return Proof(principal=ask.principal)
    if isinstance(ask, Scram):
        return await _scram(wire, ask)
    if isinstance(ask, OAuth):
        return await _oauth(wire, ask, user)
    if not asked:
        await wire.write_all(messages.authentication_cleartext())
    body = await _response(wire)
    return None if body is None else Proof(messages.read_password(body), Presented(ask.method, ask.thumbprint))


async def refuse_token(wire: Wire, ask: Ask) -> None:
    """OAUTHBEARER tells of a token that does not count in a message of its own, before the last word."""
    if not isinstance(ask, OAuth):
        return
    with trio.move_on_after(DUMMY_SECONDS):
        await wire.write_all(sasl.authentication_sasl_continue(bearer.error(ask.issuer)))
        await _response(wire)


async def _oauth(wire: Wire, ask: OAuth, user: str) -> Proof | None:
    await wire.write_all(sasl.authentication_sasl([bearer.MECHANISM]))
    body = await _response(wire)
    if body is None:
        return None
    mechanism, message = sasl.read_sasl_initial(body)
    if mechanism != bearer.MECHANISM or message is None:
        raise bearer.malformed("it is not an initial response of OAUTHBEARER")
    token = bearer.read(message, user)
    if token:
        return Proof(token, Presented(ask.method, ask.thumbprint))
    await wire.write_all(sasl.authentication_sasl_continue(bearer.error(ask.issuer)))
    body = await _response(wire)
    if body is None:
        return None
    if body != bearer.DUMMY:
        raise bearer.malformed("an error is answered by one byte")
    raise Discovered


async def _scram(wire: Wire, ask: Scram) -> Proof | None:
    nonce = base64.b64encode(secrets.token_bytes(scram.NONCE_BYTES)).decode()
    exchange = scram.Exchange(ask.verifiers, nonce, ask.binding)
    await wire.write_all(sasl.authentication_sasl(scram.mechanisms(ask.binding)))
    body = await _response(wire)
    if body is None:
        return None
    mechanism, message = sasl.read_sasl_initial(body)
    challenge = exchange.first(mechanism, message or b"")
    await wire.write_all(sasl.authentication_sasl_continue(challenge))
    body = await _response(wire)
    if body is None:
        return None
    found = exchange.final(body)
    if found is None:
        return Proof(principal=ask.judge(None))
    signature, verifier = found
    principal = ask.judge(verifier)
    await wire.write_all(sasl.authentication_sasl_final(signature))
    return Proof(principal=principal)


async def _response(wire: Wire) -> bytes | None:
    """The body of the client's answer; None where it said goodbye, or nothing."""
    while not wire.buffer:
        if not await wire.receive():
            return None
    # By its first byte, as PostgreSQL does: a second StartupMessage would pass for the head of a long
    # message.
    if wire.buffer[0] not in b"pX":
        raise ProtocolError("expected a password message")
    kind, body = await wire.read_frame(TOKEN_FRAME_BYTES_MAX)
    return body if kind == b"p" else None
