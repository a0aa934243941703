"""The first packet: every kind reads back, everything else is a ProtocolError."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser import messages, startup
from parser.errors import ProtocolError
from parser.startup import CancelRequest, GssEncRequest, SslRequest, Startup, UnsupportedVersion

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PAIRS = st.dictionaries(
    TEXT.filter(lambda name: name and not name.startswith("_pq_.") and name != "user"), TEXT
)
V3 = struct.pack(">I", 3 << 16)


def read(packet: bytes) -> startup.FirstPacket:
    assert startup.packet_length(packet[:4]) == len(packet) - 4
    return startup.read(packet[4:])


@given(PAIRS, TEXT.filter(bool), st.integers(0, 2))
def test_a_startup_message_reads_back_in_its_order(pairs: dict[str, str], user: str, minor: int) -> None:
    sent = (*pairs.items(), ("user", user))
    assert read(messages.startup_message(sent, minor)) == Startup(sent, minor, False, ())


@given(st.integers(0, 2**32 - 1), st.binary(min_size=4, max_size=256))
def test_a_cancel_request_reads_back(pid: int, secret: bytes) -> None:
    assert read(messages.cancel_request(pid, secret)) == CancelRequest(pid, secret)


def test_encryption_requests_are_told_apart() -> None:
    assert read(messages.SSL_REQUEST) == SslRequest()
    assert read(struct.pack(">II", 8, messages.GSSENC_REQUEST_CODE)) == GssEncRequest()


def test_a_later_minor_version_and_options_are_to_be_negotiated() -> None:
    later = read(messages.startup_message([("user", "a")], 9999))
    assert later == Startup((("user", "a"),), 2, True, ())
    pairs = [("_pq_.x", "1"), ("user", "a"), ("_pq_.y", "")]
    assert read(messages.startup_message(pairs)) == Startup((("user", "a"),), 0, True, ("_pq_.x", "_pq_.y"))


def test_get_gives_the_value_or_none() -> None:
    packet = Startup((("user", "a"), ("database", "")), 0, False, ())
    assert (packet.get("user"), packet.get("database"), packet.get("options")) == ("a", "", None)


@pytest.mark.parametrize(
    "version", [0, 1 << 16, 2 << 16, 4 << 16, (3 << 16) + (1 << 24), 1234 << 16, 2**32 - 1]
)
def test_another_major_version_is_told_by_its_number(version: int) -> None:
    with pytest.raises(
        UnsupportedVersion, match=f"{version >> 16}\\.{version & 0xFFFF}: server supports 3.0 to 3.2"
    ):
        startup.read(struct.pack(">I", version) + b"user\0a\0\0")


@pytest.mark.parametrize(
    "texts",
    [
        b"",
        b"\0",
        b"\0\0",
        b"user",
        b"user\0",
        b"user\0a",
        b"user\0a\0",
        b"user\0\0",
        b"user\0\0\0",
        b"user\0a\0\0\0",
        b"user\0a\0\0x",
        b"user\0a\0\0x\0\0",
        b"user\0a\0x\0\0",
        b"database\0a\0\0",
        b"user\0a\0user\0b\0\0",
        b"user\0a\0options\0x\0options\0y\0\0",
        b"user\0a\0_pq_.x\0x\0_pq_.x\0y\0\0",
        b"user\0a\0\0b\0\0",
        b"user\0\xff\xfe\0\0",
        b"\xff\0a\0user\0b\0\0",
    ],
)
def test_a_malformed_startup_message_is_refused(texts: bytes) -> None:
    with pytest.raises(ProtocolError):
        startup.read(V3 + texts)


@pytest.mark.parametrize("key_bytes", [0, 3, 257])
def test_a_cancel_key_of_bad_length_is_refused(key_bytes: int) -> None:
    with pytest.raises(ProtocolError):
        startup.read(struct.pack(">II", messages.CANCEL_REQUEST_CODE, 1) + bytes(key_bytes))


def test_an_encryption_request_with_a_tail_is_refused() -> None:
    for code in (messages.SSL_REQUEST_CODE, messages.GSSENC_REQUEST_CODE):
        with pytest.raises(ProtocolError):
            startup.read(struct.pack(">I", code) + b"x")


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 7, 10_005, 2**31 - 1, 2**31, 2**32 - 1])
def test_the_length_of_the_first_packet_is_bounded(length: int) -> None:
    with pytest.raises(ProtocolError):
        startup.packet_length(length.to_bytes(4, "big"))


def test_the_length_of_the_first_packet_is_as_in_postgresql() -> None:
    assert startup.packet_length((8).to_bytes(4, "big")) == 4
    assert startup.packet_length((10_004).to_bytes(4, "big")) == 10_000
    with pytest.raises(ProtocolError):
        startup.read(V3 + b"x" * 9_997)


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_read_or_are_a_protocol_error(raw: bytes, as_startup: bool) -> None:
    try:
        packet = startup.read(V3 + raw if as_startup else raw)
    except ProtocolError:
        return
    assert not isinstance(packet, Startup) or packet.get("user")
