"""Cancels over real Unix sockets, between desks as two workers have them."""

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from workers.cancels import CancelDesk, Guesses


@asynccontextmanager
async def desks(folder: Path, slots: int) -> AsyncIterator[list[CancelDesk]]:
    made = [CancelDesk(folder, index, slots) for index in range(slots)]
    async with trio.open_nursery() as nursery:
        for desk in made:
            await nursery.start(desk.serve)
        yield made
        nursery.cancel_scope.cancel()
    for desk in made:
        desk.close()


class Session:
    def __init__(self, error: OSError | None = None) -> None:
        self.cancelled = 0
        self.addresses: set[str] = set()
        self.error = error

    async def cancel(self, address: str) -> None:
        await trio.lowlevel.checkpoint()
        self.cancelled += 1
        self.addresses.add(address)
        if self.error:
            raise self.error


@pytest.mark.trio
async def test_a_cancel_reaches_the_session_from_every_worker(tmp_path: Path) -> None:
    session = Session()
    async with desks(tmp_path, 3) as made:
        made[1].register(4711, b"k" * 32, session.cancel)
        for desk in made:
            assert await desk.request(4711, b"k" * 32, "10.0.0.1")
    assert session.cancelled == 3
    assert session.addresses == {"10.0.0.1"}


@pytest.mark.trio
async def test_wrong_secret_unknown_pid_and_ended_session_cancel_nobody(tmp_path: Path) -> None:
    session = Session()
    async with desks(tmp_path, 2) as made:
        made[0].register(4711, b"good", session.cancel)
        assert not await made[1].request(4711, b"evil", "10.0.0.1")
        assert not await made[0].request(4711, b"goo", "10.0.0.1")
        assert not await made[1].request(4712, b"good", "10.0.0.1")
        made[0].forget(4711, b"good")
        made[0].forget(4711, b"good")
        assert not await made[1].request(4711, b"good", "10.0.0.2")
    assert session.cancelled == 0


@pytest.mark.trio
async def test_two_databases_may_give_the_same_pid(tmp_path: Path) -> None:
    one, other = Session(), Session()
    async with desks(tmp_path, 2) as made:
        made[0].register(7, b"one1", one.cancel)
        made[0].register(7, b"two2", other.cancel)
        assert await made[1].request(7, b"two2", "10.0.0.1")
        made[0].forget(7, b"two2")
        assert await made[1].request(7, b"one1", "10.0.0.1")
    assert (one.cancelled, other.cancelled) == (1, 1)


@pytest.mark.trio
async def test_an_unreachable_server_does_not_end_the_desk(tmp_path: Path) -> None:
    session = Session(ConnectionRefusedError())
    async with desks(tmp_path, 2) as made:
        made[0].register(7, b"key1", session.cancel)
        for desk in (made[0], made[1], made[1]):
            assert await desk.request(7, b"key1", "10.0.0.1")
    assert session.cancelled == 3


@pytest.mark.trio
async def test_a_missing_sibling_and_a_stale_socket_are_survived(tmp_path: Path) -> None:
    session = Session()
    async with desks(tmp_path, 2) as first:
        first[0].register(7, b"key1", session.cancel)
    assert (tmp_path / "cancel-0.sock").exists()  # as a killed worker leaves it
    lone = CancelDesk(tmp_path, 1, 3)
    assert not await lone.request(7, b"key1", "10.0.0.1")
    lone.close()
    async with desks(tmp_path, 2) as second:
        second[0].register(7, b"key1", session.cancel)
        assert await second[1].request(7, b"key1", "10.0.0.1")
    assert session.cancelled == 1


@pytest.mark.trio
async def test_junk_from_a_sibling_is_dropped(tmp_path: Path) -> None:
    async with desks(tmp_path, 1) as made:
        for junk in (b"", b"\xc1", b"x" * 5000, b"\x92\x01"):
            with trio.socket.socket(trio.socket.AF_UNIX) as peer:
                await peer.connect(str(tmp_path / "cancel-0.sock"))
                await peer.send(junk)
                peer.shutdown(trio.socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    assert await peer.recv(1) == b""
        session = Session()
        made[0].register(7, b"key1", session.cancel)
        with trio.socket.socket(trio.socket.AF_UNIX) as peer:
            await peer.connect(str(tmp_path / "cancel-0.sock"))
            for byte in b"\x92\x07\xc4\x04key1":
                await peer.send(bytes([byte]))
            peer.shutdown(trio.socket.SHUT_WR)
            assert await peer.recv(1) == b"\1"
        assert session.cancelled == 1


@pytest.mark.trio
async def test_a_guesser_is_slowed_and_right_keys_cost_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    session = Session()
    desk = CancelDesk(tmp_path, 0, 1)
    desk.register(7, b"key1", session.cancel)
    for _ in range(50):
        assert await desk.request(7, b"key1", "10.0.0.1")
    for _ in range(5):
        assert not await desk.request(7, b"evil", "10.0.0.1")
    started = trio.current_time()
    assert await desk.request(7, b"key1", "10.0.0.2"), "another address is not its business"
    assert trio.current_time() == started
    assert await desk.request(7, b"key1", "10.0.0.1")
    assert 0.1 < trio.current_time() - started < 0.3, "five wrong keys use a second up"
    for _ in range(10):
        assert not await desk.request(7, b"evil", "10.0.0.1")
    assert 1.5 < trio.current_time() - started < 2.5
    desk.close()


@pytest.mark.trio
async def test_a_flood_of_guesses_is_not_looked_at_for_ever(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    desk = CancelDesk(tmp_path, 0, 1)
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(desk.request, 7, b"evil", "10.0.0.1")
    assert trio.current_time() - started < 5.1
    desk.close()


@pytest.mark.trio
async def test_right_keys_in_a_burst_are_all_heard(tmp_path: Path) -> None:
    session = Session()
    async with desks(tmp_path, 2) as made:
        for pid in range(100):
            made[pid % 2].register(pid, b"key", session.cancel)
        async with trio.open_nursery() as nursery:
            for pid in range(100):
                nursery.start_soon(made[0].request, pid, b"key", "10.0.0.1")
    assert session.cancelled == 100


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_all_workers_together_allow_five_guesses_a_second(slots: int) -> None:
    made = [Guesses(5.0 / slots) for _ in range(slots)]
    allowed = sum(guesses.take("10.0.0.1", tick / 100) for tick in range(100_00) for guesses in made)
    assert 5 * 100 <= allowed <= 5 * 100 + 5 * slots


def test_the_memory_of_guessers_is_bounded() -> None:
    guesses = Guesses(5.0)
    for number in range(10_000):
        assert guesses.take(f"10.0.{number >> 8}.{number & 255}", 0.0)
    assert len(guesses._buckets) == 4096


@pytest.mark.trio
async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    session = Session()
    async with desks(deep, 2) as made:
        made[0].register(7, b"key1", session.cancel)
        assert await made[1].request(7, b"key1", "10.0.0.1")
    assert os.listdir(deep)
