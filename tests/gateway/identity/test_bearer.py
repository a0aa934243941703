"""OAUTHBEARER's first message and its error."""

import json

import msgspec
import pytest

from gateway.errors import Refusal, State
from gateway.identity import bearer

from .token_rig import ISSUER


@pytest.mark.parametrize(
    ("message", "token"),
    [
        (b"n,,\x01auth=Bearer abc.def\x01\x01", "abc.def"),
        (b"n,,\x01auth=bearer  abc\x01\x01", "abc"),
        (b"y,,\x01auth=Bearer abc\x01\x01", "abc"),
        (b"n,a=alice,\x01host=h\x01port=5432\x01auth=Bearer abc\x01\x01", "abc"),
        (b"n,,\x01auth=\x01\x01", ""),
    ],
)
def test_a_token_is_read(message: bytes, token: str) -> None:
    assert bearer.read(message, "alice") == token


def test_commas_in_an_authorization_identity_are_spelled_out() -> None:
    assert bearer.read(b"n,a=a=2Cb=3Dc,\x01auth=\x01\x01", "a,b=c") == ""


WRONG = [
    b"", b"n,,", b"n,,\x01", b"n,,\x01\x01", b"n,,\x01auth=Bearer x\x01", b"n,,\x01auth=Bearer x", b"n,\x01auth=\x01\x01",
    b"x,,\x01auth=\x01\x01", b",,\x01auth=\x01\x01", b"n,,,\x01auth=\x01\x01", b"n,b=alice,\x01auth=\x01\x01",
    b"p=tls-unique,,\x01auth=\x01\x01", b"n,,\x01auth=Basic x\x01\x01", b"n,,\x01auth=Bearer\x01\x01",
    b"n,,\x01auth=Bearer \x01\x01", b"n,,\x01auth\x01\x01", b"n,,\x01host=h\x01\x01", b"n,,\x01=x\x01auth=\x01\x01",
    b"n,,\x01auth=\x01auth=Bearer x\x01\x01", b"n,,\x01auth=Bearer \xc3\xa9\x01\x01", b"n,,\x01a b=1\x01auth=\x01\x01",
    b"n,,\x01auth=\x01\x01\x01",
]  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_message_is_a_violation(message: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        bearer.read(message, "alice")
    assert caught.value.refused.sqlstate == State.PROTOCOL


@pytest.mark.parametrize("named", ["mallory", "Alice", "alice ", "=61lice"])
def test_nobody_signs_in_as_another_than_the_start_up_packet_says(named: str) -> None:
    with pytest.raises(Refusal, match="another user") as caught:
        bearer.read(f"n,a={named},\x01auth=Bearer abc\x01\x01".encode(), "alice")
    assert caught.value.refused.sqlstate == State.NOT_SIGNED_IN


def test_the_error_tells_where_tokens_are_to_be_had() -> None:
    assert json.loads(bearer.error(ISSUER)) == {
        "status": "invalid_token",
        "openid-configuration": "https://sluice.local/.well-known/openid-configuration",
        "scope": "openid",
    }
    other = msgspec.structs.replace(ISSUER, discovery="https://id.example.com/.well-known/openid-configuration", scope="db")
    told = json.loads(bearer.error(other))
    assert (told["openid-configuration"], told["scope"]) == (other.discovery, "db")
