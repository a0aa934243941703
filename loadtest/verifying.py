"""How fast `sluice audit verify` proves a trail: checksums, numbers, digests, outcomes, and both digest and Merkle root of
what the notary signed.

`make bench-verifying` prints a Markdown table; ARGS=--record also puts it in bench.md. The trail is written as workers write
it (an intent and an outcome a statement, a few statements a turn, checkpoints between), and signed by a notary.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from machine import machine
from tables import record, row, tell

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from gateway.audit import walk  # noqa: E402 - the checkout's own, installed or not
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard  # noqa: E402
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo  # noqa: E402
from workers.audit_log import AuditLog  # noqa: E402
from workers.audit_verify import Trust, prove, usable_processes  # noqa: E402
from workers.notary import Notary  # noqa: E402
from workers.notary_log import Signer  # noqa: E402

CHAINS = 4
TURN = 4  # statements written in one append


def write(directory: Path, records: int) -> None:
    """A trail of so many records, in chains as workers write them, signed."""
    rng = random.Random(1)
    now = [time.time_ns()]  # moves on as statements are written
    sessions = [SessionCard(SessionInfo(f"s{n}", f"user{n}@example.com", database="shop")) for n in range(50)]
    statement = "SELECT id, name, email FROM customers WHERE city = $1 ORDER BY name LIMIT $2"
    rulings = [
        RulingCard(
            RulingInfo(1, "abc", f"{statement} -- {n}", f"{n:016x}", ("SELECT",), ("public.customers",))
        )
        for n in range(200)
    ]
    columns = ColumnsCard(
        ColumnsInfo((("public.customers.email", "email", "partial"),), ("public.customers.id",))
    )
    for worker in range(CHAINS):
        log = AuditLog(directory, "bench", worker, clock=lambda: now[0])
        while log.chain.seq < records // CHAINS:
            for _ in range(TURN):
                asked = log.chain.intent(now[0], rng.choice(sessions), rng.choice(rulings))
                size, took = rng.randrange(100_000), rng.randrange(5000)
                log.chain.outcome(now[0], asked, "ok", size // 100, size, columns, "SELECT", "", took)
            now[0] += 200_000
            log.commit()
        log.close()
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    notary = Notary(directory, "bench", Signer(key), [], list, lambda *_: None, now[0])
    notary.finish(now[0])
    notary.close()


def measured(directory: Path, processes: int) -> tuple[float, float]:
    """Million records a second by the clock on the wall, and microseconds of CPU a record, all processes together."""
    spent, begun = sum(os.times()[:4]), time.perf_counter()
    proof = prove(directory, Trust(), processes, lambda _: None, lambda _: None)
    seconds, spent = time.perf_counter() - begun, sum(os.times()[:4]) - spent
    assert not proof.places, proof.places
    assert proof.log is not None
    assert not sum(check.unsigned for check in proof.checks)
    count = sum(check.count for check in proof.checks)
    return count / seconds / 1e6, spent / count * 1e6


def main() -> None:
    """Measures, prints, and records where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=4_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--record", action="store_true", help="put the table in bench.md")
    arguments = options.parse_args()
    compiled = "compiled" if (walk.__file__ or "").endswith(".so") else "interpreted"
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "audit"
        write(directory, arguments.records)
        size = sum(each.stat().st_size for each in directory.glob("chain-*/*.seg"))
        ways = sorted({1, usable_processes()})
        speeds: dict[int, list[tuple[float, float]]] = {each: [] for each in ways}
        for _ in range(arguments.rounds):
            for each in ways:
                speeds[each].append(measured(directory, each))
    lines = [
        f"`make bench-verifying`, {arguments.rounds} interleaved rounds; median (lowest to highest), {compiled}.",
        f"{arguments.records:,} records in {size / 2**20:.0f} MiB, signed: linear digest and Merkle root are compared.",
        machine(),
        "",
        row(["processes", "million records a second", "CPU µs a record"]),
        row(["---", "---", "---"]),
    ]
    for each in ways:
        cells = [
            f"{statistics.median(of):.2f} ({min(of):.2f} to {max(of):.2f})"
            for of in zip(*speeds[each], strict=True)
        ]
        lines.append(row([str(each), *cells]))
    table = "\n".join(lines)
    print(table)
    if arguments.record:
        record("verifying", table)
        tell("recorded")


if __name__ == "__main__":
    main()
