"""Where syslog messages go: a collector over TCP, TLS or UDP."""

import socket
import ssl
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from gateway.audit.syslog import UDP_BYTES, counted

_PORTS: Final = {"tcp": 601, "tls": 6514, "udp": 514}  # RFC 6587, 5425, 5426
_TIMEOUT_SECONDS: Final = 30.0


class Collector:
    """A connection to `tcp://host:port`, `tls://host:port` or `udp://host:port`. `ca` is a PEM file of who may have signed
    a TLS collector's certificate, None for the system's. Raises ValueError for another address, OSError.
    """

    def __init__(self, address: str, ca: str | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("a collector is tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT")
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self.limit = UDP_BYTES if parts.scheme == "udp" else 0  # bytes of one message
        self._framed = parts.scheme != "udp"
        if parts.scheme == "udp":
            family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(where)
            return
        self._socket = socket.create_connection((host, port), _TIMEOUT_SECONDS)
        if parts.scheme == "tls":
            try:
                self._socket = ssl.create_default_context(cafile=ca).wrap_socket(self._socket, server_hostname=host)
            except BaseException:
                self._socket.close()
                raise

    def send(self, message: bytes) -> None:
        """Hands one message to the kernel. Raises OSError."""
        self._socket.sendall(counted(message) if self._framed else message)

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()
