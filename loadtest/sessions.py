"""A session of psycopg that ends whatever happens."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from servers import Target


@contextmanager
def session(target: Target, seconds_max: float) -> Iterator[psycopg.Connection]:
    """After so many seconds its connection is cut, so that a peer that no longer answers fails instead of hanging."""
    with (
        psycopg.connect(target.conninfo(), autocommit=True, connect_timeout=30) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as same,
    ):
        watchdog = threading.Timer(seconds_max, same.shutdown, [socket.SHUT_RDWR])
        watchdog.start()
        try:
            yield connection
        finally:
            watchdog.cancel()
            watchdog.join()  # before its socket is closed
