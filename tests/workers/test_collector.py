"""Messages reach a real collector over TCP, TLS and UDP."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.workers.wire_rig import make_certificate
from workers.collector import Collector


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


class Listener:
    """Takes one connection and keeps what comes until it ends."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.data = b""
        self._context = context
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        try:
            connection, _ = self.socket.accept()
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while more := connection.recv(65536):
                    self.data += more
        except OSError:
            return

    def join(self) -> bytes:
        self._thread.join(10)
        self.socket.close()
        return self.data


def test_tcp_counts_octets() -> None:
    listener = Listener()
    with Collector(f"tcp://127.0.0.1:{listener.port}") as collector:
        for each in (b"one", b"", b"x" * 100_000, "é\n".encode()):
            collector.send(each)
    assert frames(listener.join()) == [b"one", b"", b"x" * 100_000, "é\n".encode()]


def test_udp_sends_a_datagram_each() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("127.0.0.1", 0))
        taker.settimeout(10)
        with Collector(f"udp://127.0.0.1:{taker.getsockname()[1]}") as collector:
            collector.send(b"one")
            collector.send(b"two")
            assert collector.limit == 8192
        assert [taker.recv(65536), taker.recv(65536)] == [b"one", b"two"]


def test_tls_proves_the_collector(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = Listener(context)
    with Collector(f"tls://localhost:{listener.port}", str(certificate)) as collector:
        collector.send(b"secret")
    assert frames(listener.join()) == [b"secret"]
    stranger = Listener(context)
    with pytest.raises(ssl.SSLCertVerificationError):
        Collector(f"tls://localhost:{stranger.port}")
    stranger.join()


@pytest.mark.parametrize("address", ["", "host:514", "http://h:1", "tcp://", "tcp://h:1/path", "tcp://h:1?x", "tcp://h:99999"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"collector|[Pp]ort"):
        Collector(address)


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        Collector(f"tcp://127.0.0.1:{port}")
