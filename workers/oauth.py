"""Signing in at an identity provider as a program without secrets (OAuth 2.0): the device authorization grant (RFC 8628),
codes and refresh tokens for tokens, and giving them back (RFC 7009).

Tokens come over TLS from the provider itself, so what they say is believed here; the gateway verifies them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import trio

from gateway.identity import claims
from gateway.identity.kinds import claim_at
from gateway.issuers import url_fault
from workers import discovery, http_out
from workers.http_out import NotReached
from workers.token_cache import KeptSignIn

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL_SECONDS: Final = 5.0  # between two questions, where the provider names none, and by how much slow_down adds
DEVICE_SECONDS_MAX: Final = 1800.0
SCOPES: Final = ("openid", "profile", "email", "offline_access")
CONSOLE_SCOPES: Final = ("openid", "profile", "email")  # a sign-in at the console ends with its token
_DESCRIPTION_CHARACTERS_MAX: Final = 200


class SignInFailed(Exception):
    """Nobody is signed in: one line that says why, without anything secret."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where to sign in, and as which program. `metadata` is the discovery document."""

    issuer: str
    client_id: str
    metadata: Mapping[str, Any] = field(repr=False)
    client_secret: str = field(default="", repr=False)
    ca_file: str = ""
    scope: str = ""
    id_token: bool = False  # whether the gateway wants the ID token
    user_claim: str = "sub"

    def endpoint(self, name: str) -> str:
        """One of its addresses. Raises NotReached."""
        return discovery.endpoint(dict(self.metadata), name)

    def who(self) -> dict[str, str]:
        """What each request says of the program."""
        return {"client_id": self.client_id} | ({"client_secret": self.client_secret} if self.client_secret else {})


def scope_of(metadata: Mapping[str, Any], more: tuple[str, ...] = (), usually: tuple[str, ...] = SCOPES) -> str:
    """The usual scopes that the provider knows, as far as it says which it does, and more."""
    known = metadata.get("scopes_supported")
    usual = [one for one in usually if not isinstance(known, list) or one in known]
    return " ".join(dict.fromkeys([*usual, *more]))


async def by_device(provider: Provider, show: Callable[[str, str], object]) -> KeptSignIn:
    """Signs in somebody who says yes in a browser elsewhere; `show` is told the address and the code. Raises SignInFailed
    and NotReached."""
    form = provider.who() | {"scope": provider.scope}
    begun = _answer(await http_out.ask(provider.endpoint("device_authorization_endpoint"), form, ca_file=provider.ca_file))
    device_code, user_code, where = (begun.get(name) for name in ("device_code", "user_code", "verification_uri"))
    complete = begun.get("verification_uri_complete")
    where = complete if isinstance(complete, str) else where
    if not (isinstance(device_code, str) and isinstance(user_code, str) and isinstance(where, str)):
        raise SignInFailed("the provider's answer has no code")
    if url_fault(where) or not user_code.isprintable():
        raise SignInFailed("the provider's answer names no address that can be opened")
    show(where, user_code)
    seconds = min(_seconds(begun.get("expires_in"), DEVICE_SECONDS_MAX), DEVICE_SECONDS_MAX)
    with trio.move_on_after(seconds):
        return await _poll(provider, device_code, _seconds(begun.get("interval"), INTERVAL_SECONDS))
    raise SignInFailed("nobody has confirmed the sign-in in time; run `sluice login` again")


async def _poll(provider: Provider, device_code: str, interval: float) -> KeptSignIn:
    form = provider.who() | {"grant_type": DEVICE_CODE, "device_code": device_code}
    while True:
        await trio.sleep(interval)
        try:
            answer = await http_out.ask(provider.endpoint("token_endpoint"), form, ca_file=provider.ca_file)
        except NotReached:  # RFC 8628, 3.5: asked less often where it does not answer
            interval = min(interval * 2, 60.0)
            continue
        error = answer.object().get("error") if answer.status != 200 else None
        if error == "authorization_pending":
            continue
        if error == "slow_down":
            interval += INTERVAL_SECONDS
            continue
        return _kept(provider, _answer(answer))


async def by_code(provider: Provider, code: str, verifier: str, redirect_uri: str, nonce: str) -> KeptSignIn:
    """Signs in with a code that a browser brought. Raises SignInFailed and NotReached."""
    return _kept(provider, await tokens_for(provider, code, verifier, redirect_uri, nonce))


async def tokens_for(
    provider: Provider, code: str, verifier: str, redirect_uri: str, nonce: str
) -> dict[str, Any]:
    """The tokens for a code (RFC 6749, 4.1.3, with PKCE). Raises SignInFailed and NotReached."""
    form = provider.who() | {"grant_type": "authorization_code", "code": code}
    form |= {"code_verifier": verifier, "redirect_uri": redirect_uri}
    tokens = _answer(await http_out.ask(provider.endpoint("token_endpoint"), form, ca_file=provider.ca_file))
    said = claims.said_by(str(tokens.get("id_token", "")))
    if "openid" in provider.scope.split() or said:
        audience = said.get("aud")
        mine = audience == provider.client_id or (isinstance(audience, list) and provider.client_id in audience)
        if said.get("nonce") != nonce or said.get("iss") != provider.issuer or not mine:
            raise SignInFailed("the provider's ID token is not the answer to this sign-in")
    return tokens


async def renewed(kept: KeptSignIn) -> KeptSignIn:
    """The sign-in with a new token. Raises SignInFailed where it must be done anew, and NotReached."""
    provider = Provider(
        kept.issuer, kept.client_id, {"token_endpoint": kept.token_endpoint}, kept.client_secret, kept.ca_file,
        id_token=kept.id_token, user_claim=kept.user_claim,
    )  # fmt: skip
    form = provider.who() | {"grant_type": "refresh_token", "refresh_token": kept.refresh_token}
    fresh = _kept(provider, _answer(await http_out.ask(provider.endpoint("token_endpoint"), form, ca_file=kept.ca_file)))
    if fresh.user and fresh.user != kept.user:
        raise SignInFailed("the provider's new token is for another user; run `sluice login`")
    return msgspec.structs.replace(
        kept, token=fresh.token, expires=fresh.expires, refresh_token=fresh.refresh_token or kept.refresh_token
    )


async def revoke(kept: KeptSignIn) -> None:
    """Tells the provider that these tokens are not needed any more, where it wants to know. Raises NotReached."""
    if kept.revocation_endpoint:
        form = {"client_id": kept.client_id, "token": kept.refresh_token or kept.token}
        if kept.client_secret:
            form["client_secret"] = kept.client_secret
        (await http_out.ask(kept.revocation_endpoint, form, ca_file=kept.ca_file)).good()


def _answer(answer: http_out.Answer) -> dict[str, Any]:
    """What the provider granted. Raises SignInFailed with its words where it did not."""
    said = answer.object()
    if answer.status == 200 and "error" not in said:
        return said
    error = {
        "access_denied": "it was denied",
        "expired_token": "nobody has confirmed it in time",
        "invalid_grant": "it has ended at the provider",
    }.get(str(said.get("error")), f"{answer.host} answers {_plain(said.get('error'))} (status {answer.status})")
    told = _plain(said.get("error_description"))
    raise SignInFailed(f"{error}{told and f': {told}'}; run `sluice login`")


def _kept(provider: Provider, tokens: Mapping[str, Any]) -> KeptSignIn:
    token = tokens.get("id_token" if provider.id_token else "access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        wanted = "an ID token" if provider.id_token else "an access token"
        raise SignInFailed(f"the provider's answer has not {wanted}")
    said = claims.said_by(token)
    user = claim_at(said, provider.user_claim) or claim_at(claims.said_by(str(tokens.get("id_token"))), provider.user_claim)
    ends = said.get("exp")
    lasts = time.time() + _seconds(tokens.get("expires_in"), 300.0)
    refresh_token, revocation = tokens.get("refresh_token"), provider.metadata.get("revocation_endpoint")
    return KeptSignIn(
        issuer=provider.issuer,
        client_id=provider.client_id,
        token_endpoint=provider.endpoint("token_endpoint"),
        token=token,
        expires=float(ends) if isinstance(ends, int) else lasts,
        user=user if isinstance(user, str) else "",
        refresh_token=refresh_token if isinstance(refresh_token, str) else "",
        revocation_endpoint=revocation if isinstance(revocation, str) and not url_fault(revocation) else "",
        client_secret=provider.client_secret,
        id_token=provider.id_token,
        user_claim=provider.user_claim,
        ca_file=provider.ca_file,
    )


def _seconds(value: Any, otherwise: float) -> float:
    """A length of time as providers write it: a number, or its digits."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return otherwise
    return found if 0 < found < 1e9 else otherwise


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(char for char in text if char.isprintable())[:_DESCRIPTION_CHARACTERS_MAX]
