"""What the server is sent in place of a text whose aggregates are shown of large groups alone: the same with its guards.

The item or statement remembers for which groups its text was guarded. What has no such mark is masked: texts of several
statements, what SQL's own PREPARE and DECLARE hold, what was asked before the policy or the catalogue moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.masking.groups import Group, rewritten
from gateway.session.inflight import Item
from parser.messages import frame as build

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session


def query(s: Session, frame: bytes, item: Item) -> bytes:
    """The Query to send. Marks the item."""
    chosen = _groups(item.rulings)
    if not chosen:
        return frame
    sql = rewritten(frame[5:-1], chosen, strings_conform=s.scope.strings_conform)
    if sql is None:
        return frame
    item.groups = chosen
    return build(b"Q", sql + b"\0")


def parse(s: Session, frame: bytes, item: Item) -> bytes:
    """The Parse to send. Marks the item's statement."""
    chosen = _groups(item.rulings)
    statement = item.statement
    if not chosen or statement is None or statement.types is None:
        return frame
    text = frame[len(item.name) + 6 : len(frame) - len(statement.types) - 1]  # values may stand in place of tokens in it
    sql = rewritten(text, chosen, strings_conform=s.scope.strings_conform)
    if sql is None:
        return frame
    statement.groups = item.groups = chosen
    return build(b"P", item.name + b"\0" + sql + b"\0" + statement.types)


def _groups(rulings: tuple[Ruling, ...]) -> tuple[Group, ...]:
    return rulings[0].groups if len(rulings) == 1 else ()


def without_position(fields: bytes) -> bytes:
    """An error's fields without the place in the text: the client has another one."""
    parts = fields.partition(b"\0\0")[0].split(b"\0")
    return b"".join(part + b"\0" for part in parts if part[:1] not in (b"P", b"")) + b"\0"
