"""Promises of workers in memory that processes share."""

import mmap
import os

from gateway.audit.chain import Position
from workers.positions import Positions


def position(number: int) -> Position:
    return Position(bytes([number % 256]) * 16, number, number * 7, number * 3, bytes([number % 251]) * 32)


def test_nothing_is_told_before_it_was_posted() -> None:
    assert Positions(2).read(1) is None


def test_each_slot_has_its_own_record() -> None:
    positions = Positions(3)
    for slot in range(3):
        positions.post(slot, position(slot + 1))
    assert [positions.read(slot) for slot in range(3)] == [position(1), position(2), position(3)]


def test_another_process_reads_whole_records_while_they_are_written() -> None:
    positions = Positions(1)
    stop = mmap.mmap(-1, 1)
    positions.post(0, position(1))
    pid = os.fork()
    if pid == 0:
        number = 1
        while not stop[0]:
            number += 1
            positions.post(0, position(number))
        os._exit(0)
    try:
        for _ in range(5000):
            seen = positions.read(0)
            assert seen is None or seen == position(seen.segment)
    finally:
        stop[0] = 1
        os.waitpid(pid, 0)
    last = positions.read(0)
    assert last is not None
    assert last == position(last.segment)


def test_record_whose_writer_died_halfway_is_not_told() -> None:
    positions = Positions(1)
    positions.post(0, position(5))
    positions._map[20] ^= 1
    assert positions.read(0) is None
    positions.post(0, position(6))
    assert positions.read(0) == position(6)
