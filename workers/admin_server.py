"""Connections to the operators' interface: hypercorn's HTTP under an accept loop of our own, in which a connection that goes
wrong ends alone, and which never holds more of them than it may."""

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from gateway.settings import is_local, split_address
from workers import tls
from workers.admin_process import Desk

CONNECTIONS_MAX: Final = 128
IDLE_SECONDS: Final = 5  # for a request to begin, and between two
SEND_SECONDS: Final = 10.0  # for a peer to read
LIFE_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 2.0  # before the address is tried again
_EXHAUSTED_SECONDS: Final = 0.1
log = logging.getLogger("sluice.admin")


class Patience(trio.abc.HalfCloseableStream):
    """A connection that is given up where its peer does not read: hypercorn itself would wait for ever."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket  # hypercorn asks it who is there

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises BrokenResourceError where that takes too long."""
        with trio.move_on_after(SEND_SECONDS) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            await trio.aclose_forcefully(self._stream)  # nothing more is read of it either
            raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        """As a stream has it."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As a stream has it."""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        """As a stream has it."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As a stream has it."""
        await self._stream.aclose()


@dataclass
class Server:
    """Serves an application at the address that the settings name. It is made, and hypercorn imported, for the first who
    calls: most gateways start more often than that."""

    desk: Desk
    make: Callable[[], Any]
    connections_max: int = CONNECTIONS_MAX
    _app: Any = None
    _scopes: dict[trio.CancelScope, str] = field(default_factory=dict)  # and the peers, oldest first
    _busy: set[str] = field(default_factory=set)  # peers whose request is being answered

    async def serve(self) -> None:
        """For ever. An address that is taken is tried again: sessions do not wait for this."""
        gateway = self.desk.loaded.settings.gateway
        host, port = split_address(gateway.admin)
        context = None
        if not is_local(host):
            folder = self.desk.loaded.folder
            context = tls.server_context(str(folder / gateway.tls_cert), str(folder / gateway.tls_key))
            context.set_alpn_protocols(["http/1.1"])
        said = False
        while True:
            try:
                listeners = await trio.open_tcp_listeners(port, host=host)
                break
            except OSError as error:
                if not said:
                    log.error("operators cannot be heard at %s: %s", gateway.admin, error.strerror)
                said = True
                await trio.sleep(RETRY_SECONDS)
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept, listener, context, nursery)

    async def _accept(self, listener: trio.SocketListener, context: ssl.SSLContext | None, nursery: trio.Nursery) -> None:
        async with listener:
            await self._accept_all(listener, context, nursery)

    async def _accept_all(
        self, listener: trio.SocketListener, context: ssl.SSLContext | None, nursery: trio.Nursery
    ) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError:  # out of descriptors, or the peer was gone: others may come
                await trio.sleep(_EXHAUSTED_SECONDS)
                continue
            if len(self._scopes) >= self.connections_max and not self._make_room():
                stream.socket.close()
                continue
            scope = trio.CancelScope(deadline=trio.current_time() + LIFE_SECONDS)
            try:
                self._scopes[scope] = _peer(stream)
            except OSError:
                stream.socket.close()
                continue
            nursery.start_soon(self._connection, stream, scope, context)

    def _make_room(self) -> bool:
        """The oldest goes that is not being answered; whether there is one."""
        for scope, peer in self._scopes.items():
            if peer not in self._busy:
                del self._scopes[scope]
                scope.cancel()
                return True
        return False

    async def _connection(
        self, stream: trio.SocketStream, scope: trio.CancelScope, context: ssl.SSLContext | None
    ) -> None:
        with scope:
            try:
                await self._speak(Patience(stream), context)
            except AssertionError:
                raise
            except Exception as fault:
                log.warning("an operator's connection ended on an unexpected %s", type(fault).__name__)
            finally:
                self._scopes.pop(scope, None)
                stream.socket.close()

    async def _speak(self, patient: Patience, context: ssl.SSLContext | None) -> None:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.config import Config
        from hypercorn.trio.tcp_server import TCPServer
        from hypercorn.trio.worker_context import WorkerContext
        from hypercorn.typing import ConnectionState

        self._app = self._app or self.make()
        stream: Any = patient
        if context is not None:
            stream = trio.SSLStream(patient, context, server_side=True, https_compatible=True)
        config = Config()
        config.keep_alive_timeout = IDLE_SECONDS
        config.ssl_handshake_timeout = IDLE_SECONDS
        config.include_server_header = False
        config.errorlog = None
        await TCPServer(ASGIWrapper(self._marked), config, WorkerContext(None), ConnectionState({}), stream)

    async def _marked(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """While a request is answered its connection is not the one that makes room. An answer that takes longer says so:
        `sluice.stays` of the scope, with seconds."""
        peer = ":".join(str(each) for each in scope.get("client") or ())

        def stays(seconds: float) -> None:
            for one in (one for one, of in self._scopes.items() if of == peer):
                one.deadline = trio.current_time() + seconds

        self._busy.add(peer)
        try:
            await self._app({**scope, "sluice.stays": stays}, receive, send)
        finally:
            self._busy.discard(peer)


def _peer(stream: trio.SocketStream) -> str:
    host, port, *_ = stream.socket.getpeername()
    return f"{host}:{port}"
