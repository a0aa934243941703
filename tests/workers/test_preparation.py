"""What a sign-in waits for: keys that its issuer may have published, and the issuer's word."""

import socket
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from gateway.errors import Refusal, Unavailable
from gateway.identity import keys as issuer_keys
from gateway.identity.keys import FetchedSet, IssuerKeys, source_of
from gateway.settings import load
from tests.gateway.identity.token_rig import ED, NOW, OTHER_ED, jwk, jwks, token
from tests.workers.worker_rig import make_slot
from workers import introspection_link
from workers.missing_keys import PATIENCE_SECONDS
from workers.preparation import Preparation
from workers.slot import KeysWanted, Slot, receive

pytestmark = pytest.mark.trio
ISSUERS = """
[[issuer]]
name = "idp"
issuer = "https://sluice.local"
audience = "sluice"
jwks_url = "https://id.example/keys"
introspection = "https://id.example/ask"
client_id = "gateway"
client_secret_file = "client.secret"
"""


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    made, control = make_slot(tmp_path, 1)
    made.settings = load(ISSUERS, "sluice.toml", {})
    yield made
    for end in (control, made.control, made.listener):
        end.close()


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


def key_set(slot: Slot, **keys: object) -> IssuerKeys:
    (issuer,) = slot.settings.issuers
    content = jwks(*(jwk(key, kid=kid) for kid, key in keys.items()))
    return issuer_keys.read([issuer], {}, {"idp": FetchedSet(source_of(issuer), content, NOW)})


async def test_a_key_that_comes_is_waited_for(slot: Slot, autojump_clock: trio.testing.MockClock) -> None:
    there = [key_set(slot, k1=ED)]
    ahead = Preparation(slot)
    signed = token(header={"alg": "EdDSA", "kid": "k2"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.key, signed, lambda: there[-1])
        await trio.sleep(1)
        there.append(key_set(slot, k1=ED, k2=OTHER_ED))
        ahead.moved()
    assert trio.current_time() == pytest.approx(1)
    await ahead.key(token(header={"alg": "EdDSA", "kid": "k1"}), lambda: there[-1])
    await ahead.key("nonsense", lambda: there[-1])
    assert trio.current_time() == pytest.approx(1)


async def test_one_that_does_not_come_is_asked_for_once(
    slot: Slot, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    slot.control.close()
    slot.control = theirs
    with ours:
        ahead = Preparation(slot)
        keys = key_set(slot, k1=ED)
        for _ in range(3):
            await ahead.key(token(header={"alg": "EdDSA", "kid": "k2"}), lambda: keys)
        assert trio.current_time() == pytest.approx(PATIENCE_SECONDS)
        assert receive(ours) == (KeysWanted("idp"), None)
        with pytest.raises(BlockingIOError):
            receive(ours)


async def test_the_issuers_word_is_asked_for_once_a_minute(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(run_dir: Path, opaque: str) -> dict[str, object]:
        asked.append(opaque)
        if opaque == "late":
            raise introspection_link.NotAsked("nobody can be asked about the token just now")
        return {"active": opaque == "good", "sub": "ada", "aud": "sluice", "exp": 4_000_000_000, "iat": 3_999_990_000}

    monkeypatch.setattr(introspection_link, "ask", ask)
    monkeypatch.setattr("workers.preparation.time.time", lambda: 3_999_999_000.0)
    ahead = Preparation(slot)
    assert ahead.vouched("good", "ada", "oauthbearer") is None
    for _ in range(2):
        await ahead.word("good", "ada")
        found = ahead.vouched("good", "ada", "oauthbearer")
        assert found is not None
        assert (found.user, found.issuer, found.method) == ("ada", "idp", "oauthbearer")
    assert ahead.vouched("good", "bo", "token") is None
    with pytest.raises(Refusal, match="another user"):
        await ahead.word("good", "bo")
    with pytest.raises(Refusal, match="not signed by a key"):
        await ahead.word("bad", "ada")
    with pytest.raises(Unavailable, match="just now"):
        await ahead.word("late", "ada")
    await ahead.word(token(), "alice")
    assert asked == ["good", "bad", "late"]


async def test_only_what_its_issuer_may_know_is_to_be_waited_for(slot: Slot) -> None:
    ahead, keys = Preparation(slot), key_set(slot, k1=ED)
    assert not ahead.waits(token(header={"alg": "EdDSA", "kid": "k1"}), keys)
    assert ahead.waits(token(header={"alg": "EdDSA", "kid": "k2"}), keys)
    assert ahead.waits("opaque", keys)
    slot.settings = msgspec.structs.replace(slot.settings, issuers=())
    assert not ahead.waits("opaque", keys)
