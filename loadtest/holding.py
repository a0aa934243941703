"""What statements cost that wait for people: the memory and CPU of a thousand of them, and the time from a decision to the
answer of the statement that it lets go.

`make bench-holding` prints a table; ARGS=--record also puts it in bench.md; ARGS=--short holds fewer. The time is from the
first byte of the approver's request to the last of the client's answer, with the record, the store and the statement itself
in it. ARGS="--store postgres" measures that alone, with two gateways that keep approvals in one PostgreSQL: the client waits
at one, and it is decided at the other.
"""

import argparse
import http.client
import json
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from idle import cpu_share, descriptors, memory
from machine import machine, versions
from servers import Servers, Target
from tables import record, row, tell
from wire import Client

HELD, SHORT_HELD = 1000, 200
DECISIONS, SHORT_DECISIONS = 200, 50
QUIET_SECONDS, SHORT_QUIET_SECONDS = 20, 5
CONNECTING = 8
READY_SECONDS = 20.0
IDLE = "idle"  # the database of those that wait
STATEMENT = "delete from pgbench_branches where bid = 4711"
POLICY = """
[[guardrail]]
name = "deletions wait"
statements = ["DELETE"]
effect = "hold"

[[approval]]
name = "deciders"
approvers = { groups = ["deciders"] }
wait_seconds = 3600
"""
_ID = re.compile(r"\(request (h[0-9a-f]+)\)")


class Deciders:
    """The operators' interface, as somebody who decides at the command line uses it: a connection for each request."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str) -> dict[str, object]:
        """The answer; ends the measurement where it is no."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, "{}" if method == "POST" else None, self._headers)
        answer = connection.getresponse()
        said: dict[str, object] = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            sys.exit(f"{method} {path}: {answer.status} {said}")
        return said

    def knows(self, request: str) -> bool:
        """Whether this one is there to be decided about."""
        found = self.ask("GET", "/v1/approvals")["approvals"]
        assert isinstance(found, list)
        return any(one["id"] == request for one in found)

    def waiting(self) -> int:
        """How many statements wait."""
        found = self.ask("GET", "/v1/approvals")["approvals"]
        assert isinstance(found, list)
        return sum(one["state"] == "pending" for one in found)


def begin(servers: Servers, held: int) -> tuple[Target, Deciders]:
    """The gateway that holds deletions, and the one who decides."""
    direct = servers.postgres()
    sluice = servers.sluice(direct, idle=servers.stand_in(direct), sessions_max=2 * held)
    return sluice, holding(servers, sluice)


def begin_two(servers: Servers) -> tuple[Target, Deciders]:
    """The one of two gateways where clients wait, and the one who decides, at the other."""
    direct, more = servers.postgres(), f'\n[approvals]\nstore = "{servers.store()}"\n'
    there = servers.sluice(direct, workers=1, name="there", more=more)
    holding(servers, there)
    here = servers.sluice(direct, workers=1, name="here", more=more)
    return there, holding(servers, here)


def holding(servers: Servers, sluice: Target) -> Deciders:
    """Who decides at this gateway, which was started last and from now on holds deletions."""
    assert servers.config is not None
    policy = servers.config.with_name("policy.toml")
    policy.write_text(policy.read_text() + POLICY)
    os.kill(sluice.pids[0], signal.SIGHUP)
    text = servers.config.read_text()
    admin = re.search(r'^admin = "127\.0\.0\.1:(\d+)"', text, re.MULTILINE)
    assert admin is not None
    return Deciders(int(admin[1]), servers.token("dora", groups="deciders"))


def decisions(sluice: Target, deciders: Deciders, count: int) -> list[float]:
    """Seconds from each decision to the statement's answer, in order."""
    began = 0.0

    def decide(notice: psycopg.errors.Diagnostic) -> None:
        nonlocal began
        found = _ID.search(notice.message_primary or "")
        if found:
            while not deciders.knows(found[1]):  # the client is told before anybody else
                time.sleep(0.01)
            began = time.perf_counter()
            deciders.ask("POST", f"/v1/approvals/{found[1]}/approve")

    took = []
    with psycopg.connect(sluice.conninfo(), dbname="bench", autocommit=True) as connection:
        connection.add_notice_handler(decide)
        for _ in range(count):
            connection.execute(STATEMENT)
            took.append(time.perf_counter() - began)
    return sorted(took)


def waiting(sluice: Target, deciders: Deciders, count: int, seconds: float) -> tuple[float, float, float]:
    """Bytes of memory that each statement takes while it waits, and the share of a core: idle, and while they wait."""
    with ThreadPoolExecutor(CONNECTING) as threads:
        clients = list(threads.map(lambda _: Client(sluice.port, sluice.user, IDLE, sluice.password), range(count)))
    for client in clients:
        client.query("select 1")
    time.sleep(1)
    before, quiet = memory(sluice), cpu_share(sluice, seconds)
    for client in clients:
        client.begin(STATEMENT)
    give_up = time.monotonic() + READY_SECONDS
    while deciders.waiting() < count:
        if time.monotonic() > give_up:
            sys.exit("not all of them wait")
        time.sleep(0.2)
    time.sleep(1)
    each, busy = (memory(sluice) - before) / count, cpu_share(sluice, seconds)
    for client in clients:
        client.close()
    return each, quiet, busy


def measure(servers: Servers, *, short: bool) -> list[str]:
    """The table."""
    descriptors()
    held, count = (SHORT_HELD, SHORT_DECISIONS) if short else (HELD, DECISIONS)
    sluice, deciders = begin(servers, held)
    tell(f"{count} decisions …")
    took = decisions(sluice, deciders, count)
    tell(f"{held} statements wait …")
    each, quiet, busy = waiting(sluice, deciders, held, SHORT_QUIET_SECONDS if short else QUIET_SECONDS)
    p50, p99 = (took[len(took) * share // 100] * 1e3 for share in (50, 99))
    lines = [row(["", "sluice", "goal"]), row(["---"] * 3)]
    what = f"from a decision to the answer, {count} one after the other: p50, p99"
    lines.append(row([what, f"{p50:.1f}, {p99:.1f} ms", "50 ms (p99)"]))
    lines.append(row([f"{held:,} statements that wait: memory for each", f"{each / 1000:.1f} kB", "20 kB"]))
    lines.append(row(["of a core, idle and while they wait", f"{quiet:.2%}, {busy:.2%}", "not measurable"]))
    return lines


def measure_shared(servers: Servers, *, short: bool) -> list[str]:
    """The table of two gateways over one store."""
    count = SHORT_DECISIONS if short else DECISIONS
    sluice, deciders = begin_two(servers)
    tell(f"{count} decisions …")
    took = decisions(sluice, deciders, count)
    p50, p99 = (took[len(took) * share // 100] * 1e3 for share in (50, 99))
    what = f"from a decision at one gateway to the answer at the other, {count} one after the other: p50, p99"
    return [row(["", "sluice", "goal"]), row(["---"] * 3), row([what, f"{p50:.1f}, {p99:.1f} ms", "100 ms (p99)"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help=f"{SHORT_HELD} statements")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="where approvals are kept")
    options = parser.parse_args()
    shared = options.store == "postgres"
    with Servers() as servers:
        lines = (measure_shared if shared else measure)(servers, short=options.short)
    command = 'make bench-holding ARGS="--store postgres"' if shared else "make bench-holding"
    text = "\n".join([f"`{command}`. {machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record("holding-shared" if shared else "holding", text)


if __name__ == "__main__":
    main()
