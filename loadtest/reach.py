"""How much one process of locust asks with the users of here, beside pgbench with the same statement and number of clients.

`make load-reach` prints a Markdown table; ARGS=--record also puts it in bench.md. Rounds are interleaved.
"""

import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from destination import DSN, TOKEN
from machine import machine
from pgbench import pgbench
from servers import Target, running
from tables import heading, record, row, spread

CLIENTS = 16
BUSY = Path(__file__).with_name("busy.py")


OWN = ("pgbench's own CPU µs", "locust's own CPU µs")


def locust(target: Target, seconds: int) -> tuple[float, float]:
    """Requests a second, and microseconds of locust's own CPU for each, its start aside."""
    told = dict(os.environ) | {
        DSN: f"host=127.0.0.1 port={target.port} dbname=bench user={target.user} sslmode=disable",
        TOKEN: target.password or "nobody asks for it",
        "SLUICE_LOAD_TABLE": "pgbench_accounts",
        "SLUICE_LOAD_KEY": "aid",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "locust", "-f", str(BUSY), "--headless", "--csv", f"{folder}/busy"]
        command += [
            "--users",
            str(CLIENTS),
            "--spawn-rate",
            "100",
            "--run-time",
            f"{seconds}s",
            "--only-summary",
        ]
        done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
        with Path(folder, "busy_stats.csv").open() as file:
            found = [line for line in csv.DictReader(file) if line["Name"] == "balance"]
    spent = re.search(r"CPU seconds: ([0-9.]+)", done.stdout)
    if done.returncode or not found or not spent:
        sys.exit(f"locust against {target.name} failed: {done.stderr[-2000:]}")
    return float(found[0]["Requests/s"]), float(spent[1]) / int(found[0]["Request Count"]) * 1e6


def judge(target: Target, seconds: int) -> tuple[float, float]:
    """The same of pgbench."""
    before = os.times()
    rate = pgbench(target, ["-S"], clients=CLIENTS, seconds=seconds)["tps"]
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return rate, spent / (rate * seconds) * 1e6


def main() -> None:
    """Measures, prints, and records where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=6)
    options.add_argument("--record", action="store_true", help="put the table in bench.md")
    chosen = options.parse_args()
    with running() as servers:
        direct = servers.postgres()
        targets = [direct, servers.sluice(direct)]
        asked: dict[str, list[tuple[float, ...]]] = {target.name: [] for target in targets}
        for turn in range(chosen.rounds):
            for target in targets[:: 1 if turn % 2 else -1]:
                asked[target.name].append((*judge(target, chosen.seconds), *locust(target, chosen.seconds)))
    lines = [
        f"`make load-reach`, {chosen.rounds} interleaved rounds of {chosen.seconds} s; median (lowest to highest).",
        machine(),
        "",
        *heading([f"{CLIENTS} clients, against", "pgbench -S, tps", "one locust, tps", "locust / pgbench", *OWN]),
    ]
    for name, rounds in asked.items():
        rates, costs, reached, spent = (list(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(mine / best for best, _, mine, _ in rounds)
        lines.append(
            row([name, spread(rates), spread(reached), f"{ratio:.2f}", spread(costs), spread(spent)])
        )
    table = "\n".join(lines)
    print(table)
    if chosen.record:
        record("reach", table)


if __name__ == "__main__":
    main()
