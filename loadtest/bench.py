"""Peers side by side, in interleaved rounds on one machine: PostgreSQL directly, pgbouncer (session pooling), Sluice.

`make bench` prints a Markdown table; `make bench ARGS=--record` also puts it in bench.md; ARGS=--short is a quick look.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from servers import PGBOUNCER, ROOT, ROWS, Servers, Target, programs, running
from wire import Client

MODES = ("simple", "extended", "prepared")
CLIENTS = 16
BENCH = ROOT / "bench.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PEOPLE = "select id, name, email, ssn, city from people"


def pgbench(target: Target, mode: str, seconds: float) -> tuple[float, float]:
    """Transactions a second (without connecting), and microseconds of the proxy's CPU for each."""
    command = [
        str(programs() / "pgbench"),
        "-n",
        "-S",
        "-M",
        mode,
        "-c",
        str(CLIENTS),
        "-j",
        "2",
        "-T",
        str(int(seconds)),
    ]
    before = target.cpu_seconds()
    done = subprocess.run(command, env=target.environment(), capture_output=True, text=True, check=False)
    spent = target.cpu_seconds() - before
    rate = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode or not rate or not count:
        sys.exit(f"pgbench against {target.name} failed: {done.stderr[-2000:]}")
    return float(rate[1]), spent / int(count[1]) * 1e6


def select_people(target: Target) -> float:
    """Seconds for the whole table by SELECT, read and thrown away."""
    client = Client(target.port, target.user, "bench", target.password)
    started = time.perf_counter()
    size = client.bulk(PEOPLE)
    took = time.perf_counter() - started
    client.close()
    if size < ROWS * 40:
        sys.exit(f"{target.name} gave {size} bytes for {ROWS} rows")
    return took


def psql_people(target: Target, statement: str) -> float:
    """Seconds for the whole table through psql, formatted and written to /dev/null."""
    command = [str(programs() / "psql"), "-X", "-A", "-c", statement]
    started = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(command, env=target.environment(), stdout=nowhere, check=True)
    return time.perf_counter() - started


WAYS = {
    "SELECT, read and dropped": select_people,
    "SELECT in psql": lambda target: psql_people(target, PEOPLE),
    "COPY in psql": lambda target: psql_people(target, f"copy ({PEOPLE}) to stdout"),
}


def check_masks(servers: Servers, target: Target) -> None:
    """The comparison is only fair when two columns really are masked on the way."""
    row = servers.psql(target, f"{PEOPLE} order by id limit 1")
    if "Person Number" not in row or "@mail" in row or re.search(r"\d{3}-\d{2}-\d{4}", row):
        sys.exit("the gateway does not mask exactly e-mail and number")


def spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    gigabytes = int(memory[1]) / 2**20 if memory else 0
    cores = len(os.sched_getaffinity(0))
    return f"{model[1] if model else platform.machine()}, {cores} cores, {gigabytes:.0f} GiB, Linux {platform.release()}"


def versions() -> str:
    def first_line(command: list[str]) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]

    parts = [first_line([str(programs() / "postgres"), "--version"]), f"Python {platform.python_version()}"]
    parts += [first_line([PGBOUNCER, "--version"])] if PGBOUNCER else []
    compiled = any((ROOT / "gateway").rglob("*.so"))
    return ", ".join([*parts, f"Sluice with its hot modules {'compiled' if compiled else 'interpreted'}"])


def measure(targets: list[Target], rounds: int, seconds: float) -> list[str]:
    """The tables' lines. Every round runs every target once, each round beginning with another one."""
    rates: dict[tuple[str, str], list[float]] = {}
    cpu: dict[tuple[str, str], list[float]] = {}
    bulk: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        order = targets[turn % len(targets) :] + targets[: turn % len(targets)]
        for mode in MODES:
            for target in order:
                rate, spent = pgbench(target, mode, seconds)
                rates.setdefault((mode, target.name), []).append(rate)
                cpu.setdefault((mode, target.name), []).append(spent)
        for target in order:
            for way, read in WAYS.items():
                bulk.setdefault((way, target.name), []).append(read(target))
        tell(f"round {turn + 1} of {rounds} done")
    names = [target.name for target in targets]
    return [*rate_table(names, rates, cpu), "", *bulk_table(names, bulk)]


def rate_table(
    names: list[str], rates: dict[tuple[str, str], list[float]], cpu: dict[tuple[str, str], list[float]]
) -> list[str]:
    peers = [name for name in names if name != "direct"]
    head = [
        "pgbench -S -c 16",
        *(f"{name} tps" for name in names),
        *(f"{name} CPU µs" for name in peers),
        "sluice / pgbouncer",
    ]
    lines = [row(head), row(["---"] * len(head))]
    for mode in MODES:
        ratio = "not installed"
        if (mode, "pgbouncer") in rates:
            ratio = f"{statistics.median(rates[mode, 'sluice']) / statistics.median(rates[mode, 'pgbouncer']):.2f}"
        cells = [spread(rates[mode, name]) for name in names] + [spread(cpu[mode, name], 1) for name in peers]
        lines.append(row([f"-M {mode}", *cells, ratio]))
    return lines


def bulk_table(names: list[str], bulk: dict[tuple[str, str], list[float]]) -> list[str]:
    head = [f"{ROWS:,} rows, 2 of 5 columns masked", *(f"{name} s" for name in names), "direct / sluice"]
    lines = [row(head), row(["---"] * len(head))]
    for way in WAYS:
        ratio = statistics.median(bulk[way, "direct"]) / statistics.median(bulk[way, "sluice"])
        lines.append(row([way, *(spread(bulk[way, name], 2) for name in names), f"{ratio:.2f}"]))
    return lines


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def tell(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def record(text: str, begin: str = BEGIN, end: str = END) -> None:
    """Puts the tables between these marks of bench.md."""
    before, _, rest = BENCH.read_text().partition(begin)
    _, _, after = rest.partition(end)
    BENCH.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="two rounds of 2 s instead of five of 10 s")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--seconds", type=float, help="how long each pgbench runs")
    parser.add_argument("--record", action="store_true", help="put the tables in bench.md")
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.short else 5)
    seconds = options.seconds or (2 if options.short else 10)
    with running() as servers:
        direct = servers.postgres()
        sluice = servers.sluice(direct)
        check_masks(servers, sluice)
        bouncer = servers.pgbouncer(direct)
        targets = [direct, *([bouncer] if bouncer else []), sluice]
        lines = measure(targets, rounds, seconds)
    command = f"`make bench`, {rounds} interleaved rounds of {seconds:g} s; median (lowest to highest)"
    text = "\n".join([f"{command}.", f"{machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record(text)


if __name__ == "__main__":
    main()
