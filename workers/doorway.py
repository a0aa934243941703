"""Newcomers whose sign-in has nothing to wait for come in within the relay's turn; others are shown to a task of their own.

Most sign-ins are two packets that arrive whole, a token that was verified before, and a server's connection that is kept
warm. The relay rings for them as for any socket, they are let in together, and one append puts them on record. Whatever is
otherwise (TLS, any proof but a token as password, a cancel, a packet in parts, a refusal, no warm connection, no audit) goes
the long way of `workers.sign_in` from where it stands, which knows all answers, and misses nothing that was read. Nobody is
refused here but those who come after too many failures: they shall not cost what a task does.
"""

import contextlib
import math
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from gateway.errors import Refusal, Refused
from parser import messages, startup
from parser.errors import ProtocolError
from parser.frames import cut
from parser.startup import PACKET_BYTES_MAX, Startup
from workers.admission import Admissions
from workers.admitted import Admission
from workers.proofs import TOKEN_FRAME_BYTES_MAX, Proof
from workers.relay import Relay
from workers.sign_in import Attempt, Begun, Door, SignedIn, attempt_of
from workers.sockets import RECEIVE_BYTES, SIGNING_IN_MAX, Exhausted, Wire, accept, tune, untimed
from workers.standing import Standing
from workers.upstream import Upstream
from workers.warm import end

COMPUTED_MAX = 4  # tokens looked into in one turn: a signature takes up to a fifth of a millisecond
AT_ONCE_MAX = 64  # accepted in one turn: those who are in shall not wait for a crowd
PATIENCE_SECONDS = 0.25  # for a packet: after that a task waits for it, with the limits that apply there

_HEAD = 4
_ASK_TOKEN = messages.authentication_cleartext()


@dataclass(slots=True, eq=False)
class _Caller:
    """A connection at the door."""

    wire: Wire
    since: float
    begun: Begun = field(default_factory=Begun)
    leaving: bool = False  # it has heard its last word; until it closes its end, or PATIENCE_SECONDS


class Doorway:
    """The door of one worker. `arrivals` are those who go the long way; `begun` tells how far they have come."""

    def __init__(
        self, listener: socket.socket, relay: Relay, admissions: Admissions, standing: Standing
    ) -> None:
        self._listener = listener
        self._relay = relay
        self._admissions = admissions
        self._standing = standing
        self._callers: dict[int, _Caller] = {}
        self._begun: dict[Wire, Begun] = {}
        self._open = False
        self._soon: Callable[..., None]
        self._send, self.arrivals = trio.open_memory_channel[Wire](math.inf)  # who is there has a descriptor

    def begun(self, wire: Wire) -> Begun:
        """How far it had come; to be asked once."""
        return self._begun.pop(wire)

    def open(self) -> None:
        """From now on the relay rings. Called by a task; a turn is none, so it leaves newcomers to trio's next pass."""
        self._soon = trio.lowlevel.current_trio_token().run_sync_soon
        tune(self._listener, self._admissions.login_seconds)  # accepted sockets inherit all of it (tcp(7))
        self._relay.rung = self.ring
        self._open = True
        self._relay.watch(self._listener.fileno())

    def close(self) -> None:
        """Nobody comes in any more; who stands at the door is sent away."""
        self._open = False
        self._relay.unwatch(self._listener.fileno())
        for caller in list(self._callers.values()):
            self._drop(caller)
        self._send.close()

    def tidy(self) -> None:
        """Who keeps the door waiting gets a task; called about twice a second. Accepting begins again after exhaustion."""
        late = time.monotonic() - PATIENCE_SECONDS
        for caller in list(self._callers.values()):
            if caller.since < late:
                self._part(caller)
        if self._open:
            self._relay.watch(self._listener.fileno())

    def ring(self, fds: list[int]) -> None:
        """These sockets have something to say."""
        ready: list[tuple[_Caller, str]] = []
        for fd in fds:
            caller = self._callers.get(fd)
            if caller is not None:
                self._hear(caller, ready)
        if self._listener.fileno() in fds and self._open:  # last: it may be given the number of one that was closed
            self._answer(ready)
        if ready:
            self._let_in(ready)

    def _answer(self, ready: list[tuple[_Caller, str]]) -> None:
        for _ in range(AT_ONCE_MAX):
            try:
                sock = accept(self._listener)
            except Exhausted:
                self._relay.unwatch(self._listener.fileno())
                return
            if sock is None:
                return
            if len(self._callers) >= SIGNING_IN_MAX:  # there the oldest of too many is cut off
                self._part(next(iter(self._callers.values())))
            caller = _Caller(Wire(sock), time.monotonic())
            self._callers[sock.fileno()] = caller
            self._relay.watch(sock.fileno())
            self._hear(caller, ready)

    def _hear(self, caller: _Caller, ready: list[tuple[_Caller, str]]) -> None:
        if caller.leaving:
            self._hear_out(caller)
            return
        try:
            packet = caller.begun.packet
            if packet is None:
                self._first(caller)
            elif (token := self._token(caller)) is not None:
                ready.append((caller, token))
        except BlockingIOError:
            return
        except AssertionError:
            raise
        except Exception:  # whatever it is, the long way knows what to say of it
            self._long_way(caller)

    def _first(self, caller: _Caller) -> None:
        """The first packet, looked at where it lies: a TLS handshake must find its bytes there."""
        sock, begun, gate = caller.wire.sock, caller.begun, self._admissions
        seen = sock.recv(_HEAD + PACKET_BYTES_MAX, socket.MSG_PEEK)
        if seen == messages.SSL_REQUEST and gate.tls == "off" and begun.door is Door.FRESH:
            sock.recv(len(seen))
            _say(sock, b"N")
            begun.door = Door.SSL_REFUSED
            return
        packet = _startup(seen)
        if packet is None or gate.tls == "required" or not gate.doors.is_plain(packet):
            raise _LongWay
        sock.recv(len(seen))
        begun.packet = packet
        _say(sock, _ASK_TOKEN)

    def _token(self, caller: _Caller) -> str | None:
        """The token, left in the buffer for the long way. Raises _LongWay where it is not all that came."""
        buffer = caller.wire.buffer
        buffer += caller.wire.sock.recv(RECEIVE_BYTES)
        try:
            found = cut(bytearray(buffer), TOKEN_FRAME_BYTES_MAX)
            if found is None or found.kind != b"p" or len(found.body) + 5 != len(buffer):
                raise _LongWay
            return messages.read_password(found.body)
        except ProtocolError:
            raise _LongWay from None

    def _let_in(self, ready: list[tuple[_Caller, str]]) -> None:
        """All whom nothing stands against; they are on record before they read it, and so are those who fail."""
        admitted: list[tuple[_Caller, Attempt, Admission, Upstream]] = []
        refused: list[tuple[_Caller, Refused]] = []
        for place, (caller, token) in enumerate(ready):
            packet = caller.begun.packet
            assert packet is not None
            attempt = attempt_of(caller.wire, packet, Proof(token))
            found = self._judged(attempt, packet, computes=place < COMPUTED_MAX)
            if found is None:
                self._long_way(caller)
            elif isinstance(found, Refused):
                refused.append((caller, found))
            else:
                admitted.append((caller, attempt, *found))
        try:
            self._admissions.put_on_record()
        except Refusal:
            for caller, _, admission, upstream in admitted:
                end(upstream)
                self._admissions.lost(admission)
                self._long_way(caller)
            admitted.clear()
        for caller, attempt, admission, upstream in admitted:
            self._greet(caller, attempt, admission, upstream)
        for caller, why in refused:
            self._refuse(caller, why)

    def _judged(self, attempt: Attempt, packet: Startup, *, computes: bool) -> tuple[Admission, Upstream] | Refused | None:
        """None where the long way has to find out; it asks the same, and says what of it can be told."""
        gate = self._admissions
        try:
            return gate.at_once(attempt) or gate.limit(attempt) or (gate.wrong(attempt, packet) if computes else None)
        except AssertionError:
            raise
        except Exception:
            return None

    def _greet(self, caller: _Caller, attempt: Attempt, admission: Admission, upstream: Upstream) -> None:
        wire = caller.wire
        self._leave(caller)
        secret = secrets.token_bytes(32 if attempt.minor >= 2 else 4)
        try:
            _say(wire.sock, upstream.greeting(secret))
            untimed(wire.sock)
        except (OSError, _LongWay):  # it is gone
            end(upstream)
            self._admissions.lost(admission)
            wire.drop()
            return
        wire.buffer.clear()
        self._standing.begin(SignedIn(wire, upstream, admission, attempt, secret))

    def _refuse(self, caller: _Caller, refused: Refused) -> None:
        words = messages.error_response("FATAL", refused.sqlstate, refused.message, hint=refused.hint)
        try:
            _say(caller.wire.sock, words)
            caller.wire.sock.shutdown(socket.SHUT_WR)
        except (OSError, _LongWay):  # it is gone
            self._drop(caller)
            return
        caller.leaving, caller.since = True, time.monotonic()

    def _hear_out(self, caller: _Caller) -> None:
        """Closing over unread bytes resets a connection, and the reset may overtake the last word."""
        try:
            if caller.wire.sock.recv(RECEIVE_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(caller)

    def _part(self, caller: _Caller) -> None:
        """From one that has been here long enough."""
        if caller.leaving:
            self._drop(caller)
        else:
            self._long_way(caller)

    def _drop(self, caller: _Caller) -> None:
        self._leave(caller)
        caller.wire.drop()

    def _leave(self, caller: _Caller) -> None:
        fd = caller.wire.fileno()
        del self._callers[fd]
        self._relay.unwatch(fd)

    def _long_way(self, caller: _Caller) -> None:
        self._leave(caller)
        self._begun[caller.wire] = caller.begun
        self._soon(self._arrive, caller.wire)

    def _arrive(self, wire: Wire) -> None:
        try:
            self._send.send_nowait(wire)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            del self._begun[wire]
            wire.close()


class _LongWay(Exception):
    """This sign-in needs more than a moment."""


def _startup(seen: bytes) -> Startup | None:
    """The StartupMessage, where these bytes are one that asks for nothing special."""
    if len(seen) < 2 * _HEAD or int.from_bytes(seen[:_HEAD], "big") != len(seen):
        return None
    with contextlib.suppress(ProtocolError):
        packet = startup.read(seen[_HEAD:])
        if isinstance(packet, Startup) and not packet.negotiate:
            return packet
    return None


def _say(sock: socket.socket, data: bytes) -> None:
    """Sends to one that has not been told anything yet, or only a few bytes: it fits, or the peer is not there."""
    if sock.send(data) != len(data):
        raise _LongWay
