"""Who, or what, is behind a session: made once at sign-in, frozen, and passed on."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.identity.authentication import Authentication
from gateway.identity.declaration import Declaration

Method = Literal["token", "oauthbearer", "certificate", "scram"]  # the door somebody came in by


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified person or machine and the chain of agents acting for it (RFC 8693 `act`, outermost first)."""

    user: str
    issuer: str  # the configured name of the issuer or certificate rule; of credentials see gateway.settings
    groups: tuple[str, ...]
    actors: tuple[str, ...]
    expires: float  # POSIX seconds: the end of the token, certificate or credential
    token_id: str  # jti, or the first 16 hex digits of the token's or certificate's SHA-256
    model: str = ""  # which model the agent says it is, and which run or task it is on
    run: str = ""
    intent: Declaration | None = None  # what it says that it is about to do
    account: "Principal | None" = None  # whose session it is, where that works for this one (gateway.identity.end_user)
    method: Method = "token"
    weak: bool = False  # proven by something that a server must keep and that is used over and over
    authentication: Authentication | None = None  # how and when it signed in at the issuer, where that says so
    key: str = field(default="", compare=False)  # thumbprint of the issuer's key that signed the token, or of the verifier
