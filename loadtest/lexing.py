"""Tokenizers side by side, on one core, in interleaved rounds: ours, libpg_query's scanner (postgast), sqlglot's tokenizer.

`make bench-lexing` prints a Markdown table; ARGS=--record also puts it in bench.md; ARGS=--short is a quick look. Times
are of the CPU. Each is measured through what a Python program calls: postgast's time holds the making of its message, as
ours holds that of the columns. sqlglot is measured as it is installed; the name says whether its compiled form was.
"""

import argparse
import platform
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import postgast
from machine import machine
from sqlglot import tokens as sqlglot_tokens
from sqlglot.dialects import Postgres
from tables import record, row, tell

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from parser import tokenizer  # noqa: E402 - the checkout's own, installed or not
from parser.tokenizer import Tokenizer, tokenize  # noqa: E402

PLAIN = (
    "SELECT o.id, o.total, c.name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id "
    "WHERE o.status = 'returned' AND o.created_at >= '2026-01-01' AND c.country IN ('DE', 'FR') ORDER BY o.total"
)
COMMENTED = (
    "/*application='shop',route='%2Forders'*/ SELECT o.id, o.total, c.name FROM orders o -- the open ones\n"
    "JOIN customers c ON c.id = o.customer_id /* by key */ WHERE o.status = 'open' AND c.country = 'DE' LIMIT 50"
)
MEGABYTES = 100
PIECE = 64 * 1024
Lexer = Callable[[str], object]


def values(count: int) -> str:
    """Rows as a loader writes them: numbers, names with quotes in them, times, nulls."""
    rng = random.Random(5)
    names = ["Ada Lovelace", "Miles O''Brien", "Zoë Ruiz", "Grace Hopper"]
    return ",\n".join(
        f"({n}, '{rng.choice(names)}', 'user{n}@example.com', {rng.randrange(10**6) / 100}, "
        f"{rng.choice(['NULL', 'true', 'false', '-1'])}, '2026-{1 + n % 12:02}-{1 + n % 28:02} 10:00:00+00')"
        for n in range(count)
    )


def insert(count: int) -> str:
    return f"INSERT INTO people (id, name, email, credit, active, since) VALUES {values(count)} ON CONFLICT DO NOTHING"


def lexers() -> dict[str, Lexer]:
    compiled = Path(sqlglot_tokens.__file__).suffix == ".so"
    own = "compiled" if Path(tokenizer.__file__).suffix == ".so" else "interpreted"
    sqlglot = Postgres()
    return {
        f"Sluice ({own})": lambda sql: tokenize(sql.encode(), elide_rows=True),
        f"libpg_query (postgast {version('postgast')})": postgast.scan,
        f"sqlglot {version('sqlglot')} ({'compiled' if compiled else 'interpreted'})": sqlglot.tokenize,
    }


def seconds(lex: Lexer, sql: str, repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        lex(sql)
    return (time.process_time() - started) / repeats


def measure(texts: dict[str, tuple[str, int]], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds for each text and lexer, one figure a round; every round begins with another lexer."""
    peers = list(lexers().items())
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        cut = turn % len(peers)
        for what, (sql, repeats) in texts.items():
            for name, lex in peers[cut:] + peers[:cut]:
                found.setdefault((what, name), []).append(seconds(lex, sql, repeats))
        tell(f"round {turn + 1} of {rounds} done")
    return found


def table(texts: dict[str, tuple[str, int]], found: dict[tuple[str, str], list[float]]) -> list[str]:
    names = list(lexers())
    lines = [row(["one core", *names]), row(["---"] * (len(names) + 1))]
    for what, (sql, repeats) in texts.items():
        size = len(sql.encode())
        cells = []
        for name in names:
            rounds = found[what, name]
            middle, least = statistics.median(rounds), min(rounds)
            if repeats > 1:
                cells.append(f"{middle * 1e6:.1f} µs ({least * 1e6:.1f}), {size / middle / 1e6:.1f} MB/s")
            else:
                cells.append(f"{size / middle / 1e6:.1f} MB/s ({size / least / 1e6:.1f})")
        lines.append(row([what, *cells]))
    return lines


def each_token(rounds: int) -> str:
    """What it adds to make every token one by one, places included, which readers of columns do not need."""
    found = [seconds(lambda sql: list(tokenize(sql.encode())), PLAIN, 1000) * 1e6 for _ in range(rounds)]
    return (
        f"Ours gives kinds and texts in columns; with every token of the {len(PLAIN.encode())} bytes made one by one, and "
        f"its place worked out, it takes {statistics.median(found):.1f} µs ({min(found):.1f})."
    )


def most_memory(forget: bool = False) -> float:
    """The most megabytes that this process has held, from now on where the past is to be forgotten (proc(5))."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    held = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert held
    return int(held[1]) / 1024


def long_insert() -> str:
    """One INSERT of MEGABYTES in pieces, as a message arrives: its speed, and by how much the process grew."""
    rows = (values(20_000) + ",\n").encode()
    pieces = [rows[at : at + PIECE] for at in range(0, len(rows), PIECE)]
    before = most_memory(forget=True)
    reader = Tokenizer(elide_rows=True)
    size = tokens = 0
    started = time.process_time()
    tokens += len(reader.feed(b"INSERT INTO people VALUES "))
    while size < MEGABYTES * 1_000_000:
        for piece in pieces:
            tokens += len(reader.feed(piece))
            size += len(piece)
    tokens += len(reader.feed(b"(0, '', '', 0, NULL, '')")) + len(reader.close())
    took = time.process_time() - started
    grown = most_memory() - before
    return (
        f"An INSERT of {size / 1e6:.0f} MB in pieces of {PIECE // 1024} KiB: {size / took / 1e6:.0f} MB/s, "
        f"{tokens:,} tokens handed out, the process grew by {grown:.1f} MB at most."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="3 rounds instead of 15")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    rounds = 3 if options.short else 15
    stream = long_insert()
    bulk = insert(15_000)
    texts = {
        f"a statement of {len(PLAIN.encode())} bytes": (PLAIN, 1000),
        f"the same length with comments ({len(COMMENTED.encode())} bytes)": (COMMENTED, 1000),
        f"a bulk INSERT ({len(bulk.encode()) / 1e6:.1f} MB)": (bulk, 1),
    }
    lines = table(texts, measure(texts, rounds))
    head = f"`make bench-lexing`, {rounds} interleaved rounds; median, in brackets the best round."
    text = "\n".join([head, f"{machine()}. Python {platform.python_version()}.", "", *lines, "", each_token(rounds), stream])
    print(text)
    if options.record:
        record("lexing", text)


if __name__ == "__main__":
    main()
