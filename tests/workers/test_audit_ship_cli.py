"""Whose trail it is that is shipped."""

import socket
from pathlib import Path

from tests.gateway.audit.trail_rig import write_trail
from workers.audit_ship_cli import host_of


def test_host_is_that_of_the_chains(tmp_path: Path) -> None:
    assert host_of(tmp_path) == socket.gethostname()
    write_trail(tmp_path, 3)
    assert host_of(tmp_path) == "db1"
