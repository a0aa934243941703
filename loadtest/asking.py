"""How long a question to a large audit trail takes: a needle, with and without the index, and questions about everything.

`make bench-asking` generates a trail (RECORDS of them, in segments of 64 MiB as a gateway writes them), asks, and prints a
Markdown table; ARGS=--record also puts it in bench.md. One process, CPU time beside the wall's.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import msgspec
from machine import machine
from tables import record, row, tell

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from gateway.audit import records  # noqa: E402 - the checkout's own, installed or not
from gateway.audit.filters import Filter  # noqa: E402
from gateway.audit.questions import Touched  # noqa: E402
from gateway.audit.records import (  # noqa: E402
    Checkpoint,
    Closed,
    ColumnsInfo,
    Intent,
    Outcome,
    RulingInfo,
    SessionInfo,
)
from gateway.audit.segment import BODY, CRC, Header, encode_header  # noqa: E402
from workers import audit_index  # noqa: E402
from workers.audit_search import Search  # noqa: E402
from workers.audit_trail import chains  # noqa: E402

RECORDS = 20_000_000
SEGMENT = 64 * 1024 * 1024
PER_SESSION = 400  # statements
SHAPES = 300
TABLES = 60
_encode = msgspec.msgpack.Encoder().encode
_crc = google_crc32c.value


class Writer:
    """One chain's segments in bulk: what a busy worker writes, without waiting for statements."""

    def __init__(self, directory: Path, worker: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.chain = self.rng.randbytes(16)
        self.path = directory / f"chain-{self.chain.hex()}"
        self.path.mkdir(parents=True)
        self.worker = worker
        self.seq = self.sessions = self.segment = self.length = 0
        self.now = 1_760_000_000_000_000_000
        self.parts: list[bytes] = []
        self.numbers = 0
        self.size = 0

    def put(self, kind: int, payload: bytes) -> int:
        self.seq += 1
        body = BODY.pack(len(payload), kind, self.seq, self.now) + payload
        self.parts.append(CRC.pack(_crc(body)) + body)
        self.size += len(body) + 4
        return self.seq

    def define(self, kind: int, info: object) -> int:
        self.numbers += 1
        self.put(kind, _encode((self.numbers, info)))
        return self.numbers

    def shapes(self) -> list[int]:
        """The statements of an application, defined anew in each segment."""
        made = []
        for each in range(SHAPES):
            table = f"public.table_{each % TABLES}"
            columns = tuple(f"{table}.{name}" for name in ("id", "name", "email", "city"))
            text = f"SELECT id, name, email, city FROM table_{each % TABLES} WHERE id = $1::integer AND n = {each}"
            shape = RulingInfo(4, "ab" * 32, text, f"{each:016x}", ("SELECT",), (table,), columns)
            made.append(self.define(records.RULING, shape))
        return made

    def fill(self, most: int, *, last: bool) -> int:
        """One segment of at most SEGMENT bytes and `most` records; returns how many."""
        header = Header(1, self.chain, self.segment, bytes(32), self.length, "bench", "", self.worker, "process", self.now)
        self.parts, self.size, self.numbers, began = [encode_header(header)], 0, 0, self.seq
        shapes = self.shapes()
        masked = (("public.table_1.email", "email", "redact"),)
        shown = self.define(records.COLUMNS, ColumnsInfo(masked, ("public.table_1.id",)))
        session = left = 0
        while self.size < SEGMENT and self.seq - began < most:
            if not left:
                self.sessions += 1
                left = PER_SESSION
                name = f"bench-{self.worker}-s{self.sessions}"
                user = f"user{self.sessions % 500}@example.com"
                where = ("10.0.0.9:5000", "app", "shop", "production", "app")
                session = self.define(records.SESSION, SessionInfo(name, user, "idp", ("analysts",), (), *where, name))
            left -= 1
            self.now += 900_000
            literals = self.rng.randbytes(8)
            intent = self.put(records.INTENT, _encode(Intent(session, shapes[self.seq % SHAPES], None, "", literals)))
            self.now += 400_000
            self.put(records.OUTCOME, _encode(Outcome(intent, "ok", 3, 120, shown, "SELECT", "", 431)))
            if self.seq % 1000 < 2:
                self.put(records.CHECKPOINT, _encode(Checkpoint(bytes(32), self.seq)))
        closing = Closed(bytes(32), self.seq) if last else Checkpoint(bytes(32), self.seq, True)
        self.put(records.CLOSED if last else records.CHECKPOINT, _encode(closing))
        data = b"".join(self.parts)
        (self.path / f"{self.segment:08d}.seg").write_bytes(data)
        self.segment, self.length = self.segment + 1, len(data)
        return self.seq - began


def generate(directory: Path, wanted: int) -> int:
    """A trail of two workers."""
    written = 0
    for worker in range(2):
        writer, left = Writer(directory, worker, worker), wanted // 2
        while left > 0:
            done = writer.fill(left, last=left < SEGMENT // 40)
            left, written = left - done, written + done
            tell(f"{written / 1e6:.1f} million records written")
    return written


def timed(work: Callable[[], object]) -> tuple[float, float, object]:
    """Wall and CPU seconds, and what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    gave = work()
    return time.perf_counter() - wall, time.process_time() - cpu, gave


def asked(directory: Path, *, indexed: bool = True, **conditions: object) -> tuple[int, int, int]:
    """Matches, segments opened, and of how many."""
    search = Search([directory], Filter(**conditions), told=sys.exit, indexed=indexed)  # type: ignore[arg-type]
    count = sum(1 for _ in search.entries())
    return count, search.opened, search.total


def touched(directory: Path) -> tuple[int, int, int]:
    """Who touched one table."""
    search = Search([directory], Filter(kinds=("intent", "outcome"), place="table_7"), told=sys.exit)
    answer = Touched()
    for entry in search.entries():
        answer.add(entry)
    return len(answer.found()), search.opened, search.total


def literal(directory: Path) -> bytes:
    """The digest of a literal in the middle of the trail."""
    chain = chains(directory)[0]
    number = chain.segments()[len(chain.segments()) // 2]
    search = Search([directory], Filter(kinds=("intent",), session=first_session(directory, number)), told=sys.exit)
    return next(search.entries()).literals


def first_session(directory: Path, number: int) -> str:
    """A session that begins in that segment of the first chain."""
    chain = chains(directory)[0]
    header = chain.header(number)
    assert header is not None
    found = Search([directory], Filter(kinds=("intent",), since=header.time_ns), told=sys.exit).entries()
    session = next(found).session
    assert session is not None
    return session.session


def main() -> None:
    """Generates, asks, prints, and records where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=RECORDS)
    options.add_argument("--record", action="store_true", help="put the table in bench.md")
    options.add_argument("--dir", help="where the trail is made; a temporary directory otherwise")
    arguments = options.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="sluice-asking-", dir=arguments.dir))
    try:
        table = measured(directory, arguments.records)
    finally:
        shutil.rmtree(directory)
    print(table)
    if arguments.record:
        record("asking", table)


def measured(directory: Path, wanted: int) -> str:
    """The table."""
    count = generate(directory, wanted)
    files = list(directory.rglob("*.seg"))
    size = sum(file.stat().st_size for file in files)
    lines = [
        f"`make bench-asking`: {count / 1e6:.1f} million records, {size / 1e9:.2f} GB in {len(files)} segments of two "
        f"workers; load average {os.getloadavg()[0]:.1f}.",
        machine(),
        "",
        row(["question", "found", "segments opened", "seconds", "CPU s", "records/CPU s"]),
        row(["---", "---", "---", "---", "---", "---"]),
    ]

    def build() -> tuple[int, int, int]:
        made = [audit_index.build(chain, number) for chain in chains(directory) for number in chain.segments()]
        return len(made), len(made), len(made)

    def told(name: str, work: Callable[[], object]) -> None:
        wall, cpu, gave = timed(work)
        assert isinstance(gave, tuple)
        found, opened, total = gave
        rate = f"{count / cpu / 1e6:.2f} M" if cpu > 0.05 else ""
        lines.append(row([name, f"{found:,}", f"{opened} of {total}", f"{wall:.2f}", f"{cpu:.2f}", rate]))
        tell(lines[-1])

    told("(building the index)", build)
    index = sum(file.stat().st_size for file in (directory / "index").iterdir())
    digest = literal(directory)
    session = first_session(directory, chains(directory)[0].segments()[-1] // 2)
    told("one session", lambda: asked(directory, session=session))
    told("one session, without the index", lambda: asked(directory, indexed=False, session=session))
    told("a session that never was", lambda: asked(directory, session="nobody"))
    told("one literal, by its digest", lambda: asked(directory, literal=digest))
    told("one of 500 users", lambda: asked(directory, user="user7@example.com"))
    told("statements that failed", lambda: asked(directory, status="error"))
    told("the same, without the index", lambda: asked(directory, indexed=False, status="error"))
    told("who touched one of 60 tables", lambda: touched(directory))
    told("everything, counted", lambda: asked(directory))
    lines += ["", f"The index takes {index / 1e6:.1f} MB, {index / size:.1%} of the trail."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
