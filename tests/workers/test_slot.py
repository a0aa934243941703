"""The words between supervisor and worker, over a real socket pair."""

import os
import socket

import pytest

from gateway.identity.barred import Bar
from workers import slot
from workers.control import pair
from workers.errands import Ended, EndSession, MoveBars
from workers.shared_policy import seal, unseal
from workers.slot import (
    Barred,
    Drain,
    ErrandDone,
    ErrandMessage,
    Failed,
    KeysMessage,
    Message,
    PolicyAck,
    PolicyMessage,
    Ready,
)


@pytest.fixture
def ends():
    ours, theirs = pair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "message",
    [
        PolicyMessage(7, 4096, b"d" * 32),
        KeysMessage(1, b""),
        Drain(0.5),
        Ready(),
        PolicyAck(2**63),
        Failed("audit.dir: not writable"),
        Failed("sécret", 3),
        ErrandMessage(3, MoveBars((Bar("actor", "bot", user="ann"),), (("user", "bob", "", ""),))),
        ErrandMessage(4, EndSession("s1", "dora")),
        ErrandDone(4, Ended(2, 1)),
        Barred(Bar("actor", "bot", by="rule")),
    ],
)
def test_every_message_arrives_as_it_was_sent(
    ends: tuple[socket.socket, socket.socket], message: Message
) -> None:
    slot.send(ends[0], message)
    assert slot.receive(ends[1]) == (message, None)


def test_messages_keep_their_bounds_and_their_descriptors(ends: tuple[socket.socket, socket.socket]) -> None:
    sealed = [seal(b"one"), seal(b"two")]
    for each in sealed:
        slot.send(ends[0], PolicyMessage(1, each.size, each.digest), each.fd)
        slot.send(ends[0], Drain(1.0))
        each.close()
    for content in (b"one", b"two"):
        heard = slot.receive(ends[1])
        assert heard is not None
        message, fd = heard
        assert isinstance(message, PolicyMessage)
        assert fd is not None
        assert not os.get_inheritable(fd)
        assert unseal(fd, message.size, message.digest) == content
        os.close(fd)
        assert slot.receive(ends[1]) == (Drain(1.0), None)


def test_nobody_waits(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(BlockingIOError):
        slot.receive(ends[0])
    with pytest.raises(BlockingIOError):
        for _ in range(100_000):
            slot.send(ends[0], Ready())


def test_last_words_are_heard_after_the_speaker_is_gone(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    slot.send(theirs, Failed("why"))
    theirs.close()
    with pytest.raises(BrokenPipeError):
        slot.send(ours, Ready())
    assert slot.receive(ours) == (Failed("why"), None)
    assert slot.receive(ours) is None


def test_a_message_that_the_socket_cut_is_an_error_and_leaks_no_descriptor(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ends[0].send(b"x" * 70000)
    sealed = seal(b"x")
    socket.send_fds(ends[0], [b"\xc0"], [sealed.fd, sealed.fd])
    before = os.listdir("/proc/self/fd")
    for _ in range(2):
        with pytest.raises(OSError, match="cut short"):
            slot.receive(ends[1])
    assert os.listdir("/proc/self/fd") == before
    sealed.close()
