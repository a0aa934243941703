"""What thousands of idle sessions cost: the gateway's memory for each, its CPU while nobody asks, and what a hundred active
sessions notice of them.

`make bench-idle` prints Markdown tables; ARGS=--record also puts them in bench.md; ARGS=--short opens fewer sessions. The
idle sessions have asked one statement each. Behind them stands loadtest/standin.py, since 10,000 of PostgreSQL's own
processes need more memory than most machines have; behind the active ones is PostgreSQL.
"""

import argparse
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from machine import machine, versions
from servers import Servers, Target, programs
from tables import record, row, spread, tell
from wire import Client

SESSIONS, SHORT_SESSIONS = 10_000, 2_000
ACTIVE = 100
CONNECTING = 8  # at once: what is measured is not the sign-in
DESCRIPTORS_SPARE = 200
DATABASE = "idle"
QUIET_SECONDS, SHORT_QUIET_SECONDS = 20, 5
KILOBYTE = 1000
FIELDS = ("tps", "CPU µs", "p50 ms", "p99 ms")


@dataclass
class Found:
    """What was measured of one peer, each figure of each round in lists: without and with its idle sessions."""

    sessions: int = 0
    bytes_each: float = 0
    kernel_bytes_each: float = 0
    cpu_share: tuple[float, float] = (0, 0)
    active: dict[tuple[str, bool], list[float]] = field(default_factory=dict)


def descriptors() -> int:
    """How many files a process may open here, after as many as possible were allowed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def memory(target: Target) -> int:
    """Bytes of its processes' memory: each page by how many of them share it (PSS)."""
    text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in target.pids)
    return sum(map(int, re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE))) * 1024


def kernel_memory() -> int:
    """Bytes that the kernel keeps in its own objects: sockets, files, buffers."""
    text = Path("/proc/meminfo").read_text()
    return sum(map(int, re.findall(r"^(?:Slab|KernelStack|Percpu):\s+(\d+)", text, re.MULTILINE))) * 1024


@contextmanager
def idle_sessions(target: Target, count: int) -> Iterator[None]:
    """So many sessions that have asked one statement."""

    def open_one(_: int) -> Client:
        client = Client(target.port, target.user, DATABASE, target.password)
        client.query("select 1")
        return client

    with ThreadPoolExecutor(CONNECTING) as threads:
        clients = list(threads.map(open_one, range(count)))
    tell(f"{count} idle sessions to {target.name}")
    try:
        yield
    finally:
        for client in clients:
            client.close()


def cpu_share(target: Target, seconds: float) -> float:
    """How much of a core its processes take."""
    before, began = target.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (target.cpu_seconds() - before) / (time.monotonic() - began)


def pgbench(target: Target, folder: Path, seconds: int, rate: float = 0) -> dict[str, float]:
    """What a hundred active sessions get. `rate`: transactions a second that are begun, whatever became of those before; a
    latency counts from when it should have begun."""
    log = folder / "pgbench"
    command = [str(programs() / "pgbench"), "-n", "-S", "-M", "prepared", "-c", str(ACTIVE), "-j", "2", "-T", str(seconds)]
    command += ["-l", "--log-prefix", str(log), *(["-R", f"{rate:.0f}"] if rate else [])]
    before = target.cpu_seconds()
    done = subprocess.run(command, env=target.environment(), capture_output=True, text=True, check=False)
    spent = target.cpu_seconds() - before
    tps = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    if done.returncode or not tps:
        sys.exit(f"pgbench against {target.name} failed: {done.stderr[-2000:]}")
    took: list[int] = []
    for file in folder.glob("pgbench.*"):
        took += [int(line.split(" ", 3)[2]) for line in file.read_text().splitlines()]
        file.unlink()
    took.sort()
    each = [float(tps[1]), spent / len(took) * 1e6, took[len(took) // 2] / 1e3, took[len(took) * 99 // 100] / 1e3]
    return dict(zip(FIELDS, each, strict=True))


def active(found: Found, target: Target, folder: Path, rounds: int, seconds: int, rate: float, *, idle: bool) -> None:
    for _ in range(rounds):
        for name, value in pgbench(target, folder, seconds).items():
            found.active.setdefault((f"busy {name}", idle), []).append(value)
        for name, value in pgbench(target, folder, seconds, rate).items():
            found.active.setdefault((f"half {name}", idle), []).append(value)


def look(target: Target, folder: Path, count: int, rounds: int, seconds: int, quiet: float) -> Found:
    """Active sessions beside idle ones, alone, and beside them again: what drifts meanwhile shows in the spread. Memory is
    measured first and from the first fifth of the sessions on, which take what the processes had left free."""
    found = Found(count)
    few = count // 5
    with idle_sessions(target, few):
        time.sleep(1)
        before, kernel_before = memory(target), kernel_memory()
        with idle_sessions(target, count - few):
            time.sleep(1)
            found.bytes_each = (memory(target) - before) / (count - few)
            found.kernel_bytes_each = (kernel_memory() - kernel_before) / (count - few)
    with idle_sessions(target, count):
        time.sleep(1)
        beside = cpu_share(target, quiet)
        rate = pgbench(target, folder, seconds)["tps"] / 2
        active(found, target, folder, rounds, seconds, rate, idle=True)
    found.cpu_share = cpu_share(target, quiet), beside
    active(found, target, folder, 2 * rounds, seconds, rate, idle=False)
    with idle_sessions(target, count):
        active(found, target, folder, rounds, seconds, rate, idle=True)
    return found


def table(found: dict[str, Found]) -> list[str]:
    """One column for each peer."""
    head = ["", *found, "goal"]
    lines = [row(head), row(["---"] * len(head))]

    def add(what: str, cells: list[str], goal: str = "") -> None:
        lines.append(row([what, *cells, goal]))

    peers = list(found.values())
    add("idle sessions", [f"{one.sessions:,}" for one in peers])
    add("memory for each, kB", [f"{one.bytes_each / KILOBYTE:.1f}" for one in peers], "12")
    add("the kernel's for each, all four ends, kB", [f"{one.kernel_bytes_each / KILOBYTE:.1f}" for one in peers])
    shares = [f"{one.cpu_share[1]:.2%} (without them {one.cpu_share[0]:.2%})" for one in peers]
    add("of a core while nobody asks", shares, "1 %")
    for load, what in (("busy", "as fast as they can"), ("half", "at half of that rate")):
        for name in FIELDS:
            values = [[one.active[f"{load} {name}", idle] for idle in (False, True)] for one in peers]
            cells = [f"{spread(alone, 2)}, {spread(beside, 2)}" for alone, beside in values]
            if name == "p99 ms":
                ratios = [statistics.median(beside) / statistics.median(alone) for alone, beside in values]
                cells = [f"{cell}: {ratio:.2f}" for cell, ratio in zip(cells, ratios, strict=True)]
            add(f"{ACTIVE} active, {what}: {name} alone, beside them", cells, "1.20" if name == "p99 ms" else "")
    return [*lines, "", "Behind the idle sessions stands loadtest/standin.py, behind the active ones PostgreSQL."]


def measure(_: object, *, short: bool) -> list[str]:
    """With servers of its own: they take more sessions than the other measurements' do."""
    with Servers() as servers:
        return table(look_at_all(servers, short=short))


def look_at_all(servers: Servers, *, short: bool) -> dict[str, Found]:
    files = descriptors()
    count = min(SHORT_SESSIONS if short else SESSIONS, files - DESCRIPTORS_SPARE - ACTIVE)
    rounds, seconds, quiet = (1, 3, SHORT_QUIET_SECONDS) if short else (3, 10, QUIET_SECONDS)
    direct = servers.postgres()
    behind = servers.stand_in(direct)
    sluice = servers.sluice(direct, idle=behind, sessions_max=count + 2 * ACTIVE)
    found = {"sluice": look(sluice, servers.folder, count, rounds, seconds, quiet)}
    few = min(count, (files - DESCRIPTORS_SPARE) // 2 - ACTIVE)  # one process has both ends of each
    bouncer = servers.pgbouncer(direct, idle=behind, sessions_max=few + 2 * ACTIVE)
    if bouncer is not None:
        found = {"pgbouncer": look(bouncer, servers.folder, few, rounds, seconds, quiet), **found}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_SESSIONS:,} sessions and one round")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    lines = measure(None, short=options.short)
    command = "`make bench-idle`; PSS of the processes; median (lowest to highest)"
    text = "\n".join([f"{command}.", f"{machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record("idle", text)


if __name__ == "__main__":
    main()
