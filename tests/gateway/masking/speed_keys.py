"""What it costs to account for the rows of a result: python tests/gateway/masking/speed_keys.py (CPU time, best of five)."""

import struct
import time
from collections.abc import Callable
from random import Random

from gateway.masking.copy_cells import Dialect
from gateway.masking.key_cells import Keys
from gateway.masking.key_forms import form_of
from gateway.masking.key_sets import Digester, sets
from gateway.masking.rows import COMPILED
from parser.messages import frame
from tests.gateway.masking.shop import data_row

ROWS = 300_000
PIECE = 2600  # rows that come at once: 256 KiB of them
REST = (b"Ann Example", b"ann@mail.example", b"123-45-6789", b"Oslo")
DIGESTER = Digester(b"k" * 32)
TEXT, CSV = Dialect(False, b"\t", b"\\N", False), Dialect(True, b",", b"", False)
INT4, UUID, VARCHAR = 23, 2950, 1043


def measure(what: str, row: Callable[[int], bytes], fresh: Callable[[], Keys], dialect: Dialect | None = None) -> None:
    pieces = [b"".join(map(row, range(at, at + PIECE))) for at in range(0, ROWS, PIECE)]
    rows, best, size = len(pieces) * PIECE, float("inf"), 0
    for _ in range(5):
        began, size = time.process_time(), 0
        for piece in pieces:
            keys = fresh()
            if dialect is None:
                keys.rows(piece, 0, len(piece))
            else:
                keys.lines(piece, 0, len(piece), dialect)
            size += sum(len(packed) for _, packed in sets(DIGESTER.digests(keys), "".join(keys.families)))
        best = min(best, time.process_time() - began)
    print(f"{what:32} {best / rows * 1e6:6.3f} us a row, {size / rows:.2f} bytes a row on record")


def small(count: int) -> None:
    data = b"".join(data_row(b"%d" % number, *REST) for number in range(count))
    repeats = 20_000 // count
    began = time.process_time()
    for _ in range(repeats):
        keys = Keys([0], [0], "i")
        keys.rows(data, 0, len(data))
        sets(DIGESTER.digests(keys), "i")
    print(f"a result of {count:3} rows              {(time.process_time() - began) / repeats * 1e6:6.2f} us")


def main() -> None:
    print("compiled" if COMPILED else "interpreted")
    random = Random(1)
    uuids = [random.randbytes(16) for _ in range(ROWS + PIECE)]
    hexes = [each.hex() for each in uuids]
    spelled = [f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}".encode() for h in hexes]
    binary = form_of(INT4, binary=True)
    measure("integer, text", lambda n: data_row(b"%d" % n, *REST), lambda: Keys([0], [0], "i"))
    measure("integer, binary", lambda n: data_row(struct.pack(">i", n), *REST), lambda: Keys([0], [binary], "i"))
    uuid_text = form_of(UUID, binary=False)
    measure("uuid, text", lambda n: data_row(spelled[n], *REST), lambda: Keys([0], [uuid_text], "u"))
    measure("uuid, binary", lambda n: data_row(uuids[n], *REST), lambda: Keys([0], [0], "u"))
    measure("text of 20 bytes", lambda n: data_row(b"%020d" % n, *REST), lambda: Keys([0], [0], "t"))
    measure("two integers", lambda n: data_row(b"%d" % n, b"17", *REST), lambda: Keys([0, 1], [0, 0], "ii"))
    for what, dialect in (("integer, COPY text", TEXT), ("integer, COPY csv", CSV)):
        tail = dialect.delimiter.join(REST) + b"\n"
        measure(
            what,
            lambda n, end=dialect.delimiter + tail: frame(b"d", b"%d" % n + end),  # type: ignore[misc]
            lambda: Keys([0], [0], "i"),
            dialect,
        )
    for count in (1, 10, 100):
        small(count)


if __name__ == "__main__":
    main()
