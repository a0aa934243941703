"""Listening sockets that share a port among slots and with nobody else."""

import socket

import pytest

from workers.listeners import address_text, open_listeners


def close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
def test_all_slots_share_one_free_port(listen: str) -> None:
    listeners = open_listeners(listen, 3)
    addresses = {address_text(listener) for listener in listeners}
    assert len(addresses) == 1
    host, _, port = addresses.pop().rpartition(":")
    assert int(port) > 0
    for _ in range(30):
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
            pass
    close(listeners)


def test_a_port_that_another_process_of_ours_shares_is_taken() -> None:
    first = open_listeners("127.0.0.1:0", 1)
    with pytest.raises(OSError, match="already in use"):
        open_listeners(address_text(first[0]), 2)
    address = address_text(first[0])
    close(first)
    again = open_listeners(address, 2)
    assert address_text(again[1]) == address
    close(again)


def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(OSError, match="assign"):
        open_listeners("192.0.2.1:0", 1)


def test_accepted_sockets_send_at_once_and_notice_a_dead_peer() -> None:
    listeners = open_listeners("127.0.0.1:0", 1)
    with socket.create_connection(listeners[0].getsockname(), timeout=5):
        listeners[0].setblocking(True)
        accepted, _ = listeners[0].accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        accepted.close()
    close(listeners)
