"""The queue live, over real connections: told at once, ended with the sign-in, never too many."""

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from gateway.identity.barred import Bar
from tests.workers.console_rig import Browser, Site, site
from tests.workers.desk_rig import waits
from workers import admin_server, console_live
from workers.admin_server import Server
from workers.console_live import PERSON_MAX, STREAMS_MAX, Watch, mark
from workers.embedded import free_port

pytestmark = pytest.mark.trio


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Site, int]]:
    async with site(folder) as at, trio.open_nursery() as nursery:
        port = free_port()
        at.configure(admin=f"127.0.0.1:{port}")
        at.server = Server(at.at.desk, lambda: at.app)
        nursery.start_soon(at.server.serve)
        yield at, port
        nursery.cancel_scope.cancel()


async def stream(port: int, browser: Browser, path: str = "/live") -> trio.SocketStream:
    with trio.fail_after(5):
        while True:
            with contextlib.suppress(OSError):
                made = await trio.open_tcp_stream("127.0.0.1", port)
                break
            await trio.sleep(0.01)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    await made.send_all(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    return made


async def reads(made: trio.SocketStream, words: bytes) -> bytes:
    found = b""
    with trio.fail_after(5):
        while words not in found:
            part = await made.receive_some()
            if not part:
                raise AssertionError(f"it ended after {found!r}")
            found += bytes(part)
    return found


async def ends(made: trio.SocketStream) -> bytes:
    found = b""
    with trio.fail_after(5), contextlib.suppress(trio.BrokenResourceError):
        while part := await made.receive_some():
            found += bytes(part)
    return found


async def test_a_change_is_told_at_once_and_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_live, "PAUSE_SECONDS", 0.0)
    async with served(tmp_path) as (at, port):
        browser = await at.signed_in()
        queue = await stream(port, browser)
        head = await reads(queue, b"data: ")
        assert b"200" in head
        assert b"text/event-stream" in head
        await at.at.worker(waits(reason="a secret refund"))
        told = await reads(queue, b"data: ")
        assert b"refund" not in told
        one = await stream(port, browser, "/live/h1")
        await reads(one, b"data: ")
        await at.at.worker(waits("h2"))
        assert await reads(queue, b"data: ") != told
        left = [scope.deadline - trio.current_time() for scope in at.server._scopes]
        assert min(left) > admin_server.LIFE_SECONDS, "they last longer than other connections"
        assert await at.at.approve() == 200
        for each in (queue, one):
            await reads(each, b"data: ")
            await each.aclose()


async def test_a_stream_ends_with_its_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_live, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(console_live, "PAUSE_SECONDS", 0.0)
    async with served(tmp_path) as (at, port):
        first, second = await at.signed_in(), await at.signed_in("ann")
        streams = [await stream(port, each) for each in (first, second)]
        for each in streams:
            await reads(each, b"data: ")
        await first.post("/sign-out")
        assert b"event: ended" in await ends(streams[0])
        at.at.desk.bars.move((Bar("user", "ann", by="x", since=0.0),), (), 0.0)
        assert b"event: ended" in await ends(streams[1])
        nobody = await stream(port, first)
        assert b" 401 " in await reads(nobody, b"\r\n")
        for each in (*streams, nobody):
            await each.aclose()


async def test_thousands_of_tries_get_no_more_than_there_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_live, "STREAMS_MAX", 5)
    async with served(tmp_path) as (at, port):
        browser = await at.signed_in()
        open_streams = [await stream(port, browser) for _ in range(PERSON_MAX)]
        for each in open_streams:
            await reads(each, b"retry")
        for _ in range(40):
            more = await stream(port, browser)
            assert b" 429 " in await reads(more, b"\r\n")
            await more.aclose()
        other, third = await at.signed_in("ann"), await at.signed_in("cat")
        open_streams.append(await stream(port, other))
        await reads(open_streams[-1], b"retry")
        full = await stream(port, third)
        assert b" 429 " in await reads(full, b"\r\n"), "there are as many in all as there may be"
        assert at.console._live._of.total() == 5
        for each in (*open_streams, full):
            await each.aclose()
        with trio.fail_after(5):
            while at.console._live._of:
                await trio.sleep(0.01)
        assert (await browser.get("/")).status_code == 200


async def test_ten_thousand_tries_without_a_sign_in_hold_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        browser = at.browser()
        for _ in range(300):  # each of the ten thousand is the same
            assert (await browser.get("/live")).status_code == 401
        assert (await at.browser().get("/live", **{"sec-fetch-site": "cross-site"})).status_code == 401
        assert (at.console._live._of.total(), len(at.console._sessions)) == (0, 0)
        assert PERSON_MAX < STREAMS_MAX < admin_server.CONNECTIONS_MAX


async def test_who_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_server, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(console_live, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(console_live, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(console_live, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(console_live, "mark", lambda shown: f"{id(object())}" * 20_000)
    async with served(tmp_path) as (at, port):
        made = await stream(port, await at.signed_in())
        made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await reads(made, b"retry")
        with trio.fail_after(10):
            while at.console._live._of:
                await trio.sleep(0.01)
        await made.aclose()


async def test_a_change_at_another_gateway_is_one_too() -> None:
    watch = Watch()
    before = watch.event
    await watch.heard("h1")
    assert (before.is_set(), watch.event.is_set()) == (True, False)


async def test_a_mark_tells_states_apart() -> None:
    assert mark([{"id": "h1", "state": "pending"}]) == mark([{"id": "h1", "state": "pending"}])
    assert mark([{"id": "h1", "state": "pending"}]) != mark([{"id": "h1", "state": "approved"}])
