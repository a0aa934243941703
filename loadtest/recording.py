"""How many audit records a second a worker writes: an intent and an outcome a statement, one append a turn, by the AuditLog
of the relay.

`make bench-recording` prints a Markdown table; ARGS=--record also puts it in bench.md. One core, durability `process`: that
the disk keeps what was written is asked for behind the turns' back, and not here. How many are
proven a second, verifying.py says.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from machine import machine
from tables import record, row, spread

sys.path.insert(0, str(Path(__file__).parent.parent))

from gateway.audit import chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo
from workers.audit_log import AuditLog

TURNS = (1, 4, 32)  # statements of one turn
LITERALS = bytes(16)  # the digests of two literals
PLAN = 4096  # statements whose choices are made beforehand, so that they are not measured

SESSIONS = [SessionCard(SessionInfo(f"s{n}", f"user{n}@example.com", database="shop")) for n in range(50)]
STATEMENT = "SELECT id, name, email FROM customers WHERE city = $1 ORDER BY name LIMIT $2"
RULINGS = [
    RulingCard(RulingInfo(1, "abc", f"{STATEMENT} -- {n}", f"{n:016x}", ("SELECT",), ("public.customers",)))
    for n in range(200)
]
SHOWN = ColumnsCard(ColumnsInfo((("public.customers.email", "email", "partial"),), ("public.customers.id",)))


def written(directory: Path, records: int, turn: int) -> tuple[float, float, float]:
    """Records a second by the clock on the wall, microseconds of CPU a record, bytes a record."""
    rng = random.Random(1)
    plan = [(rng.choice(SESSIONS), rng.choice(RULINGS), rng.randrange(100_000)) for _ in range(PLAN)]
    log = AuditLog(directory, "bench", 0)
    turns = records // 2 // turn
    spent, begun, at = time.process_time(), time.perf_counter(), 0
    for _ in range(turns):
        now = time.time_ns()
        asked = []
        for session, ruling, _ in plan[at : at + turn]:
            asked.append(log.chain.intent(now, session, ruling, literals=LITERALS))
        log.commit()
        for intent, (_, _, size) in zip(asked, plan[at : at + turn], strict=True):
            log.chain.outcome(now, intent, "ok", size // 100, size, SHOWN, "SELECT", "", 900)
        at = (at + turn) % (PLAN - turn)
    log.commit()
    spent, took = time.process_time() - spent, time.perf_counter() - begun
    count = log.chain.seq
    log.close()
    size = sum(each.stat().st_size for each in directory.rglob("*.seg"))
    return count / took, spent / count * 1e6, size / count


def measure(_: object, *, short: bool) -> list[str]:
    """The table's lines. No server is needed."""
    records, rounds = (200_000, 3) if short else (1_000_000, 7)
    found: dict[int, list[tuple[float, float, float]]] = {turn: [] for turn in TURNS}
    for _ in range(rounds):
        for turn in TURNS:
            with tempfile.TemporaryDirectory() as folder:
                found[turn].append(written(Path(folder) / "audit", records, turn))
    head = ["statements a turn", "records a second", "CPU µs a record", "bytes a record"]
    lines = [row(head), row(["---"] * len(head))]
    for turn, figures in found.items():
        rates, spent, sizes = (list(column) for column in zip(*figures, strict=True))
        lines.append(row([str(turn), spread(rates), spread(spent, 2), f"{statistics.median(sizes):.0f}"]))
    return lines


def main() -> None:
    """Measures, prints, and records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer records and rounds")
    parser.add_argument("--record", action="store_true", help="put the table in bench.md")
    options = parser.parse_args()
    compiled = "compiled" if (chain.__file__ or "").endswith(".so") else "interpreted"
    said = f"`make bench-recording`, interleaved rounds; median (lowest to highest), one worker, {compiled}."
    text = "\n".join([said, machine(), "", *measure(None, short=options.short)])
    print(text)
    if options.record:
        record("recording", text)


if __name__ == "__main__":
    main()
