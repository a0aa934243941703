"""Tokens that cannot be read: their issuer is asked about them (OAuth 2.0 Token Introspection, RFC 7662).

What it answers is judged as the claims of a signed token are; the answer came over TLS from the configured address, which
takes the signature's place.
"""

import hashlib
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.identity import claims
from gateway.identity.kinds import OWN_TOKEN, refuse, refuse_stranger
from gateway.identity.principal import Principal
from gateway.issuers import Issuer

REMEMBERED_SECONDS: Final = 60.0  # for which a good answer counts, and never past the token's exp
_LIMIT: Final = 4096


def issuer_for(token: str, issuers: Sequence[Issuer]) -> Issuer | None:
    """Which issuer is to be asked about a token: the one that is asked at all, where the token cannot be read, or can and
    says that it is of this one, which has no keys that are known."""
    if not token or len(token) > claims.TOKEN_BYTES_MAX or not token.isascii() or not token.isprintable():
        return None
    asked = next((one for one in issuers if one.introspection), None)
    if asked is None or token.count(".") != 2:
        return asked
    return asked if not asked.has_keys and claims.said_by(token).get("iss") == asked.issuer else None


def principal(answer: Mapping[str, Any], token: str, issuer: Issuer, now: float) -> Principal:
    """Who the token's bearer is by the issuer's answer. Raises Refusal."""
    if answer.get("active") is not True:
        refuse_stranger()
    said = {"iat": int(now), "iss": issuer.issuer, **answer}
    if issuer.kind == "okta" and "cid" not in said:
        said["cid"] = said.get("client_id")
    if said["iss"] != issuer.issuer:
        refuse("the token is of another issuer", OWN_TOKEN)
    if "cnf" in said:
        refuse("the token is bound to a proof of possession, which only a readable one can show", OWN_TOKEN)
    return claims.principal_of(said, token, issuer, now)


class Asked:
    """Tokens that an issuer has vouched for, by SHA-256; the oldest goes first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, token: str, principal: Principal, now: float) -> None:
        """The issuer has just said whose it is."""
        self._known[_digest(token)] = principal, min(principal.expires, now + REMEMBERED_SECONDS)
        if len(self._known) > _LIMIT:
            self._known.popitem(last=False)

    def find(self, token: str, now: float) -> Principal | None:
        """Whose it is, where that is known and fresh."""
        digest = _digest(token)
        principal, until = self._known.get(digest, (None, 0.0))
        if principal is not None and now >= until:
            del self._known[digest]
            return None
        return principal


def is_of(principal: Principal, user: str) -> bool:
    """Whether the start-up packet's user is this one."""
    return principal.user == unicodedata.normalize("NFC", user)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
