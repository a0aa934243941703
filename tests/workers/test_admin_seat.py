"""The admin process as the supervisor sees it: what it says when it has died, and what it is told when it is not there."""

import os
import selectors
import socket
from collections.abc import Iterator

import pytest

from workers import admin_link, spawn
from workers.admin_link import ChannelsFare, Message, Told
from workers.admin_seat import AdminSeat
from workers.channel_health import Health


@pytest.fixture
def seat(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminSeat]:
    monkeypatch.setattr(spawn, "threads", lambda: 1)

    def says_a_word_and_dies(control: socket.socket) -> int:
        admin_link.send(control, ChannelsFare((Health("slack", told=3, why="down"),)))
        admin_link.send(control, Told("system", {"what": "born"}))
        return 1

    made = AdminSeat(says_a_word_and_dies)
    yield made
    made.end()


def test_what_it_said_before_it_died_is_heard_and_its_end_is_no_endless_news(seat: AdminSeat) -> None:
    heard: list[Message] = []
    with selectors.DefaultSelector() as selector:
        seat.process.watch(selector, lambda: heard.extend(message for message, _ in seat.hear()))
        parent, _ = os.pipe()
        seat.process.start(parent, [], 100.0)
        pid = seat.process.pid
        os.waitpid(pid, 0)
        while selector.get_map():
            for key, _ in selector.select(1):
                key.data()
        assert heard == [Told("system", {"what": "born"})]
        (slack,) = seat.describe()["channels"]
        assert (slack["name"], slack["told"], slack["why"]) == ("slack", 3, "down")
        assert seat.process.buried(pid, 1, 101.0)
        assert seat.process.due(102.0)


def test_telling_it_while_it_is_not_there_waits_for_nothing(seat: AdminSeat) -> None:
    seat.reread()
    assert list(seat.hear()) == []
