"""Large results, in interleaved rounds on one machine: PostgreSQL directly, pgbouncer, Sluice; read and thrown away.

`make bench-bulk` prints a Markdown table; ARGS=--record also puts it in bench.md. ARGS="--stream 10" lets ten gigabytes more
through and tells what the memory of the gateway's processes did meanwhile.
"""

import argparse
import resource
import statistics
import sys
import threading
import time
from pathlib import Path

from machine import machine, versions
from servers import ROWS, Servers, Target, running
from tables import Failed, heading, record, row, spread, tell
from wire import Client

COLUMNS = "id, name, email, ssn, city"
PEOPLE = f"select {COLUMNS} from people"
WIDE_ROWS = 50_000
NOTES_ROWS = 200_000
PLANTED = ("mail.example", "+49", "4111", "123-45", "10.20.30")  # parts of what stands in one note of twenty
LABELLED = ("email", "ssn", "phone", "card_number", "iban")
COPY = "copy ({}) to stdout (format {})".format
COPIES = [(f"COPY, {name}", COPY(PEOPLE, name), "ann") for name in ("text", "csv", "binary")]
# What, the statement, and as whom it is asked: `ann` sees names, `root` sees all.
STATEMENTS = [
    ("SELECT, e-mail and number masked", PEOPLE, "ann"),
    ("SELECT, nothing masked", PEOPLE, "root"),
    *COPIES,
    ("COPY, nothing masked", COPY(PEOPLE, "text"), "root"),
    (f"{WIDE_ROWS:,} rows of 100 columns, 5 masked", "select * from wide", "ann"),
    (f"{NOTES_ROWS:,} rows of 500 bytes of free text, scanned", "select id, notes from visits", "ann"),
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
        insert into visits select n, rpad('Visit ' || n || case n % 100
            when 20 then ', reach me at person' || n || '@mail.example '
            when 40 then ', call +49 30 1234' || n % 10000 || ' ' when 60 then ', paid with 4111 1111 1111 1111 '
            when 80 then ', social security number 123-45-' || 1000 + n % 9000 || ' '
            when 0 then ', from 10.20.30.' || n % 200 || ' '
            else ' ' end, 500, 'the quick brown fox jumps over the lazy dog and ')
            from generate_series(1, {NOTES_ROWS}) n;""")  # fmt: skip
    servers.psql(direct, "vacuum analyze")


def read(target: Target, sql: str, bytes_min: int = 0) -> float:
    """Seconds for an answer, read and thrown away. One below `bytes_min` is not the answer."""
    client = Client(target.port, target.user, "bench", target.password)
    started = time.perf_counter()
    size = client.bulk(sql)
    took = time.perf_counter() - started
    client.close()
    if size < bytes_min:
        raise Failed(f"only {size:,} bytes came")
    return took


def first_row(target: Target) -> float:
    """Milliseconds from a question with a large answer to its first row."""
    client = Client(target.port, target.user, "bench", target.password)
    client.query(f"{PEOPLE} limit 1")
    took = client.first(PEOPLE)
    client.close()
    return took * 1e3


def masked_cells(servers: Servers, direct: Target, target: Target, table: str) -> int:
    """How many cells of the table's first row are other ones than PostgreSQL's own."""
    rows = [servers.psql(each, f"select * from {table} limit 1").split("|") for each in (direct, target)]
    return sum(one != other for one, other in zip(*rows, strict=True))


def check_masks(servers: Servers, direct: Target, ann: Target, root: Target) -> None:
    """The comparison is only fair when as many cells change on the way as the table says."""
    for table, masked in (("people", 2), ("wide", len(LABELLED))):
        differ = [masked_cells(servers, direct, target, table) for target in (ann, root)]
        if differ != [masked, 0]:
            sys.exit(f"of {table} {differ[0]} cells are masked, and {differ[1]} for whom all is clear")
    said = servers.psql(ann, "select notes from visits where id % 20 = 0 limit 1000")
    if any(value in said for value in PLANTED) or "quick brown fox" not in said:
        sys.exit("the free text is not masked, or as a whole")


def measure(direct: Target, bouncer: Target | None, ours: dict[str, Target], rounds: int) -> list[str]:
    """The table's lines. Every round asks everything of each, and begins with another one. `ours`: by user."""
    took: dict[tuple[str, str], list[float]] = {}
    spent: dict[tuple[str, str], list[float]] = {}
    names = ["direct", *(["pgbouncer"] if bouncer else []), "sluice"]
    for turn in range(rounds):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for what, sql, user in STATEMENTS:
            targets = {"direct": direct, "pgbouncer": bouncer, "sluice": ours[user]}
            for name in order:
                target = targets[name]
                assert target is not None
                before = target.cpu_seconds()
                took.setdefault((what, name), []).append(read(target, sql))
                spent.setdefault((what, name), []).append(target.cpu_seconds() - before)
        for name in order:
            target = {"direct": direct, "pgbouncer": bouncer, "sluice": ours["ann"]}[name]
            assert target is not None
            took.setdefault(("first row", name), []).extend(first_row(target) for _ in range(5))
        tell(f"round {turn + 1} of {rounds} done")
    return table(names, took, spent)


def table(
    names: list[str], took: dict[tuple[str, str], list[float]], spent: dict[tuple[str, str], list[float]]
) -> list[str]:
    head = [f"{ROWS:,} rows of ({COLUMNS}), and others", *(f"{name} s" for name in names)]
    head += [*(f"{name} CPU s" for name in names[1:]), "direct / sluice"]
    lines = heading(head)
    for what, _, _ in STATEMENTS:
        ratio = statistics.median(took[what, "direct"]) / statistics.median(took[what, "sluice"])
        cells = [spread(took[what, name], 2) for name in names] + [spread(spent[what, name], 2) for name in names[1:]]
        lines.append(row([what, *cells, f"{ratio:.2f}"]))
    first = ", ".join(f"{name} {spread(took['first row', name], 2)}" for name in names)
    return [*lines, "", f"First row of the masked SELECT, ms: {first}."]


def stream(sluice: Target, gigabytes: float) -> str:
    """What the memory of the gateway's processes does while so much goes through one session, masked."""
    row_bytes = 2000
    rows = int(gigabytes * 1e9 / row_bytes)
    sql = "select p.email, p.ssn, p.city || repeat('x', {}) from generate_series(1, {}), people p limit {}".format
    read(sluice, sql(row_bytes, 1, ROWS // 10))
    sizes = [sum(map(resident, sluice.pids))]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            sizes.append(sum(map(resident, sluice.pids)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        took = read(sluice, sql(row_bytes, rows // ROWS + 1, rows))
    finally:
        over.set()
        watcher.join()
    before, most = sizes[0] / 2**20, max(sizes) / 2**20
    return (
        f"{gigabytes:g} GB through one session, rows of 2 KB with two columns of three masked, took {took:.0f} s; the "
        f"gateway's processes together held {before:.0f} MiB before and {most:.0f} MiB at most ({most - before:+.0f})."
    )


def resident(pid: int) -> int:
    """Bytes of memory that the process has in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how many rounds")
    parser.add_argument("--stream", type=float, default=1, help="gigabytes to stream through for the memory")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    with running() as servers:
        direct = servers.postgres()
        prepare(servers, direct)
        ann = servers.sluice(direct)
        root = Target("root", ann.port, "root", servers.token("root", groups="clear"), ann.pids)
        check_masks(servers, direct, ann, root)
        lines = measure(direct, servers.pgbouncer(direct), {"ann": ann, "root": root}, options.rounds)
        lines += ["", stream(ann, options.stream)] if options.stream else []
    command = f"`make bench-bulk`, {options.rounds} interleaved rounds; median (lowest to highest)"
    text = "\n".join([f"{command}.", f"{machine()}. {versions()}.", "", *lines])
    print(text)
    if options.record:
        record("bulk", text)


if __name__ == "__main__":
    main()
