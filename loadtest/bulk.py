"""Large results, in interleaved rounds on one machine: PostgreSQL directly and through Sluice, read and thrown away.

`make bench-bulk` prints a Markdown table; ARGS=--record puts it in bench.md. ARGS="--stream 10" lets so many gigabytes more
through and tells what the workers' memory did meanwhile.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from servers import ROWS, Servers, Target, running
from wire import Client

COLUMNS = "id, name, email, ssn, city"
PEOPLE = f"select {COLUMNS} from people"
WIDE_ROWS = 50_000
NOTES_ROWS = 200_000
LABELLED = ("email", "ssn", "phone", "card_number", "iban")
PAGE_BYTES = 4096
COPY = "copy ({}) to stdout (format {})".format
COPIES = [(f"COPY, {name}", COPY(PEOPLE, name), "ann") for name in ("text", "csv", "binary")]
# What, the statement, and as whom it is asked: `ann` sees names, `root` sees all.
STATEMENTS = [
    ("SELECT, e-mail and number masked", PEOPLE, "ann"),
    ("SELECT, nothing masked", PEOPLE, "root"),
    *COPIES,
    ("COPY, nothing masked", COPY(PEOPLE, "text"), "root"),
    (f"{WIDE_ROWS:,} rows of 100 columns, 5 masked", "select * from wide", "ann"),
    (f"{NOTES_ROWS:,} rows of 500 bytes of free text", "select id, notes from visits", "ann"),
]


def prepare(servers: Servers, direct: Target) -> None:
    """The tables beside `people`."""
    plain = ", ".join(f"measure_{n} text" for n in range(100 - len(LABELLED)))
    values = ", ".join(f"'value ' || (n * {n + 1}) % 10007" for n in range(100 - len(LABELLED)))
    labelled = ", ".join(f"{name} text" for name in LABELLED)
    servers.psql(direct, f"""
        create table wide ({plain}, {labelled});
        insert into wide select {values}, 'person' || n || '@mail.example', '123-45-' || lpad((n % 10000)::text, 4, '0'),
            '+49 30 1234' || n, '4111111111111111', 'DE89370400440532013000' from generate_series(1, {WIDE_ROWS}) n;
        create table visits (id int, notes text);
        insert into visits select n, rpad('Visit ' || n || case when n % 20 = 0 then ', reach me at person' || n
            || '@mail.example ' else ' ' end, 500, 'the quick brown fox jumps over the lazy dog and ')
            from generate_series(1, {NOTES_ROWS}) n;""")  # fmt: skip
    servers.psql(direct, "vacuum analyze")


def read(target: Target, sql: str) -> float:
    """Seconds for an answer, read and thrown away."""
    client = Client(target.port, target.user, "bench", target.password)
    started = time.perf_counter()
    client.bulk(sql)
    took = time.perf_counter() - started
    client.close()
    return took


def first_row(target: Target) -> float:
    """Milliseconds from a question with a large answer to its first row."""
    client = Client(target.port, target.user, "bench", target.password)
    client.query(f"{PEOPLE} limit 1")
    took = client.first(PEOPLE)
    client.close()
    return took * 1e3


def measure(targets: dict[str, Target], rounds: int) -> list[str]:
    """The table's lines. Every round asks everything of both, beginning with another one each time."""
    took: dict[tuple[str, str], list[float]] = {}
    spent: dict[str, list[float]] = {}
    for turn in range(rounds):
        for what, sql, user in STATEMENTS:
            names = ["direct", user] if turn % 2 else [user, "direct"]
            for name in names:
                target = targets[name]
                before = target.cpu_seconds()
                took.setdefault((what, name), []).append(read(target, sql))
                if name != "direct":
                    spent.setdefault(what, []).append(target.cpu_seconds() - before)
        for name in ("direct", "ann") if turn % 2 else ("ann", "direct"):
            took.setdefault(("first row", name), []).extend(first_row(targets[name]) for _ in range(5))
        if sys.stderr.isatty():
            print(f"round {turn + 1} of {rounds} done", file=sys.stderr, flush=True)
    lines = [row([f"{ROWS:,} rows of ({COLUMNS})", "direct s", "sluice s", "sluice CPU s", "direct / sluice"])]
    lines.append(row(["---"] * 5))
    for what, _, user in STATEMENTS:
        direct, ours = took[what, "direct"], took[what, user]
        ratio = statistics.median(direct) / statistics.median(ours)
        lines.append(row([what, spread(direct), spread(ours), spread(spent[what]), f"{ratio:.2f}"]))
    direct, ours = took["first row", "direct"], took["first row", "ann"]
    lines += ["", f"First row of the masked SELECT: {spread(direct)} ms directly, {spread(ours)} ms through Sluice."]
    return lines


def stream(direct: Target, sluice: Target, gigabytes: float) -> str:
    """What the workers' memory does while so much goes through one session, masked."""
    row_bytes, rows = 1000, int(gigabytes * 1e6)
    sql = (
        f"select p.email, p.ssn, rpad(p.name, {row_bytes - 100}, 'x') as filler from people p, "
        f"generate_series(1, {max(1, rows // ROWS + 1)}) limit {rows}"
    )
    read(sluice, f"select email, ssn from people limit {ROWS // 10}")
    sizes: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            sizes.append(sum(resident(pid) for pid in sluice.pids))

    begun = sum(resident(pid) for pid in sluice.pids)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        took = read(sluice, sql)
    finally:
        over.set()
        watcher.join()
    return (
        f"{gigabytes:g} GB of rows of 1 KB through one session, two columns of three masked, in {took:.1f} s "
        f"({read(direct, sql):.1f} s directly): the gateway's processes together had {begun / 2**20:.0f} MiB before, "
        f"and at most {max(sizes) / 2**20:.0f} MiB meanwhile."
    )


def resident(pid: int) -> int:
    """Bytes of memory that the process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def spread(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def tables(servers: Servers, direct: Target, sluice: Target, rounds: int, gigabytes: float) -> list[str]:
    prepare(servers, direct)
    root = Target("root", sluice.port, "root", servers.token("root", groups="clear"), sluice.pids)
    lines = measure({"direct": direct, "ann": sluice, "root": root}, rounds)
    return [*lines, *(["", stream(direct, sluice, gigabytes)] if gigabytes else [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how many rounds")
    parser.add_argument("--stream", type=float, default=0, help="gigabytes to stream through for the memory")
    options = parser.parse_args()
    with running() as servers:
        direct = servers.postgres()
        sluice = servers.sluice(direct)
        print("\n".join(tables(servers, direct, sluice, options.rounds, options.stream)))


if __name__ == "__main__":
    main()
