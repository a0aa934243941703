"""Addresses that others call, over real HTTP."""

import logging
import socket
from collections.abc import Mapping

import pytest
import trio

from tests.workers.inbound_rig import served
from workers import channel_routes
from workers.callbacks import Reply

pytestmark = pytest.mark.trio


class Echo:
    """Answers with what it was given."""

    path = "/hooks/echo"
    body_bytes_max = 1000

    def __init__(self) -> None:
        self.heard: list[tuple[Mapping[str, str], bytes]] = []

    async def handle(self, headers: Mapping[str, str], body: bytes) -> Reply:
        self.heard.append((headers, body))
        if body == b"burst":
            raise RuntimeError(f"secret {body!r}")
        return Reply(202, body)


async def test_a_body_and_its_headers_are_handed_on_as_they_came() -> None:
    echo = Echo()
    async with served([echo]) as inbound:
        answer = await inbound.post("/hooks/echo", b"\x00\xff", {"Webhook-Id": "m1"})
        assert (answer.status_code, answer.content) == (202, b"\x00\xff")
        assert answer.headers["cache-control"] == "no-store"
        assert echo.heard[0][0]["webhook-id"] == "m1"


async def test_what_is_too_long_or_elsewhere_or_no_post_is_turned_away() -> None:
    echo = Echo()
    async with served([echo]) as inbound:
        assert (await inbound.post("/hooks/echo", b"x" * 1001)).status_code == 413
        assert (await inbound.post("/hooks/other", b"")).status_code == 404
        host, port = inbound.url.removeprefix("http://").split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            head = b"POST /hooks/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            await stream.send_all(head + b"3e9\r\n" + b"x" * 1001 + b"\r\n")
            assert b" 413 " in bytes(await stream.receive_some(65536)).split(b"\r\n")[0]
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            await stream.send_all(b"GET /hooks/echo HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 405 " in bytes(await stream.receive_some(65536)).split(b"\r\n")[0]
    assert echo.heard == []


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_routes, "BODY_SECONDS", 0.05)
    async with served([Echo()]) as inbound:
        host, port = inbound.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await stream.send_all(b"POST /hooks/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
            assert b" 408 " in bytes(await stream.receive_some(65536)).split(b"\r\n")[0]


async def test_headers_of_one_name_are_one_list() -> None:
    echo = Echo()
    async with served([echo]) as inbound:
        host, port = inbound.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"POST /hooks/echo HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n")
            await stream.receive_some(65536)
    assert echo.heard[0][0]["a"] == "1, 2"


async def test_an_error_nobody_foresaw_is_answered_and_its_words_stay_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "sluice"):
        async with served([Echo()]) as inbound:
            answer = await inbound.post("/hooks/echo", b"burst")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
