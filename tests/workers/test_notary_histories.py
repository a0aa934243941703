"""Random histories of workers and notaries over real files: what honest ones leave is never called an alarm and is all
signed in the end; one changed byte always is.
"""

import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.audit.heads import Alarm, Head, Seal
from gateway.errors import Unavailable
from tests.workers.notary_rig import SECOND, Rig, check_head, kill, of, rewrite
from workers import notary_keeping
from workers.audit_log import AuditLog
from workers.audit_recovery import recover
from workers.audit_trail import ChainFiles, chain_directory, chains, segment_content, segment_path

SEEDS = range(int(os.environ.get("SLUICE_NOTARY_SEEDS", "20")))


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Files grow to so many bytes and no further: what is written over it is written in part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class History:
    """One random life of an audit directory."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rig = Rig(directory)
        self.slots: list[AuditLog | None] = [None, None]
        directory.mkdir()
        self.rig.turn()

    def play(self, steps: int) -> None:
        acts = [self.write] * 8 + [self.post] * 6 + [self.turn] * 6
        acts += [self.begin, self.die, self.close, self.recover, self.restart, self.fail, self.compress]
        for _ in range(steps):
            self.chance.choice(acts)()

    def some(self) -> AuditLog | None:
        return self.chance.choice(self.slots)

    def begin(self) -> None:
        for slot, log in enumerate(self.slots):
            if log is None:
                self.slots[slot] = self.rig.worker(slot, segment_bytes=self.chance.choice([4096, 1 << 20]))

    def write(self) -> None:
        if self.slots == [None, None]:
            self.begin()
        log = self.some()
        if log is not None:
            self.rig.write(log, self.chance.randrange(1, 60))

    def post(self) -> None:
        self.rig.post()

    def turn(self) -> None:
        self.rig.turn(self.chance.choice([1, 1, 70]))

    def die(self) -> None:
        log = self.some()
        if log is None:
            return
        self.slots[self.slots.index(log)] = None
        kill(log)
        if self.chance.random() < 0.5:  # within its last write
            file = segment_path(log.path, ChainFiles(log.path).segments()[-1])
            rewrite(file, lambda data: data + data[-50 : -self.chance.randrange(1, 49)])

    def close(self) -> None:
        log = self.some()
        if log is not None:
            self.slots[self.slots.index(log)] = None
            log.close()
            self.rig.post()

    def recover(self) -> None:
        recover(self.rig.directory, "db1", lambda: self.rig.now)

    def restart(self) -> None:
        self.rig.stop()

    def fail(self) -> None:
        log = self.some()
        if log is None:
            return
        numbers = ChainFiles(log.path).segments()
        size = segment_path(log.path, numbers[-1]).stat().st_size
        room = min(size, 3000) + self.chance.randrange(100)  # less than any segment grows to
        with small_files(room), pytest.raises(Unavailable):
            for _ in range(10):
                self.rig.write(log, 20)
        self.rig.now += SECOND
        log.commit()  # nothing asks: it is tried again, and heals

    def compress(self) -> None:
        for seal in of(Seal, self.rig.entries()):
            files = ChainFiles(chain_directory(self.rig.directory, seal.head.chain))
            if self.chance.random() < 0.5:
                notary_keeping.compress(files, seal.head.segment)

    def end(self) -> None:
        """Everybody leaves, in order or not, and what is left is explained."""
        for log in self.slots:
            if log is not None:
                log.close() if self.chance.random() < 0.5 else kill(log)
        self.recover()
        self.rig.post()
        for _ in range(3):
            self.rig.turn(70)


@pytest.fixture
def history(tmp_path: Path, seed: int) -> Iterator[History]:
    made = History(tmp_path / "audit", seed)
    yield made
    made.rig.end()


@pytest.mark.parametrize("seed", SEEDS)
def test_honest_history_is_signed_to_its_end_without_an_alarm(history: History, seed: int) -> None:
    history.play(60)
    history.end()
    entries = history.rig.entries()
    assert of(Alarm, entries) == []
    assert history.rig.told == []
    seals: dict[tuple[bytes, int], Head] = {
        (each.head.chain, each.head.segment): each.head for each in of(Seal, entries)
    }
    assert len(seals) == len(of(Seal, entries)), "each segment is sealed once"
    for chain in chains(history.rig.directory):
        numbers = chain.segments()
        assert [seals[chain.id, number].closed for number in numbers] == [False] * (len(numbers) - 1) + [True]
        for number in numbers:
            if seals[chain.id, number].length:
                check_head(history.rig.directory, seals[chain.id, number])


@pytest.mark.parametrize("seed", SEEDS)
def test_one_changed_byte_of_what_was_promised_is_an_alarm(history: History, seed: int) -> None:
    history.play(40)
    history.begin()
    log = next(each for each in history.slots if each is not None)
    history.rig.write(log, 5)
    while (position := log.position()) is None:  # just between two segments
        history.rig.write(log, 1)
    history.rig.post()
    history.restart()
    at = history.chance.randrange(position.length)
    file = segment_path(log.path, position.segment)
    bit = 1 << history.chance.randrange(8)
    data = segment_content(log.path, position.segment)
    rewrite(file, lambda data: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
    history.rig.turn()
    assert log.chain.chain_id in {each.chain for each in of(Alarm, history.rig.entries())}
    rewrite(file, lambda _: data)
