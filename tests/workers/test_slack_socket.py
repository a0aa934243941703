"""Socket Mode: clicks over a connection that goes out, through reconnects, refusals and repeats."""

import hashlib
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from gateway.approvals.signatures import Unproven
from tests.workers.issuer_rig import as_json
from tests.workers.slack_rig import APP, SlackServer
from tests.workers.vendor_rig import status, vendor
from workers import slack_socket
from workers.channel_http import Out
from workers.slack import SlackApi
from workers.slack_socket import SlackSocket

pytestmark = pytest.mark.trio
CLICK = {"type": "block_actions", "user": {"id": "U1"}}


class Clicks:
    """Keeps what it is given; `full`: there is no room."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.full = False

    @property
    def has_room(self) -> bool:
        return not self.full

    def take(self, payload: bytes) -> bool:
        if b"bad" in payload:
            raise Unproven("the payload cannot be read")
        self.taken.append(json.loads(payload))
        return True


class Hub:
    """Slack's end: `say` sends on the newest connection, `heard` is what came on any."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard: list[Any] = []
        self.tickets: list[str] = []
        self.sockets: list[Any] = []
        self.moved = trio.Event()

    async def serve(self, request: WebSocketRequest) -> None:
        self.tickets.append(request.path)
        socket = await request.accept()
        self.connections += 1
        self.sockets.append(socket)
        await socket.send_message(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}))
        self._move()
        try:
            while True:
                self.heard.append(json.loads(await socket.get_message()))
                self._move()
        except ConnectionClosed:
            self._move()

    def _move(self) -> None:
        moved, self.moved = self.moved, trio.Event()
        moved.set()

    async def until(self, ready: Any) -> None:
        with trio.fail_after(10):
            while not ready():
                await self.moved.wait()

    async def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.sockets[-1].send_message(text)

    async def interact(self, name: str, payload: Any = CLICK) -> None:
        await self.say({"type": "interactive", "envelope_id": name, "payload": payload, "accepts_response_payload": True})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackServer]:
    with vendor(tmp_path_factory.mktemp("slack")) as made:
        yield SlackServer(made)


@asynccontextmanager
async def connected(server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Hub, Clicks, SlackSocket]]:
    monkeypatch.setattr(slack_socket, "PAUSE_SECONDS", 0.01)
    hub, clicks = Hub(), Clicks()
    async with trio.open_nursery() as nursery:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.vendor.ca_file.with_name("server.pem"))
        listening = await nursery.start(serve_websocket, hub.serve, "127.0.0.1", 0, context)
        server.socket_url = f"wss://127.0.0.1:{listening.port}/link/?ticket=abc"
        api = SlackApi(Out(str(server.vendor.ca_file)), APP, server.url)
        socket = SlackSocket("slack", api, clicks)
        nursery.start_soon(socket.run)
        await hub.until(lambda: hub.connections == 1)
        yield hub, clicks, socket
        with trio.fail_after(10):
            while not socket.connected:
                await trio.sleep(0.005)
        nursery.cancel_scope.cancel()


async def test_a_click_is_acknowledged_and_taken(server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(server, monkeypatch) as (hub, clicks, socket):
        await hub.interact("e1")
        await hub.until(lambda: bool(hub.heard))
        assert hub.heard == [{"envelope_id": "e1"}]
        assert clicks.taken == [CLICK]
        assert socket.connected
        assert hub.tickets == ["/link/?ticket=abc"]
        assert server.asked("apps.connections.open")[-1].headers["authorization"] == f"Bearer {APP}"


async def test_a_repeated_envelope_is_acknowledged_and_taken_once(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(server, monkeypatch) as (hub, clicks, _):
        await hub.interact("e1")
        await hub.interact("e1")
        await hub.interact("e2")
        await hub.until(lambda: len(hub.heard) == 3)
        assert len(clicks.taken) == 2


async def test_what_makes_no_sense_is_acknowledged_and_forgotten(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(server, monkeypatch) as (hub, clicks, _):
        await hub.interact("e1", {"type": "bad"})
        await hub.say({"type": "events_api", "envelope_id": "e2", "payload": {}})
        await hub.say({"type": "something new"})
        await hub.interact("e3")
        await hub.until(lambda: len(hub.heard) == 3)
        assert [one["envelope_id"] for one in hub.heard] == ["e1", "e2", "e3"]
        assert clicks.taken == [CLICK]


async def test_what_cannot_be_taken_now_is_left_for_later(server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(server, monkeypatch) as (hub, clicks, _):
        clicks.full = True
        await hub.interact("e1")
        await hub.say({"type": "slash_commands", "envelope_id": "e2"})
        await hub.until(lambda: bool(hub.heard))
        assert hub.heard == [{"envelope_id": "e2"}]
        clicks.full = False
        await hub.interact("e1")
        await hub.until(lambda: len(hub.heard) == 2)
        assert clicks.taken == [CLICK]


@pytest.mark.parametrize("goodbye", ['{"type": "disconnect", "reason": "warning"}', "no json", "[]", '{"type": 1}'])
async def test_it_connects_again_after_whatever_ended_the_connection(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch, goodbye: str
) -> None:
    async with connected(server, monkeypatch) as (hub, clicks, _):
        await hub.say(goodbye)
        await hub.until(lambda: hub.connections == 2)
        await hub.interact("e1")
        await hub.until(lambda: bool(hub.heard))
        assert clicks.taken == [CLICK]


async def test_a_connection_that_breaks_or_is_refused_is_tried_again(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(server, monkeypatch) as (hub, _, _):
        server.next("apps.connections.open").append(lambda asked: as_json({"ok": False, "error": "internal_error"}))
        server.next("apps.connections.open").append(status(503))
        server.next("apps.connections.open").append(lambda asked: as_json({"ok": True, "url": "ws://evil.example/x"}))
        server.next("apps.connections.open").append(lambda asked: as_json({"ok": True, "url": "ws://127.0.0.1:1/?t=abc"}))
        await hub.sockets[-1].aclose()
        await hub.until(lambda: hub.connections == 2)
    assert "internal_error" in caplog.text
    assert "no address" in caplog.text
    assert "abc" not in caplog.text


async def silent(stream: trio.SocketStream) -> None:
    """Agrees to a websocket, and then says nothing more."""
    request = bytes(await stream.receive_some(65536))
    (key,) = [line[18:].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
    accept = b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    await stream.send_all(head + accept + b"\r\n\r\n")
    while await stream.receive_some(65536):
        pass


async def test_a_connection_that_is_dead_without_a_word_is_given_up(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_socket, "PING_SECONDS", 0.05)
    monkeypatch.setattr(slack_socket, "CONNECT_SECONDS", 0.5)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        dead = f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/link"
        server.next("apps.connections.open").append(lambda asked: as_json({"ok": True, "url": dead}))
        before = len(server.asked("apps.connections.open"))
        async with connected(server, monkeypatch) as (hub, _, _):
            assert hub.connections == 1
            assert len(server.asked("apps.connections.open")) == before + 2
        nursery.cancel_scope.cancel()
