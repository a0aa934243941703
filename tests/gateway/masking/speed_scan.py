"""How fast cells that nobody labelled are scanned, in MB/s of processor time: `python tests/gateway/masking/speed_scan.py`.

Best of five rounds over rows of (id, text). Processor time, so that a busy machine does not count.
"""

import pydoc_data.topics
import random
import re
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway.masking.forms import Form
from gateway.masking.scanned import scan_rows
from gateway.masking.scanner import scanner

BENIGN = "\n".join(pydoc_data.topics.topics.values())
WORDS = re.findall(r"[A-Za-z']+", BENIGN)
PLANTED = [
    "jane.doe%d@example.com",
    "+49 30 1234%04d",
    "4111 1111 1111 1111",
    "123-45-6%03d",
    "DE89 3704 0044 0532 0130 00",
    "10.20.30.%d",
]


def rows(values: list[bytes]) -> bytes:
    frames = []
    for number, value in enumerate(values):
        first = b"%d" % number
        body = struct.pack(">Hi", 2, len(first)) + first + struct.pack(">i", len(value)) + value
        frames.append(b"D" + struct.pack(">I", len(body) + 4) + body)
    return b"".join(frames)


def wordy(count: int, words: int, planted_percent: int) -> list[bytes]:
    chance = random.Random(2)
    values = []
    for _ in range(count):
        said = chance.choices(WORDS, k=words)
        if chance.randrange(100) < planted_percent:
            planted = chance.choice(PLANTED)
            said[chance.randrange(words)] = planted % chance.randrange(100, 250) if "%" in planted else planted
        values.append(" ".join(said).encode())
    return values


def logs(count: int) -> list[bytes]:
    chance = random.Random(3)
    return [
        b"2024-05-%02d 12:%02d:%02d.%03d INFO order %d processed in %.5f s by 1.2.%d, id %032x"
        % (
            chance.randrange(10, 28),
            chance.randrange(60),
            chance.randrange(60),
            chance.randrange(1000),
            chance.randrange(10**9),
            chance.random(),
            chance.randrange(99),
            chance.getrandbits(128),
        )
        for _ in range(count)
    ]


def documents(count: int, name: str, words: int) -> list[bytes]:
    chance = random.Random(4)
    return [
        b'{"id": %d, "status": "open", "title": "%s", "tags": ["a", "b"], "%s": "%s", "score": %.3f}'
        % (
            chance.randrange(10**6),
            " ".join(chance.choices(WORDS, k=words)).replace('"', "").encode(),
            name.encode(),
            chance.choice(WORDS).encode(),
            chance.random(),
        )
        for _ in range(count)
    ]


def rate(work: Callable[[], object], size: int) -> float:
    best = min(_seconds(work) for _ in range(5))
    return size / best / 1e6


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


CASES = {
    "wordy, clean": (wordy(20000, 85, 0), Form.TEXT),
    "wordy, 5 % planted": (wordy(20000, 85, 5), Form.TEXT),
    "wordy, all planted": (wordy(2000, 85, 100), Form.TEXT),
    "words of 10 bytes": (wordy(100_000, 2, 0), Form.TEXT),
    "manual pages": ([text.encode() for text in pydoc_data.topics.topics.values()], Form.TEXT),
    "log lines": (logs(20000), Form.TEXT),
    "json, no telling key": (documents(20000, "colour", 60), Form.JSON),
    "json, a telling key": (documents(5000, "email", 60), Form.JSON),
    "few rows": (wordy(10, 85, 0), Form.TEXT),
}


def main() -> None:
    chosen = scanner()
    print(f"{'case':24} {'rows':>7} {'MB':>6} {'MB/s':>6} {'us/row':>7} hits")
    for name, (values, form) in CASES.items():
        frames = rows(values)
        speed = rate(lambda: scan_rows(chosen, frames, 2, [(1, form)]), len(frames))  # noqa: B023 - run at once
        counts = scan_rows(chosen, frames, 2, [(1, form)]).counts[0]
        each = len(frames) / speed / len(values)
        print(f"{name:24} {len(values):7} {len(frames) / 1e6:6.1f} {speed:6.0f} {each:7.2f} {counts.hits}")


if __name__ == "__main__":
    main()
