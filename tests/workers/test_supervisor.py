"""The supervisor as real processes: started, wounded, reloaded, drained."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from workers import status
from workers.audit_trail import read_all
from workers.descriptors import needed
from workers.init import init

SUPERVISED = Path(__file__).with_name("supervised.py")
SECONDS = 15.0


def until(true: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < give_up, f"waited too long until {what}"
        time.sleep(0.01)
    return found


class Gateway:
    """A supervisor with small workers, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "sluice.toml"
        self.policy = folder / "policy.toml"
        self.errors = folder / "errors"
        self.processes: list[subprocess.Popen[str]] = []
        init(folder)
        self.configure("127.0.0.1:6432", "127.0.0.1:0")

    def configure(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def spawn(
        self, *modes: str, workers: int = 2, before: tuple[str, ...] = (), **environ: str
    ) -> subprocess.Popen[str]:
        command = [*before, sys.executable, str(SUPERVISED), str(self.config), str(workers), *modes]
        with self.errors.open("w") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environ}
            )
        self.processes.append(process)
        return process

    def start(self, *modes: str, **options: Any) -> "Gateway":
        self.process = self.spawn(*modes, **options)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"ready 127\.0\.0\.1:(\d+) workers=\d+ policy=1\n", line)
        assert found, (line, self.errors.read_text())
        self.port = int(found[1])
        return self

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def ask(self, word: str) -> str:
        with self.connect() as client:
            client.sendall(word.encode())
            return client.makefile().readline().strip()

    def who(self) -> tuple[int, int, int, int]:
        """A worker's pid, slot, incarnation and generation: of whichever the kernel chose."""
        pid, slot, incarnation, generation = map(int, self.ask("who").split())
        return pid, slot, incarnation, generation

    def status(self) -> dict[str, Any]:
        return status.ask(self.folder / "var" / "run")

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.status()["workers"]
        return found

    def pids(self) -> list[int]:
        return [worker["pid"] for worker in self.workers()]

    def signal(self, number: int) -> None:
        os.kill(self.status()["pid"], number)

    def said(self, text: str) -> None:
        until(lambda: text in self.errors.read_text(), f"it said {text!r}: {self.errors.read_text()}")

    def settled(self) -> bool:
        return all(worker["state"] == "ready" for worker in self.workers())

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):  # reaped since it was listed
                        child.kill()
                process.kill()
            process.communicate(timeout=SECONDS)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path / "gateway")
    yield made
    made.end()


def running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_ready_is_said_when_every_slot_serves(gateway: Gateway) -> None:
    gateway.start(workers=3)
    found = gateway.status()
    assert (found["state"], found["policy"]["generation"]) == ("ready", 1)
    assert [worker["slot"] for worker in found["workers"]] == [0, 1, 2]
    assert [found["audit"][name] for name in ("state", "failures", "unrecorded")] == ["ok", 0, 0]
    seen = {gateway.who()[0] for _ in range(100)}
    assert seen == set(gateway.pids())


def test_a_worker_has_its_own_descriptors_and_no_others(gateway: Gateway) -> None:
    gateway.start(workers=3)
    for _ in range(10):  # listener, control socket, the client
        assert gateway.ask("sockets") == "3"
        assert gateway.ask("threads") == "1"
        assert gateway.ask("signals") == " ".join([str(int(signal.SIG_IGN))] * 5)


def test_variables_of_libpq_are_dropped(gateway: Gateway) -> None:
    hostile = dict.fromkeys(("PGPASSWORD", "PGSERVICEFILE", "PGSSLROOTCERT", "PGHOSTADDR", "PGOPTIONS"), "x")
    gateway.start(**hostile)
    assert not [name for name in gateway.ask("environment").split() if name.startswith("PG")]


def test_a_connection_in_a_killed_workers_queue_is_served_by_its_successor(gateway: Gateway) -> None:
    gateway.start(workers=1)
    victim = gateway.pids()[0]
    for round_number in range(3):
        os.kill(victim, signal.SIGSTOP)
        waiting = [gateway.connect() for _ in range(20)]
        for client in waiting:
            client.sendall(b"who")
        os.kill(victim, signal.SIGKILL)
        for client in waiting:
            pid, slot, incarnation, _ = client.makefile().readline().split()
            assert (int(slot), int(incarnation)) == (0, round_number + 2)
            assert int(pid) != victim
            client.close()
        victim = gateway.pids()[0]


def test_a_workers_death_is_no_business_of_its_siblings(gateway: Gateway) -> None:
    gateway.start()
    first, second = gateway.pids()
    os.kill(first, signal.SIGKILL)
    until(lambda: gateway.settled() and gateway.pids()[0] not in (None, first), "a successor is there")
    assert gateway.pids()[1] == second
    assert [worker["restarts"] for worker in gateway.workers()] == [1, 0]
    gateway.said("ended with signal 9")


def test_our_own_bug_ends_that_worker_and_shows_where(gateway: Gateway) -> None:
    gateway.start(workers=1)
    assert gateway.ask("bug") == ""
    gateway.said("AssertionError: told to")
    assert gateway.who()[2] == 2


def test_nobody_survives_a_killed_supervisor_and_the_next_one_starts_at_once(gateway: Gateway) -> None:
    for _ in range(3):
        gateway.start()
        workers = gateway.pids()
        os.kill(workers[0], signal.SIGSTOP)
        gateway.process.kill()
        gateway.start()  # without waiting for anything
        until(lambda old=workers: not any(running(pid) for pid in old), "no orphan is left", 5)
        gateway.process.kill()


def test_a_second_gateway_in_the_same_folder_is_refused(gateway: Gateway) -> None:
    gateway.start()
    second = gateway.spawn()
    assert second.wait(SECONDS) == 1
    assert "cannot start: another gateway is running in" in gateway.errors.read_text()
    assert gateway.settled()


def test_a_good_policy_reaches_the_running_workers(gateway: Gateway) -> None:
    gateway.start()
    pids, before = gateway.pids(), gateway.ask("policy")
    for generation in (2, 3):
        gateway.policy.write_text(
            gateway.policy.read_text() + f'\n[[grant]]\nname = "more {generation}"\nallow = ["all"]\n'
        )
        gateway.signal(signal.SIGHUP)
        until(lambda now=generation: gateway.status()["policy"]["generation"] == now, "it is in force")
        assert {gateway.who()[3] for _ in range(20)} == {generation}
    assert gateway.pids() == pids
    assert gateway.ask("policy") == gateway.status()["policy"]["sha256"] != before


def test_a_bad_policy_is_refused_with_its_line_and_the_old_one_stays(gateway: Gateway) -> None:
    gateway.start()
    good = gateway.policy.read_text()
    gateway.policy.write_text('[[grant]]\nname = "x"\nalow = ["read"]\n')
    gateway.signal(signal.SIGHUP)
    gateway.said("policy.toml:3: ")
    assert gateway.errors.read_text().count("\n") == 1
    gateway.config.write_text(gateway.config.read_text().replace("[audit]", "[audti]"))
    gateway.policy.write_text(good)
    gateway.signal(signal.SIGHUP)
    gateway.said("audti")
    assert gateway.status()["policy"]["generation"] == 1
    gateway.config.write_text(gateway.config.read_text().replace("[audti]", "[audit]"))
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "the mended one is in force")


def test_a_policy_that_one_worker_cannot_use_is_given_up_everywhere(gateway: Gateway) -> None:
    gateway.start("refuse-2")
    gateway.signal(signal.SIGHUP)
    gateway.said("this version is not for me; the old one stays in force")
    assert {gateway.who()[3] for _ in range(10)} == {1}
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 3, "the next one is in force")


def test_a_worker_that_does_not_acknowledge_is_replaced_and_the_policy_comes_into_force(
    gateway: Gateway,
) -> None:
    gateway.start("quick")
    victim = gateway.pids()[1]
    os.kill(victim, signal.SIGSTOP)
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "it is in force")
    until(gateway.settled, "a successor is there")
    assert gateway.pids()[1] != victim
    assert {gateway.who()[3] for _ in range(10)} == {2}


def test_a_limit_on_open_files_that_is_too_low_for_the_sessions_is_said_at_the_start(gateway: Gateway) -> None:
    gateway.start(before=("sh", "-c", 'ulimit -n 1000 && exec "$@"', "sh"))
    gateway.said(f"gateway.max_sessions = 10000 wants a limit of {needed(10_000)} open files and it is 1000")


def test_changed_settings_are_left_for_a_restart(gateway: Gateway) -> None:
    gateway.start()
    gateway.configure("max_sessions = 10000", "max_sessions = 5")
    gateway.signal(signal.SIGHUP)
    gateway.said("restart to apply it")
    until(lambda: gateway.status()["policy"]["generation"] == 2, "the policy is in force")


def test_changed_keys_reach_the_running_workers(gateway: Gateway) -> None:
    def write(kid: str) -> None:
        key = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key()))
        (gateway.folder / "local-issuer.pub").write_text(json.dumps({"keys": [key | {"kid": kid}]}))

    write("old")
    gateway.start()
    assert gateway.ask("keys") == "old"
    write("new")
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "the reload is done")
    assert {gateway.ask("keys") for _ in range(10)} == {"new"}


def test_sigterm_drains_and_a_second_one_does_no_harm(gateway: Gateway) -> None:
    gateway.start()
    workers = gateway.pids()
    gateway.process.terminate()
    gateway.process.terminate()
    assert gateway.process.wait(SECONDS) == 0
    assert not any(running(pid) for pid in workers)
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()


def test_a_worker_that_does_not_drain_is_killed_in_time(gateway: Gateway) -> None:
    gateway.configure("drain_seconds = 30", "drain_seconds = 0.5")
    gateway.start("deaf")
    workers = gateway.pids()
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGINT)
    gateway.said("draining")
    with pytest.raises(
        ConnectionRefusedError
    ):  # the workers here keep their listeners, so look at the supervisor's
        assert gateway.status()["state"] == "draining"
        gateway.process.terminate()
        raise ConnectionRefusedError
    assert gateway.process.wait(SECONDS) == 0
    assert 2.4 <= time.monotonic() - began <= 6
    assert not any(running(pid) for pid in workers)


def test_signals_without_a_meaning_are_ignored(gateway: Gateway) -> None:
    gateway.start()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        gateway.signal(number)
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "it still reloads")


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("no-boot", "sluice: cannot start: audit.dir: the folder is not writable\n"),
        ("no-start", "sluice: cannot start: worker \\d ended before it was ready \\(exit code 1\\)\n"),
    ],
)
def test_a_worker_that_cannot_start_stops_everything(gateway: Gateway, mode: str, line: str) -> None:
    process = gateway.spawn(mode)
    output, _ = process.communicate(timeout=5)
    assert (process.returncode, output) == (1, "")
    assert re.search(line + r"\Z", gateway.errors.read_text())
    assert psutil.Process().children(recursive=True) == []


def test_a_taken_port_stops_the_start(gateway: Gateway) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another gateway would have it
        other.bind(("127.0.0.1", 0))
        other.listen()
        gateway.configure("127.0.0.1:0", f"127.0.0.1:{other.getsockname()[1]}")
        process = gateway.spawn()
        assert process.wait(5) == 1
    assert gateway.errors.read_text() == "sluice: cannot start: [Errno 98] Address already in use\n"


@pytest.mark.parametrize(
    ("file", "content", "code", "says"),
    [
        ("policy.toml", "[[grant]]\nname = 7\n", 2, "policy.toml:2: "),
        ("sluice.toml", "[gateway]\nlistne = 1\n", 2, "sluice.toml:2: "),
        ("local-issuer.pub", "nonsense", 2, "neither a PEM public key nor a JWKS"),
        ("mask.key", "short", 2, "shorter than 32 bytes"),
    ],
)
def test_a_bad_file_stops_the_start_with_one_line(
    gateway: Gateway, file: str, content: str, code: int, says: str
) -> None:
    (gateway.folder / file).write_text(content)
    process = gateway.spawn()
    output, _ = process.communicate(timeout=5)
    assert (process.returncode, output) == (code, "")
    errors = gateway.errors.read_text()
    assert says in errors
    assert errors.count("\n") == 1
    assert errors.startswith("sluice: ")


def test_a_hanging_worker_shows_where_and_is_replaced(gateway: Gateway) -> None:
    gateway.start("quick", workers=1)
    with gateway.connect() as client:
        client.sendall(b"hang")
        assert client.makefile().readline() == ""
    gateway.said("hangs: asked for its traceback")
    gateway.said("Fatal Python error: Aborted")
    gateway.said(" in do\n")
    assert gateway.who()[2] == 2


def test_a_stopped_worker_is_replaced_and_others_are_not(gateway: Gateway) -> None:
    gateway.start("quick")
    victim, other = gateway.pids()
    os.kill(victim, signal.SIGSTOP)
    until(lambda: gateway.pids()[0] not in (victim, None) and gateway.settled(), "a successor is there")
    assert gateway.pids()[1] == other


def test_after_a_pause_of_everything_nobody_is_called_hanging(gateway: Gateway) -> None:
    gateway.start("quick")
    everyone = [gateway.process.pid, *gateway.pids()]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)  # longer than a worker may be silent here
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    before = time.monotonic()
    until(lambda: time.monotonic() > before + 0.5 and gateway.settled(), "it looked around")
    assert gateway.pids() == everyone[1:]


def test_workers_that_keep_dying_raise_the_alarm(gateway: Gateway) -> None:
    gateway.start(workers=2)
    calm = gateway.pids()[1]
    for death in range(5):
        victim = until(
            lambda n=death: gateway.workers()[0]["incarnation"] == n + 1 and gateway.pids()[0], "it is back"
        )
        os.kill(victim, signal.SIGKILL)
    gateway.said("alarm: 5 workers ended within 10 s")
    assert gateway.status()["state"] == "not ready"
    assert gateway.pids()[1] == calm


def test_systemd_hears_of_every_turn(gateway: Gateway, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        heard: list[str] = []

        def hear(wanted: str) -> None:
            while not heard or wanted not in heard[-1]:
                heard.append(manager.recv(4096).decode())

        gateway.start("quick", workers=1, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        assert "NOTIFY_SOCKET" not in gateway.ask("environment")
        hear("READY=1")
        hear("WATCHDOG=1")
        gateway.signal(signal.SIGHUP)
        hear("RELOADING=1\nMONOTONIC_USEC=")
        hear("READY=1\nSTATUS=workers=1 policy=2")
        os.kill(gateway.pids()[0], signal.SIGSTOP)
        gateway.said("hangs")
        manager.settimeout(0.05)
        with pytest.raises(
            TimeoutError
        ):  # no watchdog while no worker lives: it was stopped for as long as that takes
            for _ in range(100):
                manager.recv(4096)
        manager.settimeout(SECONDS)
        hear("WATCHDOG=1")
        gateway.process.terminate()
        hear("STOPPING=1")


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace needs root")
def test_as_pid_1_it_reaps_orphans_drains_and_takes_all_with_it(gateway: Gateway) -> None:
    namespace = ("unshare", "-p", "-f", "--mount-proc", "--kill-child")
    gateway.start(workers=1, before=namespace)
    supervisor = psutil.Process(gateway.process.pid).children()[0]
    assert gateway.status()["pid"] == 1
    assert gateway.ask("orphan") == "gone"
    until(lambda: len(supervisor.children()) == 3, "the orphan is reaped")  # a worker, the notary and the admin process
    supervisor.send_signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "it reloads")
    worker = next(each for each in supervisor.children() if not each.name().startswith("sluice-"))
    worker.kill()
    until(lambda: gateway.workers()[0]["incarnation"] == 2 and gateway.settled(), "a successor is there")
    supervisor.terminate()
    assert gateway.process.wait(SECONDS) == 0
    gateway.start(workers=1, before=namespace)
    supervisor = psutil.Process(gateway.process.pid).children()[0]
    everyone = [supervisor, *supervisor.children()]
    supervisor.kill()
    gateway.process.wait(SECONDS)
    until(lambda: not any(each.is_running() for each in everyone), "nobody is left", 5)


def test_what_happens_to_the_gateway_is_on_record_in_a_chain_of_its_own(gateway: Gateway) -> None:
    gateway.start("quick")
    victim = gateway.pids()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in gateway.pids() and gateway.settled(), "a successor is there")
    old = gateway.policy.read_text()
    gateway.policy.write_text(old.replace("first steps", "second steps"))
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.status()["policy"]["generation"] == 2, "it reloads")
    gateway.policy.write_text("nonsense")
    gateway.signal(signal.SIGHUP)
    gateway.said("reload refused")
    gateway.process.terminate()
    assert gateway.process.wait(SECONDS) == 0
    system = [each for each in read_all(gateway.folder / "var" / "audit") if "-s." in each.label]
    said = {each.data["what"]: each.data for each in system}
    order = ["gateway started", "policy in force", "worker ended", "policy published", "reload refused"]
    assert [each.data["what"] for each in system] == [*order, "gateway stopping", "gateway stopped"]
    assert said["worker ended"] | {"why": ""} == {
        "what": "worker ended",
        "worker": 0,
        "pid": victim,
        "how": "signal 9",
        "why": "",
    }
    assert said["policy published"]["changes"] == {
        "grants": {"changed": {"analysts read production": ["reason"]}}
    }
    assert said["policy published"]["by"] == "signal"
    assert "policy.toml" in said["reload refused"]["why"]
