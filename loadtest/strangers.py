"""What strangers at the door cost those who are in: 10,000 sign-ins a minute that fail, beside four sessions at work.

`make bench-strangers` prints a Markdown table; ARGS=--record also puts it in bench.md; ARGS=--short is a quick look. The
strangers come from several addresses and under several names, one half with what is no token at all, the other with tokens
that some key has signed. They run on this machine where nobody else wants to (SCHED_IDLE), as if they were elsewhere.
"""

import argparse
import base64
import itertools
import json
import multiprocessing
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from machine import machine, versions
from servers import Servers, Target, programs
from tables import record, row, spread

A_MINUTE = 10_000
CLIENTS = 4
ROUNDS, SECONDS = 3, 20
SHORT_ROUNDS, SHORT_SECONDS = 1, 5
ADDRESSES, NAMES = 4, 7
RATE = 500  # statements a second, well below what a worker can do: a latency then is a latency, not a queue
GOAL = "1.20"
FIELDS = ("p50 ms", "p99 ms", "tps", "of a core")


def forged(number: int, issuer: str) -> str:
    """A token with three readable parts; the signature is none."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": "sluice", "sub": f"user{number % NAMES}", "iat": now, "exp": now + 600}
    parts = (json.dumps({"alg": "EdDSA", "typ": "JWT"}).encode(), json.dumps(claims).encode(), os.urandom(64))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def attempt(port: int, number: int) -> bytes:
    """One sign-in that fails; what it was told."""
    token = (f"garbage-{number}", forged(number, "https://nobody.example"), "x" * 4000, forged(number, "https://sluice.local"))
    body = f"user\0user{number % NAMES}\0database\0bench\0\0".encode()
    password = token[number % 4].encode() + b"\0"
    packet = struct.pack("!ii", len(body) + 8, 196608) + body
    message = b"p" + struct.pack("!i", len(password) + 4) + password
    here = (f"127.0.1.{1 + number % ADDRESSES}", 0)
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=here) as line:
        line.sendall(packet)
        line.recv(9)  # the password is asked for
        line.sendall(message)
        told = b""
        while chunk := line.recv(4096):
            told += chunk
    return told


def knock(port: int, over: Event, done: "multiprocessing.SimpleQueue[tuple[int, int, int]]") -> None:
    """So many a minute until it is over; how many there were, how many were told to wait, and how many came in."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    began, limited, let_in = time.monotonic(), 0, 0
    for number in itertools.count():
        if over.is_set():
            break
        told = attempt(port, number)
        limited += b"too many sign-ins have failed" in told
        let_in += b"28P01" not in told
        ahead = number * 60 / A_MINUTE - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
    done.put((number, limited, let_in))


def active(target: Target, folder: Path, seconds: int, *, busy: bool) -> dict[str, float]:
    """What four sessions get that ask `select 1`; a latency counts from when it should have begun."""
    script, log = folder / "one.sql", folder / "strangers"
    script.write_text("select 1;\n")
    command = [str(programs() / "pgbench"), "-n", "-f", str(script), "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
    command += ["-T", str(seconds), "-l", "--log-prefix", str(log), *([] if busy else ["-R", str(RATE)])]
    before = target.cpu_seconds()
    done = subprocess.run(command, env=target.environment(), capture_output=True, text=True, check=False)
    spent = (target.cpu_seconds() - before) / seconds
    tps = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    if done.returncode or not tps:
        sys.exit(f"pgbench failed: {done.stderr[-2000:]}")
    took: list[int] = []
    for file in folder.glob("strangers.*"):
        took += [int(line.split(" ", 3)[2]) for line in file.read_text().splitlines()]
        file.unlink()
    took.sort()
    each = (took[len(took) // 2] / 1e3, took[len(took) * 99 // 100] / 1e3, float(tps[1]), spent)
    return dict(zip(FIELDS, each, strict=True))


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (SHORT_ROUNDS, SHORT_SECONDS) if short else (ROUNDS, SECONDS)
    target = servers.sluice(servers.postgres(), workers=2)
    found: dict[tuple[bool, bool, str], list[float]] = {}
    counts = [0, 0, 0]
    for _, busy in itertools.product(range(rounds), (False, True)):
        for strangers in (False, True):
            over = multiprocessing.Event()
            done: multiprocessing.SimpleQueue[tuple[int, int, int]] = multiprocessing.SimpleQueue()
            crowd = multiprocessing.Process(target=knock, args=(target.port, over, done))
            if strangers:
                crowd.start()
            for name, value in active(target, servers.folder, seconds, busy=busy).items():
                found.setdefault((busy, strangers, name), []).append(value)
            if strangers:
                over.set()
                counts = [one + other for one, other in zip(counts, done.get(), strict=True)]
                crowd.join()
    return table(found, counts, counts[0] / (2 * rounds * seconds))


def table(found: dict[tuple[bool, bool, str], list[float]], counts: list[int], rate: float) -> list[str]:
    head = [f"{CLIENTS} sessions, `select 1`", "quiet", "beside strangers", "ratio", "goal"]
    lines = [row(head), row(["---"] * len(head))]
    for busy, what in ((False, f"{RATE} a second"), (True, "as fast as they can")):
        for name in FIELDS:
            quiet, beside = found[busy, False, name], found[busy, True, name]
            ratio = statistics.median(beside) / statistics.median(quiet)
            goal = GOAL if name == "p99 ms" and not busy else ""
            lines.append(row([f"{what}: {name}", spread(quiet, 3), spread(beside, 3), f"{ratio:.2f}", goal]))
    tried, limited, let_in = counts
    return [*lines, "", f"{tried:,} sign-ins, {rate:.0f} a second: {limited:,} told to wait, {let_in} let in."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one short round")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    load = f"load average before {os.getloadavg()[0]:.1f}"
    with Servers() as servers:
        lines = measure(servers, short=options.short)
    command = "`make bench-strangers`; two workers; median (lowest to highest)"
    text = "\n".join([f"{command}.", f"{machine()}; {load}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record("strangers", text)


if __name__ == "__main__":
    main()
