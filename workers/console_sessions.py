"""Who is signed in at the console: in this process's memory alone, as long as the token counts and somebody is there.

What the browser holds is a random name, new at each sign-in; here is its SHA-256. The token is looked at again whenever keys
or files have changed, and who is barred at every request.
"""

import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from gateway.identity.authentication import Authentication
from gateway.identity.keys import IssuerKeys
from gateway.identity.principal import Principal
from workers.admin_calls import Turned, who_is
from workers.admin_process import Desk

IDLE_SECONDS: Final = 1800.0
SESSIONS_MAX: Final = 2048
PERSON_MAX: Final = 16  # sessions of one person; the oldest goes
log = logging.getLogger("sluice.console")


@dataclass(slots=True)
class Session:
    """One browser. `csrf` is in its pages' forms."""

    who: Principal
    token: str = field(repr=False)
    csrf: str = field(repr=False)
    keys: IssuerKeys = field(repr=False)
    seen: float
    ended: bool = False

    @property
    def person(self) -> tuple[str, str]:
        """User and issuer."""
        return self.who.user, self.who.issuer


class Sessions:
    """See the module."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, token: str, facts: Authentication | None = None) -> tuple[str, Session]:
        """Signs somebody in; also the name that the browser keeps. `facts`: what an ID token says of it. Raises Turned."""
        now = self._clock()
        who = who_is(self._desk, token, now)
        if who.actors:
            raise Turned(HTTPStatus.FORBIDDEN, "an agent decides nothing", "Sign in as yourself.")
        if who.expires <= now:
            raise Turned(HTTPStatus.UNAUTHORIZED, "the token has expired", "Get a new one.")
        if facts is not None:
            who = replace(who, authentication=facts)
        name = secrets.token_urlsafe(32)
        session = Session(who, token, secrets.token_urlsafe(32), self._desk.loaded.keys, now)
        self._make_room(session)
        self._sessions[_digest(name)] = session
        return name, session

    def find(self, name: str, *, by_itself: bool = False) -> Session | None:
        """Whose name that is; somebody is there, unless the page asks by itself."""
        session = self._sessions.get(_digest(name)) if name else None
        if session is None or not self.alive(session):
            return None
        if not by_itself:
            session.seen = self._clock()
        return session

    def alive(self, session: Session) -> bool:
        """Whether it goes on; if not, it is gone."""
        good = self._counts(session)
        if not good:
            self.end(session)
        return good

    def end(self, session: Session) -> None:
        """Signs out."""
        self._drop([key for key, one in self._sessions.items() if one is session])

    def _counts(self, session: Session) -> bool:
        now, loaded = self._clock(), self._desk.loaded
        if session.ended or now >= session.who.expires or now - session.seen > IDLE_SECONDS:
            return False
        if self._desk.bars.of(session.who, now) is not None:
            return False
        if session.keys is not loaded.keys:
            try:
                who_is(self._desk, session.token, now)
            except Turned:
                return False
            session.keys = loaded.keys
        return True

    def _make_room(self, newcomer: Session) -> None:
        now = self._clock()
        self._drop([key for key, one in self._sessions.items() if now >= one.who.expires])
        own = [key for key, one in self._sessions.items() if one.person == newcomer.person]
        self._drop(own[: max(0, len(own) + 1 - PERSON_MAX)])
        self._drop(list(self._sessions)[: max(0, len(self._sessions) + 1 - SESSIONS_MAX)])

    def _drop(self, keys: list[bytes]) -> None:
        for key in keys:
            self._sessions.pop(key).ended = True


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()
