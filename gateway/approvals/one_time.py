"""Links in messages that lead to one request's page: signed for one reader, expiring, good for one decision.

Whoever opens a link is shown the page and has to sign in; programs that follow links in mail decide nothing, and use nothing
up, because looking is not deciding.
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from gateway.approvals.signatures import Unproven

_TOKEN_CHARACTERS_MAX: Final = 1024
_MAC_BYTES: Final = 32


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link says."""

    request: str
    reader: str  # the address it was sent to
    until: int  # POSIX seconds
    nonce: str


class Links:
    """Makes and knows them. `key` is the installation's own."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"sluice one-time links", hashlib.sha256).digest()
        self._spent: dict[str, int] = {}

    def make(self, request: str, reader: str, until: float, nonce: str) -> str:
        """The token of a new link."""
        content = msgspec.json.encode(Link(request, reader, int(until), nonce))
        return encoded(self._mac(content) + content)

    def read(self, token: str, request: str, now: float) -> Link:
        """For showing the page, as often as one likes. Raises Unproven."""
        link = self._link(token)
        if link.request != request:
            raise Unproven("the link is of another request")
        if now >= link.until:
            raise Unproven("the link has expired")
        if link.nonce in self._spent:
            raise Unproven("the link was used already")
        return link

    def spend(self, token: str, request: str, now: float) -> Link:
        """For the decision, once. Raises Unproven."""
        link = self.read(token, request, now)
        self._spent = {nonce: until for nonce, until in self._spent.items() if until > now}
        self._spent[link.nonce] = link.until
        return link

    def _link(self, token: str) -> Link:
        try:
            if len(token) > _TOKEN_CHARACTERS_MAX:
                raise ValueError
            content = decoded(token)
        except ValueError:
            raise Unproven("the link cannot be read") from None
        if not hmac.compare_digest(self._mac(content[_MAC_BYTES:]), content[:_MAC_BYTES]):
            raise Unproven("the link is not of this gateway")
        return msgspec.json.decode(content[_MAC_BYTES:], type=Link)

    def _mac(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).digest()


def encoded(content: bytes) -> str:
    """base64url without padding, for addresses and cookies."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Raises ValueError."""
    raw = text.encode("ascii")
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
