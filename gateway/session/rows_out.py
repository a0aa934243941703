"""Rows and COPY data on their way to the client: counted, their keys put on record, masked, and what was added taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.masking.added_keys import stripped
from gateway.masking.rows import count
from gateway.session import bounds, disclosing, paths, returning
from gateway.session.asked import running
from gateway.session.inflight import Item
from parser.errors import ProtocolError

if TYPE_CHECKING:
    from gateway.results import ResultPlan
    from gateway.session.session import Session

MASKED_FRAME_BYTES_MAX = 64 * 1024 * 1024  # a row that must be masked is held whole
_DATA_ROW: Final = 68
_COPY_DATA: Final = 100


def streams(s: Session, kind: int, nbytes: int) -> bool:
    """Whether a long frame may go out as it comes: nothing in it is masked or read."""
    if not s.queue:
        return False
    item = s.queue[0]
    ruling = item.ruling
    if ruling is None or item.broken is not None:
        return False
    if kind == _DATA_ROW:
        plan = _row_plan(item)
    elif kind == _COPY_DATA:
        plan = ruling.copy
        if plan is None:
            return s.copy_both or ruling.basis.inert
    else:
        return False
    if plan is None:
        return True
    if plan.added:
        return False
    if plan.rows.clear and plan.keyed is not None:
        if nbytes <= MASKED_FRAME_BYTES_MAX:
            return False  # its key is to be read
        disclosing.unread(s, item, plan.keyed)
    return plan.rows.clear


def _row_plan(item: Item) -> ResultPlan | None:
    """The plan for the item's rows. None: nothing in this statement can be masked."""
    ruling = item.ruling
    if ruling is None:
        raise ProtocolError("more results than statements")
    if ruling.basis.catalog.newer is not None:  # labels were learned while it runs
        ruling.renew()
    if item.plan is not None and item.plan.version == ruling.basis.catalog.version:
        return item.plan
    description = item.portal.description if item.portal is not None else None
    if description is None and item.plan is not None:
        description = item.plan.description
    if description is None:
        if ruling.basis.inert and not ruling.basis.unproven:
            return None
        raise ProtocolError("rows without a description")
    item.plan = ruling.plan(description, item.groups)
    return item.plan


def rows(s: Session, data: bytes, at: int, end: int) -> bytes | None:
    """Whole DataRow frames; None: they pass as they are."""
    item = running(s)
    if item.own:
        if item.name:
            returning.take(s, item, data[at:end])
        else:
            paths.take(s, data[at:end])
        return b""
    plan = _row_plan(item)
    if plan is not None and plan.added:
        return _without_keys(s, item, plan, data, at, end)
    item.nbytes += end - at
    if item.purses and not bounds.passed(s, item, count(data, at, end), end - at):
        return b""
    if (item.crowds or (plan is not None and plan.keyed is not None)) and not disclosing.shown(s, item, plan, data, at, end):
        return b""
    if plan is None or plan.rows.clear:
        return None
    return _masked(s, item, plan, data[at:end])


def _without_keys(s: Session, item: Item, plan: ResultPlan, data: bytes, at: int, end: int) -> bytes:
    """Rows whose last columns the client did not ask for. Where it asked for none, nothing is charged for them."""
    if (item.crowds or plan.keyed is not None) and not disclosing.shown(s, item, plan, data, at, end):
        return b""
    frames = stripped(data[at:end], plan.rows.columns)
    if not frames:
        return b""
    item.nbytes += len(frames)
    if item.purses and not bounds.passed(s, item, count(frames, 0, len(frames)), len(frames)):
        return b""
    return frames if plan.rows.clear else _masked(s, item, plan, frames)


def _masked(s: Session, item: Item, plan: ResultPlan, frames: bytes) -> bytes:
    masked, found = plan.mask(frames)
    if found:
        item.found = item.found.union(found)
        if plan.learned:
            s.seen += plan.learned
            plan.learned.clear()
    return masked


def copied(s: Session, frames: bytes) -> bytes | None:
    """Whole CopyData frames; None: they pass as they are."""
    item = running(s)
    ruling = item.ruling
    if ruling is None:
        raise ProtocolError("more results than statements")
    if ruling.basis.catalog.newer is not None:
        ruling.renew()
    first = item.nbytes == 0
    item.nbytes += len(frames)
    if item.purses and not bounds.passed(s, item, count(frames, 0, len(frames)), len(frames)):
        return b""
    keyed = ruling.copy is not None and ruling.copy.keyed is not None
    if (item.crowds or keyed) and not disclosing.shown(s, item, ruling.copy, frames, 0, len(frames), first=first):
        return b""
    if ruling.copy is None:
        if s.copy_both or ruling.basis.inert:
            return None
        raise ProtocolError("COPY data of a statement that is no COPY")
    return None if ruling.copy.rows.clear else _masked(s, item, ruling.copy, frames)
