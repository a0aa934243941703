"""The data of COPY … FROM STDIN on its way to the server, looked at for masks that come back.

When one is seen the server is told to end the COPY as failed (CopyFail), its error is told in our words, and the rest of the
data is dropped. What was handed on before is not stored: a COPY that fails has done nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.masking.written_back import CopyWatch, refusal
from gateway.session.bounds import REFUSED_QUERY
from gateway.session.masked_input import masks
from parser.messages import frame

if TYPE_CHECKING:
    from gateway.session.session import Session

_COPY_FAIL: Final = frame(b"f", b"a masked value\0")


def pass_on(s: Session, data: bytes) -> bytes:
    """What comes of a long CopyData of which the beginning went on, or was dropped; gives what follows it. The frame must be
    whole before the COPY can be ended."""
    piece = data[: s.client_pass]
    s.client_pass -= len(piece)
    if not s.drop_pass:
        s.to_server.append(piece)
        watch = s.watch
        if watch is not None and watch.take(piece) and not s.client_pass:
            _fail(s, watch)
    return data[len(piece) :]


def hand_on(s: Session, data: bytes) -> None:
    """A CopyData frame, or the beginning of one of which `client_pass` bytes are to come."""
    watch = s.watch
    if watch is None and not s.copy_both:
        watch = s.watch = CopyWatch(masks(s))
    s.drop_pass = watch is not None and watch.ended
    if s.drop_pass:
        return
    s.to_server.append(data)
    if watch is not None and watch.take(data[5:]) and not s.client_pass:
        _fail(s, watch)


def end(s: Session, data: bytes) -> None:
    """CopyDone or CopyFail."""
    watch, s.watch = s.watch, None
    if watch is not None and not watch.ended and watch.close():
        _fail(s, watch)
    s.copy_in = s.copy_both
    if watch is not None and watch.ended:
        return
    _ended(s)
    s.to_server.append(data)


def _fail(s: Session, watch: CopyWatch) -> None:
    watch.ended = True
    s.queue[-1].broken = refusal(watch.where())
    s.refusals += 1
    _ended(s)
    s.to_server.append(_COPY_FAIL)


def _ended(s: Session) -> None:
    """The server is told that the data ends."""
    if s.copy_open:
        s.copy_open = False
    else:
        s.copy_ended_early += 1


def data(s: Session, frame: bytes) -> bool:
    """A CopyData of the client."""
    if s.copy_in:
        hand_on(s, frame)
    return True


def done(s: Session, frame: bytes) -> bool:
    """CopyDone or CopyFail of the client."""
    if s.late is not None:
        item, s.late = s.late, None
        s.epoch += 1
        s.queue.append(item)
        s.to_server.append(REFUSED_QUERY)
    elif s.copy_in:
        end(s, frame)
    return True
