"""How costs grow: with the policy, the length of a statement, the columns of a result, the sessions and the workers.

`make bench-scaling` prints Markdown tables; ARGS=--record also puts them in bench.md and the curves beside it, as
docs/images/scaling.png; ARGS=--short is a quick look. CPU time, since other things may run on the machine.
"""

import argparse
import re
import shutil
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import large_policy
from deciding import fresh_scope
from large_policy import LARGE, SMALL
from machine import machine, versions
from matplotlib import use
from matplotlib.figure import Figure
from servers import POLICY, ROOT, SLUICE, Servers, Target, free_port, programs, wait_until
from tables import record, row, spread, tell
from wire import Client, WireError

IMAGE = ROOT / "docs" / "images" / "scaling.png"
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)  # bytes
COLUMNS = (1, 5, 20, 100, 500)
SESSIONS = (1, 10, 50, 200)
WORKERS = (1, 2, 3, 4)
CELLS = 1_000_000  # of a result, whatever its columns
CLIENTS = 16


@dataclass(frozen=True)
class Curve:
    """Costs of one work by its size."""

    title: str
    size: str
    cost: str
    points: dict[str, list[tuple[int, list[float]]]]  # by what was measured

    def lines(self) -> list[str]:
        sizes = [at for at, _ in next(iter(self.points.values()))]
        head = [f"{self.title}: {self.cost}", *(f"{at:,} {self.size}" for at in sizes)]
        lines = [row(head), row(["---"] * len(head))]
        for what, points in self.points.items():
            lines.append(row([what, *(_figure(statistics.median(costs)) for _, costs in points)]))
        return [*lines, ""]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _conditions(size: int) -> bytes:
    return b"SELECT id FROM customers WHERE " + b" AND ".join(b"id <> %d" % n for n in range(max(1, size // 13)))


def _entries(size: int) -> bytes:
    return b"SELECT id FROM customers WHERE name IN (" + b", ".join(b"'n%d'" % n for n in range(max(1, size // 9))) + b")"


def _outputs(size: int) -> bytes:
    return b"SELECT " + b", ".join(b"lower(name) AS c%d" % n for n in range(max(1, size // 22))) + b" FROM customers"


def _joins(size: int) -> bytes:
    joins = b" ".join(b"JOIN customers c%d ON c%d.id = c%d.id" % (n, n, n - 1) for n in range(1, max(2, size // 38)))
    return b"SELECT c0.id FROM customers c0 " + joins


def _rows(size: int) -> bytes:
    return b"INSERT INTO customers (id, name) VALUES " + b", ".join(b"(%d, 'n')" % n for n in range(max(1, size // 12)))


def _text(size: int) -> bytes:
    return b"SELECT id FROM customers WHERE name = '" + b"x" * size + b"'"


STATEMENTS = {
    "conditions": _conditions, "entries of a list": _entries, "computed columns": _outputs, "joins": _joins,
    "rows of an INSERT": _rows, "one long literal": _text,
}  # fmt: skip


def statements(rounds: int) -> Curve:
    """Nanoseconds a byte to read and decide a new statement. Beyond the limits of what is read it is refused as unread."""
    points: dict[str, list[tuple[int, list[float]]]] = {}
    for what, of in STATEMENTS.items():
        for length in LENGTHS:
            text, times = of(length), max(1, 20_000 // length)
            costs = []
            for _ in range(rounds):
                scopes = [fresh_scope() for _ in range(times)]
                begun = time.process_time()
                for scope in scopes:
                    scope.script(text)
                costs.append((time.process_time() - begun) / times / len(text) * 1e9)
            points.setdefault(what, []).append((length, costs))
    return Curve("A new statement", "B", "CPU ns a byte", points)


def columns(servers: Servers, direct: Target, sluice: Target, rounds: int) -> Curve:
    """Nanoseconds a cell of results whose columns are all masked."""
    many = ", ".join(f"email_{n} text" for n in range(COLUMNS[-1]))
    values = ", ".join("'a' || n || '@b.example'" for _ in range(COLUMNS[-1]))
    servers.psql(direct, f"create table broad ({many}); insert into broad select {values} from generate_series(1, 2000) n")
    points = []
    for count in COLUMNS:
        listed = ", ".join(f"email_{n}" for n in range(count))
        client = Client(sluice.port, sluice.user, "bench", sluice.password)
        sql = f"select {listed} from broad, generate_series(1, 1000) limit {CELLS // count}"
        client.bulk(sql)
        points.append((count, [_cpu(sluice, lambda: client.bulk(sql)) / CELLS * 1e9 for _ in range(rounds)]))  # noqa: B023
        client.close()
    return Curve(f"{CELLS:,} masked cells", "columns", "CPU ns a cell", {"SELECT": points})


def _cpu(target: Target, work) -> float:  # type: ignore[no-untyped-def]
    before = target.cpu_seconds()
    work()
    return target.cpu_seconds() - before


def sessions(sluice: Target, rounds: int, queries: int) -> Curve:
    """Microseconds of CPU a query, each session asking in its turn."""
    points = []
    clients: list[Client] = []
    for count in SESSIONS:
        clients += [Client(sluice.port, sluice.user, "bench", sluice.password) for _ in range(count - len(clients))]
        for client in clients:
            client.query("select 1")

        def ask() -> None:
            for n in range(queries):
                clients[n % count].query("select 1")  # noqa: B023

        points.append((count, [_cpu(sluice, ask) / queries * 1e6 for _ in range(rounds)]))
    for client in clients:
        client.close()
    return Curve("SELECT 1 by one session after the other", "sessions", "CPU µs a query", {"simple protocol": points})


@contextmanager
def gateway(servers: Servers, like: Target, workers: int) -> Iterator[Target]:
    """A gateway of so many workers, configured like the one that runs already."""
    folder = servers.folder / f"sluice-{workers}"
    shutil.copytree(servers.config.parent, folder, ignore=shutil.ignore_patterns("var"))
    config, port = folder / "sluice.toml", free_port()
    written = re.sub(r'admin = "[^"]*"', f'admin = "127.0.0.1:{free_port()}"', config.read_text())
    config.write_text(written.replace(f"127.0.0.1:{like.port}", f"127.0.0.1:{port}"))
    log = servers.folder / f"sluice-{workers}.log"
    with log.open("wb") as output:
        command = [*SLUICE, "serve", "--config", str(config), "--workers", str(workers)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until(lambda: any(line.startswith("ready ") for line in log.read_text().splitlines()), process, log)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Target("sluice", port, like.user, like.password, [process.pid, *map(int, children)])
    finally:
        process.terminate()
        process.wait(timeout=45)


def workers(servers: Servers, sluice: Target, rounds: int, each: int) -> Curve:
    """Microseconds of CPU a transaction of pgbench -S, and transactions a second."""
    spent: list[tuple[int, list[float]]] = []
    rates: list[tuple[int, list[float]]] = []
    for count in WORKERS:
        with gateway(servers, sluice, count) as target:
            _pgbench(target, 20)  # each worker reads the catalogue first
            pairs = [_pgbench(target, each) for _ in range(rounds)]
        spent.append((count, [cpu for _, cpu in pairs]))
        rates.append((count, [rate for rate, _ in pairs]))
    points = {"CPU µs": spent, "transactions a second, load and server on the same cores": rates}
    return Curve(f"pgbench -S -M prepared -c {CLIENTS}", "workers", "a transaction", points)


def _pgbench(target: Target, each: int) -> tuple[float, float]:
    command = [str(programs() / "pgbench"), "-n", "-S", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-t", str(each)]
    before = target.cpu_seconds()
    done = subprocess.run(command, env=target.environment(), capture_output=True, text=True, check=True)
    spent = target.cpu_seconds() - before
    rate, count = re.search(r"tps = ([0-9.]+) \(without", done.stdout), re.search(r"processed: (\d+)", done.stdout)
    if not rate or not count:
        raise SystemExit(done.stdout)
    return float(rate[1]), spent / int(count[1]) * 1e6


def publishing(servers: Servers, sluice: Target) -> str:
    """The large policy published while queries run: until it is in force, and the longest wait for an answer meanwhile."""
    probe = Client(sluice.port, sluice.user, "bench", sluice.password)
    others = [Client(sluice.port, sluice.user, "bench", sluice.password) for _ in range(8)]
    calm, waits = _longest(others, lambda: time.sleep(2)), [0.0]
    denied = '\n[[guardrail]]\nname = "probe"\ntables = ["pgbench_tellers"]\nstatements = ["SELECT"]\neffect = "deny"\n'
    (servers.config.parent / "policy.toml").write_text(POLICY + large_policy.text(LARGE) + denied)
    begun = time.monotonic()

    def publish() -> None:
        subprocess.run(["kill", "-HUP", str(sluice.pids[0])], check=True)
        while time.monotonic() < begun + 60:
            try:
                probe.query("select 1 from pgbench_tellers limit 0")
            except WireError:
                return
            time.sleep(0.005)
        raise SystemExit("the policy did not come into force")

    waits[0] = _longest(others, publish)
    took = time.monotonic() - begun
    for client in (probe, *others):
        client.close()
    return (
        f"Published under load ({LARGE}): in force {took:.2f} s after SIGHUP; the longest wait for an answer meanwhile "
        f"{waits[0] * 1e3:.0f} ms, before {calm * 1e3:.0f} ms."
    )


def _longest(clients: Sequence[Client], work) -> float:  # type: ignore[no-untyped-def]
    """Seconds of the longest wait for an answer while the work is done; one question at a time."""
    over, longest = threading.Event(), [0.0]

    def ask() -> None:
        while not over.is_set():
            for client in clients:
                begun = time.perf_counter()
                client.query("select 1")
                longest[0] = max(longest[0], time.perf_counter() - begun)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        over.set()
        asking.join()
    return longest[0]


def policies(rounds: int) -> list[str]:
    head = ["CPU of", str(SMALL), str(LARGE), "large / small"]
    lines = [row(head), row(["---"] * len(head))]
    for what, small, large in large_policy.measured(rounds):
        digits = 3 if what.endswith("s") and "µs" not in what else 2
        ratio = f"{large_policy.ratio(small, large):.2f}" if "µs" in what else ""
        lines.append(row([what, spread(small, digits), spread(large, digits), ratio]))
    return [*lines, ""]


def drawn(curves: Sequence[Curve]) -> None:
    """The curves as one picture: a flat line is linear growth."""
    use("Agg")
    figure = Figure(figsize=(11, 7), layout="constrained")
    for place, curve in enumerate(curves, start=1):
        axes = figure.add_subplot(2, 2, place)
        for what, points in curve.points.items():
            if "a second" not in what:
                axes.plot([at for at, _ in points], [statistics.median(costs) for _, costs in points], "o-", label=what)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(curve.title, fontsize=10)
        axes.set_xlabel(curve.size)
        axes.set_ylabel(curve.cost)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    IMAGE.parent.mkdir(exist_ok=True)
    figure.savefig(IMAGE, dpi=110, metadata={"Software": None})


def measure(_: object, *, short: bool, draw: bool = False) -> list[str]:
    """The lines of all tables. With servers of its own, for it changes their policy."""
    with Servers() as servers:
        direct = servers.postgres()
        return table(servers, direct, servers.sluice(direct), short=short, draw=draw)


def table(servers: Servers, direct: Target, sluice: Target, *, short: bool, draw: bool) -> list[str]:
    rounds = 5 if short else 9
    lines = policies(rounds)
    tell("policies done")
    curves = [statements(1 if short else 3)]
    tell("statements done")
    curves.append(columns(servers, direct, sluice, rounds))
    tell("columns done")
    curves.append(sessions(sluice, rounds, 2_000 if short else 10_000))
    tell("sessions done")
    curves.append(workers(servers, sluice, 1 if short else 3, 500 if short else 2_000))
    tell("workers done")
    for curve in curves:
        lines += curve.lines()
    if draw:
        drawn(curves)
    return [*lines, publishing(servers, sluice)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument("--record", action="store_true", help="put the tables in bench.md and the curves in docs/images")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: parser.exit(143))  # what was started ends too
    lines = measure(None, short=options.short, draw=options.record)
    text = "\n".join([f"`make bench-scaling`; medians. {machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record("scaling", text)


if __name__ == "__main__":
    main()
