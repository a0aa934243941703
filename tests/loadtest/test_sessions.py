"""A session whose server falls silent."""

import socket
import struct
import threading

import psycopg
import pytest
from servers import Target
from sessions import session


def greet_and_fall_silent(listening: socket.socket) -> None:
    peer, _ = listening.accept()
    with peer:
        peer.recv(4096)
        peer.sendall(b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!i", 5) + b"I")
        while peer.recv(4096):
            pass


def test_session_whose_server_falls_silent_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=greet_and_fall_silent, args=(listening,))
        server.start()
        target = Target("silent", listening.getsockname()[1], "ann", "")
        with pytest.raises(psycopg.OperationalError), session(target, 0.05) as connection:
            connection.execute("select 1")
        server.join()
