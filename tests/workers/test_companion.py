"""A process beside the workers: forked, heard, killed and asked to end."""

import os
import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from workers import companion, spawn
from workers.companion import Companion


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' libraries have left threads in this process, of which nothing that is forked here uses anything."""
    monkeypatch.setattr(spawn, "threads", lambda: 1)


Make = Callable[[Callable[[socket.socket], int]], Companion]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Companion] = []

    def one(main: Callable[[socket.socket], int]) -> Companion:
        made.append(Companion("clerk", main))
        return made[-1]

    yield one
    for each in made:
        each.end()


def start(clerk: Companion, now: float) -> None:
    parent, _ = os.pipe()
    clerk.start(parent, [], now)


def test_successor_of_one_that_keeps_dying_comes_later_and_later(make: Make) -> None:
    clerk = make(lambda control: 3)
    now, waited = 100.0, []
    for _ in range(8):
        assert clerk.due(now)
        start(clerk, now)
        assert not clerk.due(now)
        pid = clerk.pid
        os.waitpid(pid, 0)
        assert not clerk.buried(pid + 1, 3, now)
        assert clerk.buried(pid, 3, now)
        at = now
        while not clerk.due(now):
            now += 0.05
        waited.append(round(now - at, 1))
    assert waited == sorted(waited)
    assert companion.RETRY_SECONDS_MAX / 2 < waited[-1] <= companion.RETRY_SECONDS_MAX + 0.1
    assert clerk.restarts == 8


def test_its_last_words_are_heard_and_its_socket_is_watched_no_more(make: Make) -> None:
    def last_words(control: socket.socket) -> int:
        control.send(b"that is all")
        return 0

    clerk = make(last_words)
    heard: list[bytes] = []

    def hear() -> None:
        assert clerk.control is not None
        while data := clerk.control.recv(100):
            heard.append(data)

    with selectors.DefaultSelector() as selector:
        clerk.watch(selector, hear)
        start(clerk, 100.0)
        assert len(selector.get_map()) == 1
        os.waitpid(clerk.pid, 0)
        assert clerk.buried(clerk.pid, 0, 101.0)
        assert heard == [b"that is all"]
        assert not selector.get_map()
        assert clerk.due(102.0)


def test_one_that_does_not_end_is_ended_and_has_no_successor(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(control: socket.socket) -> int:
        while True:
            control.setblocking(True)
            control.recv(1)

    monkeypatch.setattr(companion, "END_SECONDS", 0.05)
    clerk = make(deaf)
    start(clerk, 100.0)
    pid = clerk.pid
    clerk.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
    assert not clerk.due(1000.0)
