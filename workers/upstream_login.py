"""Logging in to a server: what it may ask, what is answered, and what is not believed. Bytes move
elsewhere."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import upstream_auth
from gateway.errors import Refusal, Refused, State, Unavailable
from gateway.upstream_auth import distrust
from parser import messages
from parser.errors import ProtocolError
from parser.frames import Frame

LOGIN_FRAME_BYTES_MAX = 65_536
LOGIN_BYTES_MAX = 1 << 20  # all of a login: a server that never gets ready must not fill the memory meanwhile

METHODS = frozenset(("none", "password", "md5", "scram-sha-256"))  # the words of libpq's require_auth

# SQLSTATE classes of a FATAL at login that the client's own words or the server's condition caused: it is
# told in the server's words. All others speak of the gateway's own credentials, which are nobody else's
# business.
_TELL = frozenset(("0A", "22", "3D", "42", "53", "54", "55", "57"))


class Rejected(Exception):
    """The server answered with an ErrorResponse. `refusal` is what the client may read."""

    def __init__(self, body: bytes, authenticated: bool) -> None:
        fields = messages.read_error_fields(body)
        self.sqlstate = fields.get("C", "")
        self.authenticated = authenticated
        self.refusal: Refusal
        if self.sqlstate[:2] in _TELL and len(self.sqlstate) == 5 and self.sqlstate.isalnum():
            self.refusal = Refusal(Refused(self.sqlstate, fields.get("M", ""), fields.get("H", "")))
        else:
            words = "the database did not let the gateway in"
            self.refusal = Unavailable(Refused(State.UNREACHABLE, words))
        super().__init__(self.sqlstate)


@dataclass(slots=True)
class Login:
    """One login conversation: `take` each frame and send what it returns, until `ready`.

    `endpoint`: the certificate's channel binding under TLS; `private`: a password in clear would be read by
    nobody on its way. Raises Rejected, Unavailable where the server misbehaves, ProtocolError on malformed
    bytes.
    """

    user: str
    password: str | None = field(repr=False)
    minor: int  # of the protocol: what was asked for, and then what the server speaks
    endpoint: bytes | None
    private: bool
    require_auth: frozenset[str] = METHODS
    new_nonce: Callable[[], str] = lambda: base64.b64encode(secrets.token_bytes(18)).decode()

    ready: bool = False
    authenticated: bool = False
    pid: int = 0
    secret: bytes = field(default=b"", repr=False)
    status: bytes = b"I"
    parameters: list[tuple[str, str]] = field(default_factory=list)
    notices: list[bytes] = field(default_factory=list)
    _received: int = 0
    _asked: bool = False
    _scram: upstream_auth.Scram | None = None

    def take(self, frame: Frame) -> bytes:
        """The server's next frame; returns the answer's bytes, empty where none is due."""
        kind, body = frame
        self._received += len(body)
        if self._received > LOGIN_BYTES_MAX:
            raise distrust("it talks without end")
        if kind == b"E":
            raise Rejected(body, self.authenticated)
        if kind == b"N":
            self.notices.append(messages.frame(kind, body))
        elif kind == b"R" and not self.authenticated:
            return self._authenticate(*messages.read_authentication(body))
        elif kind == b"v" and not self._asked and not self.authenticated:
            self._negotiate(body)
        elif self.authenticated:
            self._session(kind, body)
        else:
            raise distrust("a message is out of place")
        return b""

    def _session(self, kind: bytes, body: bytes) -> None:
        if kind == b"S":
            self.parameters.append(messages.read_parameter_status(body))
        elif kind == b"K" and not self.secret:
            self.pid, self.secret = messages.read_backend_key_data(body)
        elif kind == b"Z":
            self.status = messages.read_ready_for_query(body)
            self.ready = True
        else:
            raise distrust("a message is out of place")

    def _negotiate(self, body: bytes) -> None:
        minor, _ = messages.read_negotiation(body)
        if minor >= self.minor:  # also the second one: the first has lowered what is spoken
            raise distrust("it negotiates a version that nobody asked for")
        self.minor = minor

    def _authenticate(self, code: int, data: bytes) -> bytes:
        if code == 0:
            return self._accepted(data)
        if code == 3 and not data:
            self._allow("password")
            if not self.private:
                raise distrust("it asks for the password in clear over an open network")
            return messages.password_message(self._secret())
        if code == 5 and len(data) == 4:
            self._allow("md5")
            return messages.password_message(upstream_auth.md5(self.user, self._secret(), data))
        if code == 10:
            self._allow("scram-sha-256")
            choice = upstream_auth.choose(_mechanisms(data), self.endpoint)
            self._scram = upstream_auth.Scram(self._secret(), choice, self.new_nonce())
            return messages.sasl_initial(choice.mechanism, self._scram.first())
        if code == 11 and self._scram is not None:
            return messages.sasl_response(self._scram.answer(data))
        if code == 12 and self._scram is not None:
            self._scram.finish(data)
            return b""
        raise distrust("it asks for an authentication that is not spoken here")

    def _accepted(self, data: bytes) -> bytes:
        if data:
            raise ProtocolError("an AuthenticationOk has a bad length")
        if not self._asked:
            self._allow("none")
        if self._scram is not None and not self._scram.proven:
            raise distrust("it lets us in before it proved that it knows the password")
        self.authenticated = True
        return b""

    def _allow(self, method: str) -> None:
        """Admits one method, once: a second request would offer the password to another method."""
        if self._asked:
            raise distrust("it asks twice for authentication")
        self._asked = True
        if method not in self.require_auth:
            raise distrust("it asks for an authentication that the configuration does not allow")

    def _secret(self) -> str:
        if self.password is None:
            raise distrust("it asks for a password and none is configured")
        return self.password


def _mechanisms(data: bytes) -> list[str]:
    """The list in AuthenticationSASL: strings, closed by an empty one."""
    names = data.split(b"\0")
    if len(names) < 3 or names[-1] or names[-2]:
        raise ProtocolError("a list of SASL mechanisms is malformed")
    return [name.decode("ascii", "replace") for name in names[:-2]]
