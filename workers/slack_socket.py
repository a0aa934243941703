"""Slack's Socket Mode: clicks come over a connection that goes out from here, for those who open no port."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import trio

from gateway.approvals.signatures import Seen, Unproven
from gateway.channels import url_fault
from workers.channels import NotTold
from workers.slack import SlackApi
from workers.slack_events import Clicks

MESSAGE_BYTES_MAX: Final = 262_144
CONNECT_SECONDS: Final = 10.0
PING_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 1.0
PAUSE_SECONDS_MAX: Final = 60.0
log = logging.getLogger("sluice.channels")


class _Envelope(msgspec.Struct):
    type: str
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class SlackSocket:
    """`api` has the app-level token. `connected`: whether clicks can come now."""

    def __init__(self, name: str, api: SlackApi, clicks: Clicks, clock: Callable[[], float] = time.time) -> None:
        self.connected = False
        self._name = name
        self._api = api
        self._clicks = clicks
        self._clock = clock
        self._seen = Seen()

    async def run(self) -> None:
        """For ever: connects again whenever the connection ends, at once where Slack asked for it."""
        pause = PAUSE_SECONDS
        while True:
            try:
                after = 0.0
                await self._connection()
                pause = PAUSE_SECONDS
            except NotTold as error:
                log.warning("channel %s: clicks cannot come: %s", self._name, error)
                after = max(pause, error.after or 0.0)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            await trio.sleep(after)

    async def _connection(self) -> None:
        """Until Slack wants another. Raises NotTold."""
        from trio_websocket import ConnectionClosed, HandshakeError, open_websocket_url

        url = (await self._api.call("apps.connections.open", {}, form=True)).get("url")
        host = _host(url)
        try:
            context = self._api.out.context if str(url).startswith("wss:") else None
            async with open_websocket_url(
                str(url),
                context,
                max_message_size=MESSAGE_BYTES_MAX,
                connect_timeout=CONNECT_SECONDS,
                disconnect_timeout=1.0,  # Slack leaves the closing to others
            ) as socket, trio.open_nursery() as nursery:
                nursery.start_soon(_keep_alive, socket)
                await self._hear(socket)
                nursery.cancel_scope.cancel()
        except (ConnectionClosed, HandshakeError, OSError, trio.TooSlowError, ValueError, ExceptionGroup) as error:
            fault: Exception = error
            while isinstance(fault, ExceptionGroup):
                fault = fault.exceptions[0]
            kind = type(fault).__name__
            raise NotTold(f"the connection to {host} ended: {kind}", again=True) from None
        finally:
            self.connected = False

    async def _hear(self, socket: Any) -> None:
        while True:
            message = await socket.get_message()
            envelope = msgspec.json.decode(message, type=_Envelope)
            if envelope.type == "hello":
                self.connected = True
            elif envelope.type == "disconnect":
                return
            elif envelope.envelope_id:
                await self._take(socket, envelope)

    async def _take(self, socket: Any, envelope: _Envelope) -> None:
        """What cannot be taken now is not acknowledged, so that Slack sends it again; what makes no sense is."""
        if envelope.type == "interactive":
            if not self._clicks.has_room:
                return
            try:
                self._seen.take(envelope.envelope_id.encode(), self._clock())
                self._clicks.take(bytes(envelope.payload))
            except Unproven as error:
                log.warning("channel %s: a message was passed over: %s", self._name, error)
        await socket.send_message(msgspec.json.encode({"envelope_id": envelope.envelope_id}).decode())


async def _keep_alive(socket: Any) -> None:
    """A connection that is dead without a word ends here. Raises trio.TooSlowError."""
    while True:
        await trio.sleep(PING_SECONDS)
        with trio.fail_after(CONNECT_SECONDS):
            await socket.ping()


def _host(url: Any) -> str:
    """Of the address that Slack gave; the rest of it lets whoever knows it in. Raises NotTold."""
    if not isinstance(url, str) or url_fault(url.replace("ws", "http", 1)):
        raise NotTold("Slack gives no address for Socket Mode that could be used", again=True)
    return urlsplit(url).netloc
