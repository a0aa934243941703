"""Which rows a result showed: the digests of their primary keys go on record as the rows pass, before they reach the client.

The rows are read as the server sent them, before any of their cells is masked; what arrived in one piece is one record for
each table, so nothing of a long result is kept, and a worker that dies leaves no row that was delivered and not accounted
for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.masking.distinct import Seen, seen
from gateway.masking.key_sets import not_known, sets
from gateway.masking.rows import count
from gateway.masking.subjects import concerned
from gateway.session import bounds

if TYPE_CHECKING:
    from gateway.masking.key_cells import Keys
    from gateway.masking.row_keys import KeyColumns, Keyed
    from gateway.results import ResultPlan
    from gateway.scope import Ruling
    from gateway.session.inflight import Item
    from gateway.session.session import Session

_COPY_DATA: Final = 100
_COUNTED: Final = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")  # command tags that tell how many rows were changed
_LINE_FEED: Final = 10
_SHOWN: Final = (False,)
_Found = tuple["KeyColumns", "Keys", bytes]
FOREIGN_TEXT: Final = "text in an encoding other than UTF8"
NOT_RETURNED: Final = "the statement did not return the keys of the rows it changed"
BEFORE: Final = "the statement was prepared before its keys were wanted, or could be"
TOO_LONG: Final = "a row was too long to be read whole"
UNREAD: Final = "a key was not in a form that is known (DateStyle other than ISO?)"


def shown(
    s: Session, item: Item, plan: ResultPlan | None, data: bytes, at: int, end: int, *, first: bool = False
) -> bool:
    """Whole frames of the item's current result, as the server sent them; `first`: with them it begins. Whether they may go
    on: a budget may have no room for the people in them. Raises ProtocolError."""
    keyed = plan.keyed if plan is not None else None
    found = _read(keyed, data, at, end, first=first) if keyed is not None else []
    if item.crowds and not bounds.met(s, item, _people(s, item, plan, found, count(data, at, end))):
        return False
    intent = item.intents[item.index]
    if keyed is not None and intent:  # else it runs without a record
        for table, why in keyed.unknown:
            _unknown(s, item, table, why, _SHOWN)
        for columns, keys, digests in found:
            _record(s, item, keyed, columns, keys, digests)
    return True


def _read(keyed: Keyed, data: bytes, at: int, end: int, *, first: bool) -> list[_Found]:
    """The keys in the frames, and their digests."""
    copied = keyed.dialect if data[at] == _COPY_DATA else None
    if copied is not None and copied.header and first:
        at = data.index(_LINE_FEED, at + 5, end) + 1  # the line of names
    found = []
    for columns in keyed.keys:
        keys = columns.fresh()
        if copied is not None:
            keys.lines(data, at, end, copied)
        else:
            keys.rows(data, at, end)
        found.append((columns, keys, keyed.digester.digests(keys)))
    return found


def _people(s: Session, item: Item, plan: ResultPlan | None, found: list[_Found], rows: int) -> Seen:
    """Whom the rows show. Where no key tells them apart each is somebody else."""
    ruling = item.rulings[item.index]
    if plan is None:
        return seen((), rows if concerned(ruling.basis) else 0)
    there = [each for each in found if each[0].shown and each[0].people]
    unknown = rows if plan.nameless() else sum(keys.unread for _, keys, _ in there)
    database = s.scope.rights.database
    return seen(((digests, f"{database}.{columns.table}") for columns, _, digests in there), unknown)


def _record(s: Session, item: Item, keyed: Keyed, columns: KeyColumns, keys: Keys, digests: bytes) -> None:
    intent = item.intents[item.index]
    if s.foreign_text and keyed.textual and not keys.is_ascii():
        _unknown(s, item, columns.table, FOREIGN_TEXT, columns.records)
    if keys.unread:
        _unknown(s, item, columns.table, UNREAD, columns.records)
    if digests:
        for number, packed in sets(digests, columns.families):
            for changed in columns.records:
                s.chain.rows(s.now, intent, columns.table, changed, number, packed)
        if True in columns.records:
            item.returned = item.returned | {(intent, columns.table)}


def passes(s: Session, item: Item) -> None:
    """A long row goes out as it comes: it may be somebody. Begun, it passes whole; the next one may not."""
    if item.crowds and concerned(item.rulings[item.index].basis):
        bounds.met(s, item, seen((), 1))


def unread(s: Session, item: Item, keyed: Keyed) -> None:
    """A row goes out that is too long to be held: its keys are not known."""
    for columns in keyed.keys:
        _unknown(s, item, columns.table, TOO_LONG, columns.records)


def changed(s: Session, item: Item, ruling: Ruling, command: str, rows: int) -> None:
    """The statement has run: says of each table whose changed rows the policy wants to know that their keys are not, and
    why, unless it returned them."""
    intent = item.intents[item.index]
    if not intent or (not rows and command.startswith(_COUNTED)):
        return  # nothing was changed
    why, otherwise = (ruling.keeps_no_keys, NOT_RETURNED) if ruling.adds is None else (item.unkept, BEFORE)
    for table in ruling.owes_keys:
        if why or (intent, table) not in item.returned:
            s.chain.rows(s.now, intent, table, True, 0, not_known(why or otherwise))


def _unknown(s: Session, item: Item, table: str, why: str, records: tuple[bool, ...]) -> None:
    """Said once of each result: of rows that were shown (False) or changed (True)."""
    intent = item.intents[item.index]
    if intent and (intent, table, why) not in item.unaccounted:
        item.unaccounted = item.unaccounted | {(intent, table, why)}
        for changed in records:
            s.chain.rows(s.now, intent, table, changed, 0, not_known(why))
        if True in records:
            item.returned = item.returned | {(intent, table)}  # what is to be said of them is
