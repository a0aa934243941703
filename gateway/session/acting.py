"""A session of a shared account that works for one person after another (`gateway.identity.end_user`).

Who it works for is settled when a text is read, before it leaves: what follows in the same pipeline is decided, recorded,
masked and charged as that person's. What was asked before is answered as it was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from gateway.audit.defined import SessionCard
from gateway.errors import Refusal, Refused
from gateway.identity.end_user import MISPLACED, Named, blanked, may_name, named
from gateway.session.budgets import Purse
from gateway.session.names import Ambiguous, name_end
from parser.facts import Facts
from parser.messages import frame as build
from parser.statements import read

if TYPE_CHECKING:
    from gateway.policy.decision import Budget
    from gateway.scope import Scope, Script
    from gateway.session.session import Session

Handler = Callable[["Session", bytes], bool]


class Person:
    """Somebody whom the session works for, or the account itself: what of the session is another for each of them."""

    __slots__ = ("card", "purses", "scope", "until")

    def __init__(self, card: SessionCard, scope: Scope, until: int) -> None:
        self.card = card
        self.scope = scope
        self.until = until  # POSIX nanoseconds at which the right must be asked again
        self.purses: dict[Budget, Purse] = {}


class People(Protocol):
    """Whoever knows tokens."""

    own: Person  # the account itself

    @property
    def spent(self) -> bool:
        """Whether so many tokens were refused that no more are looked at."""

    def person(self, named: Named) -> Person:
        """Whose token it is. Raises Refusal."""

    def becomes(self, person: Person) -> None:
        """The session works for this one from now on."""


class Acting:
    """What such a session remembers."""

    __slots__ = ("now", "people")

    def __init__(self, people: People) -> None:
        self.people = people
        self.now = people.own


def handlers(query: Handler, parse: Handler, bind: Handler, execute: Handler) -> dict[int, Handler]:
    """What takes the place of these where a session may work for others."""
    return {
        ord("Q"): lambda s, frame: _query(s, frame, query),
        ord("P"): lambda s, frame: _parse(s, frame, parse),
        ord("B"): lambda s, frame: _of_statement(s, frame, bind),
        ord("E"): lambda s, frame: _of_portal(s, frame, execute),
    }


def _query(s: Session, frame: bytes, handler: Handler) -> bool:
    found = None if s.skipping else _named(s, frame[5:-1])
    if found is None:
        return handler(s, frame)
    if isinstance(found, Refused):
        return _objecting(s, frame, handler, found)
    whom, text = found
    return _as(s, build(b"Q", text + b"\0"), handler, whom)


def _parse(s: Session, frame: bytes, handler: Handler) -> bool:
    """The statement remembers whom it names."""
    behind = name_end(frame, 5)
    end = frame.find(0, behind + 1)
    found = None if s.skipping or behind < 0 or end < 0 else _named(s, frame[behind + 1 : end])
    if found is None:
        return handler(s, frame)
    if isinstance(found, Refused):
        return _objecting(s, frame, handler, found)
    whom, text = found
    before = len(s.queue)
    frame = build(b"P", frame[5 : behind + 1] + text + frame[end:])
    done = _as(s, frame, handler, whom) if whom.once else handler(s, frame)
    if done and len(s.queue) > before and (statement := s.queue[-1].statement) is not None:
        statement.named = whom
    return done


def _of_statement(s: Session, frame: bytes, handler: Handler) -> bool:
    """A Bind: its values are read as the person's of its statement."""
    begin = name_end(frame, 5) + 1
    end = name_end(frame, begin)
    if s.skipping or begin < 1 or end < 0:
        return handler(s, frame)
    try:
        statement = s.names.statement(frame[begin:end], s.epoch)
    except Ambiguous:
        return handler(s, frame)  # it waits, and is asked again
    found = statement.named if statement is not None else None
    return handler(s, frame) if found is None or not found.once else _as(s, frame, handler, found)


def _of_portal(s: Session, frame: bytes, handler: Handler) -> bool:
    """An Execute of what has named somebody when it was parsed."""
    end = name_end(frame, 5)
    if s.skipping or end < 0:
        return handler(s, frame)
    try:
        portal = s.names.portal(frame[5:end], s.epoch)
    except Ambiguous:
        return handler(s, frame)
    found = portal.statement.named if portal is not None else None
    return handler(s, frame) if found is None else _as(s, frame, handler, found)


def _as(s: Session, frame: bytes, handler: Handler, found: Named) -> bool:
    """A message that names somebody. Raises Refusal, which ends the session, where it does not become whose it should be: it
    must not go on as whoever it was before."""
    acting = s.acting
    assert acting is not None, "only such sessions come here"
    if not found.once:
        person = acting.people.person(found) if found.token else acting.people.own
        before = len(s.queue)
        if not handler(s, frame):
            return False
        refused = s.queue[-1].refused if len(s.queue) > before else None
        if refused is not None:
            raise Refusal(refused)
        become(s, acting, person)
        return True
    try:
        person = acting.people.person(found)
    except Refusal as refusal:
        if acting.people.spent:
            raise
        return _objecting(s, frame, handler, refusal.refused)
    now = acting.now
    become(s, acting, person)
    try:
        return handler(s, frame)
    finally:
        become(s, acting, now)


def settled(s: Session, acting: Acting, facts: Facts) -> None:
    """RESET ALL and DISCARD ALL have gone through: nobody stands behind the account any more."""
    if facts.kinds[0].startswith(("RESET", "DISCARD")) and any(one.name == "*" for one in facts.settings):
        become(s, acting, acting.people.own)


def become(s: Session, acting: Acting, person: Person) -> None:
    """The session works for this one from now on."""
    before = acting.now
    if person is before:
        return
    before.scope, before.until, before.purses = s.scope, s.until, s.purses
    acting.now = person
    acting.people.becomes(person)
    s.card, s.scope, s.until, s.purses = person.card, person.scope, person.until, person.purses
    s.temporaries.pass_on()


def objected(script: Script, refused: Refused) -> Script:
    """The same text, refused for whom it names, whatever it runs by name."""
    return replace(script, refused=refused, named=False, plain=False)


def _named(s: Session, sql: bytes) -> tuple[Named, bytes] | Refused | None:
    """Whom a text names, and the text without the token."""
    if not may_name(sql):
        return None
    found = named(sql, read(sql, standard_conforming_strings=s.scope.strings_conform))
    if found is None or isinstance(found, Refused):
        return found
    text = blanked(sql, found.token)
    return MISPLACED if text is None else (found, text)


def _objecting(s: Session, frame: bytes, handler: Handler, refused: Refused) -> bool:
    s.objection = refused
    try:
        return handler(s, frame)
    finally:
        s.objection = None
