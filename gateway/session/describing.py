"""What a portal or a statement returns: asked for by the client, or by us, since rows of unknown origin cannot be masked;
and that one is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.session import renaming
from gateway.session.inflight import Ask, Portal, Statement
from gateway.session.lent import NOBODYS
from gateway.session.lent import close as close_of
from gateway.session.names import NAME_BYTES_MAX, Ambiguous, name_end
from parser.errors import ProtocolError
from parser.messages import frame as build

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session


def describe_hidden(s: Session, portal: Portal) -> None:
    """The client runs a portal it has not described: its columns' origins must be known to mask them."""
    item = s.ask(Ask.DESCRIBE_PORTAL)
    item.hidden = True
    item.portal = portal
    portal.asked = True
    s.to_server.append(build(b"D", b"P" + portal.name + b"\0"))


def describe(s: Session, frame: bytes) -> bool:
    """The client asks. Raises ProtocolError. See understand for what is returned."""
    if s.unsettled:
        return False
    if s.skipping:
        return True
    if len(frame) < 7 or frame[5] not in b"SP" or name_end(frame, 6) != len(frame) - 1:
        raise ProtocolError("a Describe names a statement or a portal")
    name = frame[6:-1]
    portal: Portal | None = None
    statement: Statement | None = None
    rulings: tuple[Ruling, ...] = ()
    try:
        if frame[5] == 80:
            portal = s.names.portal(name, s.epoch)
        else:
            statement = s.names.statement(name, s.epoch)
            rulings = statement.script.rulings if statement is not None else ()
    except Ambiguous:
        return False
    if statement is not None and s.lent is not None and not renaming.ready(s, s.lent, name, statement, describes=True):
        return False
    if portal is not None:
        portal.asked = True
        rulings = portal.statement.script.rulings
    item = s.ask(Ask.DESCRIBE_PORTAL if frame[5] == 80 else Ask.DESCRIBE_STATEMENT)
    item.portal, item.statement = portal, statement
    item.rulings = rulings
    if s.lent is not None and frame[5] == _STATEMENT:
        frame = renaming.named(s.lent, frame, 6, statement, item)
    s.to_server.append(frame)
    return True


_STATEMENT = ord("S")


def close(s: Session, frame: bytes) -> bool:
    """The client is done with one. A name of its own for a statement stands nowhere on a connection that is lent."""
    if s.skipping:
        return True
    if len(frame) < 7 or frame[5] not in b"SP" or name_end(frame, 6) != len(frame) - 1:
        raise ProtocolError("a Close names a statement or a portal")
    item = s.ask(Ask.CLOSE)
    item.name = frame[6:-1][:NAME_BYTES_MAX]
    item.statement_kind = frame[5] == _STATEMENT
    if item.statement_kind and item.name and s.lent is not None:
        frame = close_of(NOBODYS)
    s.to_server.append(frame)
    return True
