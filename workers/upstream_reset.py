"""Making a server's session new again: what is sent, and whether the answer says that it is. Bytes move elsewhere."""

from collections.abc import Mapping, Sequence

from parser import messages
from parser.errors import ProtocolError
from parser.frames import Frame

RESET_FRAME_BYTES_MAX = 65_536

_DISCARD = messages.query("DISCARD ALL")
# Servers older than their releases of November 2024 leave the role with DISCARD ALL (CVE-2024-10978).
_ROLE = messages.query("RESET ROLE") + messages.query("SHOW ROLE")


class Reset:
    """One reset: send `request`, hand each frame to `take` until `done`, and afterwards whatever else the server says.

    `login`: the parameters that it reported at the login, `reported` those since; what it reports in the end must be what it
    reported first, because the next client is told that. `role`: the one that the login asked for. `take` raises
    ProtocolError for everything that casts doubt on the connection.
    """

    __slots__ = ("_login", "_role", "_shown", "_waits", "_words", "request")

    def __init__(self, login: Sequence[tuple[str, str]], reported: Mapping[str, str], role: str | None) -> None:
        self._login = dict(login)
        self._words = {**self._login, **reported}
        self._role = role
        self._shown: str | None = None
        self.request = _DISCARD if role is None else _DISCARD + _ROLE
        self._waits = 1 if role is None else 3

    @property
    def done(self) -> bool:
        return not self._waits

    def take(self, frame: Frame) -> None:
        kind, body = frame
        if kind == b"S":
            name, value = messages.read_parameter_status(body)
            self._words[name] = value
            if self.done:
                self._compare()
        elif kind == b"Z" and self._waits:
            if messages.read_ready_for_query(body) != b"I":
                raise ProtocolError("a reset connection is in no transaction")
            self._waits -= 1
            if self.done:
                self._compare()
        elif kind == b"D" and self._waits == 1:
            self._shown = (messages.data_row(body)[0] or b"").decode("utf-8", "replace")
        elif kind != b"N" and (kind not in (b"C", b"T") or self.done):
            raise ProtocolError("a message has no place in the answer to a reset")

    def _compare(self) -> None:
        if self._words != self._login:
            raise ProtocolError("its settings are others than at the login")
        if self._shown != self._role:
            raise ProtocolError("its role is another than at the login")
