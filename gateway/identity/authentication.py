"""How and when somebody signed in at the issuer, as far as its tokens say: OpenID Connect's auth_time, acr and amr.

What is none of those is left out, never refused: it is needed where a decision demands a fresh or strong sign-in alone, and
what is not said does not count there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

METHODS_MAX: Final = 16
_CHARACTERS_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Authentication:
    """`time`: POSIX seconds, 0 where the issuer did not say; `acr`: the class of it; `amr`: its methods (RFC 8176)."""

    time: int = 0
    acr: str = ""
    amr: tuple[str, ...] = ()


def of_claims(claims: Mapping[str, Any]) -> Authentication | None:
    """None where they say nothing of it."""
    time, acr, amr = claims.get("auth_time"), claims.get("acr"), claims.get("amr")
    found = Authentication(
        time if type(time) is int and time > 0 else 0,
        _word(acr),
        tuple(word for one in amr if (word := _word(one)))[:METHODS_MAX] if isinstance(amr, list) else (),
    )
    return found if found != Authentication() else None


def _word(value: Any) -> str:
    plain = isinstance(value, str) and len(value) <= _CHARACTERS_MAX and value.isprintable()
    return str(value) if plain else ""
