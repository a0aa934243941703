"""Sign-ins a second, in interleaved rounds on one machine: connect, SELECT 1, close, as fast as so many clients can.

`make bench-signing-in` prints a Markdown table; ARGS=--record also puts it in bench.md. pgbouncer has its clients prove a
password (SCRAM), Sluice verifies a token; both keep connections to the server warm. PostgreSQL itself makes a process for
each.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event

from bench import machine, record, row, spread, tell, versions
from servers import Servers, Target, running
from wire import Client, WireError

BEGIN, END = "<!-- signing in: begin -->", "<!-- signing in: end -->"
CLIENTS = (1, 16)
FAILED = -1
PASSWORD = "a password to be proven"


def sign_in_until(target: Target, over: Event, done: "multiprocessing.SimpleQueue[int]") -> None:
    """Puts how many it were; FAILED where one did not come in."""
    count = 0
    try:
        while not over.is_set():
            client = Client(target.port, target.user, "bench", target.password)
            client.query("SELECT 1")
            client.close()
            count += 1
    except (OSError, WireError) as error:
        print(f"{target.name}: {error}", file=sys.stderr)
        count = FAILED
    done.put(count)


def sign_ins(target: Target, clients: int, seconds: float) -> tuple[float, float]:
    """Sign-ins a second by so many processes, and microseconds of the proxy's CPU for each."""
    over = multiprocessing.Event()
    done: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
    crowd = [multiprocessing.Process(target=sign_in_until, args=(target, over, done)) for _ in range(clients)]
    before, began = target.cpu_seconds(), time.perf_counter()
    for one in crowd:
        one.start()
    time.sleep(seconds)
    over.set()
    counts = [done.get() for _ in crowd]
    took, spent = time.perf_counter() - began, target.cpu_seconds() - before
    for one in crowd:
        one.join()
    if FAILED in counts:
        sys.exit(f"not every client came in at {target.name}")
    count = sum(counts)
    return count / took, spent / count * 1e6


def rounds_of(targets: Sequence[Target], rounds: int, seconds: float) -> list[str]:
    """The table's lines. Every round asks everything of each, and begins with another one."""
    rates: dict[tuple[int, str], list[float]] = {}
    spent: dict[tuple[int, str], list[float]] = {}
    for turn in range(rounds):
        start = turn % len(targets)
        for clients in CLIENTS:
            for target in (*targets[start:], *targets[:start]):
                rate, cpu = sign_ins(target, clients, seconds)
                rates.setdefault((clients, target.name), []).append(rate)
                spent.setdefault((clients, target.name), []).append(cpu)
        tell(f"round {turn + 1} of {rounds} done")
    return table([target.name for target in targets], rates, spent)


def table(
    names: list[str], rates: dict[tuple[int, str], list[float]], spent: dict[tuple[int, str], list[float]]
) -> list[str]:
    peers = [name for name in names if name != "direct"]
    head = ["connect, SELECT 1, close", *(f"{name} a second" for name in names), *(f"{name} CPU µs" for name in peers)]
    head.append("sluice / pgbouncer")
    lines = [row(head), row(["---"] * len(head))]
    for clients in CLIENTS:
        ratio = "not installed"
        if (clients, "pgbouncer") in rates:
            ratio = f"{statistics.median(rates[clients, 'sluice']) / statistics.median(rates[clients, 'pgbouncer']):.2f}"
        cells = [spread(rates[clients, name]) for name in names] + [spread(spent[clients, name]) for name in peers]
        lines.append(row([f"{clients} client{'s' if clients > 1 else ''}", *cells, ratio]))
    return lines


def measure(servers: Servers, *, short: bool) -> list[str]:
    """Markdown lines: direct, pgbouncer where it is installed, Sluice."""
    direct = servers.postgres()
    bouncer = servers.pgbouncer(direct, PASSWORD)
    targets = [direct, *([bouncer] if bouncer else []), servers.sluice(direct)]
    return rounds_of(targets, 2 if short else 5, 2 if short else 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="two rounds of 2 s instead of five of 8 s")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    with running() as servers:
        lines = measure(servers, short=options.short)
    rounds = "2 interleaved rounds of 2 s" if options.short else "5 interleaved rounds of 8 s"
    command = f"`make bench-signing-in`, {rounds}; median (lowest to highest)"
    text = "\n".join([f"{command}.", f"{machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record(text, BEGIN, END)


if __name__ == "__main__":
    main()
