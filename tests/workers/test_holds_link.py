"""Messages about statements that wait, whole and in pieces."""

import socket

import pytest
import trio

from gateway.approvals.outcomes import Changed, Preview, Sample
from workers import holds_link
from workers.holds_link import Decided, Message, Previewed, Ran, Withdrawn

pytestmark = pytest.mark.trio


def pair() -> tuple[trio.SocketStream, socket.socket]:
    ours, theirs = socket.socketpair()
    return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), theirs


async def test_messages_arrive_as_they_were_sent_in_whatever_pieces() -> None:
    sent: list[Message] = [Decided("h1", True, "bo", "fine"), Ran("h1"), Withdrawn("h2", "cancelled")]
    stream, raw = pair()
    other, theirs = trio.socket.socketpair()
    async with stream, trio.SocketStream(theirs) as reader:
        with other, raw:
            writer = trio.SocketStream(other)
            for message in sent:
                await holds_link.send(stream, message)
            data = raw.recv(65536)
            for byte in data:
                await writer.send_all(bytes((byte,)))
                if byte == data[-1]:
                    await trio.lowlevel.checkpoint()
            assert [await holds_link.receive(reader) for _ in sent] == sent
        assert await holds_link.receive(reader) is None


async def test_the_end_within_a_message_is_the_end_and_nonsense_is_an_error() -> None:
    for data, fails in ((b"\0\0\0\5ab", False), (b"\xff\xff\xff\xff", True), (b"\0\0\0\3abc", True)):
        stream, raw = pair()
        async with stream:
            with raw:
                raw.sendall(data)
            if fails:
                with pytest.raises(ValueError, match=r".+"):
                    await holds_link.receive(stream)
            else:
                assert await holds_link.receive(stream) is None


async def test_a_preview_arrives_with_its_samples() -> None:
    sample = Sample("t", ("a",), (("1",),), ((None,),))
    sent = Previewed("h3", Preview("", "UPDATE", 1, (Changed("t", updated=1),)), (sample,))
    stream, raw = pair()
    reader = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
    async with stream, reader:
        await holds_link.send(stream, sent)
        assert await holds_link.receive(reader) == sent
