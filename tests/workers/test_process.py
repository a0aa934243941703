"""A whole worker: its start, its policies, its drain, and what it does where the audit cannot be written."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trio

from gateway.errors import State
from parser import messages
from tests.workers.relay_rig import no_file_grows, until
from tests.workers.worker_rig import (
    POLICY,
    Guest,
    House,
    error_state,
    housed,
    make_slot,
    quiet,
    running_server,
)
from workers.audit_disk import Disk
from workers.audit_trail import ChainFiles
from workers.embedded import EmbeddedServer
from workers.process import _Worker
from workers.shared_policy import seal
from workers.slab import Counter
from workers.slot import BootFailed, Drain, Failed, PolicyMessage, send

ROOT = Path(__file__).parents[2]
RAIL = '[[guardrail]]\nname = "none"\nstatements = ["SELECT"]\neffect = "deny"\nmessage = "Not now."\n'


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


async def drained(house: House, seconds: float = 10) -> None:
    with trio.fail_after(seconds):
        while not house.exit_codes:
            await trio.sleep(0.01)
    assert house.exit_codes == [0]
    assert house.worker.audit.closed
    assert ChainFiles(house.worker.audit.path).is_closed()


async def running(house: House, guest: Guest, sql: str) -> None:
    """Sends a statement and returns when it is outstanding."""
    await guest.wire.write_all(messages.query(sql))
    await until(lambda: any(link.session.queue for link in house.worker.relay.links), "it runs")


def test_an_audit_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    slot, control = make_slot(tmp_path, 1)
    with pytest.raises(BootFailed, match=r"^audit\.dir: "):
        _Worker(slot)
    for end in (control, slot.control, slot.listener):
        end.close()


@pytest.mark.trio
async def test_start_and_stop_are_on_record(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        send(house.control, Drain(1.0))
        await drained(house)
    said = [entry.data["what"] for entry in house.trail() if entry.kind == "system"]
    assert (said[0], said[-1]) == ("worker started", "worker stopped")


@pytest.mark.trio
async def test_a_policy_that_cannot_be_used_is_refused_and_the_old_one_stays(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        junk = seal(b"junk")
        for digest in (junk.digest, bytes(32)):
            send(house.control, PolicyMessage(9, junk.size, digest), junk.fd)
            failed = await house.hears(Failed)
            assert isinstance(failed, Failed)
            assert failed.version == 9
        junk.close()
        assert await guest.cell("select 1") == "1"
        await house.publish(POLICY + RAIL)
        assert await guest.error("select 1") == State.DENIED


@pytest.mark.trio
async def test_a_policy_is_in_force_when_its_number_is_and_not_before(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        await house.offer(POLICY + RAIL)
        assert await guest.cell("select 1") == "1"
        house.slot.slab.publish(house.version)
        assert await guest.error("select 1") == State.DENIED


@pytest.mark.trio
async def test_a_policy_comes_into_force_on_a_full_disk_and_sessions_live_on(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        await house.offer(POLICY + RAIL)
        with no_file_grows():
            house.slot.slab.publish(house.version)
            assert await guest.error("select 1") in (State.DENIED, State.AUDIT)
            assert house.worker.generation == house.version
        await until(lambda: house.worker.audit.health == "ok", "the audit heals")
        assert await guest.error("select 1") == State.DENIED
        assert [entry.data["generation"] for entry in house.events("policy in force")] == [2]


@pytest.mark.trio
async def test_drain_ends_idle_sessions_at_once_and_waits_for_transactions(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        idle, busy = await house.guest(), await house.guest()
        await busy.ask("begin")
        send(house.control, Drain(20.0))
        assert await idle.last_words() == State.SHUTDOWN
        assert await busy.cell("select 5") == "5"
        assert not house.exit_codes
        assert [kind for kind, _ in await busy.ask("commit")] == [b"C", b"Z"]
        assert await busy.last_words() == State.SHUTDOWN
        await drained(house)


@pytest.mark.trio
async def test_drain_cancels_what_runs_at_its_limit_also_on_the_server(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guests = [await house.guest() for _ in range(5)]
        for guest in guests:
            await running(house, guest, "select pg_sleep(77)")
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            count = "select count(*) from pg_stat_activity where query like '%pg_sleep(77)%' and pid <> pg_backend_pid()"
            await until(lambda: admin.execute(count).fetchone() == (5,), "the server runs them")
            send(house.control, Drain(0.3))
            for guest in guests:
                assert error_state(await guest.replies(b"")) == State.SHUTDOWN
            await drained(house)
            await until(lambda: admin.execute(count).fetchone() == (0,), "the server was told to stop")
        found = [entry.outcome.status for entry in house.trail() if entry.outcome is not None]
        assert found == ["drained"] * 5


@pytest.mark.trio
async def test_a_worker_that_drains_on_a_full_disk_ends_all_the_same(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        with no_file_grows():
            send(house.control, Drain(1.0))
            assert await guest.last_words() == State.SHUTDOWN
            with trio.fail_after(10):
                while not house.exit_codes:
                    await trio.sleep(0.01)
        assert house.exit_codes == [0]


@pytest.mark.trio
async def test_what_is_written_after_a_pause_is_soon_on_the_disk_and_a_sync_that_could_not_be_is_made_up_for(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with housed(tmp_path, server) as house:
        audit, begun = house.worker.audit, []
        duplicate = Disk.duplicate

        def none_is_free_at_first(disk: Disk, file: int) -> int:
            begun.append(audit.unsynced)
            if len(begun) == 1:
                raise OSError(errno.EMFILE, "no descriptor is free")
            return duplicate(disk, file)

        guest = await house.guest()
        await until(lambda: audit.unsynced == 0, "the sign-in is on the disk")
        monkeypatch.setattr(Disk, "duplicate", none_is_free_at_first)
        assert await guest.cell("select 1") == "1"
        await until(lambda: audit.unsynced == 0, "the statement is on the disk")
        await until(lambda: house.slot.row.get(Counter.AUDIT_LAG) == 0, "that is said")
        assert len(begun) >= 2


@pytest.mark.trio
async def test_an_idle_worker_gives_signs_of_life(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        beats = set()

        def beat() -> bool:
            beats.add(house.slot.row.get(Counter.BEAT))
            return len(beats) > 3

        await until(beat, "the heart beats with nobody there")
        await quiet(house)


@pytest.mark.parametrize("end", ["parent", "control"])
def test_a_worker_without_its_supervisor_is_gone_at_once(tmp_path: Path, end: str) -> None:
    """In a process of its own, for it ends by _exit."""
    script = f"""
        import os, socket
        from pathlib import Path
        from gateway.policy import compile as c
        from gateway.policy import rules
        from tests.workers.worker_rig import POLICY, make_slot
        from workers.process import run
        from workers.shared_policy import seal
        from workers.slot import PolicyMessage, send
        slot, control = make_slot(Path({str(tmp_path)!r}), 1)
        read, write = os.pipe()
        slot.parent_fd = read
        slot.slab.publish(1)
        sealed = seal(c.compile([rules.load(POLICY, "p")], slot.settings))
        send(control, PolicyMessage(1, sealed.size, sealed.digest), sealed.fd)
        import threading
        def leave():
            while b"ready" not in control.recv(4096):
                pass
            os.close(write) if {end!r} == "parent" else control.close()
        control.setblocking(True)
        threading.Thread(target=leave).start()
        run(slot)
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1, done.stderr.decode()
    assert b"Traceback" not in done.stderr
