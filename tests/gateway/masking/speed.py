"""How fast rows are masked, in MB/s of input, by numpy and by `rows` and `streams` as they are installed (compiled or not):
`python tests/gateway/masking/speed.py`. Best of seven rounds."""

import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway.masking import kernels, rows, streams
from gateway.masking.masks import REDACTED, CellMask, How
from gateway.masking.streams import Dialect, Place

REDACT = CellMask(How.FIXED, REDACTED)
CASES = {
    "redact 1 of 5": [(1, REDACT)],
    "redact 2 of 5": [(1, REDACT), (2, REDACT)],
    "partial 1 of 5": [(1, CellMask(How.PARTIAL, keep=4))],
    "hash 1 of 5": [(1, CellMask(How.HASH, label="email", key=b"k" * 32))],
}


def table(count: int, pad: int) -> bytes:
    """`count` rows of five cells, about 93 bytes each and `pad` more."""
    chance = random.Random(1)
    frames = []
    for _ in range(count):
        cells = [
            str(chance.randrange(10**6)).encode(),
            b"user%d@example.com" % chance.randrange(10**6),
            b"name " + b"x" * chance.randrange(5, 15),
            b"2020-01-01",
            b"some text here" + b"." * pad,
        ]
        body = struct.pack(">h", 5) + b"".join(struct.pack(">i", len(cell)) + cell for cell in cells)
        frames.append(b"D" + struct.pack(">i", len(body) + 4) + body)
    return b"".join(frames)


def copied(count: int, delimiter: bytes) -> bytes:
    """`count` CopyData frames of such rows, about 75 bytes each."""
    chance = random.Random(1)
    lines = []
    for _ in range(count):
        number = chance.randrange(10**6)
        cells = [b"%d" % number, b"user%d@example.com" % number, b"name xxxxxxxxxx", b"2020-01-01", b"some text here"]
        lines.append(delimiter.join(cells) + b"\n")
    return b"".join(b"d" + struct.pack(">i", len(line) + 4) + line for line in lines)


def rate(work: Callable[[], object], size: int) -> float:
    best = min(_seconds(work) for _ in range(7))
    return size / best / 1e6


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    print(f"compiled: {rows.COMPILED}")
    print(f"{'case':16} {'rows':>6} {'bytes/row':>9} {'row by row':>10} {'numpy':>6} {'walk':>6}")
    for name, masks in CASES.items():
        for count, pad in ((1, 0), (5, 0), (20, 0), (60, 0), (1000, 0), (10_000, 0), (200, 1000), (200, 2000)):
            frames = table(count, pad)
            speeds = (
                rate(lambda: rows.mask(frames, 5, masks), len(frames)),  # noqa: B023 - run at once
                rate(lambda: kernels.bulk(frames, 5, masks), len(frames)),  # noqa: B023
                rate(lambda: kernels.data_rows_end(frames, 0), len(frames)),  # noqa: B023
            )
            print(
                f"{name:16} {count:6} {len(frames) // count:9} {speeds[0]:10.0f} {speeds[1]:6.0f} {speeds[2]:6.0f}"
            )
    dialects = {"COPY text": Dialect(False, b"\t", b"\\N", False), "COPY csv": Dialect(True, b",", b"", False)}
    for name, dialect in dialects.items():
        frames = copied(10_000, dialect.delimiter)
        speed = rate(lambda: streams.mask(frames, 5, (Place(1, REDACT, None),), dialect), len(frames))  # noqa: B023
        print(f"{name:16} {10_000:6} {len(frames) // 10_000:9} {speed:10.0f}")


if __name__ == "__main__":
    main()
