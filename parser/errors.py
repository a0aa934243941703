"""The one error of this room: a peer that broke the protocol."""


class ProtocolError(Exception):
    """The peer's bytes are not PostgreSQL protocol 3.x (SQLSTATE 08P01); the connection ends.

    The message may be sent to that peer: it never quotes a value from the bytes, only lengths and type letters.
    """
