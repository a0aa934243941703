"""The conversations at the door, with a client whose words are scripted."""

import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from scramp import ScramClient

from gateway.errors import Refusal, Refused, State
from gateway.identity.claims import Presented
from gateway.identity.principal import Principal
from gateway.identity.scram import Verifier, verifier_of
from parser import messages
from parser.errors import ProtocolError
from tests.gateway.identity.token_rig import ISSUER
from workers.proofs import Ask, Certified, Discovered, OAuth, Password, Proof, Scram, prove, refuse_token
from workers.sockets import Wire

pytestmark = pytest.mark.trio

WHO = Principal("svc-a", "credentials", (), (), 9e9, "", method="scram", weak=True)
VERIFIER = verifier_of("secret", b"s" * 16)


@dataclass
class Talk:
    """The client's end, and what became of it."""

    wire: Wire
    ended: list[Proof | Exception | None] = field(default_factory=list)

    async def asked(self) -> tuple[int, bytes]:
        kind, body = await self.wire.read_frame(10_000)
        assert kind == b"R"
        return messages.read_authentication(body)


@asynccontextmanager
async def talking(ask: Ask, *, asked: bool = False) -> AsyncIterator[Talk]:
    ours, theirs = socket.socketpair()
    talk, gateway = Talk(Wire(ours)), Wire(theirs)

    async def run() -> None:
        try:
            talk.ended.append(await prove(gateway, ask, "alice", asked=asked))
        except (Refusal, ProtocolError, Discovered) as error:
            talk.ended.append(error)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield talk
    talk.wire.close()
    gateway.close()


@pytest.mark.parametrize("asked", [False, True])
async def test_password_is_asked_for_once(asked: bool) -> None:
    async with talking(Password(b"t" * 32), asked=asked) as talk:
        if not asked:
            assert await talk.asked() == (3, b"")
        await talk.wire.write_all(messages.password_message("token") + b"Q early")
    assert talk.ended == [Proof("token", Presented("token", b"t" * 32))]
    assert "abcdef" not in repr(Proof("abcdef"))


@pytest.mark.parametrize("ask", [Password(), OAuth(ISSUER), Scram((VERIFIER,), None, lambda proven: WHO)])
@pytest.mark.parametrize("goodbye", [True, False])
async def test_client_that_leaves_has_proven_nothing(ask: Ask, goodbye: bool) -> None:
    async with talking(ask) as talk:
        await talk.asked()
        if goodbye:
            await talk.wire.write_all(messages.TERMINATE)
        else:
            talk.wire.sock.shutdown(socket.SHUT_WR)
    assert talk.ended == [None]


async def test_certificate_asks_for_nothing() -> None:
    async with talking(Certified(WHO)) as talk:
        pass
    assert talk.ended == [Proof(principal=WHO)]


async def test_token_comes_by_oauthbearer() -> None:
    async with talking(OAuth(ISSUER, b"t" * 32)) as talk:
        assert await talk.asked() == (10, b"OAUTHBEARER\0\0")
        await talk.wire.write_all(messages.sasl_initial("OAUTHBEARER", b"n,,\x01auth=Bearer abc\x01\x01"))
    assert talk.ended == [Proof("abc", Presented("oauthbearer", b"t" * 32))]


async def test_empty_token_is_told_where_to_get_one() -> None:
    async with talking(OAuth(ISSUER)) as talk:
        await talk.asked()
        await talk.wire.write_all(messages.sasl_initial("OAUTHBEARER", b"n,,\x01auth=\x01\x01"))
        code, told = await talk.asked()
        assert (code, json.loads(told)["scope"]) == (11, "openid")
        await talk.wire.write_all(messages.sasl_response(b"\x01"))
    assert isinstance(talk.ended[0], Discovered)
    assert Discovered.refused.sqlstate == State.NOT_SIGNED_IN


@pytest.mark.parametrize(("mechanism", "response"), [("PLAIN", b"x"), ("OAUTHBEARER", b"x")])
async def test_other_words_are_violations(mechanism: str, response: bytes) -> None:
    async with talking(OAuth(ISSUER)) as talk:
        await talk.asked()
        await talk.wire.write_all(messages.sasl_initial(mechanism, response))
    (error,) = talk.ended
    assert isinstance(error, Refusal)
    assert error.refused.sqlstate == State.PROTOCOL


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "SCRAM-SHA-256"])
async def test_no_initial_response_is_a_violation(mechanism: str) -> None:
    ask = OAuth(ISSUER) if mechanism == "OAUTHBEARER" else Scram((VERIFIER,), None, lambda proven: WHO)
    async with talking(ask) as talk:
        await talk.asked()
        await talk.wire.write_all(messages.frame(b"p", mechanism.encode() + b"\0" + struct.pack(">i", -1)))
    assert isinstance(talk.ended[0], Refusal)


@pytest.mark.parametrize("password", ["secret", "guess"])
async def test_scram_ends_in_what_the_judge_says(password: str) -> None:
    judged: list[Verifier | None] = []

    def judge(proven: Verifier | None) -> Principal:
        judged.append(proven)
        if proven is None:
            raise Refusal(Refused(State.BAD_TOKEN, "no"))
        return WHO

    async with talking(Scram((VERIFIER, VERIFIER), None, judge)) as talk:
        client = ScramClient(["SCRAM-SHA-256"], "alice", password)
        assert await talk.asked() == (10, b"SCRAM-SHA-256\0\0")
        await talk.wire.write_all(messages.sasl_initial("SCRAM-SHA-256", client.get_client_first().encode()))
        client.set_server_first((await talk.asked())[1].decode())
        await talk.wire.write_all(messages.sasl_response(client.get_client_final().encode()))
        if password == "secret":
            code, final = await talk.asked()
            assert code == 12
            client.set_server_final(final.decode())
    if password == "secret":
        assert (talk.ended, judged) == ([Proof(principal=WHO)], [VERIFIER])
    else:
        assert isinstance(talk.ended[0], Refusal)
        assert judged == [None]


async def test_only_oauthbearer_is_told_of_a_bad_token_twice(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = socket.socketpair()
    client, gateway = Wire(ours), Wire(theirs)
    await refuse_token(gateway, Password())
    await refuse_token(gateway, OAuth(ISSUER))  # a client that does not answer is not waited for
    kind, body = await client.read_frame(1000)
    assert (kind, body[:4]) == (b"R", struct.pack(">I", 11))
    assert not client.buffer
    client.close()
    gateway.close()
