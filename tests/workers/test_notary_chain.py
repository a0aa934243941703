"""One chain as the notary reads it, bit by bit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.heads import Seal
from tests.workers.notary_rig import Rig, check_head
from workers import notary_keeping
from workers.audit_trail import ChainFiles, chains
from workers.notary_chain import Broken, Watched


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "audit")
    yield made
    made.end()


def read(watched: Watched, budget: int) -> list[Seal]:
    """Turn after turn until nothing more comes."""
    seals: list[Seal] = []
    while True:
        found, used = watched.step(watched.files.is_live(), None, budget)
        seals += found
        if not found and not used:
            return seals


@pytest.mark.parametrize("budget", [1, 1 << 16, 1 << 30])
@pytest.mark.parametrize("compressed", [False, True])
def test_chain_is_sealed_the_same_however_little_is_read_at_a_time(
    rig: Rig, budget: int, compressed: bool
) -> None:
    log = rig.worker(segment_bytes=8192)
    rig.write(log, 500)
    log.close()
    files = ChainFiles(log.path)
    if compressed:
        for number in files.segments()[::2]:
            assert notary_keeping.compress(files, number) is not None
    seals = read(Watched(files), budget)
    assert [each.head.segment for each in seals] == files.segments()
    assert [each.head.closed for each in seals[-2:]] == [False, True]
    for seal in seals:
        check_head(rig.directory, seal.head)


def test_live_chain_is_not_read_before_its_writer_promised_anything(rig: Rig) -> None:
    log = rig.worker(segment_bytes=8192)
    rig.write(log, 500)
    watched = Watched(chains(rig.directory)[0])
    assert read(watched, 1 << 30) == []
    assert watched.head().frames == 0
    position = log.position()
    assert position is not None
    watched.promise(position)
    assert len(read(watched, 1 << 30)) == len(watched.files.segments()) - 1
    assert watched.head().digest == position.digest


def test_old_word_is_no_alarm_once_more_was_read(rig: Rig) -> None:
    log = rig.worker()
    positions = []
    for _ in range(3):
        rig.write(log, 5)
        positions.append(log.position())
    watched = Watched(chains(rig.directory)[0])
    for position in (positions[1], positions[0], positions[2], positions[2]):
        assert position is not None
        watched.promise(position)
        watched.step(True, None, 1 << 20)
    assert positions[2] is not None
    assert watched.head().length == positions[2].length


def test_word_that_no_record_ends_at_is_an_alarm(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    position = log.position()
    assert position is not None
    watched = Watched(chains(rig.directory)[0])
    watched.promise(position._replace(length=position.length - 1))
    with pytest.raises(Broken, match="no whole record"):
        watched.step(True, None, 1 << 20)
