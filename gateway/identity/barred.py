"""Who is kept out for now: tokens that are revoked, users that are locked, agents that are stopped.

Names are compared as they stand in a verified token, in NFC. A bar without an issuer counts for all of them; a stopped agent
is any actor of a chain, for all users or (`user`) for one.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from gateway.errors import Refused, State
from gateway.identity.principal import Principal

BARS_MAX: Final = 100_000
Kind = Literal["token", "user", "actor"]
Key = tuple[Kind, str, str, str]


class Bar(msgspec.Struct, frozen=True):
    """One that is kept out: by whom, why, and until when."""

    kind: Kind
    name: str  # the token's id, the user or the actor
    issuer: str = ""  # of the user or the token; "": any
    user: str = ""  # of an actor: whose agent is stopped; "": whoever it acts for
    by: str = ""
    reason: str = ""
    since: float = 0.0  # POSIX seconds
    until: float = 0.0  # 0: until it is lifted

    @property
    def key(self) -> Key:
        """Of two bars with one key the later one counts."""
        return self.kind, self.name, self.issuer, self.user

    def over(self, now: float) -> bool:
        """Whether its time has passed."""
        return bool(self.until) and now >= self.until


class Full(Exception):
    """There are as many bars as there may be."""


class Bars:
    """All that are in force. Those whose time is over are as good as gone, and leave with `expire`."""

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        self._bars: dict[Key, Bar] = {bar.key: bar for bar in bars}

    def __len__(self) -> int:
        return len(self._bars)

    def __iter__(self) -> Iterator[Bar]:
        return iter(self._bars.values())

    def put(self, bar: Bar, now: float) -> None:
        """Raises Full. A bar that there is already takes no place."""
        if bar.key not in self._bars and len(self._bars) >= BARS_MAX:
            self.expire(now)
            if len(self._bars) >= BARS_MAX:
                raise Full(f"there are {BARS_MAX} bars already: lift some, or let them end by themselves")
        self._bars[bar.key] = bar

    def move(self, put: Iterable[Bar], lift: Iterable[Key], now: float) -> None:
        """Both at once. Raises Full."""
        for key in lift:
            self._bars.pop(key, None)
        for bar in put:
            self.put(bar, now)

    def lift(self, key: Key) -> Bar | None:
        """The bar that was there."""
        return self._bars.pop(key, None)

    def expire(self, now: float) -> int:
        """Forgets those whose time has passed; how many these were."""
        passed = [key for key, bar in self._bars.items() if bar.over(now)]
        for key in passed:
            del self._bars[key]
        return len(passed)

    def of(self, who: Principal, now: float) -> Bar | None:
        """What keeps this principal out, or the account that works for it, if anything does."""
        if not self._bars:
            return None
        for key in _keys(who):
            bar = self._bars.get(key)
            if bar is not None and not bar.over(now):
                return bar
        return self.of(who.account, now) if who.account is not None else None


def pack(bars: Bars) -> bytes:
    """All of them as they travel, and as they are kept."""
    return msgspec.msgpack.encode(list(bars))


def unpack(content: bytes) -> Bars:
    """What `pack` made. Raises ValueError."""
    return Bars(msgspec.msgpack.decode(content, type=list[Bar]))


def _keys(who: Principal) -> Iterator[Key]:
    yield "token", who.token_id, "", ""
    yield "token", who.token_id, who.issuer, ""
    yield "user", who.user, "", ""
    yield "user", who.user, who.issuer, ""
    for actor in who.actors:
        yield "actor", actor, "", ""
        yield "actor", actor, "", who.user
        yield "actor", actor, who.issuer, who.user


_WORDS: Final[dict[str, tuple[str, str]]] = {
    "token": ("the token was revoked", "Get a new token and connect again."),
    "user": ('user "{name}" is locked', "Ask an operator of the gateway."),
    "actor": ('agent "{name}" is stopped', "Do not connect again before an operator has let the agent go on."),
}


def refusal(bar: Bar) -> Refused:
    """What the one who is kept out reads, at sign-in and at the end of a session; who has proven to be it may know."""
    words, hint = _WORDS[bar.kind]
    why = f": {bar.reason}" if bar.reason else ""
    return Refused(State.NOT_SIGNED_IN, words.format(name=bar.name) + why, hint, f"barred {bar.kind}")
