"""Signing in at the console through an issuer: an authorization code with PKCE (RFC 7636), as a web application.

What a sign-in under way must remember - state, nonce, verifier, where to go on - is in a sealed cookie of the browser that
began it and nowhere else: strangers who begin sign-ins take none of our memory, and another browser cannot end them.
"""

import logging
import secrets
import time
from collections.abc import Mapping
from typing import Final

import msgspec
import trio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.approvals.one_time import decoded, encoded
from gateway.identity import id_token
from gateway.identity.authentication import Authentication
from gateway.issuers import Issuer
from workers import browser_login, discovery, oauth
from workers.admin_process import Desk
from workers.http_out import NotReached
from workers.oauth import Provider, SignInFailed

CALLBACK: Final = "/sign-in/callback"
FLOW_SECONDS: Final = 600
METADATA_SECONDS: Final = 600.0
MISSED_SECONDS: Final = 5.0  # before an issuer that was not reached is asked again
AT_ONCE_MAX: Final = 8  # questions to issuers
_COOKIE_CHARACTERS_MAX: Final = 4096
_NONCE_BYTES: Final = 12
_BOUND_TO: Final = b"sluice console sign-in"
log = logging.getLogger("sluice.console")


class Flow(msgspec.Struct, frozen=True, array_like=True):
    """A sign-in under way."""

    issuer: str  # by its configured name
    origin: str
    state: str
    nonce: str
    verifier: str
    onward: str  # the page to go on with
    until: float


class SignedIn(msgspec.Struct, frozen=True):
    """What came of it."""

    token: str
    facts: Authentication | None
    onward: str

    def __repr__(self) -> str:
        return "<SignedIn>"


class SignIns:
    """See the module."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._key = AESGCM(AESGCM.generate_key(256))
        self._known: dict[str, tuple[float, Mapping[str, object] | str]] = {}  # until when; discovery documents, or faults
        self._asking = trio.Semaphore(AT_ONCE_MAX)

    @property
    def issuers(self) -> list[Issuer]:
        """At which people can sign in here."""
        return [one for one in self._desk.loaded.settings.issuers if one.console_client_id]

    async def begin(self, name: str, origin: str, onward: str, more: Mapping[str, str]) -> tuple[str, str]:
        """The address to send the browser to, and the cookie that it must bring back. `more`: how fresh or strong. Raises
        SignInFailed and NotReached."""
        issuer = next((one for one in self.issuers if one.name == name), None)
        if issuer is None:
            raise SignInFailed("nobody can sign in here at an issuer of this name")
        provider = await self._provider(issuer)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = Flow(name, origin, state, nonce, verifier, onward, time.time() + FLOW_SECONDS)
        url = browser_login.question(provider, origin + CALLBACK, state, nonce, verifier, more)
        return url, self._sealed(flow)

    async def finish(self, cookie: str, origin: str, pairs: Mapping[str, str]) -> SignedIn:
        """What the browser brought from the issuer, exchanged for tokens. Raises SignInFailed and NotReached."""
        flow = self._flow(cookie)
        issuer = next((one for one in self.issuers if flow is not None and one.name == flow.issuer), None)
        if flow is None or issuer is None or flow.origin != origin or time.time() >= flow.until:
            raise SignInFailed("no sign-in of this browser is under way; begin again")
        provider = await self._provider(issuer)
        code = browser_login.code_of(provider, pairs, flow.state)
        async with self._slot():
            tokens = await oauth.tokens_for(provider, code, flow.verifier, origin + CALLBACK, flow.nonce)
        token, said = tokens.get("id_token" if provider.id_token else "access_token"), tokens.get("id_token")
        if not isinstance(token, str):
            raise SignInFailed("the issuer's answer has no token")
        keys, now = self._desk.loaded.keys, time.time()
        facts = None
        if isinstance(said, str):
            facts = id_token.authentication_of(said, keys, issuer.issuer, provider.client_id, flow.nonce, now)
        return SignedIn(token, facts, flow.onward)

    async def _provider(self, issuer: Issuer) -> Provider:
        loaded = self._desk.loaded
        ca_file = str(loaded.folder / issuer.ca_file) if issuer.ca_file else ""
        metadata = await self._metadata(issuer, ca_file)
        return Provider(
            issuer=issuer.issuer,
            client_id=issuer.console_client_id,
            metadata=metadata,
            client_secret=loaded.secrets.console_secrets.get(issuer.name, ""),
            ca_file=ca_file,
            scope=oauth.scope_of(metadata, (*issuer.scope.split(), *issuer.scopes), oauth.CONSOLE_SCOPES),
            id_token=issuer.kind == "google",
            user_claim=issuer.user_claim,
        )

    async def _metadata(self, issuer: Issuer, ca_file: str) -> Mapping[str, object]:
        """Its discovery document, asked for now and then. Raises NotReached."""
        until, known = self._known.get(issuer.name, (0.0, ""))
        if trio.current_time() >= until:
            async with self._slot():
                try:
                    known, lasts = await discovery.document(issuer.discovery, issuer.issuer, ca_file), METADATA_SECONDS
                except NotReached as missed:
                    known, lasts = str(missed), MISSED_SECONDS
            self._known[issuer.name] = trio.current_time() + lasts, known
        if isinstance(known, str):
            raise NotReached(known)
        return known

    def _slot(self) -> trio.Semaphore:
        if self._asking.value == 0:
            raise NotReached("too many sign-ins at once; try again in a moment")
        return self._asking

    def _sealed(self, flow: Flow) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return encoded(nonce + self._key.encrypt(nonce, msgspec.msgpack.encode(flow), _BOUND_TO))

    def _flow(self, cookie: str) -> Flow | None:
        if not cookie or len(cookie) > _COOKIE_CHARACTERS_MAX:
            return None
        try:
            raw = decoded(cookie)
            content = self._key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _BOUND_TO)
        except (ValueError, InvalidTag):
            return None
        return msgspec.msgpack.decode(content, type=Flow)
