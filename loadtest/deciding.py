"""What a statement costs before it may run: found in the decision cache by its bytes, by its shape, or read and decided.

`make bench-deciding` prints a Markdown table; ARGS=--record also puts it in bench.md. One core, CPU time, the scope of a
session with one grant in a production database, compiled where `make env` compiled it.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from machine import machine
from tables import record, row, tell

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from gateway import scope as scope_module  # noqa: E402 - the checkout's own, installed or not
from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable  # noqa: E402
from gateway.policy.rails import Rails  # noqa: E402
from gateway.policy.rights import Rights  # noqa: E402
from gateway.policy.rules import Grant  # noqa: E402
from gateway.scope import Scope  # noqa: E402

CUSTOMERS = ("id", "name", "email", "city", "created_at")
PREPARED = b"SELECT id, name, city FROM customers WHERE id = $1 ORDER BY name LIMIT $2"
TIMES = 20_000


def fresh_scope() -> Scope:
    """One table, a grant to read, production."""
    columns = tuple(
        CatalogColumn(number, name, 25, "email" if name == "email" else None) for number, name in enumerate(CUSTOMERS, 1)
    )
    table = CatalogTable(
        1, "public", "customers", "r", columns, {one.number: one for one in columns}, {one.name: one for one in columns}
    )
    grant = Grant("readers", ("read",))
    rights = Rights(
        ("key",), None, frozenset(("read",)), frozenset(), frozenset(), ((grant,),), Rails(()), {}, (), float("inf"), "shop",
        "production", 1, frozenset(("read",)),
    )  # fmt: skip
    return Scope(rights, Catalog(1, {1: table}, {"customers": (table,)}, {}), "", search_path=("public",))


def cost(work: Callable[[bytes], object], texts: Sequence[bytes]) -> float:
    """Microseconds of CPU for each call, without the loop's own. Each text is a new object, as one off the wire is: its hash
    is not known yet."""
    copies = [bytes(bytearray(text)) for text in texts]
    begun = time.process_time()
    for text in copies:
        work(text)
    middle = time.process_time()
    for _ in copies:
        pass
    loop = time.process_time() - middle
    return (middle - begun - loop) / len(texts) * 1e6


def measured(rounds: int) -> dict[str, list[float]]:
    """Costs by way, in interleaved rounds."""
    literal = [b"SELECT id, name, city FROM customers WHERE id = %d ORDER BY name LIMIT 10" % n for n in range(TIMES)]
    shapes = [b"SELECT id, name AS n%d, city FROM customers WHERE id = $1" % n for n in range(2000)]
    warm = fresh_scope()
    warm.script(PREPARED)
    warm.script(literal[0])
    same, shape, fresh = [], [], []
    for _ in range(rounds):
        same.append(cost(warm.script, [PREPARED] * TIMES))
        shape.append(cost(warm.script, literal))
        fresh.append(cost(fresh_scope().script, shapes))
    return {"every byte": same, "the shape, with other literals": shape, "nothing: it is read and decided": fresh}


def main() -> None:
    """Measures, prints, and records where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--record", action="store_true", help="put the table in bench.md")
    arguments = options.parse_args()
    compiled = "compiled" if (scope_module.__file__ or "").endswith(".so") else "interpreted"
    lines = [
        f"`make bench-deciding`, {arguments.rounds} interleaved rounds; median (lowest to highest), CPU µs, {compiled}.",
        machine(),
        "",
        row(["a statement of 75 bytes, of which was seen before", "µs"]),
        row(["---", "---"]),
    ]
    for way, costs in measured(arguments.rounds).items():
        lines.append(row([way, f"{statistics.median(costs):.2f} ({min(costs):.2f} to {max(costs):.2f})"]))
    table = "\n".join(lines)
    print(table)
    if arguments.record:
        record("deciding", table)
        tell("recorded")


if __name__ == "__main__":
    main()
