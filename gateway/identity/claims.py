"""Signing in: a token becomes a Principal, or nothing does.

RFC 7519 read narrowly: the algorithm comes from the issuer's key, `iss` and `aud` are equal
strings, times are whole numbers, no name occurs twice, base64url has one spelling. What a header says of keys
(jku, x5u, jwk, x5c) is not looked at; any `crit` is refused. A token that is bound to a client certificate (RFC 8705)
counts on a connection with that certificate alone.

Before a signature is verified a refusal speaks of the token's spelling alone, so that a stranger learns neither issuers nor
keys; whoever gives a token with a good signature is told exactly why it does not count.
"""

import base64
import binascii
import hashlib
import hmac
import json
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from jwt import InvalidTokenError, PyJWS

from gateway.errors import Refusal
from gateway.identity import authentication, declaration, kinds
from gateway.identity.keys import IssuerKey, IssuerKeys, KeySet, is_kid
from gateway.identity.kinds import OWN_TOKEN, refuse, refuse_stranger
from gateway.identity.principal import Method, Principal
from gateway.issuers import Issuer

TOKEN_BYTES_MAX = 8192
LEEWAY_SECONDS = 30
LIFE_SECONDS_MAX = 366 * 86400
ACTORS_MAX = 16
_NAME_CHARACTERS_MAX = 512
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_VERIFIERS = {name: PyJWS(algorithms=[name]) for name in ("EdDSA", "ES256", "PS256", "RS256")}


@dataclass(frozen=True, slots=True)
class Presented:
    """How a token came: the door, and the SHA-256 of the client certificate of its connection (b"": none)."""

    method: Method = "token"
    thumbprint: bytes = b""


BY_TOKEN = Presented()
# Who it is, the SHA-256 of the certificate that the token is bound to (None: to none), and until when that counts.
_Known = tuple[Principal, bytes | None, float]


def verify(
    token: str, user: str | None, keys: IssuerKeys, now: float, presented: Presented = BY_TOKEN
) -> Principal:
    """The principal behind `token`, signing in as `user` (the start-up packet's) at `now` (POSIX seconds).

    Raises Refusal (28P01); the text says what is wrong without quoting the token. The user claim and `user`
    must be the same text in NFC, with upper and lower case told apart; None: whoever it is the token of.
    """
    return _verify(token, user, keys, now, presented)[0]


def _verify(
    token: str, user: str | None, keys: IssuerKeys, now: float, presented: Presented
) -> _Known:
    """As `verify`, with all that is remembered."""
    claims, key_set, key = signed(token, keys, now)
    principal = principal_of(claims, token, key_set.issuer, now)
    if user is not None and principal.user != unicodedata.normalize("NFC", user):
        refuse("the token belongs to another user", "Connect as the user the token was issued to.")
    bound = _bound(claims)
    _check_bound(bound, presented)
    return replace(principal, key=key.thumbprint, method=presented.method), bound, min(principal.expires, key_set.until)


def signed(token: str, keys: IssuerKeys, now: float) -> tuple[Mapping[str, Any], KeySet, IssuerKey]:
    """What a token says that a configured issuer has signed; whom it is for, and when, is not looked at. Raises Refusal."""
    header, claims = _read(token)
    _check_header(header)
    found = _key(header, claims, keys)
    if found is None or not _is_signed(token, header, found[1]):
        refuse_stranger()
    key_set, key = found
    _check_fresh(key_set, now)
    return claims, key_set, key


def principal_of(claims: Mapping[str, Any], token: str, issuer: Issuer, now: float) -> Principal:
    """Who that is by claims that are proven to be the issuer's. Raises Refusal where they do not let anybody in."""
    check_times(claims, now)
    kinds.check(claims, issuer)
    named = _name(kinds.claim_at(claims, issuer.user_claim), "the user claim")
    token_id = claims.get("jti")
    actor = claims.get(issuer.actor_claim)
    return Principal(
        user=named,
        issuer=issuer.name,
        groups=_groups(kinds.groups_of(claims, issuer)),
        actors=_actors(actor),
        expires=float(claims["exp"]),
        token_id=token_id if is_kid(token_id) else hashlib.sha256(token.encode()).hexdigest()[:16],
        model=_told(claims, actor, ("model",)),
        run=_told(claims, actor, ("run", "run_id", "task")),
        intent=_intent(claims.get(declaration.CLAIM)),
        authentication=authentication.of_claims(claims),
    )


def said_by(token: str) -> Mapping[str, Any]:
    """What a token claims, for whom it was given to; nothing of it is proven. Empty where it is not one to be read."""
    try:
        return _read(token)[1]
    except Refusal:
        return {}


def wants_keys(token: str, keys: IssuerKeys) -> tuple[str, str] | None:
    """The issuer by its configured name, and the kid, where a token names a key that its issuer may have published since
    its keys were fetched. Nothing of the token is proven."""
    try:
        header, claims = _read(token)
    except Refusal:
        return None
    key_set = _issuer_keys(header, claims, keys)
    if key_set is None or not key_set.issuer.fetches_keys or key_set.find(header.get("kid")) is not None:
        return None
    return key_set.issuer.name, str(header.get("kid", ""))


class VerifiedTokens:
    """Tokens verified before, by SHA-256, as long as they and the keys last. Holds at most `limit`; the
    longest unused goes first."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._keys: IssuerKeys | None = None
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(
        self, token: str, user: str | None, keys: IssuerKeys, now: float, presented: Presented = BY_TOKEN
    ) -> Principal | None:
        """The principal of a token that was verified before and counts here, so that nothing need be computed; else None.
        Another `keys` object forgets everything."""
        if keys is not self._keys:
            self._keys = keys
            self._known.clear()
        digest = _digest(token)
        known = self._known.get(digest)
        if known is None or not _counts(known, user, now, presented):
            if known is not None and known[2] <= now:
                del self._known[digest]
            return None
        self._known.move_to_end(digest)
        return _through(known[0], presented)

    def verify(
        self, token: str, user: str | None, keys: IssuerKeys, now: float, presented: Presented = BY_TOKEN
    ) -> Principal:
        """As `verify` above, remembering."""
        found = self.find(token, user, keys, now, presented)
        if found is not None:
            return found
        known = _verify(token, user, keys, now, presented)
        self._known[_digest(token)] = known
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return known[0]


def _counts(known: _Known, user: str | None, now: float, presented: Presented) -> bool:
    principal, bound, until = known
    return until > now and user in (None, principal.user) and bound in (None, presented.thumbprint)


def _through(principal: Principal, presented: Presented) -> Principal:
    return principal if principal.method == presented.method else replace(principal, method=presented.method)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, still unverified."""
    if not token:
        refuse("no token was given", OWN_TOKEN)
    if len(token) > TOKEN_BYTES_MAX:
        refuse(f"the token is longer than {TOKEN_BYTES_MAX} bytes", OWN_TOKEN)
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError
        header, claims, _ = (_segment(part) for part in parts)
        return _object(header), _object(claims)
    except (ValueError, RecursionError):
        pass
    refuse("that is not a readable token", OWN_TOKEN)


def _segment(part: str) -> bytes:
    """base64url without padding, in its one canonical spelling: else bits of the last character could change
    unseen."""
    try:
        raw = part.encode("ascii")
        content = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError from error
    if base64.urlsafe_b64encode(content).rstrip(b"=") != raw:
        raise ValueError
    return content


def _object(content: bytes) -> dict[str, Any]:
    value = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - the caller maps every unreadable token to one refusal
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError
    return names


def _no_constant(_: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are not JSON


def _issuer_keys(header: dict[str, Any], claims: dict[str, Any], keys: IssuerKeys) -> KeySet | None:
    issuer, kid = claims.get("iss"), header.get("kid")
    if not isinstance(issuer, str) or not (kid is None or is_kid(kid)):
        return None
    return keys.by_issuer.get(issuer)


def _key(header: dict[str, Any], claims: dict[str, Any], keys: IssuerKeys) -> tuple[KeySet, IssuerKey] | None:
    key_set = _issuer_keys(header, claims, keys)
    key = None if key_set is None else key_set.find(header.get("kid"))
    return None if key_set is None or key is None else (key_set, key)


def _check_fresh(key_set: KeySet, now: float) -> None:
    """Keys that the issuer has not confirmed for too long count no more."""
    if now >= key_set.until:
        refuse("the issuer cannot be reached, and its keys are too old", "Try again when the issuer is back.")


def _check_header(header: dict[str, Any]) -> None:
    """What the header asks for, whoever signed it."""
    kind = header.get("typ", "JWT")
    if "crit" in header or "b64" in header or "enc" in header or "zip" in header:
        refuse("the token's header asks for an extension", OWN_TOKEN)
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        refuse("the token is not an access token", OWN_TOKEN)


def _is_signed(token: str, header: dict[str, Any], key: IssuerKey) -> bool:
    if header.get("alg") != key.algorithm:
        return False
    try:
        _VERIFIERS[key.algorithm].decode(token, key.key, algorithms=[key.algorithm])
    except InvalidTokenError:
        return False
    return True


def _bound(claims: Mapping[str, Any]) -> bytes | None:
    """The confirmation claim (RFC 7800): a certificate's SHA-256 or nothing; what else it may ask for is not understood."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if isinstance(confirmation, dict) and list(confirmation) == ["x5t#S256"]:
        with suppress(ValueError, TypeError, AttributeError):
            thumbprint = _segment(confirmation["x5t#S256"])
            if len(thumbprint) == hashlib.sha256().digest_size:
                return thumbprint
    refuse("the token asks for a proof of possession other than a client certificate's")


def _check_bound(bound: bytes | None, presented: Presented) -> None:
    if bound is None or hmac.compare_digest(bound, presented.thumbprint):
        return
    hint = "Connect over TLS with the client certificate that the token was issued for."
    refuse("the token is bound to a client certificate that this connection does not have", hint)


def check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raises Refusal where the token has expired, is not valid yet, or does not say."""
    issued, expires, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    # bool is an int in Python and no time anywhere; fractions are allowed by the RFC and sent by nobody.
    if type(issued) is not int or type(expires) is not int or type(begins) is not int:
        refuse("the token lacks whole numbers for the times it was issued and expires")
    if not 0 <= issued < expires or expires - issued > LIFE_SECONDS_MAX:
        refuse("the token's lifetime is not credible")
    if expires <= now - LEEWAY_SECONDS:
        refuse("the token has expired")
    if max(issued, begins) > now + LEEWAY_SECONDS:
        refuse("the token is not valid yet")


def _name(value: object, what: str) -> str:
    if _is_plain(value):
        return unicodedata.normalize("NFC", str(value))
    refuse(f"{what} is not a plain text")


def _groups(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        refuse("the groups claim is not a list")
    return tuple(_name(group, "a group") for group in value)


def _actors(value: object) -> tuple[str, ...]:
    """The chain of RFC 8693 section 4.1, outermost (the current actor) first."""
    actors: list[str] = []
    while value is not None:
        if not isinstance(value, dict) or len(actors) == ACTORS_MAX:
            refuse("the actor claim is not a chain of at most 16 actors")
        actors.append(_name(value.get("sub"), "an actor"))
        value = value.get("act")
    return tuple(actors)


def _told(claims: Mapping[str, Any], actor: Any, names: tuple[str, ...]) -> str:
    """The first of the names that has a plain text: in the chain of actors, outermost first, then among the token's own
    claims. Other issuers may mean other things by such names, so what is no plain text is passed over."""
    while isinstance(actor, dict):
        for name in names:
            if _is_plain(actor.get(name)):
                return str(actor[name])
        actor = actor.get("act")
    return next((str(claims[name]) for name in names if _is_plain(claims.get(name))), "")


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= _NAME_CHARACTERS_MAX and value.isprintable()


def _intent(claim: object) -> declaration.Declaration | None:
    try:
        return declaration.of_claim(claim)
    except ValueError as error:
        refuse(f"the claim {declaration.CLAIM} cannot be read: {error}")
