"""Fetched keys in the supervisor's hands: handed to workers, kept over reloads, described."""

import time
from pathlib import Path

import msgspec
import pytest

from gateway.identity.keys import FetchedSet, source_of
from tests.gateway.identity.token_rig import EC, ED, jwk, jwks
from workers import configuration, slot
from workers.admin_link import KeysFailed, KeysFetched
from workers.configuration import Loaded
from workers.control import pair
from workers.init import init
from workers.key_ring import KeyRing
from workers.seat import Child, Seat
from workers.shared_policy import seal, unseal
from workers.slab import Slab


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    init(tmp_path)
    with (tmp_path / "sluice.toml").open("a") as file:
        file.write('\n[[issuer]]\nname = "idp"\nissuer = "https://id.example"\naudience = "a"\njwks_url = "https://id.example/k"\n')
    return configuration.load(tmp_path / "sluice.toml", {})


def fetched(loaded: Loaded, content: bytes) -> FetchedSet:
    return FetchedSet(source_of(loaded.settings.issuers[1]), content, time.time() - 10)


def heard(ring: KeyRing, loaded: Loaded, kept: FetchedSet, seats: list[Seat]) -> Loaded:
    sealed = seal(msgspec.msgpack.encode({"idp": kept}))
    try:
        return ring.heard(KeysFetched(sealed.size, sealed.digest), sealed.fd, loaded, seats)
    finally:
        sealed.close()


def test_keys_that_came_reach_the_workers_and_outlive_a_reload(loaded: Loaded) -> None:
    ring = KeyRing()
    ours, theirs = pair()
    seat = Seat(0, ours, Slab(1).row(0), child=Child(0, ours, 0.0))
    with ours, theirs:
        loaded = heard(ring, loaded, fetched(loaded, jwks(jwk(ED, kid="k1"))), [seat])
        message, fd = slot.receive(theirs) or (None, None)
        assert isinstance(message, slot.KeysMessage)
        assert fd is not None
        keys = configuration.unpack_keys(unseal(fd, message.size, message.digest), loaded.settings)
    assert set(keys.by_issuer) == {"https://sluice.local", "https://id.example"}
    assert set(keys.named("idp").by_kid) == {"k1"}
    reloaded = configuration.reload(loaded, {}).loaded
    assert reloaded.keys.named("idp").thumbprints == loaded.keys.named("idp").thumbprints


def test_a_failure_is_told_until_keys_come(loaded: Loaded) -> None:
    ring = KeyRing()
    assert ring.describe(loaded) == [
        {"name": "idp", "keys": 0, "age_seconds": None, "until": None, "failure": "", "failed": 0}
    ]
    assert ring.heard(KeysFailed("idp", "it is down", 1000.0), None, loaded, []) is loaded
    (told,) = ring.describe(loaded)
    assert (told["failure"], told["failed"]) == ("it is down", 1000)
    kept = fetched(loaded, jwks(jwk(ED, kid="k1"), jwk(EC, kid="k2")))
    loaded = heard(ring, loaded, kept, [])
    (told,) = ring.describe(loaded)
    assert (told["keys"], told["failure"], told["until"]) == (2, "", round(kept.fetched + 86400))
    assert 10 <= told["age_seconds"] < 60
