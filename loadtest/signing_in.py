"""Sign-ins a second: connect, SELECT 1, close, as fast as so many clients can.

pgbouncer has its clients prove a password (SCRAM), Sluice verifies a token; both keep connections to the server warm.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event

from servers import Servers, Target
from tables import Failed, Figures
from throughput import beside_pgbouncer, clients_of
from wire import Client, WireError

CLIENTS = (1, 16)
PASSWORD = "a password to be proven"
BROKEN = -1


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 5)
    bouncer = servers.pgbouncer(servers.peers["direct"], password=PASSWORD)
    peers = [*([bouncer] if bouncer else []), servers.peers["sluice"]]

    def at(clients: int) -> Callable[[Target], Figures]:
        return lambda target: sign_ins(target, clients, seconds)

    works = {clients_of(clients): at(clients) for clients in CLIENTS}
    return beside_pgbouncer("connect, SELECT 1, close", works, peers, rounds, seconds)


def sign_ins(target: Target, clients: int, seconds: float) -> Figures:
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
    if BROKEN in counts or not sum(counts):
        raise Failed("not every client came in")
    return {"tps": sum(counts) / took, "cpu": spent / sum(counts) * 1e6}


def sign_in_until(target: Target, over: Event, done: "multiprocessing.SimpleQueue[int]") -> None:
    """Puts how many it were; BROKEN where one did not come in."""
    count = 0
    try:
        while not over.is_set():
            client = Client(target.port, target.user, "bench", target.password)
            client.query("SELECT 1")
            client.close()
            count += 1
    except (OSError, WireError) as error:
        print(f"{target.name}: {error}", file=sys.stderr)
        count = BROKEN
    done.put(count)
