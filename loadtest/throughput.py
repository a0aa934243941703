"""Transactions a second beside pgbouncer's, and the CPU that the proxies spend on each: what several sections measure."""

from collections.abc import Callable, Mapping, Sequence

from servers import Target
from tables import Figures, Goal, Measure, Sampler, goals_table, rounds_line

PEERS = ("pgbouncer", "sluice")
MEASURES = (Measure("tps", "tps", PEERS), Measure("cpu", "CPU µs", PEERS, digits=1))
GOALS = (Goal(1.0), Goal(1.25, at_most=True))


def beside_pgbouncer(
    head: str,
    works: Mapping[str, Callable[[Target], Figures]],
    peers: Sequence[Target],
    rounds: int,
    seconds: int,
) -> list[str]:
    samples = Sampler(peers, rounds).run(works)
    return [
        rounds_line(rounds, seconds),
        "",
        *goals_table(head, samples, dict.fromkeys(works, GOALS), MEASURES),
    ]


def clients_of(count: int) -> str:
    return f"{count} client{'s' if count > 1 else ''}"
