"""The relay as host of trio: whoever has something to do gets the thread, and whatever ends either of them ends both."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trio

from parser import messages
from tests.workers.relay_rig import PATIENCE_SECONDS, Rig, answer, make_rig
from workers import host


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = make_rig(tmp_path)
    yield made
    made.close()


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is served because the loop happens to wake up by itself."""
    monkeypatch.setattr(host, "IDLE_SECONDS", 10 * PATIENCE_SECONDS)


@pytest.mark.usefixtures("sleepless")
def test_sockets_and_tasks_are_served_side_by_side(rig: Rig) -> None:
    async def main() -> int:
        pair = rig.open()
        for _ in range(20):
            await pair.ask("select 1")
            assert await pair.served() == messages.query("select 1")
            await pair.says(answer())
            assert [kind for kind, _ in await pair.heard()] == [b"T", b"D", b"C", b"Z"]
        return 7

    assert host.run(rig.relay, main) == 7
    assert rig.outcomes() == ["ok"] * 20


@pytest.mark.usefixtures("sleepless")
def test_times_and_other_threads_wake_the_tasks(rig: Rig) -> None:
    async def main() -> int:
        await trio.sleep(0.001)
        return await trio.to_thread.run_sync(lambda: threading.get_ident() != here)

    here = threading.get_ident()
    assert host.run(rig.relay, main) == 1


@pytest.mark.usefixtures("sleepless")
def test_who_is_to_be_looked_at_again_does_not_wait_for_the_sleeper(rig: Rig) -> None:
    async def main() -> int:
        pair = rig.open()
        await trio.sleep(0.001)
        rig.relay.cut(pair.link, "drained")
        with trio.fail_after(PATIENCE_SECONDS):
            while not rig.closed:
                await trio.sleep(0.001)
        return 0

    assert host.run(rig.relay, main) == 0


def test_what_main_raises_is_raised(rig: Rig) -> None:
    async def main() -> int:
        await trio.lowlevel.checkpoint()
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        host.run(rig.relay, main)


def test_a_fault_of_the_turn_ends_the_worker(rig: Rig) -> None:
    async def main() -> int:
        pair = rig.open()
        rig.relay.learn = _fails
        pair.link.session.learns.append(None)  # type: ignore[arg-type]
        await pair.ask("select 1")
        await trio.sleep_forever()
        return 0

    with ThreadPoolExecutor(1) as apart, pytest.raises(AssertionError, match="ours"):  # its trio is left where it stood
        apart.submit(host.run, rig.relay, main).result()


def _fails(*_: object, **__: object) -> None:
    raise AssertionError("ours")
