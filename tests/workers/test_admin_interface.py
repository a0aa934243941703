"""The interface as a service of the real admin process."""

import http.client
import os
import time
from pathlib import Path

import msgspec
import pytest

from gateway.identity.barred import Bars
from tests.workers.admin_rig import load, token
from workers import admin_process, spawn
from workers.admin_seat import AdminSeat
from workers.embedded import free_port


def test_the_admin_process_answers_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "threads", lambda: 1)
    loaded, port = load(tmp_path), free_port()
    loaded.run_dir.mkdir(parents=True)  # as the supervisor has made it
    gateway = msgspec.structs.replace(loaded.settings.gateway, admin=f"127.0.0.1:{port}")
    object.__setattr__(loaded, "settings", msgspec.structs.replace(loaded.settings, gateway=gateway))
    seat = AdminSeat(lambda control: admin_process.serve(control, loaded, {}, Bars()))
    parent, _ = os.pipe()
    seat.process.start(parent, [], 100.0)
    try:
        give_up = time.monotonic() + 10
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/v1/barred", headers={"Authorization": f"Bearer {token(loaded)}"})
                answer = connection.getresponse()
                break
            except OSError:
                assert time.monotonic() < give_up
                time.sleep(0.02)
        assert (answer.status, answer.read()) == (200, b'{"barred":[]}')
        connection.close()
    finally:
        seat.end()
