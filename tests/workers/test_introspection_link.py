"""A worker's question about a token, where nobody answers as it should (the good case: test_introspector)."""

import socket
from pathlib import Path

import pytest
import trio

from workers import introspection_link
from workers.introspection_link import SOCKET, NotAsked, ask

pytestmark = pytest.mark.trio


async def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAsked, match="nobody can be asked"):
        await ask(tmp_path, "token")


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"[]", b'{"error": "it is late"}', b"\xff", b"1" * 70_000])
async def test_an_answer_that_is_none_is_told(tmp_path: Path, answer: bytes) -> None:
    listening = trio.socket.socket(socket.AF_UNIX)
    await listening.bind(str(tmp_path / SOCKET))
    listening.listen(1)

    async def once(stream: trio.SocketStream) -> None:
        async with stream:
            await introspection_link.read_all(stream, 100)
            try:
                await stream.send_all(answer)
            except trio.BrokenResourceError:
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, once, [trio.SocketListener(listening)])
        with pytest.raises(NotAsked) as caught:
            await ask(tmp_path, "token")
        nursery.cancel_scope.cancel()
    assert "token\n" not in str(caught.value)
