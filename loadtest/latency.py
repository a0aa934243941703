"""What a proxy adds to the time that a small SELECT takes: against PostgreSQL directly, and beside what pgbouncer adds.

At a rate, pgbench sends at moments that were drawn beforehand (the same for all peers), and a transaction's time counts from
its moment, not from when the client got round to it: a stall is seen by everything that should have run meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import product

from pgbench import latencies, pgbench
from servers import Servers, Target
from tables import Goal, Measure, Sampler, Samples, figures_table, goals_table, percentile, rounds_line
from throughput import PEERS, clients_of

GOAL = Goal(1.0, at_most=True)
KINDS = {"p50": 0.5, "p99": 0.99}
OPTIONS = ("-S", "-M", "prepared", "--random-seed", "7")


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 5)
    peers = servers.among(("direct", *PEERS))
    works = {"1 client, one after the other": timed(1, seconds)}
    for clients in (1, 16):
        rate = half_of_slowest(peers, clients, seconds=2 if short else 4)
        works[f"{clients_of(clients)}, {rate:,} a second"] = timed(clients, seconds, "--rate", str(rate))
    samples = Sampler(peers, rounds).run(works)
    whole = [Measure(kind, f"{kind} µs", ("direct", *PEERS)) for kind in KINDS]
    measures = [Measure(kind, f"adds to {kind}, µs", PEERS) for kind in KINDS]
    return [
        f"{rounds_line(rounds, seconds)} The rates are half of what the slowest of the three sustains.",
        "",
        *goals_table("pgbench -S -M prepared", added(samples, works), dict.fromkeys(works, (GOAL, GOAL)), measures),
        "",
        *figures_table("the whole times", samples, works, whole),
    ]


def timed(clients: int, seconds: int, *options: str) -> Callable[[Target], dict[str, float]]:
    def ask(peer: Target) -> dict[str, float]:
        times = latencies(peer, [*OPTIONS, *options], clients=clients, seconds=seconds)
        return {kind: percentile(times, share) for kind, share in KINDS.items()}

    return ask


def half_of_slowest(peers: Sequence[Target], clients: int, seconds: int) -> int:
    """Half of what the slowest of them does a second."""
    return int(min(pgbench(peer, OPTIONS, clients=clients, seconds=seconds)["tps"] for peer in peers) / 2)


def added(samples: Samples, works: Iterable[str]) -> Samples:
    """How far each peer's times are above the direct ones of the same round."""
    above = Samples()
    for work, peer in product(works, PEERS):
        for failed in ("direct", peer):
            if (work, failed) in samples.failures:
                above.failures[work, peer] = samples.failures[work, failed]
        for kind in KINDS:
            both = (samples.figures.get((work, one, kind), []) for one in (peer, "direct"))
            if more := [theirs - direct for theirs, direct in zip(*both, strict=False)]:
                above.figures[work, peer, kind] = more
    return above
