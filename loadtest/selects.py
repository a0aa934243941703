"""`pgbench -S`: one small SELECT after the other, in each of pgbench's ways of asking, from one client to two hundred."""

from functools import partial

from pgbench import pgbench
from servers import Servers
from throughput import PEERS, beside_pgbouncer, clients_of

MODES = ("simple", "extended", "prepared")
CLIENTS = (1, 16, 64, 200)
CASES = tuple((mode, clients) for mode in MODES for clients in CLIENTS)
SHORT_CASES = tuple((mode, clients) for mode, clients in CASES if clients == 16 or mode == "prepared")


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 4)
    works = {
        f"-M {mode}, {clients_of(clients)}": partial(
            pgbench, options=["-S", "-M", mode], clients=clients, seconds=seconds
        )
        for mode, clients in (SHORT_CASES if short else CASES)
    }
    return beside_pgbouncer("pgbench -S", works, servers.among(PEERS), rounds, seconds)
