"""Messages and descriptors over a control socket."""

import os
import socket

import pytest

from workers import control


def test_a_message_and_its_descriptor_arrive_together() -> None:
    ours, theirs = control.pair()
    with ours, theirs, open("/dev/null") as nothing:
        control.send(ours, b"look", nothing.fileno())
        control.send(ours, b"no more")
        data, fd = control.receive(theirs) or (b"", None)
        assert data == b"look"
        assert fd is not None
        os.close(fd)
        assert control.receive(theirs) == (b"no more", None)
        with pytest.raises(BlockingIOError):
            control.receive(theirs)
        ours.close()
        assert control.receive(theirs) is None


def test_a_message_that_was_cut_short_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = control.pair()
    monkeypatch.setattr(control, "MESSAGE_BYTES_MAX", 4)
    with ours, theirs, open("/dev/null") as nothing:
        before = len(os.listdir("/proc/self/fd"))
        control.send(ours, b"too long", nothing.fileno())
        with pytest.raises(OSError, match="cut short"):
            control.receive(theirs)
        assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_does_not_read_stops_nobody() -> None:
    ours, theirs = control.pair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with pytest.raises(BlockingIOError):
            for _ in range(10_000):
                control.send(ours, bytes(1000))
