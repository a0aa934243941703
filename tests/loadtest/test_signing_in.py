"""Clients that sign in count what they did, and a peer that turns one away is not measured."""

import socket
import threading

import pytest
import signing_in
from servers import Target
from tables import Failed


def test_peer_that_turns_clients_away_is_not_measured(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def turn_away() -> None:
            listener.accept()[0].close()

        waiter = threading.Thread(target=turn_away)
        waiter.start()
        target = Target("sluice", listener.getsockname()[1], "ann", "token")
        with pytest.raises(Failed, match="not every client came in"):
            signing_in.sign_ins(target, clients=1, seconds=0.2)
        waiter.join()
    assert "sluice: " in capfd.readouterr().err
