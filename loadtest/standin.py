"""A stand-in for a PostgreSQL that has thousands of idle sessions, each of which would cost a process of some megabytes.

It signs everybody in with the greeting of the real server and answers every query as `select 1`. The gateway's own
connections (application_name `sluice`: it reads the catalogue there) are passed on to the real server.
`python loadtest/standin.py PORT REAL_PORT`.
"""

import select
import socket
import struct
import sys


def frame(kind: bytes, body: bytes) -> bytes:
    """A message of the protocol."""
    return kind + struct.pack("!i", len(body) + 4) + body


SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
RECEIVE_BYTES = 65536
STARTUP = b"user\0bench\0database\0bench\0\0"
ANSWER = (
    frame(b"T", b"\0\1?column?\0" + bytes(6) + struct.pack("!ihih", 23, 4, -1, 0))
    + frame(b"D", b"\0\1\0\0\0\x011")
    + frame(b"C", b"SELECT 1\0")
    + frame(b"Z", b"I")
)


class StandIn:
    """All its sessions, in one thread."""

    def __init__(self, port: int, real_port: int) -> None:
        self._real_port = real_port
        self._before_key, self._after_key = greeting(real_port)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._sessions: dict[int, socket.socket] = {}
        self._new: set[int] = set()  # their start-up packet is still to come
        self._peers: dict[int, socket.socket] = {}  # of a connection that is passed on: its other end
        self._count = 0

    def run(self) -> None:
        while True:
            for fd, _ in self._epoll.poll():
                if fd == self._listener.fileno():
                    self._accept()
                elif fd in self._sessions:
                    self._serve(fd)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            self._watch(sock)
            self._new.add(sock.fileno())

    def _watch(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sessions[sock.fileno()] = sock
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _serve(self, fd: int) -> None:
        """Messages are short and come whole here: nothing is kept of them."""
        sock = self._sessions[fd]
        try:
            data = sock.recv(RECEIVE_BYTES)
            if not data or (data[:1] == b"X" and fd not in self._peers):
                self._close(fd)
            elif fd in self._peers:
                self._peers[fd].sendall(data)
            elif fd in self._new:
                self._begin(fd, data)
            else:
                sock.sendall(ANSWER)
        except OSError:
            self._close(fd)

    def _begin(self, fd: int, packet: bytes) -> None:
        sock = self._sessions[fd]
        if struct.unpack_from("!i", packet, 4)[0] in (SSL_REQUEST, GSS_REQUEST):
            sock.sendall(b"N")
            return
        self._new.discard(fd)
        if b"\0application_name\0sluice\0" in packet:
            real = socket.create_connection(("127.0.0.1", self._real_port))
            real.sendall(packet)
            self._watch(real)
            self._peers[fd], self._peers[real.fileno()] = real, sock
            return
        self._count += 1
        key = frame(b"K", struct.pack("!ii", self._count, 1))
        sock.sendall(self._before_key + key + self._after_key)

    def _close(self, fd: int) -> None:
        peer = self._peers.pop(fd, None)
        self._new.discard(fd)
        self._sessions.pop(fd).close()
        if peer is not None:
            self._peers.pop(peer.fileno(), None)
            self._sessions.pop(peer.fileno(), None)
            peer.close()


def greeting(port: int) -> tuple[bytes, bytes]:
    """What the real server says at a sign-in, before and behind the cancel key."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(struct.pack("!ii", 8 + len(STARTUP), 196608) + STARTUP)
        said = b""
        while not said.endswith(frame(b"Z", b"I")):
            chunk = sock.recv(RECEIVE_BYTES)
            if not chunk:
                sys.exit("the real server does not let the stand-in in")
            said += chunk
        sock.sendall(frame(b"X", b""))
    at = 0
    while said[at : at + 1] != b"K":
        at += 1 + struct.unpack_from("!i", said, at + 1)[0]
    return said[:at], said[at + 1 + struct.unpack_from("!i", said, at + 1)[0] :]


if __name__ == "__main__":
    StandIn(int(sys.argv[1]), int(sys.argv[2])).run()
