"""SASL OAUTHBEARER (RFC 7628) as the server's side: the client's first message read, and the error that answers it.

libpq 18 connects twice: a connection with an empty token asks where tokens come from, reads the answer in the error, and the
next connection brings one (manual, chapter 51).
"""

import json
import unicodedata
from typing import Final

from gateway.errors import Refusal, Refused, State
from gateway.issuers import Issuer

MECHANISM: Final = "OAUTHBEARER"
DUMMY: Final = b"\x01"  # what a client says to an error before it reads the last word (section 3.2.3)
WELL_KNOWN: Final = "/.well-known/openid-configuration"
_HINT: Final = "Sign in with a client that speaks OAUTHBEARER (libpq 18 or later)."


def read(message: bytes, user: str) -> str:
    """The token of the client's first message, "" where it asks for discovery. Raises Refusal (08P01, 28000)."""
    try:
        text = message.decode("ascii")
    except UnicodeDecodeError:
        raise malformed("it is not ASCII") from None
    header, separator, rest = text.partition("\x01")
    if not separator or not rest.endswith("\x01"):
        raise malformed("its parts do not end as they should")
    _check_header(header, user)
    pairs: dict[str, str] = {}
    if rest != "\x01":
        if not rest.endswith("\x01\x01"):
            raise malformed("its parts do not end as they should")
        for pair in rest[:-2].split("\x01"):
            name, equals, value = pair.partition("=")
            if not equals or not (name.isascii() and name.isalpha()) or name in pairs:
                raise malformed("its fields are not names with values, each once")
            pairs[name] = value
    if "auth" not in pairs:
        raise malformed("it lacks the field auth")
    return _token(pairs["auth"])


def _check_header(header: str, user: str) -> None:
    """The GS2 header (RFC 5801): no channel binding, and no identity but the start-up packet's."""
    flag, comma, rest = header.partition(",")
    authzid, end, more = rest.partition(",")
    if flag.startswith("p="):
        raise Refusal(Refused(State.PROTOCOL, "OAUTHBEARER binds to no channel", "Connect with channel_binding=prefer."))
    if flag not in ("n", "y") or not comma or not end or more:
        raise malformed("its GS2 header is not one")
    if not authzid:
        return
    if not authzid.startswith("a="):
        raise malformed("its GS2 header is not one")
    named = authzid[2:].replace("=2C", ",").replace("=3D", "=")
    if unicodedata.normalize("NFC", named) != unicodedata.normalize("NFC", user):
        why = "sign-in refused: the SASL message names another user than the start-up packet"
        raise Refusal(Refused(State.NOT_SIGNED_IN, why, "Leave the authorization identity empty."))


def _token(value: str) -> str:
    """RFC 6750, section 2.1: the scheme in any case, one or more blanks, the token."""
    if not value:
        return ""
    scheme, blank, token = value.partition(" ")
    token = token.lstrip(" ")
    if scheme.lower() != "bearer" or not blank or not token:
        raise malformed("its field auth is not a bearer token")
    return token


def malformed(why: str) -> Refusal:
    """What a client reads whose message is none."""
    return Refusal(Refused(State.PROTOCOL, f"malformed OAUTHBEARER message: {why}", _HINT))


def error(issuer: Issuer) -> bytes:
    """Where a token is to be had, and that the one given, if any, does not count (section 3.2.2)."""
    told = {"status": "invalid_token", "openid-configuration": discovery(issuer), "scope": issuer.scope}
    return json.dumps(told).encode()


def discovery(issuer: Issuer) -> str:
    """Where the issuer describes itself (OpenID Connect Discovery 1.0, section 4)."""
    return issuer.discovery or issuer.issuer.rstrip("/") + WELL_KNOWN
