"""From the client: frames to statements to decisions. What may pass is appended to the session's `to_server`.

Each handler returns True when it consumed its frame, False when the frame must wait for an answer that is still outstanding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from librt.strings import read_i32_be
from mypy_extensions import i64

from gateway.errors import Refused
from gateway.masking.written_back import suspicious
from gateway.session import acting, bounds, copy_in, guarding, masked_input, paths, renaming, returning
from gateway.session.acting import Handler
from gateway.session.bounds import REFUSED_EXTENDED, REFUSED_QUERY, REFUSED_UNNAMED
from gateway.session.describing import close, describe, describe_hidden
from gateway.session.holding import again, at_first_sight, held, needs_values, verdict, waits
from gateway.session.inflight import Ask, Item, Portal, Statement
from gateway.session.loops import Later
from gateway.session.names import NO_PORTAL, NO_STATEMENT, Ambiguous, name_end
from gateway.session.rulings import (
    asks_estimate,
    declared,
    estimated,
    fresh,
    moves,
    refused_at_parse,
    resolve,
    script_of,
    wants_estimate,
    warn,
    with_parameters,
)
from parser.errors import ProtocolError
from parser.messages import copy_in_response

if TYPE_CHECKING:
    from gateway.scope import Ruling, Script
    from gateway.session.session import Session

_QUERY: Final = 81
_NUL: Final = b"\0"



def failing_frame(ask: int) -> bytes:
    """What is sent in place of a refused message, so that the server's own state machine stays in charge."""
    return REFUSED_EXTENDED if ask == Ask.EXECUTE else REFUSED_QUERY


def feed(s: Session, data: bytes) -> None:
    """Takes bytes of the client. Raises ProtocolError, and Refusal when the session's right is gone."""
    if s.ending:
        return
    if s.client_pass:
        data = copy_in.pass_on(s, data)
    rest = s.client_rest
    s.waiting = s.held
    if s.held:
        rest += data
        return
    if rest:
        rest += data
        if len(rest) < s.client_need:
            return
        data = bytes(rest)
        rest.clear()
    at: i64 = 0
    size: i64 = len(data)
    limits = s.limits
    handlers = _HANDLERS if s.acting is None else _ACTING
    s.client_need = 5
    while size - at >= 5:
        kind = data[at]
        length = i64(read_i32_be(data, at + 1))
        if length < 4 or length > limits.get(kind, -1):
            raise ProtocolError(_not_a_frame(kind, length))
        if (s.copy_in or s.late is not None) and kind not in _IN_COPY:
            # Then both sides disagree about where they are.
            raise ProtocolError(f"message type {chr(kind)!r} during COPY")
        if s.bounded or s.cancelling or s.wanted is not None:
            bounds.wait(s)
            s.client_need = 0
            break
        end = at + 1 + length
        if end > size:
            if kind == 100:  # CopyData is handed on, or dropped, as it comes
                s.client_pass = end - size
                s.drop_pass = not s.copy_in
                if s.copy_in:
                    copy_in.hand_on(s, data[at:])
                return
            s.client_need = end - at
            break
        frame = data if end - at == size else data[at:end]
        try:
            taken = _query(s, frame) if kind == _QUERY and handlers is _HANDLERS else handlers[kind](s, frame)
        except Later:
            taken = False
        if not taken:
            if not s.peeks:
                bounds.wait(s)
            break
        s.flushed, s.estimate, s.counted = False, None, None
        at = end
        if s.ending:
            return
    if at < size:
        rest += data[at:] if at else data


def _not_a_frame(kind: int, length: int) -> str:
    if kind in _HANDLERS:
        return f"invalid message length {length} for message type {chr(kind)!r}"
    return f"message type {chr(kind)!r} has no place here" if 32 < kind < 127 else "not a message type"


def _query(s: Session, frame: bytes) -> bool:
    if s.unsettled or (s.lexing_moved and s.queue):
        return False
    if s.skipping:
        return True
    if len(frame) < 6 or frame[-1] != 0:
        raise ProtocolError("a Query holds one string")
    sql = frame[5:-1]
    if _NUL in sql:
        raise ProtocolError("a Query holds one string")
    if s.path_doubt and paths.asks(s):
        return False
    script = script_of(s, sql)
    if s.behind and s.copies_blindly(script):
        return False
    masked = suspicious(frame)
    literals = s.scope.literals(script, sql)
    if script.plain and not masked:
        return _send_query(s, frame, script, script.rulings, None, literals)
    try:
        rulings, refused = resolve(s, script) if script.named else (script.rulings, script.refused)
    except Ambiguous:
        return False
    if wants_estimate(rulings) and (refused is None or held(rulings, refused)):
        if asks_estimate(s, rulings, sql):
            return False
        rulings, refused = estimated(s, rulings)
    if held(rulings, refused):
        if waits(s, rulings, sql):
            return False
        refused = verdict(s)
    if masked and refused is None:
        frame, sql, refused = masked_input.in_query(s, frame, sql, rulings)
    if refused is None and not returning.ready(s, rulings):
        return False
    limit = bounds.rows_limit(s, rulings) if refused is None else None
    if limit is not None:
        if s.queue:
            return False
        if len(rulings) > 1:
            refused = bounds.SEVERAL
    refused = bounds.charge(s, rulings, refused, literals)
    if limit is None or refused is not None:
        return _send_query(s, frame, script, rulings, refused, literals)
    item = Item(Ask.EXECUTE, s.epoch, s.now)
    s.record(item, rulings, None, literals)
    warn(s, rulings)
    sent = returning.text(s, sql, rulings)
    item.unkept = sent.unkept
    bounds.send_query(s, script, sent.sql, item, limit)
    s.unsettled = script.unsettling or moves(s, rulings)
    return True


def _send_query(
    s: Session,
    frame: bytes,
    script: Script,
    rulings: tuple[Ruling, ...],
    refused: Refused | None,
    literals: tuple[bytes, ...] = (),
) -> bool:
    item = Item(Ask.QUERY, s.epoch, s.now)
    s.record(item, rulings, refused, literals)
    if not script.plain:
        warn(s, rulings)
    if refused is not None and script.takes_copy and not s.queue:
        s.late = item
        s.to_client.append(copy_in_response(0))
        return True
    s.epoch += 1
    s.queue.append(item)
    if refused is not None:
        s.to_server.append(REFUSED_QUERY)
        return True
    s.staged.append((item, len(s.to_server)))
    if not script.plain:
        frame = returning.query(s, frame, item)
    s.to_server.append(guarding.query(s, frame, item))
    s.unsettled = script.unsettling or (not script.plain and moves(s, rulings))
    s.copy_in = script.takes_copy  # its data may come before the server has said that it takes any
    return True


def _function_call(s: Session, frame: bytes) -> bool:
    if s.unsettled:
        return False
    if s.skipping:
        return True
    fresh(s)
    script = declared(s, s.scope.unread("a function is called by its number", "function call"))
    refused = script.refused
    if refused is None and suspicious(frame):
        refused = masked_input.in_call(s, frame)
    _send_query(s, frame, script, script.rulings, refused)
    if s.queue[-1].refused is None:
        s.queue[-1].ask = Ask.FUNCTION
    return True


def _parse(s: Session, frame: bytes) -> bool:
    if s.unsettled or (s.lexing_moved and s.queue):
        return False
    if s.skipping:
        return True
    behind = name_end(frame, 5)
    text_end = frame.find(0, behind + 1)
    if behind < 0 or text_end < 0:
        raise ProtocolError("a Parse holds a name, a text and types")
    if s.path_doubt and paths.asks(s):
        return False
    name, sql, types = frame[5:behind], frame[behind + 1 : text_end], frame[text_end + 1 :]
    script = script_of(s, sql)
    if not script.plain and script.refused is None and not returning.ready(s, script.rulings):
        return False
    wait, refused = at_first_sight(s, script.rulings, refused_at_parse(script) if script.named else script.refused)
    if wait:
        return False
    if refused is None and suspicious(frame):
        frame, refused = masked_input.in_parse(s, frame, sql, script.rulings)
    literals = s.scope.literals(script, sql)
    if refused is not None:
        refused = bounds.charge(s, script.rulings, refused, literals)
    item = s.ask(Ask.PARSE)
    item.name = name
    if refused is not None:
        s.record(item, script.rulings, refused, literals)
    else:
        item.refused = s.names.objection(name, len(sql))
    if item.refused is not None:
        s.to_server.append(REFUSED_EXTENDED if name else REFUSED_UNNAMED)
        return True
    item.statement = Statement(sql, script, s.scope, as_text=s.encoding_safe and not s.lexing_doubt)
    item.statement.types, item.statement.literals = types, literals
    item.rulings = script.rulings
    s.names.ask_statement(item)
    if not script.plain:
        frame = returning.parse(s, frame, item)
    frame = guarding.parse(s, frame, item)
    if s.lent is not None:
        renaming.parse(s, s.lent, frame, item)
    else:
        s.to_server.append(frame)
    return True


def _bind(s: Session, frame: bytes) -> bool:
    if s.unsettled:
        return False
    if s.skipping:
        return True
    if s.path_doubt and paths.asks(s):
        return False
    portal_end = name_end(frame, 5)
    behind = name_end(frame, portal_end + 1)
    if portal_end < 0 or behind < 0:
        raise ProtocolError("a Bind holds a portal's and a statement's name")
    name = frame[portal_end + 1 : behind]
    try:
        statement = s.names.statement(name, s.epoch)
        facts = s.names.prepared(name.decode("utf-8", "replace"), s.scope) if statement is None else None
    except Ambiguous:
        return False
    if facts is not None:
        statement = Statement.of_facts(facts, s.scope)
    if s.lent is not None and statement is not None and not renaming.ready(s, s.lent, name, statement):
        return False
    if statement is not None:
        wait, refused = at_first_sight(s, statement.script.rulings, statement.script.refused)
        if wait:
            return False
    item = s.ask(Ask.BIND)
    item.name = frame[5:portal_end]
    item.refused = s.names.objection(item.name, 0) if statement is not None else NO_STATEMENT
    if s.lent is not None and statement is not None and item.refused is None:
        item.refused = renaming.objection(s.lent, name, statement)
    if statement is None or item.refused is not None:
        s.to_server.append(REFUSED_EXTENDED)
        return True
    given = frame
    if suspicious(frame):
        frame, refused = masked_input.in_values(s, frame, statement)
        if refused is not None:
            s.record(item, statement.script.rulings, refused, statement.literals)
            s.to_server.append(REFUSED_EXTENDED)
            return True
    item.portal = Portal(item.name, statement)
    if len(frame) > behind + 7:  # it has parameters or formats
        item.portal.literals = with_parameters(s, statement, frame[behind + 1 :])
    item.rulings = statement.script.rulings
    if not statement.script.plain and needs_values(item.rulings):
        item.portal.values, item.portal.given = frame[behind + 1 :], given[behind + 1 :]
    s.names.ask_portal(item)
    frame = returning.bind(frame, statement) if statement.added else frame
    if s.lent is not None:
        frame = renaming.named(s.lent, frame, portal_end + 1, statement, item)
    s.to_server.append(frame)
    return True


def _execute(s: Session, frame: bytes) -> bool:
    if s.unsettled:
        return False
    if s.skipping:
        return True
    behind = name_end(frame, 5)
    if behind < 0 or behind != len(frame) - 5:
        raise ProtocolError("an Execute holds a portal's name and a row count")
    name = frame[5:behind]
    try:
        portal = s.names.portal(name, s.epoch)
        facts = s.names.cursor(name.decode("utf-8", "replace")) if portal is None else None
    except Ambiguous:
        return False
    if facts is not None:
        portal = Portal(name, Statement.of_facts(facts, s.scope))
    if portal is None:
        item = s.ask(Ask.EXECUTE)
        item.refused = NO_PORTAL
        s.to_server.append(REFUSED_EXTENDED)
        return True
    return _run(s, frame, portal)


def _run(s: Session, frame: bytes, portal: Portal) -> bool:
    fresh(s)
    script = declared(s, portal.statement.in_scope(s.scope))
    rulings, refused = script.rulings, script.refused
    if s.behind and s.copies_blindly(script):
        return False
    if not script.plain:
        if script.named:
            try:
                rulings, refused = resolve(s, script)
            except Ambiguous:
                return False
        text = portal.statement.sql, portal.statement.types
        if wants_estimate(rulings) and (refused is None or held(rulings, refused)):
            if asks_estimate(s, rulings, *text, portal.values):
                return False
            rulings, refused = estimated(s, rulings)
        if held(rulings, refused):
            if not portal.approval and waits(s, rulings, *text, portal.given):
                return False
            refused = again(s, portal)
        refused = bounds.charge(s, rulings, refused, portal.literals, portal.values)
    added = portal.statement.added
    if refused is None and added:
        frame, refused = returning.execute(frame, portal)
    watched = bool(rulings) and (not rulings[0].basis.inert or rulings[0].basis.unproven or rulings[0].accounted)
    watched = watched or added > 0
    if refused is None and watched and portal.description is None and not portal.asked:
        describe_hidden(s, portal)
    item = s.ask(Ask.EXECUTE)
    item.portal, item.groups, item.unkept = portal, portal.statement.groups, portal.statement.unkept
    item.rows_max = int(read_i32_be(frame, len(frame) - 4))
    s.record(item, rulings, refused, portal.literals)
    if refused is not None:
        s.to_server.append(REFUSED_EXTENDED)
        return True
    s.staged.append((item, len(s.to_server)))
    s.to_server.append(frame)
    s.unsettled = script.unsettling
    s.copy_in = script.takes_copy
    if not script.plain:
        warn(s, rulings)
        s.unsettled = s.unsettled or moves(s, rulings)
        item.limit = bounds.rows_limit(s, rulings)
        s.bounded = item.limit is not None
    return True


def _sync(s: Session, frame: bytes) -> bool:
    if len(frame) != 5:
        raise ProtocolError("a Sync is empty")
    if s.copy_in or s.late is not None:
        # The server ignores it while it takes COPY data (manual, section 55.2.6); if it never does, it is still to be sent.
        s.copy_sync_dropped = s.copy_in and not s.copy_open
        return True
    s.ask(Ask.SYNC)
    s.epoch += 1
    s.skipping = False
    s.to_server.append(frame)
    return True


def _flush(s: Session, frame: bytes) -> bool:
    if len(frame) != 5:
        raise ProtocolError("a Flush is empty")
    if not s.copy_in and not s.skipping:
        s.to_server.append(frame)
    return True


def _terminate(s: Session, frame: bytes) -> bool:
    s.to_server.append(frame)
    s.server_said_last = True  # the server ends after what it still has to do
    s.ending = not s.queue
    return True


_HANDLERS: dict[int, Handler] = {
    ord("Q"): _query,
    ord("P"): _parse,
    ord("B"): _bind,
    ord("D"): describe,
    ord("E"): _execute,
    ord("C"): close,
    ord("F"): _function_call,
    ord("S"): _sync,
    ord("H"): _flush,
    ord("d"): copy_in.data,
    ord("c"): copy_in.done,
    ord("f"): copy_in.done,
    ord("X"): _terminate,
}
_ACTING: dict[int, Handler] = _HANDLERS | acting.handlers(_query, _parse, _bind, _execute)
_IN_COPY: Final = frozenset(b"dcfSHX")
