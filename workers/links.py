"""A session with its two sockets, as the relay serves it."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.audit.records import Status
from gateway.session.holding import Held
from gateway.session.inflight import Wanted
from gateway.session.session import Session

if TYPE_CHECKING:
    from workers.lending import Borrower

RECEIVE_BYTES_MIN = 8192
RECEIVE_BYTES_MAX = 262144


class Side:
    """One socket of a link, with what could not be sent on it yet."""

    __slots__ = ("backlog", "ended", "fd", "interest", "link", "receive_bytes", "server", "sock", "tls")

    def __init__(self, sock: socket.socket, *, server: bool) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.server = server
        self.tls = isinstance(sock, ssl.SSLSocket)
        self.backlog = bytearray()
        self.receive_bytes = RECEIVE_BYTES_MIN
        self.interest = 0
        self.ended = False  # the peer sends no more
        self.link: Link

    def receive(self) -> bytes | None:
        """What has arrived, at most `receive_bytes`. None: nothing after all. b"": the peer has ended."""
        try:
            data = self.sock.recv(self.receive_bytes)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""
        size = len(data)
        if size == self.receive_bytes:
            self.receive_bytes = min(size * 2, RECEIVE_BYTES_MAX)
        elif size * 4 < self.receive_bytes:
            self.receive_bytes = max(self.receive_bytes // 2, RECEIVE_BYTES_MIN)
        return data

    def send(self, parts: list[bytes]) -> bool:
        """Sends, keeping the rest. False when the peer is gone."""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self.backlog:
            self.backlog += data
            return True
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            return False
        if sent < len(data):
            self.backlog += memoryview(data)[sent:]
        return True

    def drain(self) -> bool:
        """Sends of the backlog what fits. False when the peer is gone."""
        if not self.backlog:
            return True
        try:
            sent = self.sock.send(self.backlog)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False
        del self.backlog[:sent]
        return True


class _Nowhere(Side):
    """In place of the server's side, while a session has none."""

    def __init__(self) -> None:
        self.fd = -1
        self.server = True
        self.tls = False
        self.backlog = bytearray()
        self.interest = select.EPOLLIN | select.EPOLLRDHUP  # what the relay looks for, so that it leaves it alone
        self.ended = False

    def send(self, parts: list[bytes]) -> bool:
        """Only a Terminate is ever sent, and there is nothing to end."""
        parts.clear()
        return True


NO_SERVER = _Nowhere()


class Link:
    """A session with its two sockets. `closed` is called once, after the sockets are. With `lends` the server's stays open
    where the session ended cleanly; `kept` tells."""

    __slots__ = (
        "awaits", "borrower", "client", "closed", "database", "defined", "ending_since", "estimating", "fate", "kept",
        "lends", "resumes", "server", "session",
    )  # fmt: skip

    def __init__(
        self,
        session: Session,
        client: socket.socket,
        server: socket.socket | None,
        database: str,
        closed: Callable[[Link], None],
        *,
        lends: bool = False,
        borrower: Borrower | None = None,
    ) -> None:
        self.session = session
        self.client = Side(client, server=False)
        self.client.link = self
        self.server: Side = NO_SERVER
        if server is not None:
            self.server = Side(server, server=True)
            self.server.link = self
        self.database = database
        self.closed = closed
        self.lends = lends
        self.borrower = borrower  # of a connection for a transaction at a time
        self.kept = False
        self.fate: Status | None = None  # how the outstanding statements end, once the link must close
        self.ending_since = 0
        self.awaits = 0  # the change of the catalogue that a held session waits to be read
        self.defined = False  # that change was the session's own
        self.estimating: Wanted | Held | None = None  # what was asked for last
        self.resumes = False  # what its client waited for is there, whatever the server has still to answer
