"""The workers' connections to whoever keeps what waits: each is heard message by message, and told what there is to say."""

import contextlib
import math
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from workers import holds_link
from workers.holds_link import Message, ToWorker
from workers.run_folder import RunFolder

Line = trio.MemorySendChannel[ToWorker]
_BROKEN = OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError


async def serve(
    folder: RunFolder, hear: Callable[[Message, Line], Awaitable[None]], gone: Callable[[Line], None]
) -> None:
    """For ever. `gone` is told of each connection that has ended."""
    path = folder.socket_path(holds_link.SOCKET)
    Path(path).unlink(missing_ok=True)
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        await listening.bind(path)
        listening.listen(128)
        async with trio.open_nursery() as nursery:
            while True:
                sock, _ = await listening.accept()
                nursery.start_soon(_attend, trio.SocketStream(sock), hear, gone)


async def _attend(
    stream: trio.SocketStream, hear: Callable[[Message, Line], Awaitable[None]], gone: Callable[[Line], None]
) -> None:
    line, said = trio.open_memory_channel[ToWorker](math.inf)  # as many as wait
    try:
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(_speak, stream, said)
            with contextlib.suppress(*_BROKEN):
                while (message := await holds_link.receive(stream)) is not None:
                    await hear(message, line)
            nursery.cancel_scope.cancel()
    finally:
        gone(line)


async def _speak(stream: trio.SocketStream, said: trio.MemoryReceiveChannel[ToWorker]) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for message in said:
            await holds_link.send(stream, message)
