"""Prepared statements of a session whose connection is another one at each transaction.

The session remembers each statement's text as the server was sent it; the connection, under which of the gateway's names it
has that text (gateway.session.lent). A message that names a statement which the connection does not have waits until the
gateway has prepared it there, and is sent with the name that it has there. What a client was told of its parameters and
columns must be true there as well, or the client would read the values in another way than they were meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refused, State
from gateway.session.inflight import Ask, Item, Statement
from gateway.session.lent import NOBODYS, Lent, Prepared, close
from parser.messages import frame as build

if TYPE_CHECKING:
    from gateway.session.session import Session

_CHANGED = Refused(
    State.FEATURE,
    "cached plan must not change result type",
    "The tables have changed since this statement was prepared: prepare it again.",
)
_STALE = frozenset({b"0A000", b"26000"})  # a plan of other columns; a name that is not there


def parse(s: Session, lent: Lent, frame: bytes, item: Item) -> None:
    """Sends the client's Parse under a name of our own."""
    statement = item.statement
    assert statement is not None, "it was just made"
    statement.sent = frame[len(item.name) + 6 :]
    statement.turn, statement.key = lent.turn, lent.key(statement.sent)
    if item.name:
        frame = _prepare(s, lent, statement, item)
    s.to_server.append(frame)
    _clear(s, lent)


def _prepare(s: Session, lent: Lent, statement: Statement, item: Item) -> bytes:
    prepared = item.prepared = lent.make(lent.key(statement.sent), s.epoch)
    return build(b"P", prepared.name + b"\0" + statement.sent)


def _clear(s: Session, lent: Lent) -> None:
    """Closes what the connection has too much."""
    for prepared in lent.closing:
        item = s.ask(Ask.CLOSE)
        item.own = True
        item.prepared = prepared
        s.to_server.append(close(prepared.name))
    lent.closing.clear()


def ready(s: Session, lent: Lent, name: bytes, statement: Statement, *, describes: bool = False) -> bool:
    """Whether a message that names this statement can go out. If not the server is asked, and the message waits."""
    if not name and statement.turn is lent.turn:
        return True
    prepared = _found(lent, statement)
    told = None if describes else statement.told
    if prepared is not None and prepared.epoch not in (-1, s.epoch):
        return False
    if prepared is not None and (told is None or prepared.row is not None):
        return True
    if prepared is None:
        item = s.ask(Ask.PARSE)
        item.own, item.rulings = True, statement.script.rulings
        s.to_server.append(_prepare(s, lent, statement, item))
        prepared = item.prepared
        assert prepared is not None
        _clear(s, lent)
    if told is not None:
        item = s.ask(Ask.DESCRIBE_STATEMENT)
        item.own = item.hidden = True
        item.prepared = prepared
        s.to_server.append(build(b"D", b"S" + prepared.name + b"\0"))
    return False


def _found(lent: Lent, statement: Statement) -> Prepared | None:
    if statement.turn is lent.turn and (own := lent.find(statement.key)) is not None:
        return own
    found = lent.find((statement.sent, None))
    return lent.find((statement.sent, lent.turn)) if found is None and lent.local else found


def objection(lent: Lent, name: bytes, statement: Statement) -> Refused | None:
    """Why a statement that is ready must not be run all the same."""
    if statement.told is None or (not name and statement.turn is lent.turn):
        return None
    prepared = _found(lent, statement)
    known = prepared is not None and (prepared.parameters, prepared.row) == (statement.described, statement.told)
    return None if known else _CHANGED


def named(lent: Lent, frame: bytes, at: int, statement: Statement | None, item: Item) -> bytes:
    """The message with the name that the statement has on this connection, in place of the client's name at `at`."""
    end = frame.find(0, at)
    name = frame[at:end]
    if not name and (statement is None or statement.turn is lent.turn):
        return frame
    prepared = item.prepared = _found(lent, statement) if statement is not None else None
    item.known_as = name
    ours = prepared.name if prepared is not None else NOBODYS
    return build(frame[:1], frame[5:at] + ours + frame[end:])


def confirmed(item: Item) -> None:
    """ParseComplete."""
    if item.prepared is not None:
        item.prepared.epoch = -1


def described(item: Item, row: bytes) -> None:
    """A statement's columns, b"" for none."""
    if item.prepared is not None:
        item.prepared.row = row
    if item.statement is not None:
        item.statement.told = row


def abandoned(lent: Lent, item: Item) -> None:
    """The message failed or was skipped."""
    if item.prepared is None:
        return
    if item.ask == Ask.PARSE:
        lent.forget(item.prepared)
    elif item.ask == Ask.CLOSE:
        lent.closing.append(item.prepared)


def failed(lent: Lent, item: Item, frame: bytes) -> bytes:
    """An ErrorResponse in which a statement has the client's name. What the server does not take any more is forgotten."""
    prepared = item.prepared
    at = frame.find(b"\0C", 5)
    if prepared is not None and item.ask != Ask.PARSE and frame[at + 2 : at + 7] in _STALE:
        lent.forget(prepared)
        lent.closing.append(prepared)
    ours = b'"' + (prepared.name if prepared is not None else NOBODYS) + b'"'
    if not item.known_as or ours not in frame:
        return frame
    return build(frame[:1], frame[5:].replace(ours, b'"' + item.known_as + b'"'))
