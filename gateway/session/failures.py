"""The server's errors and notices: in our words where we stopped it, else without the values they quote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.audit.records import Status
from gateway.errors import Refused, State
from gateway.masking.plan import scrub
from gateway.session import bounds, guarding, renaming
from gateway.session.inflight import RESYNC, Ask, Item
from parser.messages import error_response

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session


def failed(s: Session, frame: bytes) -> bytes | None:
    """ErrorResponse: what it means for what was asked. Its form for the client, None for as it is."""
    body = frame[5:]
    fatal = b"\0VFATAL\0" in body or b"\0VPANIC\0" in body
    s.server_said_last = s.server_said_last or fatal
    s.temporaries.failed()
    s.said.failed()
    if not s.queue:
        return _scrubbed(s, None, frame)
    item = s.queue[0]
    if s.lent is not None:
        frame = renaming.failed(s.lent, item, frame)
        body = frame[5:]
    if item.ask == Ask.SYNC and item.refused is None:  # a deferred constraint that fails at the implicit commit
        s.settle_failure(item, "error", _sqlstate(body))
        item.held = b""
        return b"" if item.own and not fatal else _scrubbed(s, None, frame)
    status, sqlstate, refused = _verdict(item, _sqlstate(body))
    answer = _scrubbed(s, item.ruling, frame) if fatal or refused is None else in_our_words(s, item, refused)
    if refused is None and not fatal and (over := bounds.failed(s, item.ruling, sqlstate)) is not None:
        s.end(over)
        answer = b""
    if item.leads is not None:
        item = item.leads
    s.settle_failure(item, status, sqlstate)
    dropped_sync = s.copy_sync_dropped
    copy_over(s)
    if item.ask not in RESYNC:
        _skip(s)
    if item.converted or (dropped_sync and (s.skipping or item.ask == Ask.QUERY)):
        bounds.resync(s)
    # Of what the gateway asked for itself nothing is told, but that a pipeline of the client's is broken.
    if item.own and not s.skipping and not fatal:
        return b""
    return frame if answer is None and s.lent is not None else answer


def _verdict(item: Item, sqlstate: str) -> tuple[Status, str, Refused | None]:
    """What a failure of this item means, its SQLSTATE, and our words for it where they take the place of the server's."""
    if item.refused is None and item.broken is not None:
        item.refused = item.broken
    if item.refused is not None:
        return "refused", str(item.refused.sqlstate), item.refused
    if sqlstate == State.CANCELLED:
        return "cancelled", sqlstate, item.overdue
    return "error", sqlstate, None


def in_our_words(s: Session, item: Item, refused: Refused) -> bytes:
    """The error of what was refused, in our words."""
    index = min(item.index, len(item.intents) - 1)
    seq = item.intents[index] if index >= 0 else 0
    detail = f"Audit record {s.chain.record_id(seq)}." if seq else ""
    return error_response("ERROR", refused.sqlstate, refused.message, detail, refused.hint)


def on_record(s: Session, what: str, refused: Refused, item: Item | None = None) -> None:
    """Puts on record what the gateway did to a session or, with `item`, to the statement that runs in it."""
    data = {"what": what, "why": refused.message, "sqlstate": str(refused.sqlstate)}
    if item is not None:
        data |= {"rule": refused.rule, "intent": running(s)}
    s.chain.event(s.now, "session", data, s.card)


def running(s: Session) -> str:
    """The record of the intent that the server works on, "" where there is none."""
    item = s.queue[0] if s.queue else None
    seq = item.intents[item.index] if item is not None and item.index < len(item.intents) else 0
    return s.chain.record_id(seq) if seq else ""


def _scrubbed(s: Session, ruling: Ruling | None, frame: bytes) -> bytes | None:
    """Without the values it may quote: those of this statement, or an earlier one's of the transaction (deferred checks)."""
    basis = s.tainted if ruling is None or ruling.basis.inert else ruling.basis
    if basis is None:
        return None
    body = scrub(frame[5:], basis)
    if s.queue and s.queue[0].groups:
        body = guarding.without_position(body)
    return frame[:1] + (len(body) + 4).to_bytes(4, "big") + body


def _sqlstate(body: bytes) -> str:
    at = body.find(b"\0C")
    code = body[at + 2 : at + 7]
    return code.decode("ascii", "replace") if at >= 0 and body[at + 7 : at + 8] == b"\0" else State.PROTOCOL


def _skip(s: Session) -> None:
    """The server discards everything up to the next Sync (manual, section 55.2.3)."""
    while s.queue:
        item = s.queue[0]
        if item.ask == Ask.SYNC:
            return
        s.names.abandon(item)
        if s.lent is not None:
            renaming.abandoned(s.lent, item)
        s.settle_failure(item, "not-run", "")
        s.queue.popleft()
    s.skipping = True


def noticed(s: Session, frame: bytes) -> bytes | None:
    """NoticeResponse."""
    return _scrubbed(s, s.queue[0].ruling if s.queue else None, frame)


def copy_over(s: Session) -> None:
    """No COPY data is under way any more."""
    s.copy_in = s.copy_open = s.copy_both = s.copy_sync_dropped = False
    s.copy_ended_early = 0
    s.watch = None
