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


class Frames:
    """An incremental cutter. It holds the bytes it was fed and no more: an announced length reserves nothing.

    `body_bytes_max` may be changed between messages: what may arrive depends on the state.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self.body_bytes_max = body_bytes_max
        self._held = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Takes bytes in the order in which they arrived."""
        self._held += chunk

    def next(self) -> Frame | None:
        """The next whole frame, or None while it is incomplete. Raises ProtocolError on a length out of
        range as soon as the length is there."""
        held = self._held
        if len(held) < HEADER_BYTES:
            return None
        length = int.from_bytes(held[1:5], "big")
        if length < 4:
            raise ProtocolError("a message's length is less than 4")
        if length - 4 > self.body_bytes_max:
            raise ProtocolError(f"a message is longer than the {self.body_bytes_max} bytes allowed here")
        if len(held) < 1 + length:
            return None
        found = Frame(bytes(held[:1]), bytes(held[HEADER_BYTES : 1 + length]))
        del held[: 1 + length]
        return found

    def rest(self) -> bytes:
        """The bytes fed and not yet cut. They are handed over: the cutter forgets them."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def __len__(self) -> int:
        """How many bytes are held."""
        return len(self._held)
