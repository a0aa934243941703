"""Sealed segments, compressed and deleted."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.notary_rig import DAY, Rig
from workers import notary_keeping
from workers.audit_recovery import recover
from workers.audit_trail import ChainFiles, Follower, find, read_all, segment_content, segment_path
from workers.notary_chain import Sealed, Watched


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "audit")
    yield made
    made.end()


def test_compressed_segments_are_read_like_others(rig: Rig) -> None:
    log = rig.worker(segment_bytes=8192)
    rig.write(log, 500)
    log.close()
    files = ChainFiles(log.path)
    numbers = files.segments()
    contents = [segment_content(files.path, each) for each in numbers]
    headers = [files.header(each) for each in numbers]
    modified = files.modified_ns()
    entries = list(read_all(rig.directory))
    some = [find(rig.directory, each.id) for each in entries[::100]]
    for number in numbers:
        sizes = notary_keeping.compress(files, number)
        assert sizes is not None
        assert sizes[1] < sizes[0]
        assert notary_keeping.compress(files, number) is None
        assert not segment_path(files.path, number).exists()
    assert files.segments() == numbers
    assert [segment_content(files.path, each) for each in numbers] == contents
    assert [files.header(each) for each in numbers] == headers
    assert files.is_closed()
    assert abs(files.modified_ns() - modified) < 1_000_000
    assert list(read_all(rig.directory)) == entries
    assert [find(rig.directory, each.id) for each in entries[::100]] == some
    assert [each.id for each in Follower(rig.directory).start(700)] == [each.id for each in entries[-700:]]
    assert recover(rig.directory) == []
    assert {each.stat().st_mode & 0o777 for each in files.path.iterdir()} == {0o440}


def test_compressing_that_fails_leaves_the_segment(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    log.close()
    files = ChainFiles(log.path)
    content = segment_content(files.path, 0)
    blocked = files.path / "00000000.seg.zst"
    blocked.mkdir()  # nothing can take this name
    with pytest.raises(OSError, match="directory"):
        notary_keeping.compress(files, 0)
    blocked.rmdir()
    assert os.listdir(files.path) == ["00000000.seg"]
    assert segment_content(files.path, 0) == content


def watched(rig: Rig, *last: int) -> Watched:
    log = rig.worker()
    made = Watched(ChainFiles(log.path))
    made.sealed = [Sealed(number, 1, b"", at) for number, at in enumerate(last)]
    return made


def test_only_the_oldest_segments_go_and_only_when_their_newest_record_is_old(rig: Rig) -> None:
    now = 1000 * DAY
    chain = watched(rig, now - 9 * DAY, now - 5 * DAY, now - 8 * DAY)
    assert [each.number for each in notary_keeping.outdated(chain, now, 6)] == [0]
    assert [each.number for each in notary_keeping.outdated(chain, now, 4)] == [0, 1, 2]
    assert notary_keeping.outdated(chain, now, 0) == []
    assert notary_keeping.outdated(chain, now, 9) == []
    chain.alarmed = True
    assert notary_keeping.outdated(chain, now, 1) == []


def test_directory_of_a_chain_that_lives_stays(rig: Rig) -> None:
    chain = watched(rig)
    chain.closed, chain.pruned_to = True, 0
    notary_keeping.remove_pruned(chain)
    assert chain.files.path.exists()
    assert chain.files.segments() == []
    rig.end()
    (chain.files.path / "reserve").write_bytes(b"")
    notary_keeping.remove_pruned(chain)
    assert not chain.files.path.exists()
