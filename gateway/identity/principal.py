"""Who, or what, is behind a session: made once at sign-in, frozen, and passed on."""

from dataclasses import dataclass, field

from gateway.identity.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified person or machine and the chain of agents acting for it (RFC 8693 `act`, outermost first)."""

    user: str
    issuer: str  # the issuer's configured name
    groups: tuple[str, ...]
    actors: tuple[str, ...]
    expires: float  # POSIX seconds: the token's exp
    token_id: str  # jti, or the first 16 hex digits of the token's SHA-256
    model: str = ""  # which model the agent says it is, and which run or task it is on
    run: str = ""
    intent: Declaration | None = None  # what it says that it is about to do
    account: "Principal | None" = None  # whose session it is, where that works for this one (gateway.identity.end_user)
    key: str = field(default="", compare=False)  # the thumbprint of the issuer's key that signed the token; "": none did
