"""Minted tokens sign in."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import Refusal
from gateway.identity.claims import verify
from gateway.identity.declaration import Declaration
from gateway.identity.mint import mint
from gateway.identity.principal import Principal
from gateway.issuers import Issuer

from .token_rig import EC, ED, ISSUER, NOW, RSA, pem, private_pem, read


@pytest.mark.parametrize("key", [ED, EC, RSA], ids=["Ed25519", "P-256", "RSA"])
def test_a_minted_token_signs_in_with_all_it_says(key: Any) -> None:
    made = mint(private_pem(key), ISSUER, "alice", ["a", "b"], ["outer", "inner"], NOW, 60, "id-1")
    keys = read(pem(key))
    only = keys.by_issuer[ISSUER.issuer].only
    assert only is not None
    assert verify(made, "alice", keys, NOW) == Principal(
        "alice", "local", ("a", "b"), ("outer", "inner"), NOW + 60, "id-1", key=only.thumbprint
    )


def test_model_run_and_intent_are_the_agents() -> None:
    for actors in ([], ["outer", "inner"]):
        made = mint(
            private_pem(ED), ISSUER, "alice", [], actors, NOW, 60, "id-1", model="m-5", run="r-9", intent="effect=read why"
        )
        found = verify(made, "alice", read(pem(ED)), NOW)
        assert (found.model, found.run, found.actors) == ("m-5", "r-9", tuple(actors))
        assert found.intent == Declaration("why", effect="read", source="token")


def test_claims_are_named_as_the_issuer_says() -> None:
    issuer = Issuer(
        name="x",
        issuer="i",
        audience="a",
        key_file="k",
        user_claim="upn",
        groups_claim="roles",
        actor_claim="agent",
    )
    made = mint(private_pem(ED), issuer, "zo\u00eb", ["dba"], ["agent-7"], NOW, 60, "id-1")
    found = verify(made, "zo\u00eb", read(pem(ED), issuer), NOW)
    assert (found.user, found.groups, found.actors) == ("zo\u00eb", ("dba",), ("agent-7",))


def test_a_minted_token_ends() -> None:
    made = mint(private_pem(ED), ISSUER, "alice", [], [], NOW, 60, "id-1")
    with pytest.raises(Refusal, match="expired"):
        verify(made, "alice", read(pem(ED)), NOW + 90)


@pytest.mark.parametrize("key", [private_pem(ec.generate_private_key(ec.SECP384R1())), b"nonsense", pem(ED)])
def test_a_key_of_another_kind_mints_nothing(key: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mint(key, ISSUER, "alice", [], [], NOW, 60, "id-1")
