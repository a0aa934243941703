"""Who calls a verb: the token of SLUICE_TOKEN, else the one that `sluice login` has kept, renewed when it ends soon."""

from collections.abc import Mapping
from typing import Final

from workers import token_cache
from workers.token_cache import KeptSignIn, Unusable

VARIABLE: Final = "SLUICE_TOKEN"
SPARE_SECONDS: Final = 60.0  # a token that ends sooner is renewed first


class NotSignedIn(Exception):
    """There is no token that could be given: one line that says why and how to come by one."""


def token(environ: Mapping[str, str], now: float) -> str:
    """The caller's token, not verified: whoever takes it does that. `now` in POSIX seconds. Raises NotSignedIn."""
    return environ.get(VARIABLE, "").strip() or kept(environ, now).token


def kept(environ: Mapping[str, str], now: float) -> KeptSignIn:
    """The kept sign-in, with a token that lasts at least a moment. Raises NotSignedIn."""
    try:
        found = token_cache.read(environ)
        if found is not None and found.expires <= now + SPARE_SECONDS and found.refresh_token:
            with token_cache.locked(environ):
                found = _renewed(environ, now)
    except (Unusable, OSError) as error:
        raise NotSignedIn(str(error)) from error
    if found is None:
        raise NotSignedIn(f"nobody is signed in: run `sluice login`, or set {VARIABLE}")
    if found.expires <= now:
        raise NotSignedIn("the sign-in has expired: run `sluice login`")
    return found


def _renewed(environ: Mapping[str, str], now: float) -> KeptSignIn | None:
    """Called by one process at a time: another may have done it meanwhile."""
    import trio

    from workers import oauth
    from workers.http_out import NotReached
    from workers.oauth import SignInFailed

    found = token_cache.read(environ)
    if found is None or found.expires > now + SPARE_SECONDS or not found.refresh_token:
        return found
    try:
        found = trio.run(oauth.renewed, found)
    except (NotReached, SignInFailed) as error:
        if found.expires > now:  # it counts for a moment yet
            return found
        raise NotSignedIn(f"the sign-in has expired and could not be renewed: {error}") from error
    token_cache.write(found, environ)
    return found
