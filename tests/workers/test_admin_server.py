"""Connections to the interface: never too many, none that is waited for for ever, none that takes others with it."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.workers.admin_rig import desk, load
from tests.workers.wire_rig import make_certificate
from workers import admin_server
from workers.admin_server import Server
from workers.embedded import free_port

pytestmark = pytest.mark.trio
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(
    folder: Path, app: Callable[..., Awaitable[None]] = hello, connections_max: int = 4
) -> AsyncIterator[tuple[Server, int]]:
    loaded, port = load(folder), free_port()
    gateway = msgspec.structs.replace(loaded.settings.gateway, admin=f"127.0.0.1:{port}")
    with desk(loaded) as (one, _):
        object.__setattr__(loaded, "settings", msgspec.structs.replace(loaded.settings, gateway=gateway))
        server = Server(one, lambda: app, connections_max)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve)
            yield server, port
            nursery.cancel_scope.cancel()


async def connected(port: int) -> trio.SocketStream:
    with trio.fail_after(5):
        while True:
            try:
                return await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.01)


async def answer(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(5):
        return bytes(await stream.receive_some())


async def test_a_newcomer_takes_the_place_of_the_oldest_that_says_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, port):
        streams = [await connected(port) for _ in range(9)]
        await streams[-1].send_all(GET)
        assert b"200" in await answer(streams[-1])
        assert [await answer(stream) for stream in streams[:5]] == [b""] * 5
        assert len(server._scopes) <= 4
        for stream in streams:
            await stream.aclose()


async def test_who_is_being_answered_does_not_make_room(tmp_path: Path) -> None:
    go = trio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await hello(scope, receive, send)

    async with serving(tmp_path, slow) as (server, port):
        streams = [await connected(port) for _ in range(4)]
        for stream in streams:
            await stream.send_all(GET)
        with trio.fail_after(5):
            while len(server._busy) < 4:
                await trio.sleep(0.01)
        late = await connected(port)
        assert await answer(late) == b""
        go.set()
        assert all([b"200" in await answer(stream) for stream in streams])
        for stream in (*streams, late):
            await stream.aclose()


async def test_a_peer_that_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_server, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(admin_server, "IDLE_SECONDS", 0.5)

    async def floods(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    async with serving(tmp_path, floods) as (server, port):
        stream = await connected(port)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await stream.send_all(GET)
        with trio.fail_after(5):
            while not server._scopes:
                await trio.sleep(0.01)
            while server._scopes:
                await trio.sleep(0.01)
        await stream.aclose()


async def test_a_connection_that_goes_wrong_ends_alone(tmp_path: Path) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("unforeseen")

    async with serving(tmp_path, breaks) as (_, port):
        for sent in (GET, b"\x16\x03\x01", b"\0" * 50, GET):
            stream = await connected(port)
            await stream.send_all(sent)
            await stream.send_eof()
            await answer(stream)
            await stream.aclose()


async def test_an_address_that_is_taken_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admin_server, "RETRY_SECONDS", 0.02)
    taken = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setitem(globals(), "free_port", lambda: taken.getsockname()[1])
    async with serving(tmp_path) as (_, port):
        with trio.fail_after(5):
            while "operators cannot be heard" not in caplog.text:
                await trio.sleep(0.01)
        taken.close()
        stream = await connected(port)
        await stream.send_all(GET)
        assert b"200" in await answer(stream)
        await stream.aclose()
    assert caplog.text.count("operators cannot be heard") == 1


async def test_beyond_loopback_it_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    loaded, port = load(tmp_path / "gateway"), free_port()
    gateway = msgspec.structs.replace(
        loaded.settings.gateway, admin=f"0.0.0.0:{port}", tls_cert=str(certificate), tls_key=str(key)
    )
    object.__setattr__(loaded, "settings", msgspec.structs.replace(loaded.settings, gateway=gateway))
    context = ssl.create_default_context(cafile=str(certificate))
    with desk(loaded) as (one, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Server(one, lambda: hello).serve)
            plain = await connected(port)
            await plain.send_all(GET)
            assert b"200" not in await answer(plain)
            await plain.aclose()
            stream = trio.SSLStream(await connected(port), context, server_hostname="localhost", https_compatible=True)
            await stream.send_all(GET)
            with trio.fail_after(5):
                assert b"200" in await stream.receive_some()
            await stream.aclose()
            nursery.cancel_scope.cancel()
