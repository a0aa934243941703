"""The first packet of a connection (manual, section 55.2.1), which has a length but no type byte."""

from dataclasses import dataclass

from parser.errors import ProtocolError
from parser.messages import (
    CANCEL_REQUEST_CODE,
    GSSENC_REQUEST_CODE,
    PROTOCOL_MAJOR,
    SSL_REQUEST_CODE,
)

PACKET_BYTES_MAX = 10_000  # the server's MAX_STARTUP_PACKET_LENGTH: the packet without its length
MINOR_MAX = 2  # 3.2: cancel keys of variable length
EXTENSION_PREFIX = "_pq_."


class UnsupportedVersion(ProtocolError):
    """A major protocol version that is not spoken here: FATAL 0A000, as PostgreSQL answers."""


@dataclass(frozen=True, slots=True)
class SslRequest:
    """The client asks for TLS and waits for one byte, S or N."""


@dataclass(frozen=True, slots=True)
class GssEncRequest:
    """The client asks for GSSAPI encryption and waits for one byte, G or N."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """`secret` has 4 bytes in protocol 3.0, up to 256 in 3.2. No answer is expected."""

    pid: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """`pairs` in the order sent, without the `_pq_.` options, whose names are in `extensions`.

    `minor` is the version to speak: what was asked for, at most 3.2. `negotiate`: the client asked for more
    than that (a later version, or any option), and must be told by one NegotiateProtocolVersion.
    """

    pairs: tuple[tuple[str, str], ...]
    minor: int
    negotiate: bool
    extensions: tuple[str, ...]

    def get(self, name: str) -> str | None:
        """The value sent under `name`, None where it was not sent."""
        for key, value in self.pairs:
            if key == name:
                return value
        return None


FirstPacket = SslRequest | GssEncRequest | CancelRequest | Startup


def packet_length(head: bytes) -> int:
    """How many bytes follow the four of `head`. Raises ProtocolError on a bad length."""
    length = int.from_bytes(head, "big") - 4
    if not 4 <= length <= PACKET_BYTES_MAX:
        raise ProtocolError("the first packet has a bad length")
    return length


def read(body: bytes) -> FirstPacket:
    """The packet without its length. Raises ProtocolError, UnsupportedVersion for another major version."""
    if not 4 <= len(body) <= PACKET_BYTES_MAX:
        raise ProtocolError("the first packet has a bad length")
    code = int.from_bytes(body[:4], "big")
    if code == CANCEL_REQUEST_CODE:
        return _cancel_request(body)
    if code in (SSL_REQUEST_CODE, GSSENC_REQUEST_CODE):
        if len(body) != 4:
            raise ProtocolError("an encryption request has a bad length")
        return SslRequest() if code == SSL_REQUEST_CODE else GssEncRequest()
    if code >> 16 != PROTOCOL_MAJOR:
        raise UnsupportedVersion(
            f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: "
            f"server supports {PROTOCOL_MAJOR}.0 to {PROTOCOL_MAJOR}.{MINOR_MAX}"
        )
    return _startup(body, code & 0xFFFF)


def _cancel_request(body: bytes) -> CancelRequest:
    if not 12 <= len(body) <= 264:
        raise ProtocolError("a cancel request has a bad length")
    return CancelRequest(int.from_bytes(body[4:8], "big"), body[8:])


def _startup(body: bytes, minor: int) -> Startup:
    texts = body[4:].split(b"\0")
    # Names and values alternate; one empty name ends the list, so that the split ends with two empty parts.
    if len(texts) % 2 or len(texts) < 2 or texts[-1] or texts[-2]:
        raise ProtocolError("invalid startup packet layout: expected terminator as last byte")
    pairs: dict[str, str] = {}
    extensions: list[str] = []
    for raw_name, raw_value in zip(texts[:-2:2], texts[1:-2:2], strict=True):
        try:
            name, value = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError:
            raise ProtocolError("a startup parameter is not UTF-8") from None
        if not name:
            raise ProtocolError("invalid startup packet layout: a parameter without a name")
        if name in pairs or name in extensions:
            raise ProtocolError("a startup parameter is given twice")
        if name.startswith(EXTENSION_PREFIX):
            extensions.append(name)
        else:
            pairs[name] = value
    if not pairs.get("user"):
        raise ProtocolError("no user name is given in the startup packet")
    negotiate = minor > MINOR_MAX or bool(extensions)
    return Startup(tuple(pairs.items()), min(minor, MINOR_MAX), negotiate, tuple(extensions))
