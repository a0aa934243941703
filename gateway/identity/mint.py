"""Tokens of the local issuer: for demos, scripts, and houses without an identity provider."""

from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.identity.declaration import CLAIM
from gateway.issuers import Issuer


def mint(
    private_key: bytes,
    issuer: Issuer,
    user: str,
    groups: Sequence[str],
    actors: Sequence[str],
    now: float,
    ttl_seconds: int,
    token_id: str,
    *,
    model: str = "",
    run: str = "",
    intent: str = "",
) -> str:
    """A signed token for `user`, valid from `now` (POSIX seconds) for `ttl_seconds`.

    `private_key` is PEM (PKCS #8); `actors` is the chain of agents, outermost first (RFC 8693 `act`); claims
    are named as `issuer` says. `model` and `run` tell of the outermost agent, or of the user where there is none;
    `intent` is what the session will do, as `gateway.identity.declaration.read_text` takes it. Raises ValueError when
    the key is not one of the kinds that `gateway.identity.keys` accepts.
    """
    key = load_pem_private_key(private_key, password=None)
    if isinstance(key, Ed25519PrivateKey):
        algorithm = "EdDSA"
    elif isinstance(key, EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        algorithm = "ES256"
    elif isinstance(key, RSAPrivateKey):
        algorithm = "RS256"
    else:
        raise ValueError("the key is not Ed25519, P-256 or RSA")
    claims: dict[str, Any] = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "iat": int(now),
        "exp": int(now) + ttl_seconds,
        "jti": token_id,
        issuer.user_claim: user,
    }
    if groups:
        claims[issuer.groups_claim] = list(groups)
    chain: dict[str, Any] | None = None
    for actor in reversed(actors):
        chain = {"sub": actor} if chain is None else {"sub": actor, "act": chain}
    if chain is not None:
        claims[issuer.actor_claim] = chain
    (claims if chain is None else chain).update({key: one for key, one in (("model", model), ("run", run)) if one})
    if intent:
        claims[CLAIM] = intent
    return jwt.encode(claims, key, algorithm=algorithm)
