"""The server's side of SASL on the wire."""

import pytest

from parser import messages, sasl
from parser.errors import ProtocolError
from parser.frames import cut


def body_of(frame: bytes) -> bytes:
    found = cut(bytearray(frame), 1000)
    assert found is not None
    assert found.kind == b"R"
    return found.body


def test_clients_read_what_is_built_here() -> None:
    offered = body_of(sasl.authentication_sasl(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]))
    assert messages.read_authentication(offered) == (10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
    assert messages.read_authentication(body_of(sasl.authentication_sasl_continue(b"r=x"))) == (11, b"r=x")
    assert messages.read_authentication(body_of(sasl.authentication_sasl_final(b"v=x"))) == (12, b"v=x")


def test_initial_response_is_read_as_it_was_sent() -> None:
    sent = cut(bytearray(messages.sasl_initial("OAUTHBEARER", b"n,,\x01")), 1000)
    assert sent is not None
    assert sasl.read_sasl_initial(sent.body) == ("OAUTHBEARER", b"n,,\x01")
    assert sasl.read_sasl_initial(b"X\0\xff\xff\xff\xff") == ("X", None)
    assert sasl.read_sasl_initial(b"X\0\0\0\0\0") == ("X", b"")


@pytest.mark.parametrize(
    "body", [b"", b"X", b"X\0", b"X\0\0\0\0", b"X\0\0\0\0\2a", b"X\0\0\0\0\1ab", b"X\0\xff\xff\xff\xffa", b"\xff\0\0\0\0\0"]
)
def test_anything_else_is_a_violation(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        sasl.read_sasl_initial(body)
