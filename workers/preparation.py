"""What a sign-in waits for before it is decided: a key that its issuer may have published just now, or the issuer's word on
a token that only it can read."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from gateway.errors import Refused, State, Unavailable
from gateway.identity import claims, introspection
from gateway.identity.keys import IssuerKeys
from gateway.identity.kinds import refuse
from gateway.identity.principal import Method, Principal
from gateway.issuers import Issuer
from workers import introspection_link
from workers.introspection_link import NotAsked
from workers.missing_keys import MissingKeys
from workers.slot import KeysWanted, Slot, send


class Preparation:
    """Of one worker's sign-ins."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._missing = MissingKeys(self._want)
        self._asked = introspection.Asked()

    def moved(self) -> None:
        """New keys are there."""
        self._missing.moved()

    def waits(self, token: str, keys: IssuerKeys) -> bool:
        """Whether a sign-in with this token has to wait for an issuer."""
        asked = introspection.issuer_for(token, self._slot.settings.issuers)
        return asked is not None or claims.wants_keys(token, keys) is not None

    async def key(self, token: str, keys: Callable[[], IssuerKeys]) -> None:
        """Waits for the token's key, where it is worth it. `keys`: those that are there."""
        missing = claims.wants_keys(token, keys())
        if missing is None:
            return
        await self._missing.wait(*missing)
        if claims.wants_keys(token, keys()) is not None:
            self._missing.did_not_come(*missing)

    async def word(self, token: str, user: str) -> None:
        """Waits for its issuer's word, where the token needs that. Raises Refusal, also where it is not `user`'s."""
        issuer = introspection.issuer_for(token, self._slot.settings.issuers)
        if issuer is None:
            return
        found = self._asked.find(token, time.time()) or await self._ask(token, issuer)
        if not introspection.is_of(found, user):
            refuse("the token belongs to another user", "Connect as the user the token was issued to.")

    def vouched(self, token: str, user: str, method: Method) -> Principal | None:
        """Whose the token is by its issuer's word of a moment ago, where it is `user`'s."""
        found = self._asked.find(token, time.time()) if len(self._asked) else None
        return replace(found, method=method) if found is not None and introspection.is_of(found, user) else None

    async def _ask(self, token: str, issuer: Issuer) -> Principal:
        try:
            answer = await introspection_link.ask(self._slot.run_dir, token)
        except NotAsked as error:
            why = Refused(State.NOT_SIGNED_IN, f"sign-in refused: {error}", "Try again in a moment.")
            raise Unavailable(why) from error
        now = time.time()
        found = introspection.principal(answer, token, issuer, now)
        self._asked.learn(token, found, now)
        return found

    def _want(self, issuer: str) -> None:
        with contextlib.suppress(OSError):  # the supervisor has more to do; it is asked again in a minute
            send(self._slot.control, KeysWanted(issuer))
