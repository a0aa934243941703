"""pgbench's own transaction (TPC-B): three UPDATEs, a SELECT and an INSERT between BEGIN and END."""

from collections.abc import Callable
from dataclasses import replace

from pgbench import pgbench
from servers import Servers, Target
from throughput import PEERS, beside_pgbouncer, clients_of

SCALE = 64  # as many branches as clients at most, so that waiting for each other's rows is not what is measured
CLIENTS = (16, 64)
DATABASE = "tpcb"


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 8)
    direct, *peers = (replace(peer, database=DATABASE) for peer in servers.among(("direct", *PEERS)))
    servers.pgbench_tables(direct, SCALE)

    def at(clients: int) -> Callable[[Target], dict[str, float]]:
        def run(target: Target) -> dict[str, float]:
            servers.psql(direct, "vacuum pgbench_branches, pgbench_tellers")  # as pgbench itself does before a run
            return pgbench(target, ["-b", "tpcb-like"], clients=clients, seconds=seconds)

        return run

    works = {clients_of(clients): at(clients) for clients in CLIENTS}
    return beside_pgbouncer(f"pgbench, TPC-B, scale {SCALE}", works, peers, rounds, seconds)
