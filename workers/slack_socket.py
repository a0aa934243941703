"""Slack's Socket Mode: clicks come over a connection that goes out from here, for those who open no port."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec
import trio

from gateway.approvals.signatures import Seen, Unproven
from gateway.issuers import url_fault
from workers.channels import NotTold
from workers.slack import SlackApi
from workers.slack_events import Clicks

MESSAGE_BYTES_MAX: Final = 262_144
CONNECT_SECONDS: Final = 10.0
PING_SECONDS: Final = 20.0
CALM_SECONDS: Final = 10.0  # a connection that lasted so long is followed by another at once, others after a pause
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
            began, after = trio.current_time(), 0.0
            try:
                await self._connection()
            except NotTold as error:
                log.warning("channel %s: clicks cannot come: %s", self._name, error)
                after = error.after or 0.0
            if trio.current_time() - began >= CALM_SECONDS:
                pause = PAUSE_SECONDS
            else:
                after = max(pause, after)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
            await trio.sleep(after)

    async def _connection(self) -> None:
        """Until Slack wants another. Raises NotTold."""
        from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

        url = _address((await self._api.call("apps.connections.open", {}, form=True)).get("url"))
        resource = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        try:
            stream = await self._stream(url)
            try:  # the library does not close what the other side ended
                async with trio.open_nursery() as nursery:
                    with trio.fail_after(CONNECT_SECONDS):
                        socket = await wrap_client_stream(
                            nursery, stream, url.netloc, resource, max_message_size=MESSAGE_BYTES_MAX
                        )
                    nursery.start_soon(_keep_alive, socket)
                    await self._hear(socket)
                    nursery.cancel_scope.cancel()
            finally:
                await trio.aclose_forcefully(stream)
        except (ConnectionClosed, HandshakeError, OSError, trio.TooSlowError, ValueError, ExceptionGroup) as error:
            fault: Exception = error
            while isinstance(fault, ExceptionGroup):
                fault = fault.exceptions[0]
            raise NotTold(f"the connection to {url.netloc} ended: {type(fault).__name__}", again=True) from None
        finally:
            self.connected = False

    async def _stream(self, url: SplitResult) -> "trio.SocketStream | trio.SSLStream[trio.SocketStream]":
        host = str(url.hostname)
        with trio.fail_after(CONNECT_SECONDS):
            if url.scheme == "ws":
                return await trio.open_tcp_stream(host, url.port or 80)
            context = self._api.out.context()
            return await trio.open_ssl_over_tcp_stream(host, url.port or 443, ssl_context=context, https_compatible=True)

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


def _address(url: Any) -> SplitResult:
    """What Slack gave; all but its host lets in whoever knows it. Raises NotTold."""
    if not isinstance(url, str) or url[:2] != "ws" or url_fault(f"http{url[2:]}"):
        raise NotTold("Slack gives no address for Socket Mode that could be used", again=True)
    return urlsplit(url)
