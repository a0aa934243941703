"""The audit under load when everything around it goes wrong: workers and supervisors are killed, and its disk is filled to
the brim. PostgreSQL's own log, what every client saw and what the audit holds are compared afterwards.

`make storm` runs it longer and with more clients (SLUICE_STORM_SECONDS, SLUICE_STORM_CLIENTS).
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, standard_entries, wait_for
from tests.live.test_kill import TAG, Seen, client

SECONDS = float(os.environ.get("SLUICE_STORM_SECONDS", "6"))
CLIENTS = int(os.environ.get("SLUICE_STORM_CLIENTS", "24")) // 2
DISK_BYTES = 40 * 1024 * 1024
HEAL_SECONDS = 1.0


def compare(postgres: Postgres, gateway: Gateway, answered: Counter[str], numbers: range) -> str:
    """PostgreSQL's log, the answers and the trail side by side, for the clients of these numbers; what was compared."""

    def ours(text: str) -> list[str]:
        return [tag for tag in TAG.findall(text)[-1:] if int(tag.split("_")[1]) in numbers]

    executed = Counter(tag for text in postgres.statements("storm_") for tag in ours(text))
    records = gateway.audit()
    intents = {each["id"]: each for each in records if each["kind"] == "intent"}
    declared = Counter(tag for each in intents.values() for tag in ours(each["statement"]))
    outcomes = Counter(each["intent"] for each in records if each["kind"] == "outcome")
    ok = Counter(
        tag
        for each in records
        if each["kind"] == "outcome" and each["status"] == "ok"
        for tag in ours(each["statement"])
    )
    unaudited = {tag: count for tag, count in executed.items() if count > declared[tag]}
    assert unaudited == {}, "PostgreSQL executed what no intent announced"
    unproven = {tag for tag, count in answered.items() if count > ok[tag]}
    assert unproven == set(), "acknowledged, and no outcome says so"
    assert outcomes == Counter(dict.fromkeys(intents, 1)), "one outcome per intent"
    return f"{sum(executed.values())} executions, {len(intents)} intents, {sum(answered.values())} answers"


def kill_anything(gateway: Gateway, seconds: float) -> tuple[int, int]:
    """SIGKILLs a random worker or the supervisor every second or so; how many of each."""
    chance = random.Random(7)
    workers = supervisors = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or not supervisors or not workers:
        time.sleep(1.2)  # the storm's own clock, nothing waits for it
        if (workers + supervisors) % 3 == 1:
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()
            wait_for("every worker to be gone", lambda: not gateway.remaining(), 5)
            gateway.start()
            supervisors += 1
        else:
            os.kill(chance.choice(gateway.workers()), signal.SIGKILL)
            workers += 1
    return workers, supervisors


@pytest.mark.timeout(SECONDS * 6 + 120)
def test_storm_of_kills_also_of_supervisors_leaves_no_execution_without_intent(
    postgres: Postgres, make_gateway: Callable[..., Gateway]
) -> None:
    gateway = make_gateway()
    dsn = gateway.dsn("dev")
    stop, seen = threading.Event(), Seen()
    numbers = range(1000, 1000 + CLIENTS)
    threads = [threading.Thread(target=client, args=(n, dsn, stop, seen)) for n in numbers]
    for thread in threads:
        thread.start()
    try:
        workers, supervisors = kill_anything(gateway, SECONDS)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "no client hangs"
    assert gateway.stop() == 0
    told = compare(postgres, gateway, seen.answered, numbers)
    verified = gateway.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert seen.wrong == []
    assert len(seen.answered) > 10 * CLIENTS, "a run that proves something"
    print(f"storm: {workers} workers and {supervisors} supervisors killed; {told}")


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A tmpfs of DISK_BYTES; skips where mounting is not allowed."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@dataclass
class Told:
    """What the clients of a gateway with a full disk were told."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # SQLSTATEs
    lost: list[str] = field(default_factory=list)
    last_refusal: float = 0.0


def persistent(number: int, dsn: str, stop: threading.Event, told: Told) -> None:
    """One session that goes on whatever its statements are answered."""
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            n = 0
            while not stop.is_set():
                n += 1
                tag = f"storm_{number}_{n}"
                try:
                    assert connection.execute(f"select '{tag}' as {tag}").fetchone() == (tag,)
                except psycopg.OperationalError as error:
                    if error.sqlstate is None or connection.broken:
                        raise
                    with told.lock:
                        told.refused[error.sqlstate] += 1
                        told.last_refusal = time.monotonic()
                    stop.wait(0.01)
                else:
                    with told.lock:
                        told.answered[tag] += 1
    except (psycopg.Error, AssertionError) as error:
        with told.lock:
            told.lost.append(repr(error))


def fill(place: Path, stop: threading.Event) -> None:
    """Takes every byte there is, also what others give back, until told to stop; then gives all of it back."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1 << 20
        while not stop.is_set():
            try:
                file.write(bytes(size))
                size = 1 << 20
            except OSError:
                size = max(1, size // 4)
                if size == 1:
                    stop.wait(0.002)
    ballast.unlink()


def audit_status(gateway: Gateway) -> dict[str, Any]:
    done = gateway.sluice("status", "--json")
    assert done.returncode == 0, done.stderr
    audit: dict[str, Any] = json.loads(done.stdout)["audit"]
    return audit


@pytest.mark.timeout(SECONDS * 6 + 120)
def test_a_disk_filled_to_the_brim_refuses_statements_and_heals_by_itself(
    postgres: Postgres,
) -> None:
    gateway = Gateway(standard_entries(postgres))
    numbers = range(2000, 2000 + CLIENTS)
    stop, told = threading.Event(), Told()
    with small_disk(gateway.folder / "var" / "audit") as place:
        try:
            gateway.start()
            dsn = gateway.dsn("dev")
            threads = [threading.Thread(target=persistent, args=(n, dsn, stop, told)) for n in numbers]
            for thread in threads:
                thread.start()
            everybody = set(map(str, numbers))
            wait_for(
                "all to be signed in",
                lambda: {tag.split("_")[1] for tag in list(told.answered)} == everybody,
            )
            slowest = 0.0
            for _ in range(max(2, int(SECONDS // 3))):
                slowest = max(slowest, fill_and_free(gateway, place, told))
            stop.set()
            for thread in threads:
                thread.join(timeout=30)
            assert told.lost == [], "every session lived on"
            assert set(told.refused) == {"53100"}
            assert audit_status(gateway)["state"] == "ok"
            assert gateway.stop() == 0
            compared = compare(postgres, gateway, told.answered, numbers)
            verified = gateway.verify()
            assert verified.returncode == 0, verified.stdout + verified.stderr
            print(f"full disk: {sum(told.refused.values())} refused; back {slowest:.2f} s after there was room; {compared}")
            assert slowest <= HEAL_SECONDS
        finally:
            stop.set()
            gateway.stop()
    gateway.remove()


def fill_and_free(gateway: Gateway, place: Path, told: Told) -> float:
    """The disk is full for a while; how long statements were still refused once there was room again."""
    filled = threading.Event()
    ballast = threading.Thread(target=fill, args=(place, filled))
    before = sum(told.refused.values())
    ballast.start()
    try:
        wait_for("the audit to be full", lambda: audit_status(gateway)["state"] == "full")
        wait_for("statements to be refused", lambda: sum(told.refused.values()) > before + 3 * CLIENTS)
    finally:
        filled.set()
        ballast.join()
    freed = time.monotonic()
    answered = sum(told.answered.values())
    wait_for("answers", lambda: sum(told.answered.values()) > answered + 10 * CLIENTS)
    wait_for("the audit to be well", lambda: audit_status(gateway)["state"] == "ok")
    return max(0.0, told.last_refusal - freed)
