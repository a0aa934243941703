"""One socket of a link: what it takes, what it keeps back, and how it notices that nobody is there."""

import socket
from collections.abc import Iterator

import pytest

from workers.links import RECEIVE_BYTES_MAX, RECEIVE_BYTES_MIN, Side


@pytest.fixture
def ends() -> Iterator[tuple[Side, socket.socket]]:
    """A side, and its peer."""
    here, there = socket.socketpair()
    here.setblocking(False)
    yield Side(here, server=False), there
    here.close()
    there.close()


def test_nothing_there_is_no_end(ends: tuple[Side, socket.socket]) -> None:
    side, peer = ends
    assert side.receive() is None
    peer.shutdown(socket.SHUT_WR)
    assert side.receive() == b""


def test_the_portion_grows_while_it_is_filled_and_shrinks_behind(ends: tuple[Side, socket.socket]) -> None:
    side, peer = ends
    sizes = []
    for _ in range(8):
        peer.sendall(bytes(side.receive_bytes), socket.MSG_DONTWAIT)
        data = side.receive()
        assert data is not None
        sizes.append(len(data))
        if side.receive_bytes >= 1 << 16:
            break
    assert sizes == [RECEIVE_BYTES_MIN << at for at in range(len(sizes))]
    side.receive_bytes = RECEIVE_BYTES_MAX
    for _ in range(8):
        peer.sendall(b"x")
        assert side.receive() == b"x"
    assert side.receive_bytes == RECEIVE_BYTES_MIN


def test_what_does_not_fit_is_kept_in_order(ends: tuple[Side, socket.socket]) -> None:
    side, peer = ends
    first, second = b"a" * (8 << 20), b"b" * 10
    parts = [first, b"-"]
    assert side.send(parts)
    assert parts == []
    assert side.backlog
    assert side.send([second])  # behind the backlog, whatever the socket would take
    got = bytearray()
    while len(got) < len(first) + 11:
        got += peer.recv(1 << 20)
        assert side.drain()
    assert got == first + b"-" + second
    assert not side.backlog


def test_a_peer_that_is_gone_is_noticed_when_sending(ends: tuple[Side, socket.socket]) -> None:
    side, peer = ends
    side.backlog += b"rest"
    peer.close()
    assert not side.drain()
    side.backlog.clear()
    assert side.drain()
    assert not side.send([b"more"])
    assert side.receive() in (b"", None)
