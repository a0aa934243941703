"""The status socket: one answer a connection, and nobody delays the supervisor."""

import socket
import threading
from pathlib import Path

import pytest

from workers.run_folder import RunFolder
from workers.status import NotRunning, StatusSocket, ask


@pytest.fixture
def answering(tmp_path: Path):
    folder = RunFolder.make(tmp_path)
    made = StatusSocket(folder)
    yield made
    made.close()
    folder.close()


def test_the_status_arrives_whole(answering: StatusSocket, tmp_path: Path) -> None:
    status = {"state": "ready", "workers": [{"slot": number, "pid": 2**22} for number in range(500)]}
    found: list[object] = []
    asker = threading.Thread(target=lambda: found.append(ask(tmp_path)))
    asker.start()
    while not found:
        answering.answer(status)
    asker.join()
    assert found == [status]


def test_an_asker_that_left_or_never_was_costs_nothing(answering: StatusSocket, tmp_path: Path) -> None:
    answering.answer({"state": "ready"})
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(tmp_path / "status.sock"))
    answering.answer({"state": "ready"})


def test_an_asker_that_does_not_read_delays_nobody(answering: StatusSocket, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(tmp_path / "status.sock"))
        answering.answer({"state": "x" * 10_000_000})


def test_without_a_supervisor_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no gateway answers"):
        ask(tmp_path / "nowhere")
    with pytest.raises(NotRunning):
        ask(tmp_path)
    folder = RunFolder.make(tmp_path)
    StatusSocket(folder).close()
    with pytest.raises(NotRunning):
        ask(tmp_path)
    StatusSocket(folder).close()  # over the one that was left
    folder.close()
