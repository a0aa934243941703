"""A million rows out, clear and masked, and a gigabyte of COPY out and in, through one session, beside PostgreSQL itself."""

import time
from collections.abc import Callable
from dataclasses import replace

from bulk import PEOPLE, masked_cells, read
from servers import ROWS, Servers, Target
from sessions import session
from tables import Goal, Measure, Sampler, goals_table, rounds_line

PEERS = ("direct", "pgbouncer", "sluice")
GIGABYTE, SHORT_GIGABYTE = 1_000_000_000, 100_000_000
COPY_SECONDS_MAX = 300
LINES = 5000  # in a piece of COPY's data, about 300 KB
MEASURES = (
    Measure("speed", "MB/s", PEERS, against="direct"),
    Measure("cpu", "CPU ms/MB", PEERS[1:], digits=2),
)
CLEAR, OTHERS = (Goal(0.95),), (Goal(0.9),)


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds = 1 if short else 3
    peers = servers.among(PEERS)
    direct, ours = servers.peers["direct"], servers.peers["sluice"]
    root = replace(ours, user="root", password=servers.token("root", groups="clear"))
    for user, masked in ((ours, 2), (root, 0)):
        if (found := masked_cells(servers, direct, user, "people")) != masked:
            return [f"Not measured: {found} cells of a row of people are masked for {user.user}, not {masked}."]
    one = copied_bytes(servers, direct)
    copies = -(-(SHORT_GIGABYTE if short else GIGABYTE) // one)
    servers.psql(direct, "create unlogged table arrived (like people)")
    piece = lines(servers, direct)

    def out(sql: str, size: int, *, clear: bool) -> Callable[[Target], dict[str, float]]:
        return lambda peer: timed(peer, size, lambda: read(root if clear and peer is ours else peer, sql, size // 2))

    def into(peer: Target) -> dict[str, float]:
        servers.psql(direct, "truncate arrived")
        count = copies * one // len(piece)
        return timed(peer, count * len(piece), lambda: copied_in(peer, piece, count))

    copy = f"copy (select p.* from people p, generate_series(1, {copies})) to stdout"
    gigabytes = f"{copies * one / 1e9:.2f} GB"
    works = {
        f"{ROWS:,} rows, clear": out(PEOPLE, one, clear=True),
        f"{ROWS:,} rows, 2 of 5 columns masked": out(PEOPLE, one, clear=False),
        f"COPY out, {gigabytes}, clear": out(copy, copies * one, clear=True),
        f"COPY out, {gigabytes}, 2 of 5 columns masked": out(copy, copies * one, clear=False),
        f"COPY in, {gigabytes}": into,
    }
    samples = Sampler(peers, rounds).run(works)
    goals = {work: OTHERS if number else CLEAR for number, work in enumerate(works)}
    return [
        f"{rounds_line(rounds)} MB are those of the rows in COPY's text, unmasked.",
        "",
        *goals_table("one session", samples, goals, MEASURES),
    ]


def copied_bytes(servers: Servers, direct: Target) -> int:
    """How much COPY's text of all people is."""
    values_and_tabs = "octet_length(concat_ws(' ', id, name, email, ssn, city))"
    return int(servers.psql(direct, f"select sum({values_and_tabs} + 1) from people"))


def lines(servers: Servers, direct: Target) -> bytes:
    """Some lines of it."""
    return servers.psql(direct, f"copy (select * from people limit {LINES}) to stdout").encode() + b"\n"


def timed(peer: Target, size: int, work: Callable[[], float]) -> dict[str, float]:
    """Megabytes a second, and the CPU of the peer's processes for each, of work that says how many seconds it took."""
    spent = peer.cpu_seconds()
    seconds = work()
    return {"speed": size / seconds / 1e6, "cpu": (peer.cpu_seconds() - spent) * 1e3 / (size / 1e6)}


def copied_in(peer: Target, piece: bytes, count: int) -> float:
    """Seconds until the server has said that it has so many pieces."""
    with session(peer, COPY_SECONDS_MAX) as connection:
        cursor = connection.cursor()
        started = time.perf_counter()
        with cursor.copy("copy arrived from stdin") as copy:
            for _ in range(count):
                copy.write(piece)
        took = time.perf_counter() - started
        assert cursor.rowcount == count * LINES, cursor.rowcount
    return took
