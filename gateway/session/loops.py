"""Statements that go round in circles: the same refused one again, and pages or keys one by one.

Of a statement on which loop rules speak its shape is known, and of its literals and parameters the digests (those of the
audit). A trail is what one principal did of one shape under one rule, as far back as the rule looks; a worker keeps some of
them, and the one that was not gone on for longest makes room.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gateway.audit.literals import DIGEST_BYTES
from gateway.errors import Refused, State
from gateway.policy.rules import LOOP_AFTER, LOOP_WINDOW_SECONDS, Guardrail
from gateway.session.inflight import Wanted

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session
    from parser.facts import Facts

TRAILS_MAX: Final = 1024  # of one worker
BEYOND_MAX: Final = 16  # steps that are remembered beyond those that a rule allows
PAUSE_SECONDS: Final = 0.5  # the first one; each is twice the one before
PAUSE_SECONDS_MAX: Final = 30.0
_SECOND: Final = 10**9
_STRICTNESS: Final = {"slow": 0, "hold": 1, "deny": 2, "stop": 3}
_PLACE: Final = re.compile(r"\$(\d+)")
_OFFSET: Final = re.compile(r"\boffset\s*\(*\s*\$(\d+)", re.IGNORECASE)
_ASK_ONCE: Final = "Ask once with the condition that you need."


class Later(Exception):
    """The client's frame waits."""


class Trail:
    """The steps of one principal, of one shape, under one rule: each with when it was made last, the oldest first."""

    __slots__ = ("_made", "_steps")

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._made = 0

    def to(self, step: int | None, now: int, since: int, most: int, *, stays: bool) -> int:
        """How many steps there are with this one, 0 where it is an old one. None: it is always a new one. `stays`: it is
        remembered, even where it is `most` or more; else only below that."""
        steps = self._steps
        while steps and next(iter(steps.values())) < since:
            del steps[next(iter(steps))]
        if step is None:
            self._made += 1
            step = self._made
        elif steps.pop(step, None) is not None:
            steps[step] = now
            return 0
        count = len(steps) + 1
        if count < most or stays:
            steps[step] = now
            if len(steps) >= most + BEYOND_MAX:
                del steps[next(iter(steps))]
        return count


class Trails:
    """Those of one worker."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Trail] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def trail(self, who: Hashable, rule: str, shape: str) -> Trail:
        """The trail of one principal."""
        key = (who, rule, shape)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= TRAILS_MAX:
                self._known.popitem(last=False)
            found = self._known[key] = Trail()
        self._known.move_to_end(key)
        return found


class Loops(Protocol):
    """What a session asks about whom it works for."""

    def trail(self, rule: str, shape: str) -> Trail:
        """The trail of its principal."""

    def stop(self, rule: str) -> None:
        """The rule ends the session, and what else its principal does."""


class _Seen(NamedTuple):
    rail: Guardrail
    times: int
    words: str


def look(
    s: Session, rulings: tuple[Ruling, ...], refused: Refused | None, literals: tuple[bytes, ...]
) -> Refused | None:
    """What becomes of a client's statements that are refused so, or not. Raises Later where they are to wait; what is looked
    at again after that is not counted again."""
    worst: _Seen | None = None
    for index, ruling in enumerate(rulings):
        for rail in ruling.decision.loops:
            seen = _step(s, rail, ruling.facts, refused, literals[index] if literals else b"")
            if seen is not None and (worst is None or _STRICTNESS[rail.effect] > _STRICTNESS[worst.rail.effect]):
                worst = seen
    if worst is None:
        return refused
    if worst.rail.effect == "slow":
        _pause(s, worst)
    said = _refusal(worst, refused)
    if worst.rail.effect == "stop":
        assert s.loops is not None
        s.loops.stop(worst.rail.name)
        s.end(said)
    return said


def _step(s: Session, rail: Guardrail, facts: Facts, refused: Refused | None, digests: bytes) -> _Seen | None:
    """What a rule has seen once it has seen enough."""
    assert s.loops is not None
    assert rail.loop is not None
    if (refused is not None) is not (rail.loop == "denied"):
        return None
    step = None
    if rail.loop == "keys":
        step = hash(digests)
    elif rail.loop == "offset":
        place = _offset(facts, len(digests) // DIGEST_BYTES)
        step = hash(digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]) if place >= 0 else None
    if rail.loop != "denied" and (step is None or not digests):
        return None
    most = rail.after or LOOP_AFTER[rail.loop]
    since = s.now - int((rail.window_seconds or LOOP_WINDOW_SECONDS) * _SECOND)
    trail = s.loops.trail(rail.name, facts.fingerprint)
    count = trail.to(step, s.now, since, most, stays=rail.loop == "denied" or rail.effect == "slow")
    return _Seen(rail, count, _words(rail.loop, count)) if count >= most else None


def _words(loop: str, count: int) -> str:
    if loop == "denied":
        return f"the same refused statement {count} times"
    return f"one statement with {count} different {'OFFSETs' if loop == 'offset' else 'values'}"


def _offset(facts: Facts, digests: int) -> int:
    """Which of so many digests, those of the literals and then those of the parameters, is the OFFSET's; -1 for none."""
    found = _OFFSET.search(facts.shape)
    if found is None:
        return -1
    number = int(found[1])
    parameters = digests - facts.literal_count
    if number <= parameters:
        return facts.literal_count + number - 1
    last = max(map(int, _PLACE.findall(facts.shape)))
    place = facts.literal_count - 1 - (last - number)  # lists of literals before it are one place in the shape
    return place if 0 <= place < digests else -1


def _pause(s: Session, seen: _Seen) -> None:
    rail, most = seen.rail, seen.rail.after or LOOP_AFTER[seen.rail.loop or "keys"]
    seconds = min(PAUSE_SECONDS * 2.0 ** (seen.times - most), PAUSE_SECONDS_MAX)
    hint = _ASK_ONCE if rail.loop != "denied" else "Read the refusal's hint and change the statement."
    s.warn(f'slowed by guardrail "{rail.name}": {_said(seen)}; this one waits for {seconds:g} seconds. {hint}')
    s.wanted = Wanted(b"", pause_seconds=seconds)
    s.paused = True
    raise Later


def _said(seen: _Seen) -> str:
    return f"{seen.words} ({seen.rail.message})" if seen.rail.message else seen.words


def _refusal(seen: _Seen, before: Refused | None) -> Refused:
    rail = seen.rail
    done = {"deny": "denied", "hold": "held", "stop": "stopped"}[rail.effect]
    message = f'{done} by guardrail "{rail.name}": {_said(seen)}'
    if rail.effect == "hold":
        message += " (it needs an approval, which nobody can give here)"
    hint = _ASK_ONCE
    if before is not None:
        message += f"; it was {before.message}"
        hint = f"Read the refusal's hint and change the statement: {before.hint}"
    return Refused(State.SHUTDOWN if rail.effect == "stop" else State.DENIED, message, hint, rail.name)
