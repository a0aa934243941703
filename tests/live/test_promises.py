"""Promises of processes, memory and cancels, on a real gateway before a real server."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import psycopg
import pytest

from tests.live.rig import POLICY, Gateway, Postgres, wait_for
from tests.live.wire import CANCEL_CODE, Wire, error_fields, query

MIB = 1 << 20
OLGA = {"user": "olga", "database": "dev"}


def memory(gateway: Gateway) -> dict[int, int]:
    """Resident bytes of each worker."""
    return {pid: psutil.Process(pid).memory_info().rss for pid in gateway.workers()}


def grown(gateway: Gateway, before: dict[int, int]) -> int:
    return max(rss - before[pid] for pid, rss in memory(gateway).items())


@contextmanager
def closing(wires: list[Wire]) -> Iterator[None]:
    try:
        yield
    finally:
        for wire in wires:
            wire.close()


def signed_in(gateway: Gateway) -> tuple[Wire, int, bytes]:
    """A session with its process id and cancel secret."""
    wire = Wire(gateway.port)
    seen = wire.sign_in(gateway.token("olga", ("owners",)), OLGA)
    key = next(body for kind, body in seen if kind == b"K")
    return wire, struct.unpack("!i", key[:4])[0], key[4:]


def cancel(gateway: Gateway, pid: int, secret: bytes) -> None:
    """Sends a cancel request and waits until the gateway is through with it, as libpq does."""
    with Wire(gateway.port) as wire:
        wire.send(struct.pack("!iii", 12 + len(secret), CANCEL_CODE, pid) + secret)
        assert wire.read(1) == b""


# --- memory -----------------------------------------------------------------------------------------


def test_announced_lengths_take_no_memory(gateway: Gateway) -> None:
    """What a length word announces costs nothing until it comes: before sign-in, in its middle, and in a session."""
    wires = [signed_in(gateway)[0] for _ in range(30)]
    with closing(wires):
        before = memory(gateway)
        for wire in wires:
            wire.send(b"Q" + struct.pack("!i", 16 * MIB - 1) + b"select ")
        for _ in range(60):
            wires.append(Wire(gateway.port))
            wires[-1].send(struct.pack("!i", 10_000) + b"\0\3\0\0user")
        for length in (-1, 2**31 - 1, 65536):
            wires.append(Wire(gateway.port))
            wires[-1].send(struct.pack("!i", length))
            assert wires[-1].read(1) in (b"", b"E")
        with gateway.connect("dev") as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert grown(gateway, before) < 12 * MIB, "90 connections that announce 480 MiB"


def test_a_result_that_nobody_reads_stays_at_the_server(gateway: Gateway) -> None:
    sleeper, _, _ = signed_in(gateway)
    others = [gateway.connect("dev") for _ in range(4)]
    with closing([sleeper]):
        for other in others:
            other.execute("select 1")
        before = memory(gateway)
        sleeper.send(query("select repeat('x', 1000) from generate_series(1, 200000)"))
        slowest = 0.0
        for _ in range(50):
            for other in others:
                started = time.monotonic()
                assert other.execute("select 1").fetchone() == (1,)
                slowest = max(slowest, time.monotonic() - started)
        assert grown(gateway, before) <= 4 * MIB
        assert slowest < 0.5, "others are served meanwhile"
        kinds = [kind for kind, _ in sleeper.replies()]
        assert kinds.count(b"D") == 200_000, "and it is all there when it is read"
    for other in others:
        other.close()


# --- cancels ----------------------------------------------------------------------------------------


def test_200_cancels_over_two_workers_each_hit_their_statement_and_no_other(gateway: Gateway) -> None:
    sessions = [signed_in(gateway) for _ in range(8)]
    took: list[float] = []
    lock = threading.Lock()

    def rounds(number: int) -> None:
        wire, pid, secret = sessions[number]
        for _ in range(25):
            wire.send(query("select pg_sleep(30)"))
            wire.send(b"")
            started = time.monotonic()
            answered = threading.Event()

            def again(answered: threading.Event = answered) -> None:
                while not answered.is_set():  # the statement may not have reached the server yet
                    cancel(gateway, pid, secret)
                    answered.wait(0.02)

            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(again)
                seen = wire.replies()
                answered.set()
                asking.result()
            assert [error_fields(body)["C"] for kind, body in seen if kind == b"E"] == ["57014"]
            with lock:
                took.append(time.monotonic() - started)

    with closing([wire for wire, _, _ in sessions]), ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(rounds, number) for number in range(8)]:
            done.result(timeout=60)
        for wire, _, _ in sessions:
            wire.send(query("select 1"))
            assert [kind for kind, _ in wire.replies()] == [b"T", b"D", b"C", b"Z"], (
                "no cancel hit a later one"
            )
    took.sort()
    assert len(took) == 200
    assert took[-1] < 2.0
    print(f"cancels: median {took[100] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms")


def test_a_burst_of_cancels_from_one_host_loses_none(postgres: Postgres, gateway: Gateway) -> None:
    """An application that gives up on all its statements at once asks once for each of them."""
    sessions = [signed_in(gateway) for _ in range(60)]
    active = "select count(*) from pg_stat_activity where state = 'active' and query ~ 'in_a_burst''$'"
    with closing([wire for wire, _, _ in sessions]), postgres.connect(autocommit=True) as admin:
        for wire, _, _ in sessions:
            wire.send(query("select pg_sleep(30), 'in_a_burst'"))
        wait_for("all to run", lambda: admin.execute(active).fetchone() == (60,))
        with ThreadPoolExecutor(60) as pool:
            asked = [pool.submit(cancel, gateway, pid, secret) for _, pid, secret in sessions]
            for one in asked:
                one.result(timeout=20)
        wait_for("all to be cancelled", lambda: admin.execute(active).fetchone() == (0,), 5)
        for wire, _, _ in sessions:
            seen = wire.replies()
            assert [error_fields(body)["C"] for kind, body in seen if kind == b"E"] == ["57014"]


def test_wrong_keys_cancel_nothing_and_the_right_one_still_does(gateway: Gateway) -> None:
    wire, pid, secret = signed_in(gateway)
    with closing([wire]):
        wire.send(query("select pg_sleep(1.5), 'undisturbed'"))
        for wrong in (bytes(len(secret)), secret[:-1] + bytes([secret[-1] ^ 1])):
            for asked in (pid, pid + 1):
                cancel(gateway, asked, wrong)
        assert [kind for kind, _ in wire.replies()] == [b"T", b"D", b"C", b"Z"]


# --- starts -----------------------------------------------------------------------------------------


def broken_policy(gateway: Gateway) -> None:
    gateway.policy_file.write_text('[[grant]]\nname = "x"\nalow = ["read"]\n')


def broken_key(gateway: Gateway) -> None:
    (gateway.folder / "local-issuer.pub").write_text("no key")


def audit_is_a_file(gateway: Gateway) -> None:
    (gateway.folder / "var").mkdir(exist_ok=True)
    (gateway.folder / "var" / "audit").write_text("a file where the folder should be")


@pytest.mark.parametrize("breaking", [broken_policy, broken_key, audit_is_a_file, None])
def test_a_start_that_cannot_succeed_ends_at_once_with_one_clear_line(
    postgres: Postgres, breaking: Callable[[Gateway], None] | None
) -> None:
    gateway = Gateway([{"name": "dev", "host": "127.0.0.1", "port": postgres.port, "user": "sluice",
                        "sslmode": "disable", "environment": "development", "dbname": "shop"}])  # fmt: skip
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            if breaking is None:
                text = gateway.config.read_text()
                port = taken.getsockname()[1]
                gateway.config.write_text(text.replace(f"127.0.0.1:{gateway.port}", f"127.0.0.1:{port}"))
            else:
                breaking(gateway)
            started = time.monotonic()
            ended = gateway.sluice("serve", "--config", str(gateway.config), seconds=20)
            assert time.monotonic() - started < 5
        assert ended.returncode != 0
        assert "ready" not in ended.stdout
        (line,) = ended.stderr.strip().splitlines()
        assert len(line) > 20
        assert "Traceback" not in line
    finally:
        gateway.remove()


# --- policies and workers ---------------------------------------------------------------------------


def test_what_is_sent_after_a_reload_is_decided_by_it_in_every_worker(
    make_gateway: Callable[..., Gateway],
) -> None:
    rail = '[[guardrail]]\nname = "r"\nstatements = ["SELECT"]\neffect = "deny"\nmessage = "Not now."\n'
    gateway = make_gateway(workers=3)
    sessions = [gateway.connect("dev") for _ in range(18)]
    pids = [session.info.backend_pid for session in sessions]
    assert all(session.execute("select 1").fetchone() == (1,) for session in sessions)

    def refused(session: psycopg.Connection) -> bool:
        with suppress(psycopg.errors.InsufficientPrivilege):
            session.execute("select 1")
            return False
        return True

    for turn in range(4):
        denies = turn % 2 == 0
        gateway.reload(POLICY + (rail if denies else ""))
        wait_for("the policy to be in force", lambda d=denies: refused(sessions[0]) is d)
        assert [refused(session) for session in sessions] == [denies] * 18, "one knows it: all do"
    assert [session.info.backend_pid for session in sessions] == pids
    assert all(session.execute("select 1").fetchone() == (1,) for session in sessions)
    for session in sessions:
        session.close()


def test_a_stopped_worker_is_replaced_in_eight_seconds_and_others_do_not_notice(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway()
    victim, other = sorted(gateway.workers())
    sessions = [gateway.connect("dev") for _ in range(20)]
    owners = [worker_of(session) for session in sessions]
    untouched = [session for session, owner in zip(sessions, owners, strict=True) if owner == other]
    assert untouched, "the kernel gave each worker some"
    assert len(untouched) < len(sessions)
    os.kill(victim, signal.SIGSTOP)
    stopped = time.monotonic()
    slowest = 0.0
    while victim in gateway.workers() or len(gateway.workers()) < 2:
        for session in untouched:
            started = time.monotonic()
            assert session.execute("select 1").fetchone() == (1,)
            slowest = max(slowest, time.monotonic() - started)
        assert time.monotonic() - stopped < 8
    assert other in gateway.workers()
    assert slowest < 1
    with gateway.connect("dev") as newcomer:
        assert newcomer.execute("select 1").fetchone() == (1,)
    for session in sessions:
        session.close()


def worker_of(session: psycopg.Connection) -> int:
    """The worker that holds the other end of a session's connection."""
    with socket.socket(fileno=os.dup(session.fileno())) as ours:
        mine = ours.getsockname()
    for connection in psutil.net_connections("tcp"):
        if connection.raddr == mine and connection.pid is not None and connection.pid != os.getpid():
            return connection.pid
    raise AssertionError("no process holds the other end")


def test_a_drain_of_mixed_sessions_cuts_nothing_before_its_limit(
    postgres: Postgres, make_gateway: Callable[..., Gateway]
) -> None:
    limit = 3
    gateway = make_gateway(drain_seconds=limit)
    idle = [gateway.connect("dev") for _ in range(20)]
    short = [signed_in(gateway)[0] for _ in range(20)]
    long = [signed_in(gateway)[0] for _ in range(10)]
    with closing(short + long):
        for wire in short:
            wire.send(query("select pg_sleep(1), 'drain_short'"))
        for wire in long:
            wire.send(query("select pg_sleep(60), 'drain_long'"))
        active = (
            "select count(*) from pg_stat_activity where state = 'active' and query ~ 'drain_(short|long)''$'"
        )
        with postgres.connect(autocommit=True) as admin:
            wait_for("all to run", lambda: admin.execute(active).fetchone() == (30,))
            gateway.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            for wire in short:
                seen = wire.replies(b"")
                assert [kind for kind, _ in seen] == [b"T", b"D", b"C", b"Z", b"E", b""]
                assert error_fields(seen[-2][1])["C"] == "57P01"
            for wire in long:
                assert error_fields(wire.replies(b"")[-2][1])["C"] == "57P01"
            assert gateway.stop() == 0
            assert time.monotonic() - started < limit + 2
            wait_for("the server to be told", lambda: admin.execute(active).fetchone() == (0,), 3)
    for session in idle:
        session.close()
    records = gateway.audit()
    intents = {entry["id"]: entry["statement"] for entry in records if entry["kind"] == "intent"}
    ends = [entry["status"] for entry in records if entry["kind"] == "outcome" and entry["intent"] in intents]
    assert sorted(status for status in ends if status != "ok") == ["drained"] * 10
    assert gateway.verify().returncode == 0
