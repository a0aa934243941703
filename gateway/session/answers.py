"""From the database: its messages matched with what was asked, masked, recorded, and appended to the session's `to_client`.

Frames that pass unchanged are handed on as one run of the received bytes; only what is altered is built anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from librt.strings import read_i32_be
from mypy_extensions import i64

from gateway.masking.added_keys import MARK
from gateway.masking.kernels import data_rows_end
from gateway.masking.masks import NULL_CELL
from gateway.masking.rows import COMPILED, run_end
from gateway.session import bounds, disclosing, paths, renaming, returning, rows_out
from gateway.session.asked import asked, describing, oldest, running
from gateway.session.bounds import REFUSED_QUERY
from gateway.session.changing import changed_by
from gateway.session.failures import copy_over, failed, in_our_words, noticed
from gateway.session.inflight import RESYNC, Ask, Item
from parser.errors import ProtocolError
from parser.messages import command_rows
from parser.messages import frame as build

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session

FRAME_BYTES_MAX: Final = 0x3FFFFFFF + 16
_DATA_ROW: Final = 68
_COPY_DATA: Final = 100
_COMMAND_COMPLETE: Final = 67
_READY: Final = 90
_ROW_DESCRIPTION: Final = 84
_BIND_COMPLETE: Final = 50
_MARK: Final = MARK.encode()

COMMANDS_MAX: Final = 1024  # command tags that are remembered; full, the memory starts anew
_TAG_BYTES_MAX: Final = 64  # of such a message; PostgreSQL's own tags are shorter
_COMMANDS: Final[dict[bytes, tuple[str, int]]] = {}

Handler = Callable[["Session", bytes], bytes | None]  # None: pass unchanged


def feed(s: Session, data: bytes) -> None:
    """Takes bytes of the server. Raises ProtocolError when they do not follow from what was asked."""
    if s.server_pass:
        data = _pass(s, data)
    rest = s.server_rest
    if rest:
        if len(rest) + len(data) < s.server_need:
            rest += data
            return
        data = b"".join((rest, data))
        rest.clear()
    at: i64 = 0
    run: i64 = 0
    size: i64 = len(data)
    while size - at >= 5:
        kind = i64(data[at])
        length = i64(read_i32_be(data, at + 1))
        if length < 4 or length > FRAME_BYTES_MAX:
            raise ProtocolError(f"invalid message length {length}")
        end = at + 1 + length
        if end > size:
            break
        if kind == _DATA_ROW:
            end = run_end(data, at, _DATA_ROW, 6) if COMPILED else data_rows_end(data, at)
            replaced = rows_out.rows(s, data, at, end)
        elif kind == _COMMAND_COMPLETE:  # what nearly every answer holds is called directly
            replaced = _command_complete(s, data[at:end])
        elif kind == _READY:
            replaced = _ready(s, data[at:end])
        elif kind == _ROW_DESCRIPTION:
            replaced = _row_description(s, data[at:end])
        elif kind == _BIND_COMPLETE:
            replaced = _bind_complete(s, data[at:end])
        elif kind == _COPY_DATA:
            end = run_end(data, at, _COPY_DATA, 4)
            replaced = rows_out.copied(s, data[at:end])
        else:
            handler = _HANDLERS.get(kind)
            if handler is None:
                raise ProtocolError("not a message type")
            replaced = handler(s, data[at:end])
        if replaced is not None:
            if run < at:
                s.to_client.append(data[run:at])
            if replaced:
                s.to_client.append(replaced)
            run = end
        at = end
    if at < size:
        at = _keep(s, data, at, size)
    if run < at:
        s.to_client.append(data[run:at] if run > 0 or at < size else data)
    if not s.queue:
        s.unsettled = s.flushed = s.bounded = False


def _keep(s: Session, data: bytes, at: int, size: int) -> int:
    """Holds the beginning of a frame, or lets it through as it comes where nothing in it can be masked."""
    s.server_need = 5
    if size - at >= 5:
        end = at + 1 + int(read_i32_be(data, at + 1))
        if end - at > 65536 and rows_out.streams(s, data[at], end - at):
            s.server_pass = end - size
            s.queue[0].nbytes += end - at
            if s.queue[0].purses:
                bounds.passed(s, s.queue[0], 1, end - at)  # begun, so it passes whole; the next one may not
            disclosing.passes(s, s.queue[0])
            return size
        if end - at > rows_out.MASKED_FRAME_BYTES_MAX:
            raise ProtocolError("a message that must be read whole is too long")
        s.server_need = end - at
    s.server_rest += data[at:]
    return at


def _pass(s: Session, data: bytes) -> bytes:
    head = data[: s.server_pass]
    s.server_pass -= len(head)
    s.to_client.append(head)
    return data[len(head) :]


def _parse_complete(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.PARSE)
    s.queue.popleft()
    if s.lent is not None:
        renaming.confirmed(item)
    if item.own or item.leads is not None:
        return b""
    s.names.confirm_statement(item)
    return None


def _bind_complete(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.BIND)
    s.queue.popleft()
    if item.own or item.leads is not None:
        return b""
    s.names.confirm_portal(item)
    return None


def _close_complete(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.CLOSE)
    if item.own:
        s.queue.popleft()
        return b""
    if item.statement_kind:
        s.names.drop_statement(item.name)
    else:
        s.names.drop_portal(item.name)
    s.queue.popleft()
    return None


def _row_description(s: Session, frame: bytes) -> bytes | None:
    item = oldest(s)
    if item.ask == Ask.QUERY:
        ruling = item.ruling
        if ruling is None:
            raise ProtocolError("more results than statements")
        item.plan = ruling.plan(frame[5:], item.groups)
        if item.plan.added:
            return returning.described(frame[5:], b"")
        return None if item.broken is None else b""
    return _described(s, describing(s), frame[5:])


def _no_data(s: Session, frame: bytes) -> bytes | None:
    return _described(s, describing(s), b"")


def _described(s: Session, item: Item, description: bytes) -> bytes | None:
    if item.portal is not None:
        item.portal.description = description or b"\0\0"
    elif s.lent is not None:
        renaming.described(item, description)
    s.queue.popleft()
    if item.hidden or (item.leads is not None and not description):
        return b""
    if _MARK not in description:
        return None
    return returning.described(description, b"" if item.leads is not None else returning.NO_DATA)


def _parameter_description(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.DESCRIBE_STATEMENT)
    if item.statement is not None:
        item.statement.described = frame[5:]
    if item.prepared is not None:
        item.prepared.parameters = frame[5:]
    return b"" if item.own else None


def _command_complete(s: Session, frame: bytes) -> bytes | None:
    item = running(s)
    ruling = item.ruling
    if ruling is None:
        if item.own:
            s.queue.popleft()
            return b""
        if s.copy_both:
            return None  # the end of a replication stream is said twice
        raise ProtocolError("more results than statements")
    command, rows = _command(frame)
    if item.broken is not None and item.ask == Ask.QUERY:
        bounds.cut_off(s, item)
        return b""
    limit = item.limit
    if item.broken is not None or (limit is not None and (item.converted or limit.broken_by(rows))):
        return bounds.completed(s, item, frame, rows)
    if item.index == len(item.rulings) - 1 and not s.copy_both:
        copy_over(s)
    _succeeded(s, item, ruling, command, rows)
    if item.ask == Ask.EXECUTE:
        s.queue.popleft()
    return None


def _succeeded(s: Session, item: Item, ruling: Ruling, command: str, rows: int) -> None:
    s.settle_success(item, command, rows)
    if not ruling.only_reads:
        changed_by(s, ruling.facts)
        s.temporaries.completed(ruling, s.scope)
        s.said.completed(ruling.facts)
    if not ruling.plain and paths.moves(s, (ruling,)):
        paths.moved(s)
        s.temporaries.completed(ruling, s.scope)


def _command(frame: bytes) -> tuple[str, int]:
    """The tag's words and its count, 0 where it has none."""
    known = _COMMANDS.get(frame)
    if known is None:
        command, rows = command_rows(frame[5:])
        if len(_COMMANDS) >= COMMANDS_MAX:
            _COMMANDS.clear()
        known = command, rows or 0
        if len(frame) <= _TAG_BYTES_MAX:
            _COMMANDS[frame] = known
    return known


def _empty_query(s: Session, frame: bytes) -> bytes | None:
    item = running(s)
    if item.ruling is not None:
        raise ProtocolError("an empty answer to a statement")
    if item.ask == Ask.EXECUTE:
        s.queue.popleft()
    return None


def _portal_suspended(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.EXECUTE)
    if item.ruling is None:
        raise ProtocolError("more results than statements")
    if item.broken is not None or item.limit is not None:
        return bounds.completed(s, item, frame, None)
    s.settle_success(item, "PORTAL SUSPENDED", item.rows_max)
    s.queue.popleft()
    return None


def _ready(s: Session, frame: bytes) -> bytes | None:
    if not s.queue:
        raise ProtocolError("an answer to nothing that was asked")
    item = s.queue[0]
    if item.ask != Ask.QUERY and item.ask not in RESYNC:
        raise ProtocolError("an answer to nothing that was asked")
    if item.ask == Ask.FUNCTION and item.ruling is not None:
        s.settle_success(item, "FUNCTION CALL", 0)
    answer: bytes | None = b"" if item.own else None
    if item.held:
        ruling = item.ruling
        assert ruling is not None
        _succeeded(s, item, ruling, *_command(item.held))
        answer = item.held + frame
    if item.index < len(item.intents):
        raise ProtocolError("fewer results than statements")
    if len(frame) != 6:
        raise ProtocolError("a ReadyForQuery holds one byte")
    if item.broken is not None and item.refused is None:  # all of its answer came before the cancel did
        item.refused = item.broken
        if frame[5] == _IN_TRANSACTION:
            s.to_server.append(REFUSED_QUERY)  # an error would have ended the transaction
            return b""
        answer = in_our_words(s, item, item.broken) + frame
    s.queue.popleft()
    copy_over(s)
    s.lexing_doubt = False
    s.status = frame[5]
    if s.status == 73:
        s.names.transaction_ended()
        s.tainted = None
        s.said.settled()
    s.temporaries.settled(ended=s.status == 73)
    if s.search_path is None or s.path_moved:
        paths.settled(s)
    return answer


_IN_TRANSACTION: Final = ord("T")


def _parameter_status(s: Session, frame: bytes) -> bytes | None:
    name, _, rest = frame[5:].partition(b"\0")
    s.parameter(name.decode("utf-8", "replace"), rest[:-1].decode("utf-8", "replace"))
    return None


def _notification(s: Session, frame: bytes) -> bytes | None:
    return s.scope.heard(frame)


def _copy_in(s: Session, frame: bytes) -> bytes | None:
    running(s)
    if s.copy_ended_early:
        s.copy_ended_early -= 1
        return None
    if not s.copy_in:  # its text could not be read, so the client's messages went on as they came
        _swallow_syncs(s)
    s.copy_in = s.copy_open = True
    s.copy_sync_dropped = False  # the server would have ignored it; the client sends another after its data
    return None


def _copy_both(s: Session, frame: bytes) -> bytes | None:
    _copy_in(s, frame)
    s.copy_both = True
    return None


def _swallow_syncs(s: Session) -> None:
    """While the server takes COPY data it ignores Sync, so those already sent will never be answered."""
    while len(s.queue) > 1 and s.queue[1].ask == Ask.SYNC:
        del s.queue[1]
    if len(s.queue) > 1:
        raise ProtocolError("messages were sent where COPY data was awaited")


def _copy_out(s: Session, frame: bytes) -> bytes | None:
    item = running(s)
    ruling = item.ruling
    if ruling is None or (ruling.copy is None and not ruling.basis.inert):
        raise ProtocolError("COPY data of a statement that is no COPY")
    return None


def _copy_done(s: Session, frame: bytes) -> bytes | None:
    running(s)
    return None


def _function_result(s: Session, frame: bytes) -> bytes | None:
    item = asked(s, Ask.FUNCTION)
    if item.ruling is None:
        raise ProtocolError("more results than statements")
    return None if item.ruling.basis.inert else _NULL_RESULT


_NULL_RESULT: Final = build(b"V", NULL_CELL)  # nothing is known of the function but its number
_HANDLERS: dict[int, Handler] = {
    ord("1"): _parse_complete,
    ord("3"): _close_complete,
    ord("A"): _notification,
    ord("E"): failed,
    ord("G"): _copy_in,
    ord("H"): _copy_out,
    ord("I"): _empty_query,
    ord("N"): noticed,
    ord("S"): _parameter_status,
    ord("V"): _function_result,
    ord("W"): _copy_both,
    ord("c"): _copy_done,
    ord("n"): _no_data,
    ord("s"): _portal_suspended,
    ord("t"): _parameter_description,
}
