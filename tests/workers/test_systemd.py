"""sd_notify against a real datagram socket in the service manager's place."""

import os
import socket
import time
from pathlib import Path

import pytest

from workers.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(5)
        yield bound


def said(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_the_life_of_a_service_is_told(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready("workers=2")
    assert said(manager) == {"READY": "1", "STATUS": "workers=2"}
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    reloading = said(manager)
    assert reloading.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.alive()
    assert said(manager) == {"WATCHDOG": "1"}
    notifier.status("alarm")
    assert said(manager) == {"STATUS": "alarm"}
    notifier.stopping()
    assert said(manager)["STOPPING"] == "1"


def test_an_abstract_socket_is_understood() -> None:
    name = f"sluice-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(f"\0{name}")
        bound.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert said(bound) == {"WATCHDOG": "1"}


def test_without_a_manager_or_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready("")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("")


def test_the_manager_is_hidden_from_children() -> None:
    environ = {
        "NOTIFY_SOCKET": "/x",
        "WATCHDOG_USEC": "10000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    Notifier(environ)
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("10000000", "", 5.0),
        ("10000000", "ours", 5.0),
        ("10000000", "1", None),
        ("", "", None),
        ("soon", "", None),
        ("-5", "", None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked_and_only_by_whom_it_is_for(
    usec: str, pid: str, seconds: float
) -> None:
    pid = str(os.getpid()) if pid == "ours" else pid
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog_seconds == seconds
