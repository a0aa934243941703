"""A hundred statements sent before the first answer is read, by pgbench and by psycopg, beside PostgreSQL directly."""

import time
from collections.abc import Callable
from functools import partial

from pgbench import PATIENCE_SECONDS, pgbench
from servers import Servers, Target
from sessions import session
from tables import Failed, Goal, Measure, Sampler, goals_table, rounds_line
from throughput import clients_of

STATEMENTS = 100
ASKED = "select abalance from pgbench_accounts where aid = {}"
PEERS = ("direct", "pgbouncer", "sluice")
GOALS = (Goal(0.8),)
MEASURES = (
    Measure("rate", "statements/s", PEERS, against="direct"),
    Measure("cpu", "CPU µs a statement", PEERS[1:], digits=1),
)


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 4)
    script = servers.folder / "pipeline.sql"
    script.write_text(
        "\n".join(
            ["\\set aid random(1, 100000)", "\\startpipeline", *[ASKED.format(":aid;")] * STATEMENTS, "\\endpipeline\n"]
        )
    )
    works: dict[str, Callable[[Target], dict[str, float]]] = {
        "psycopg's pipeline, 1 client": partial(psycopg_pipelines, seconds=seconds)
    }
    for mode in ("prepared",) if short else ("extended", "prepared"):
        for clients in (1, 16):
            works[f"pgbench -M {mode}, {clients_of(clients)}"] = partial(
                pgbench_pipelines, options=["-M", mode, "-f", str(script)], clients=clients, seconds=seconds
            )
    samples = Sampler(servers.among(PEERS), rounds).run(works)
    return [
        rounds_line(rounds, seconds),
        "",
        *goals_table(f"pipelines of {STATEMENTS}", samples, dict.fromkeys(works, GOALS), MEASURES),
    ]


def pgbench_pipelines(target: Target, options: list[str], clients: int, seconds: int) -> dict[str, float]:
    measured = pgbench(target, options, clients=clients, seconds=seconds)
    return {"rate": measured["tps"] * STATEMENTS, "cpu": measured["cpu"] / STATEMENTS}


def psycopg_pipelines(target: Target, seconds: int) -> dict[str, float]:
    text, done = ASKED.format("%s"), 0
    with session(target, seconds + PATIENCE_SECONDS) as connection:
        started, spent = time.perf_counter(), target.cpu_seconds()
        while (took := time.perf_counter() - started) < seconds:
            with connection.pipeline():
                answers = [connection.execute(text, (number,), prepare=True) for number in range(1, STATEMENTS + 1)]
            if answers[-1].fetchone() is None:
                raise Failed("a pipeline's last statement has no row")
            done += STATEMENTS
        spent = target.cpu_seconds() - spent
    return {"rate": done / took, "cpu": spent / done * 1e6}
