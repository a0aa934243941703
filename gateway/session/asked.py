"""What an answer of the server belongs to: the oldest message that it has not answered. What was refused can only fail.

Each raises ProtocolError where nothing of the kind was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.session.inflight import Ask, Item
from parser.errors import ProtocolError

if TYPE_CHECKING:
    from gateway.session.session import Session

_NOTHING = "an answer to nothing that was asked"


def oldest(s: Session) -> Item:
    """Whatever it asks."""
    if s.queue:
        item = s.queue[0]
        if item.refused is None:
            return item
    raise ProtocolError(_NOTHING)


def asked(s: Session, kind: int) -> Item:
    """Of this kind."""
    item = oldest(s)
    if item.ask != kind:
        raise ProtocolError(_NOTHING)
    return item


def running(s: Session) -> Item:
    """What runs statements."""
    item = oldest(s)
    if item.ask != Ask.QUERY and item.ask != Ask.EXECUTE:
        raise ProtocolError(_NOTHING)
    return item


def describing(s: Session) -> Item:
    """What asks for a description."""
    item = oldest(s)
    if item.ask != Ask.DESCRIBE_PORTAL and item.ask != Ask.DESCRIBE_STATEMENT:
        raise ProtocolError(_NOTHING)
    return item
