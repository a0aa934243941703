"""What docs/issuers.md shows is so: its configurations load, and its sample tokens sign in."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.identity.claims import verify
from gateway.identity.kinds import claim_at
from gateway.issuers import Issuer
from gateway.settings import load

from .token_rig import NOW, RSA, jwk, jwks, read, token

PAGE = (Path(__file__).parents[3] / "docs" / "issuers.md").read_text()
BLOCKS = re.findall(r"```(toml|json)\n(.*?)```", PAGE, re.DOTALL)


def issuers() -> dict[str, Issuer]:
    found: dict[str, Issuer] = {}
    for kind, text in BLOCKS:
        if kind == "toml":
            found |= {one.name: one for one in load(text, "sluice.toml", {}).issuers}
    return found


def samples() -> list[dict[str, Any]]:
    decoder, found = json.JSONDecoder(), []
    for text in (text for kind, text in BLOCKS if kind == "json"):
        rest = text.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            found.append(value)
            rest = rest[end:].strip()
    return found


def test_every_kind_has_a_configuration_and_a_token() -> None:
    kinds = {one.kind for one in issuers().values()}
    assert kinds == set(msgspec.inspect.type_info(Issuer).fields[3].type.values)
    assert len(samples()) == len(kinds) - 1, "but for oidc, whose tokens are as they are"


@pytest.mark.parametrize("claims", samples(), ids=lambda claims: claims["iss"])
def test_a_sample_token_signs_in(claims: dict[str, Any]) -> None:
    (issuer,) = [one for one in issuers().values() if one.issuer == claims["iss"]]
    known = msgspec.structs.replace(issuer, discovery="", jwks_file="k")
    header = {"alg": "RS256", "kid": "k1"}
    user = str(claim_at(claims, issuer.user_claim))
    found = verify(token(claims, header, RSA, "RS256"), user, read(jwks(jwk(RSA, kid="k1")), known), NOW)
    assert found.user == user
