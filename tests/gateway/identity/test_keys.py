"""Which key files are taken, and which algorithm each key is bound to."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from gateway.errors import ConfigError, Refusal
from gateway.identity import keys
from gateway.identity.claims import VerifiedTokens, verify, wants_keys
from gateway.identity.keys import FetchedSet, source_of
from gateway.issuers import Issuer

from .token_rig import EC, ED, ISSUER, NOW, OTHER_ED, RSA, RSA_WEAK, jwk, jwks, pem, private_pem, read, token


def only(content: bytes) -> Any:
    found = read(content).by_issuer[ISSUER.issuer].only
    assert found is not None
    return found.algorithm


@pytest.mark.parametrize(
    ("content", "algorithm"),
    [
        (pem(ED), "EdDSA"),
        (pem(EC), "ES256"),
        (pem(RSA), "RS256"),
        (jwks(jwk(ED)), "EdDSA"),
        (jwks(jwk(ED, alg="Ed25519")), "EdDSA"),
        (jwks(jwk(EC)), "ES256"),
        (jwks(jwk(RSA)), "RS256"),
        (jwks(jwk(RSA, alg="RS256")), "RS256"),
        (jwks(jwk(RSA, alg="PS256")), "PS256"),
        (b"  \n" + jwks(jwk(EC, kid="x", x5c=["ignored"], use="sig")), "ES256"),
    ],
)
def test_each_key_is_bound_to_one_algorithm(content: bytes, algorithm: str) -> None:
    assert only(content) == algorithm


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        private_pem(ED),
        private_pem(RSA) + pem(RSA),
        pem(RSA_WEAK),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ed448.Ed448PrivateKey.generate()),
        b"{",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b'{"keys": ' + b"[" * 100_000,
        jwks({"kty": "oct", "k": "c2VjcmV0"}),
        jwks({"kty": "OKP", "crv": "Ed25519", "x": 5}),
        jwks({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        jwks({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        jwks({"kty": "RSA", "n": "AAAA", "e": "AQAB"}),
        jwks({"kty": ["RSA"]}),
        jwks(jwk(RSA, alg="HS256")),
        jwks(jwk(RSA, alg="RS384")),
        jwks(jwk(RSA, alg=["RS256"])),
        jwks(jwk(ED, alg="ES256")),
        jwks(jwk(EC, use="enc")),
        jwks(jwk(ED, d="AAAA")),
        jwks(jwk(ED, kid="same"), jwk(OTHER_ED, kid="same")),
        jwks(jwk(ED, kid=7)),
        jwks(jwk(ED, kid="k" * 129)),
        jwks(*[jwk(ED, kid=str(number)) for number in range(65)]),
        b" " * 262145,
    ],
)
def test_a_file_without_a_usable_public_key_is_a_clear_fault(content: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert str(caught.value).startswith('local.pub: issuer "local": ')
    assert "PRIVATE" not in str(caught.value)


def test_keys_for_other_purposes_are_passed_over() -> None:
    content = jwks(
        jwk(RSA, kid="enc", use="enc"),
        {"kty": "oct", "k": "AAAA"},
        jwk(ED, kid="sig"),
        jwk(RSA, alg="RSA-OAEP"),
    )
    found = read(content).by_issuer[ISSUER.issuer]
    assert set(found.by_kid) == {"sig"}
    assert found.find("enc") is None
    assert found.find(None) is not None


def test_without_a_kid_a_token_fits_only_where_there_is_one_key() -> None:
    several = read(jwks(jwk(ED, kid="a"), jwk(EC, kid="b"))).by_issuer[ISSUER.issuer]
    assert several.find(None) is None
    assert several.find("b") is not None
    single = read(pem(ED)).by_issuer[ISSUER.issuer]
    assert single.find(None) is single.find("any") is not None


def test_two_issuers_of_one_text_are_refused() -> None:
    other = Issuer(name="other", issuer=ISSUER.issuer, audience="x", key_file="o.pub")
    files = {"local": ("local.pub", pem(ED)), "other": ("o.pub", pem(EC))}
    with pytest.raises(ConfigError, match="same `issuer`"):
        keys.read([ISSUER, other], files)


def test_each_issuer_has_its_own_keys() -> None:
    other = Issuer(name="other", issuer="https://other", audience="x", key_file="o.pub")
    found = keys.read(
        [ISSUER, other], {"local": ("l", pem(ED)), "other": ("o", json.dumps({"keys": [jwk(EC)]}).encode())}
    )
    assert found.by_issuer["https://other"].only.algorithm == "ES256"
    assert found.by_issuer[ISSUER.issuer].only.algorithm == "EdDSA"


FETCHED = msgspec.structs.replace(ISSUER, key_file="", jwks_url="https://id.example/keys")


def test_fetched_keys_count_until_they_are_too_old() -> None:
    found = FetchedSet(source_of(FETCHED), jwks(jwk(ED, kid="k1")), NOW)
    all_keys = keys.read([FETCHED], {}, {"local": found})
    signed = token(header={"alg": "EdDSA", "kid": "k1"})
    known = VerifiedTokens()
    assert known.verify(signed, "alice", all_keys, NOW + 3000).user == "alice"
    late = msgspec.structs.replace(FETCHED, keys_stale_seconds=3100.0)
    for verified in (known.verify, VerifiedTokens().verify):
        with pytest.raises(Refusal, match="keys are too old"):
            verified(signed, "alice", keys.read([late], {}, {"local": found}), NOW + 3100)


def test_a_remembered_token_counts_no_longer_than_its_issuers_keys() -> None:
    found = FetchedSet(source_of(FETCHED), jwks(jwk(ED, kid="k1")), NOW)
    all_keys = keys.read([msgspec.structs.replace(FETCHED, keys_stale_seconds=60.0)], {}, {"local": found})
    signed = token(header={"alg": "EdDSA", "kid": "k1"})
    known = VerifiedTokens()
    known.verify(signed, "alice", all_keys, NOW)
    with pytest.raises(Refusal, match="keys are too old"):
        known.verify(signed, "alice", all_keys, NOW + 60)


def test_an_issuer_without_its_keys_yet_asks_for_patience() -> None:
    empty = keys.read([FETCHED], {})
    with pytest.raises(Refusal, match="not signed by a key") as caught:
        verify(token(), "alice", empty, NOW)
    assert caught.value.refused.hint.endswith("try again in a moment.")


def test_a_set_that_was_fetched_from_elsewhere_is_not_the_issuers() -> None:
    moved = msgspec.structs.replace(FETCHED, jwks_url="https://other.example/keys")
    found = FetchedSet(source_of(moved), jwks(jwk(ED)), NOW)
    assert keys.read([FETCHED], {}, {"local": found}).by_issuer[ISSUER.issuer].only is None


def test_which_issuer_wants_newer_keys_is_read_from_the_token() -> None:
    found = FetchedSet(source_of(FETCHED), jwks(jwk(ED, kid="k1"), jwk(OTHER_ED, kid="k2")), NOW)
    all_keys = keys.read([FETCHED], {}, {"local": found})
    assert wants_keys(token(header={"alg": "EdDSA", "kid": "k3"}), all_keys) == ("local", "k3")
    assert wants_keys(token(header={"alg": "EdDSA"}), all_keys) == ("local", "")
    assert wants_keys(token(header={"alg": "EdDSA", "kid": "k1"}), all_keys) is None
    assert wants_keys("nonsense", all_keys) is None
    assert wants_keys(token(header={"alg": "EdDSA", "kid": "k3"}), read(jwks(jwk(ED, kid="k1")))) is None


def test_a_key_is_told_from_others_by_what_it_is() -> None:
    before = read(jwks(jwk(ED, kid="k1"), jwk(OTHER_ED, kid="k2")))
    principal = verify(token(header={"alg": "EdDSA", "kid": "k1"}), "alice", before, NOW)
    assert principal.key in before.thumbprints()
    assert principal.key in read(jwks(jwk(ED, kid="renamed"))).thumbprints()
    assert principal.key not in read(jwks(jwk(OTHER_ED, kid="k1"))).thumbprints()


def test_keys_for_other_algorithms_than_the_issuers_are_not_there() -> None:
    only = msgspec.structs.replace(ISSUER, algorithms=("ES256",))
    assert list(read(jwks(jwk(ED, kid="a"), jwk(EC, kid="b")), only).by_issuer[ISSUER.issuer].by_kid) == ["b"]
    with pytest.raises(ConfigError, match="no key for ES256 signatures"):
        read(jwks(jwk(ED, kid="a")), only)
    with pytest.raises(ConfigError, match="not in algorithms"):
        read(pem(ED), only)
