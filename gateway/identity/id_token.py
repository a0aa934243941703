"""The ID token of a sign-in (OpenID Connect Core 1.0, 3.1.3.7): how and when somebody signed in, proven by
the issuer's key."""

import hmac
from collections.abc import Mapping
from typing import Any

from gateway.errors import Refusal
from gateway.identity import authentication, claims
from gateway.identity.authentication import Authentication
from gateway.identity.keys import IssuerKeys


def authentication_of(
    token: str, keys: IssuerKeys, issuer: str, client_id: str, nonce: str, now: float
) -> Authentication | None:
    """What it says of the sign-in with this nonce by this client; None where it is not a valid ID token of it."""
    try:
        said, key_set, _ = claims.signed(token, keys, now)
        claims.check_times(said, now)
    except Refusal:
        return None
    given = said.get("nonce")
    fresh = isinstance(given, str) and hmac.compare_digest(given.encode(), nonce.encode())
    if not fresh or key_set.issuer.issuer != issuer or not _is_for(said, client_id):
        return None
    return authentication.of_claims(said)


def _is_for(said: Mapping[str, Any], client_id: str) -> bool:
    audience = said.get("aud")
    if isinstance(audience, list):
        return client_id in audience and (audience == [client_id] or said.get("azp") == client_id)
    return bool(audience == client_id)
