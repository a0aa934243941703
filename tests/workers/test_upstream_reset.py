"""The answer to a reset: only one that leaves no doubt makes a connection new."""

from collections.abc import Iterable

import pytest

from parser import messages
from parser.errors import ProtocolError
from parser.frames import Frame, cut
from workers.upstream_reset import Reset

LOGIN = [("TimeZone", "UTC"), ("is_superuser", "off")]
DONE = messages.command_complete("DISCARD ALL")
READY = messages.ready_for_query(b"I")
SHOWN = messages.frame(b"T", b"\0\0")


def role(name: bytes) -> bytes:
    return messages.frame(b"D", b"\0\1" + len(name).to_bytes(4, "big") + name)


def told(name: str, value: str) -> bytes:
    return messages.parameter_status(name, value)


def frames(data: bytes) -> Iterable[Frame]:
    held = bytearray(data)
    while (found := cut(held, 1 << 16)) is not None:
        yield found


def answer(reset: Reset, *data: bytes) -> bool:
    for frame in frames(b"".join(data)):
        reset.take(frame)
    return reset.done


def test_reset_without_a_role_is_one_statement() -> None:
    reset = Reset(LOGIN, {}, None)
    assert reset.request == messages.query("DISCARD ALL")
    assert not answer(reset, DONE)
    assert answer(reset, READY)


def test_reset_with_a_role_ends_with_the_server_saying_that_it_has_it() -> None:
    reset = Reset(LOGIN, {}, "app_ro")
    assert list(frames(reset.request)) == list(
        frames(messages.query("DISCARD ALL") + messages.query("RESET ROLE") + messages.query("SHOW ROLE"))
    )
    assert not answer(reset, DONE, READY, messages.command_complete("RESET"), READY)
    assert answer(reset, SHOWN, role(b"app_ro"), messages.command_complete("SHOW"), READY)


@pytest.mark.parametrize("shown", [b"none", b"other"])
def test_another_role_than_at_the_login_is_doubt(shown: bytes) -> None:
    reset = Reset(LOGIN, {}, "app_ro")
    answer(reset, DONE, READY, messages.command_complete("RESET"), READY)
    with pytest.raises(ProtocolError, match="role"):
        answer(reset, SHOWN, role(shown), messages.command_complete("SHOW"), READY)


def test_settings_come_back_to_what_the_login_said() -> None:
    reset = Reset(LOGIN, {"TimeZone": "Asia/Tokyo"}, None)
    assert answer(reset, told("TimeZone", "UTC"), messages.notice_response("NOTICE", "00000", "x"), DONE, READY)


def test_setting_that_does_not_come_back_is_doubt() -> None:
    reset = Reset(LOGIN, {"TimeZone": "Asia/Tokyo"}, None)
    with pytest.raises(ProtocolError, match="settings"):
        answer(reset, DONE, READY)


@pytest.mark.parametrize(
    "said",
    [
        messages.error_response("FATAL", "57P01", "terminating connection"),
        messages.error_response("ERROR", "25001", "DISCARD ALL cannot run inside a transaction block"),
        messages.ready_for_query(b"T"),
        role(b"app_ro"),
        messages.frame(b"A", b"\0\0\0\1x\0y\0"),
        messages.frame(b"G", b"\0\0\0"),
    ],
)
def test_everything_else_the_server_says_is_doubt(said: bytes) -> None:
    reset = Reset(LOGIN, {}, "app_ro")
    with pytest.raises(ProtocolError):
        answer(reset, said)


@pytest.mark.parametrize("said", [DONE, READY, messages.error_response("FATAL", "57P01", "x"), told("TimeZone", "CET")])
def test_afterwards_only_notices_and_the_same_settings_are_no_doubt(said: bytes) -> None:
    reset = Reset(LOGIN, {}, None)
    answer(reset, DONE, READY, told("TimeZone", "UTC"), messages.notice_response("WARNING", "01000", "x"))
    with pytest.raises(ProtocolError):
        answer(reset, said)
