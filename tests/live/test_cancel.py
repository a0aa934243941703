"""Ctrl-C cancels the statement it was meant for, whichever worker the request reached, and no other."""

import signal
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, wait_for
from tests.live.wire import CANCEL_CODE, Wire
from workers.embedded import clean_environment

INTERRUPTS = 20
TOGETHER = 5


def running(postgres: Postgres, tag: str) -> bool:
    with postgres.connect() as admin:
        row = admin.execute(
            "select count(*) from pg_stat_activity where state = 'active' and query like %s and pid <> pg_backend_pid()",
            (f"%{tag}%",),
        ).fetchone()
    return row is not None and row[0] > 0


def interrupt_psql(postgres: Postgres, dsn: str, tag: str) -> str:
    """Runs a long sleep in psql, presses Ctrl-C once the server runs it, and returns what psql said."""
    client = subprocess.Popen(
        [postgres.program("psql"), "-X", dsn, "-c", f"select pg_sleep(60) as {tag}"],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(
            "the server to run the statement", lambda: running(postgres, tag) or client.poll() is not None
        )
        client.send_signal(signal.SIGINT)
        return client.communicate(timeout=10)[1]
    finally:
        client.kill()
        client.wait()


@pytest.mark.parametrize("protocol", ["3.0", "3.2"])
def test_interrupt_in_psql_cancels_every_time(postgres: Postgres, gateway: Gateway, protocol: str) -> None:
    dsn = f"{gateway.dsn('dev')} max_protocol_version={protocol}"
    name = protocol.replace(".", "_")
    with ThreadPoolExecutor(TOGETHER) as pool:
        said = list(
            pool.map(lambda n: interrupt_psql(postgres, dsn, f"interrupted_{name}_{n}_"), range(INTERRUPTS))
        )
    cancelled = ["canceling statement due to user request" in text for text in said]
    assert cancelled == [True] * INTERRUPTS, said


def test_session_goes_on_after_a_cancel(postgres: Postgres, gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        for n in range(5):
            failed: list[psycopg.Error] = []

            def sleep(tag: str, failed: list[psycopg.Error] = failed) -> None:
                try:
                    connection.execute(f"select pg_sleep(60) as {tag}")
                except psycopg.errors.QueryCanceled as error:
                    failed.append(error)

            tag = f"going_on_{n}_"
            sleeper = threading.Thread(target=sleep, args=(tag,))
            sleeper.start()
            wait_for("the statement to run", lambda tag=tag: running(postgres, tag))
            connection.cancel_safe(timeout=5)
            sleeper.join(timeout=10)
            assert len(failed) == 1
            assert connection.execute("select 42").fetchone() == (42,)


def test_cancel_with_a_wrong_key_does_nothing(postgres: Postgres, gateway: Gateway) -> None:
    with gateway.connect("dev") as victim:
        tag = "guarded_"
        outcome: list[object] = []
        sleeper = threading.Thread(
            target=lambda: outcome.append(victim.execute(f"select pg_sleep(1.5)::text as {tag}").fetchone())
        )
        sleeper.start()
        wait_for("the statement to run", lambda: running(postgres, tag))
        pid = victim.info.backend_pid
        for key in (b"\0" * 4, b"\xff" * 4, b"\0" * 32, b"", b"\0" * 300):
            with Wire(gateway.port) as attacker:
                attacker.send(struct.pack("!iii", 12 + len(key), CANCEL_CODE, pid) + key)
                answer = attacker.read(1)
                assert answer == b"" or len(key) not in (4, 32), "a cancel request gets no answer"
        sleeper.join(timeout=20)
        assert outcome == [("",)]


def test_cancel_hits_only_its_own_session(postgres: Postgres, gateway: Gateway) -> None:
    with gateway.connect("dev") as first, gateway.connect("dev") as second:
        results: dict[str, object] = {}

        def sleep(name: str, connection: psycopg.Connection) -> None:
            try:
                results[name] = connection.execute(f"select pg_sleep(1.5)::text as {name}").fetchone()
            except psycopg.Error as error:
                results[name] = error.sqlstate

        threads = [
            threading.Thread(target=sleep, args=(name, connection))
            for name, connection in (("victim_one_", first), ("bystander_", second))
        ]
        for thread in threads:
            thread.start()
        wait_for("both to run", lambda: running(postgres, "victim_one_") and running(postgres, "bystander_"))
        first.cancel_safe(timeout=5)
        for thread in threads:
            thread.join(timeout=20)
        assert results == {"victim_one_": "57014", "bystander_": ("",)}
