"""The admin process with services of the test's own: a real process, as the supervisor keeps it."""

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from gateway.identity.barred import Bars
from workers import admin_process, configuration, spawn
from workers.admin_link import Message, Told
from workers.admin_process import Desk, Service
from workers.admin_seat import AdminSeat
from workers.configuration import Loaded
from workers.init import init

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' libraries have left threads in this process, of which nothing that is forked here uses anything."""
    monkeypatch.setattr(spawn, "threads", lambda: 1)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    init(tmp_path)
    return configuration.load(tmp_path / "sluice.toml", {})


@pytest.fixture
def start(loaded: Loaded) -> Iterator[Callable[[Service], AdminSeat]]:
    seats: list[AdminSeat] = []

    def begin(service: Service) -> AdminSeat:
        seat = AdminSeat(lambda control: admin_process.serve(control, loaded, {}, Bars(), services=(service,)))
        seats.append(seat)
        parent, _ = os.pipe()
        seat.process.start(parent, [], 100.0)
        return seat

    yield begin
    for seat in seats:
        seat.end()


def heard(seat: AdminSeat, count: int) -> list[Message]:
    said: list[Message] = []
    give_up = time.monotonic() + PATIENCE
    while len(said) < count:
        assert time.monotonic() < give_up, said
        assert seat.process.control is not None
        select.select([seat.process.control], [], [], 1)
        said += [message for message, _ in seat.hear()]
    return said


async def tells_the_audience(desk: Desk) -> None:
    while True:
        await desk.happened("system", "looked", audience=desk.loaded.settings.policy.file, policy=len(desk.loaded.policy))
        await desk.moved.wait()


def test_services_tell_the_record_and_see_what_was_read_again(
    start: Callable[[Service], AdminSeat], loaded: Loaded
) -> None:
    seat = start(tells_the_audience)
    (first,) = heard(seat, 1)
    assert isinstance(first, Told)
    assert first.data == {"what": "looked", "audience": "policy.toml", "policy": len(loaded.policy)}
    with (loaded.folder / "policy.toml").open("a") as policy:
        policy.write('\n[[grant]]\nname = "more"\ndatabases = ["prod"]\nallow = ["read"]\n')
    seat.reread()
    (second,) = heard(seat, 1)
    assert isinstance(second, Told)
    assert second.data["policy"] > first.data["policy"]


def test_files_that_cannot_be_used_change_nothing(start: Callable[[Service], AdminSeat], loaded: Loaded) -> None:
    seat = start(tells_the_audience)
    heard(seat, 1)
    policy = loaded.folder / "policy.toml"
    good = policy.read_text()
    policy.write_text("nonsense")
    seat.reread()
    policy_is_bad = select.select([seat.process.control], [], [], 0.3)[0]
    assert not policy_is_bad
    policy.write_text(good)
    seat.reread()
    heard(seat, 1)


async def floods(desk: Desk) -> None:
    for number in range(2000):
        await desk.happened("system", "flood", number=number, padding="x" * 1000)


def test_a_supervisor_that_is_busy_loses_nothing(start: Callable[[Service], AdminSeat]) -> None:
    seat = start(floods)
    time.sleep(0.1)
    said = heard(seat, 2000)
    assert [each.data["number"] for each in said if isinstance(each, Told)] == list(range(2000))


def test_it_ends_when_the_supervisor_wants_it_to(start: Callable[[Service], AdminSeat]) -> None:
    async def waits(desk: Desk) -> None:
        await desk.happened("system", "here")
        await trio.sleep_forever()

    seat = start(waits)
    heard(seat, 1)
    pid = seat.process.pid
    began = time.monotonic()
    seat.end()
    assert time.monotonic() - began < 0.9, "it was not killed"
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
