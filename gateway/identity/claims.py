"""Signing in: a token becomes a Principal, or nothing does.

RFC 7519 read narrowly: the algorithm comes from the issuer's key, `iss` and `aud` are equal
strings, times are whole numbers, no name occurs twice, base64url has one spelling. What a header says of keys
(jku, x5u, jwk, x5c) is not looked at; any `crit` is refused.
"""

import base64
import binascii
import hashlib
import json
import unicodedata
from collections import OrderedDict
from typing import Any, NoReturn

from jwt import InvalidTokenError, PyJWS

from gateway.errors import Refusal, Refused, State
from gateway.identity import declaration
from gateway.identity.keys import IssuerKey, IssuerKeys, KeySet, is_kid
from gateway.identity.principal import Principal

TOKEN_BYTES_MAX = 8192
LEEWAY_SECONDS = 30
LIFE_SECONDS_MAX = 366 * 86400
ACTORS_MAX = 16
_NAME_CHARACTERS_MAX = 512
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_VERIFIERS = {name: PyJWS(algorithms=[name]) for name in ("EdDSA", "ES256", "PS256", "RS256")}
_NEW_TOKEN = "Get a new token and give it as the password."  # noqa: S105 - a hint
_OWN_TOKEN = "Give a token of a configured issuer as the password."  # noqa: S105 - a hint


def verify(token: str, user: str | None, keys: IssuerKeys, now: float) -> Principal:
    """The principal behind `token`, signing in as `user` (the start-up packet's) at `now` (POSIX seconds).

    Raises Refusal (28P01); the text says what is wrong without quoting the token. The user claim and `user`
    must be the same text in NFC, with upper and lower case told apart; None: whoever it is the token of.
    """
    header, claims = _read(token)
    found = _key(header, claims, keys)
    if found is None:
        _refuse("the token is not signed by a configured issuer", _OWN_TOKEN)
    key_set, key = found
    _check_signature(token, header, key)
    _check_times(claims, now)
    issuer = key_set.issuer
    if claims.get("aud") != issuer.audience:
        _refuse("the token is for another audience", "Ask the issuer for a token for this gateway.")
    if issuer.user_claim == "email" and claims.get("email_verified") is False:
        _refuse("the token's e-mail address is not verified", "Verify the address at the issuer.")
    named = _name(claims.get(issuer.user_claim), "the user claim")
    if user is not None and named != unicodedata.normalize("NFC", user):
        _refuse("the token belongs to another user", "Connect as the user the token was issued to.")
    token_id = claims.get("jti")
    actor = claims.get(issuer.actor_claim)
    return Principal(
        user=named,
        issuer=issuer.name,
        groups=_groups(claims.get(issuer.groups_claim)),
        actors=_actors(actor),
        expires=float(claims["exp"]),
        token_id=token_id if is_kid(token_id) else hashlib.sha256(token.encode()).hexdigest()[:16],
        model=_told(claims, actor, ("model",)),
        run=_told(claims, actor, ("run", "run_id", "task")),
        intent=_intent(claims.get(declaration.CLAIM)),
        key=key.thumbprint,
    )


class VerifiedTokens:
    """Tokens verified before, by SHA-256, as long as they and the keys last. Holds at most `limit`; the
    longest unused goes first."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._keys: IssuerKeys | None = None
        self._principals: OrderedDict[bytes, Principal] = OrderedDict()

    def __len__(self) -> int:
        return len(self._principals)

    def __contains__(self, token: str) -> bool:
        """Whether it was verified before, so that verifying it again is a look."""
        return _digest(token) in self._principals

    def verify(self, token: str, user: str | None, keys: IssuerKeys, now: float) -> Principal:
        """As `verify` above, remembering. Another `keys` object forgets everything."""
        if keys is not self._keys:
            self._keys = keys
            self._principals.clear()
        digest = _digest(token)
        known = self._principals.pop(digest, None)
        if known is None or known.expires <= now or (user is not None and known.user != user):
            known = verify(token, user, keys, now)
        self._principals[digest] = known
        if len(self._principals) > self._limit:
            self._principals.popitem(last=False)
        return known


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _refuse(why: str, hint: str = _NEW_TOKEN) -> NoReturn:
    raise Refusal(Refused(State.BAD_TOKEN, f"sign-in refused: {why}", hint, "sign-in"))


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, still unverified."""
    if not token:
        _refuse("no token was given", _OWN_TOKEN)
    if len(token) > TOKEN_BYTES_MAX:
        _refuse(f"the token is longer than {TOKEN_BYTES_MAX} bytes", _OWN_TOKEN)
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError
        header, claims, _ = (_segment(part) for part in parts)
        return _object(header), _object(claims)
    except (ValueError, RecursionError):
        pass
    _refuse("the password is not a readable token", _OWN_TOKEN)


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


def _key(header: dict[str, Any], claims: dict[str, Any], keys: IssuerKeys) -> tuple[KeySet, IssuerKey] | None:
    issuer, kid = claims.get("iss"), header.get("kid")
    if not isinstance(issuer, str) or not (kid is None or is_kid(kid)):
        return None
    key_set = keys.by_issuer.get(issuer)
    if key_set is None:
        return None
    key = key_set.find(kid)
    return None if key is None else (key_set, key)


def _check_signature(token: str, header: dict[str, Any], key: IssuerKey) -> None:
    kind = header.get("typ", "JWT")
    if "crit" in header or "b64" in header or "enc" in header or "zip" in header:
        _refuse("the token's header asks for an extension", _OWN_TOKEN)
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        _refuse("the token is not an access token", _OWN_TOKEN)
    if header.get("alg") == key.algorithm:
        try:
            _VERIFIERS[key.algorithm].decode(token, key.key, algorithms=[key.algorithm])
            return
        except InvalidTokenError:
            pass
    _refuse("the token's signature does not verify", _OWN_TOKEN)


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    # bool is an int in Python and no time anywhere; fractions are allowed by the RFC and sent by nobody.
    if type(issued) is not int or type(expires) is not int or type(begins) is not int:
        _refuse("the token lacks whole numbers for the times it was issued and expires")
    if not 0 <= issued < expires or expires - issued > LIFE_SECONDS_MAX:
        _refuse("the token's lifetime is not credible")
    if expires <= now - LEEWAY_SECONDS:
        _refuse("the token has expired")
    if max(issued, begins) > now + LEEWAY_SECONDS:
        _refuse("the token is not valid yet")


def _name(value: object, what: str) -> str:
    if _is_plain(value):
        return unicodedata.normalize("NFC", str(value))
    _refuse(f"{what} is not a plain text")


def _groups(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        _refuse("the groups claim is not a list")
    return tuple(_name(group, "a group") for group in value)


def _actors(value: object) -> tuple[str, ...]:
    """The chain of RFC 8693 section 4.1, outermost (the current actor) first."""
    actors: list[str] = []
    while value is not None:
        if not isinstance(value, dict) or len(actors) == ACTORS_MAX:
            _refuse("the actor claim is not a chain of at most 16 actors")
        actors.append(_name(value.get("sub"), "an actor"))
        value = value.get("act")
    return tuple(actors)


def _told(claims: dict[str, Any], actor: Any, names: tuple[str, ...]) -> str:
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
        _refuse(f"the claim {declaration.CLAIM} cannot be read: {error}")
