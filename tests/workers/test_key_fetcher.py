"""The service that fetches keys, with a real issuer; the test is the supervisor."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import Refusal
from gateway.identity import keys as issuer_keys
from gateway.identity.claims import verify
from gateway.identity.keys import FetchedSet, source_of
from tests.gateway.identity.test_kinds import SAMPLES
from tests.gateway.identity.token_rig import NOW, RSA, jwk
from tests.live.rig import toml
from tests.workers.issuer_rig import Provider, as_json, provider
from workers import admin_link, configuration, key_store
from workers.admin_link import KeysFailed, KeysFetched, KeysWanted, Message, Told
from workers.admin_process import Desk
from workers.configuration import Loaded
from workers.control import pair
from workers.http_out import NotReached
from workers.init import init
from workers.key_fetcher import Pace, fetch, keep
from workers.shared_policy import unseal

pytestmark = pytest.mark.trio
PATIENCE = 10.0
QUICK = Pace(retry_seconds=0.02, retry_seconds_max=0.05, wanted_seconds=0.3)


@pytest.fixture
def idp(tmp_path: Path) -> Iterator[Provider]:
    with provider(tmp_path / "idp") as made:
        yield made


def load(folder: Path, *issuers: dict[str, Any]) -> Loaded:
    if not (folder / "sluice.toml").exists():
        init(folder)
    with (folder / "sluice.toml").open("a") as file:
        file.write("\n" + toml({"issuer": list(issuers)}))
    return configuration.load(folder / "sluice.toml", {})


@dataclass
class House:
    desk: Desk
    control: Any

    async def hears(self, kind: type) -> Any:
        """The next message of this type; others before it are passed over."""
        with trio.fail_after(PATIENCE):
            while True:
                message = await self.next()
                if isinstance(message, kind):
                    return message

    async def next(self) -> Message | dict[str, FetchedSet]:
        await trio.lowlevel.wait_readable(self.control)
        heard = admin_link.receive(self.control)
        assert heard is not None
        message, fd = heard
        if fd is not None:
            assert isinstance(message, KeysFetched)
            content = unseal(fd, message.size, message.digest)
            os.close(fd)
            assert set(msgspec.msgpack.decode(content, type=dict[str, FetchedSet])) == {"idp"}
        return message

    def kids(self) -> set[str]:
        keys = self.desk.loaded.keys.named("idp")
        return set() if keys is None else set(keys.by_kid)

    def want(self, issuer: str = "idp") -> None:
        self.desk.hears[KeysWanted](KeysWanted(issuer))


@asynccontextmanager
async def housed(loaded: Loaded, pace: Pace = QUICK) -> AsyncIterator[House]:
    ours, theirs = pair()
    desk = Desk(theirs, loaded, {})
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, desk, pace)
            yield House(desk, ours)
            nursery.cancel_scope.cancel()


async def test_keys_come_once_and_are_told_kept_and_on_record(tmp_path: Path, idp: Provider) -> None:
    loaded = load(tmp_path, idp.entry())
    assert loaded.keys.named("idp").thumbprints == frozenset()
    async with housed(loaded) as house:
        await house.hears(KeysFetched)
        told = await house.hears(Told)
        assert told.data == {"what": "keys fetched", "issuer": "idp", "added": 1, "removed": 0}
        assert house.kids() == {"k1"}
        kept = key_store.read_all(key_store.folder(loaded.audit_dir), loaded.settings.issuers)["idp"]
        assert abs(kept.fetched - time.time()) < 60
    assert (idp.count("/keys"), idp.count("/.well-known/openid-configuration")) == (1, 1)
    assert configuration.load(tmp_path / "sluice.toml", {}).keys.named("idp").thumbprints, "the next start has them"


async def test_a_missing_key_is_asked_for_at_once_and_then_once_in_a_while(tmp_path: Path, idp: Provider) -> None:
    async with housed(load(tmp_path, idp.entry())) as house:
        await house.hears(KeysFetched)
        house.want("nobody's")
        idp.keys["k2"] = ec.generate_private_key(ec.SECP256R1())
        began = trio.current_time()
        house.want()
        await house.hears(KeysFetched)
        assert house.kids() == {"k1", "k2"}
        for _ in range(50):
            house.want()
        await house.hears(KeysFetched)
        assert trio.current_time() - began >= QUICK.wanted_seconds
        assert idp.count("/keys") == 3


async def test_while_an_issuer_is_down_its_keys_stay_and_it_is_asked_again(tmp_path: Path, idp: Provider) -> None:
    loaded = load(tmp_path, idp.entry())
    async with housed(loaded) as house:
        await house.hears(KeysFetched)
    idp.down = True
    async with housed(configuration.load(tmp_path / "sluice.toml", {})) as house:
        failed = await house.hears(KeysFailed)
        assert failed.issuer == "idp"
        assert failed.why
        told = await house.hears(Told)
        assert (told.data["what"], told.data["issuer"]) == ("keys not fetched", "idp")
        await house.hears(KeysFailed)
        assert house.kids() == {"k1"}
        idp.down = False
        idp.keys = {"k9": ec.generate_private_key(ec.SECP256R1())}
        await house.hears(KeysFetched)
        assert (await house.hears(Told)).data == {"what": "keys fetched", "issuer": "idp", "added": 1, "removed": 1}


async def test_a_disk_that_is_full_keeps_no_keys_from_the_workers(tmp_path: Path, idp: Provider) -> None:
    loaded = load(tmp_path, idp.entry())
    key_store.folder(loaded.audit_dir).parent.mkdir(parents=True)
    key_store.folder(loaded.audit_dir).write_text("in the way")
    async with housed(loaded) as house:
        await house.hears(KeysFetched)
        assert house.kids() == {"k1"}


@pytest.mark.parametrize(
    ("cache_control", "max_age"),
    [("max-age=300", 300), ("public, max-age=600, must-revalidate", 600), ("s-maxage=5", None), ("no-store", None)],
)
async def test_an_issuer_may_want_to_be_asked_sooner(
    tmp_path: Path, idp: Provider, cache_control: str, max_age: float | None
) -> None:
    idp.routes["/keys"] = lambda *_: as_json(idp.jwks(), cache_control=cache_control)
    loaded = load(tmp_path, idp.entry())
    found = await fetch(loaded.settings.issuers[1], tmp_path)
    assert found.max_age == max_age


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issuer": "https://evil.example"}, "of another issuer"),
        ({"jwks_uri": "http://id.example/keys"}, "not https"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"jwks_uri": "https://127.0.0.1:1/keys"}, "127.0.0.1:1: "),
    ],
)
async def test_a_discovery_document_cannot_lead_astray(
    tmp_path: Path, idp: Provider, change: dict[str, Any], why: str
) -> None:
    idp.document_changes = change
    loaded = load(tmp_path, idp.entry())
    with pytest.raises(NotReached, match=why):
        await fetch(loaded.settings.issuers[1], tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        as_json({"keys": []}), as_json({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), as_json([]), as_json({}, 503),
        as_json({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]}),
        as_json({"keys": [{"kty": "RSA"}] * 65}), (200, {}, b"x" * 300_000), (301, {"location": "/keys2"}, b""),
    ],
)  # fmt: skip
async def test_what_is_no_key_set_is_not_taken(tmp_path: Path, idp: Provider, answer: Any) -> None:
    idp.routes["/keys"] = lambda *_: answer
    loaded = load(tmp_path, idp.entry())
    with pytest.raises(NotReached):
        await fetch(loaded.settings.issuers[1], tmp_path)


STRANGE_KEYS = {  # what else stands in real key sets
    "keycloak": [{"kid": "enc", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "n": "AQAB", "e": "AQAB"}],
    "entra": [{"kty": "RSA", "use": "sig", "kid": "old", "x5t": "x", "n": "AQAB", "e": "AQAB", "x5c": ["MIIB"]}],
    "gitlab": [{"kty": "EC", "crv": "P-384", "kid": "p384", "x": "AA", "y": "AA", "alg": "ES384", "use": "sig"}],
}


@pytest.mark.parametrize("kind", SAMPLES)
async def test_tokens_of_each_kind_sign_in_with_the_keys_that_their_issuer_publishes(
    tmp_path: Path, idp: Provider, kind: str
) -> None:
    sample = SAMPLES[kind]
    idp.document_changes = {"issuer": sample.issuer.issuer}
    own = jwk(RSA, kid="k1", use="sig", **({} if kind == "entra" else {"alg": "RS256"}))
    idp.routes["/keys"] = lambda *_: as_json({"keys": [*STRANGE_KEYS.get(kind, []), own]})
    issuer = msgspec.structs.replace(
        sample.issuer, jwks_url="", discovery=f"{idp.url}/.well-known/openid-configuration", ca_file=str(idp.ca_file)
    )
    found = await fetch(issuer, tmp_path)
    kept = FetchedSet(source_of(issuer), found.content, NOW)
    signed = sample.token({})
    keys = issuer_keys.read([issuer], {}, {issuer.name: kept})
    assert verify(signed, sample.user, keys, NOW).groups == sample.groups
    forged = signed[:-8] + ("AAAAAAAA" if not signed.endswith("AAAAAAAA") else "BBBBBBBB")
    with pytest.raises(Refusal, match="not signed by a key"):
        verify(forged, sample.user, keys, NOW)
