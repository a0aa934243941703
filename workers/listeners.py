"""The listening sockets, one a slot, opened once and kept by the supervisor: what waits in a dead worker's
queue waits for its successor."""

import errno
import socket
import time

from gateway.settings import split_address

_BACKLOG = 4096
_TAKEN_WAIT_SECONDS = 1.0
_TAKEN_PAUSE_SECONDS = 0.05


def open_listeners(listen: str, slots: int) -> list[socket.socket]:
    """`slots` listening sockets (SO_REUSEPORT, non-blocking) on `listen`, "host:port" or "[v6]:port"; port 0
    takes a free one for all.

    Raises OSError when the address is taken or not ours.
    """
    host, port = split_address(listen)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    _wait_until_free(family, address)
    listeners: list[socket.socket] = []
    try:
        for _ in range(slots):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Accepted sockets inherit these two (tcp(7)).
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.setblocking(False)
            listener.bind(address)
            address = listener.getsockname()
        for listener in listeners:
            listener.listen(_BACKLOG)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def address_text(listener: socket.socket) -> str:
    """The bound address as in sluice.toml."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _wait_until_free(family: int, address: tuple[object, ...]) -> None:
    """SO_REUSEPORT would let two gateways of one user share a port unnoticed: look first without it.

    A killed predecessor's workers may take a moment to be gone.
    """
    give_up = time.monotonic() + _TAKEN_WAIT_SECONDS
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > give_up:
                    raise
        time.sleep(_TAKEN_PAUSE_SECONDS)
