"""Who calls a verb: the token of SLUICE_TOKEN, else the one that `sluice login` has kept."""

from collections.abc import Mapping
from typing import Final

from workers import token_cache
from workers.token_cache import Unusable

VARIABLE: Final = "SLUICE_TOKEN"
SPARE_SECONDS: Final = 60.0  # a token that ends sooner is renewed first


class NotSignedIn(Exception):
    """There is no token that could be given: one line that says why and how to come by one."""


def token(environ: Mapping[str, str], now: float) -> str:
    """The caller's token, not verified: whoever takes it does that. `now` in POSIX seconds. Raises NotSignedIn."""
    given = environ.get(VARIABLE, "").strip()
    if given:
        return given
    try:
        kept = token_cache.read(environ)
    except Unusable as error:
        raise NotSignedIn(str(error)) from error
    if kept is None:
        raise NotSignedIn(f"nobody is signed in: run `sluice login`, or set {VARIABLE}")
    if kept.expires <= now:
        raise NotSignedIn("the sign-in has expired: run `sluice login`")
    return kept.token
