"""Cutting a byte stream into typed frames: type byte, Int32 length that counts itself (manual, section 55.1).

For sign-in and the gateway's own talk with a server, where messages are few; the relay has its own loop.
"""

from typing import NamedTuple

from parser.errors import ProtocolError

HEADER_BYTES = 5


class Frame(NamedTuple):
    """`kind` is the type byte, `body` what follows the length."""

    kind: bytes
    body: bytes


def cut(held: bytearray, body_bytes_max: int) -> Frame | None:
    """Takes the next whole frame out of `held`, the bytes received so far; None while it is incomplete.

    An announced length reserves nothing. `body_bytes_max` depends on where the conversation stands.
    Raises ProtocolError on a length out of range, as soon as the length is there.
    """
    if len(held) < HEADER_BYTES:
        return None
    length = int.from_bytes(held[1:HEADER_BYTES], "big")
    if length < 4:
        raise ProtocolError("a message's length is less than 4")
    if length - 4 > body_bytes_max:
        raise ProtocolError(f"a message is longer than the {body_bytes_max} bytes allowed here")
    if len(held) < 1 + length:
        return None
    found = Frame(bytes(held[:1]), bytes(held[HEADER_BYTES : 1 + length]))
    del held[: 1 + length]
    return found
