"""The workers' connections: heard message by message, and their end is told."""

import contextlib
from pathlib import Path

import pytest
import trio

from workers import held_lines, holds_link
from workers.held_lines import Line
from workers.holds_link import Counted, Message, Ran
from workers.run_folder import RunFolder

pytestmark = pytest.mark.trio


async def test_each_is_heard_answered_and_its_end_told(tmp_path: Path) -> None:
    folder = RunFolder.make(tmp_path)
    gone: list[Line] = []
    heard: list[Message] = []

    async def hear(message: Message, line: Line) -> None:
        heard.append(message)
        line.send_nowait(Counted("h1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(held_lines.serve, folder, hear, gone.append)
        with trio.fail_after(5):
            async with await reached(folder) as stream:
                await holds_link.send(stream, Ran("h1"))
                assert await holds_link.receive(stream) == Counted("h1")
            while not gone:
                await trio.sleep(0.002)
        assert heard == [Ran("h1")]
        nursery.cancel_scope.cancel()
    folder.close()


async def reached(folder: RunFolder) -> trio.SocketStream:
    """As soon as somebody listens."""
    while True:
        with contextlib.suppress(OSError):
            return await holds_link.connect(folder)
        await trio.sleep(0.002)
