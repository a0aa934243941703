"""The messages of a SASL sign-in as the server's side writes and reads them (manual, sections 54.3 and 55.7)."""

from collections.abc import Sequence
from struct import Struct

from parser.errors import ProtocolError
from parser.messages import frame

_U32 = Struct(">I")
_MECHANISMS, _CONTINUE, _FINAL = 10, 11, 12
_NONE = 0xFFFFFFFF  # a length of -1: no initial response


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    """The mechanisms in the server's order of preference."""
    names = b"".join(name.encode("ascii") + b"\0" for name in mechanisms)
    return frame(b"R", _U32.pack(_MECHANISMS) + names + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    return frame(b"R", _U32.pack(_CONTINUE) + data)


def authentication_sasl_final(data: bytes) -> bytes:
    return frame(b"R", _U32.pack(_FINAL) + data)


def read_sasl_initial(body: bytes) -> tuple[str, bytes | None]:
    """SASLInitialResponse: the mechanism chosen, and the client's first message, None where it sent none."""
    end = body.find(0)
    if end < 0 or len(body) < end + 5:
        raise ProtocolError("a SASL response is too short")
    try:
        mechanism = body[:end].decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("a SASL mechanism's name is not ASCII") from None
    (length,) = _U32.unpack_from(body, end + 1)
    response = body[end + 5 :]
    if length == _NONE and not response:
        return mechanism, None
    if length != len(response):
        raise ProtocolError("a SASL response's length and content disagree")
    return mechanism, response
