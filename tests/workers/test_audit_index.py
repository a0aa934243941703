"""Sidecars of real segments: made once, never of what still grows, and never believed where they do not fit."""

import os
from pathlib import Path

import pytest

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.segment import SegmentReader
from gateway.audit.sidecar import from_bytes
from workers import audit_index
from workers.audit_log import AuditLog
from workers.audit_trail import ChainFiles, segment_path
from workers.notary_keeping import compress


@pytest.fixture
def chain(tmp_path: Path) -> ChainFiles:
    log = AuditLog(tmp_path, "db1", 0, segment_bytes=2000)
    who, what = SessionCard(SessionInfo("s1", "alice")), RulingCard(RulingInfo(1, "a", "SELECT", "f", ("SELECT",)))
    for _ in range(100):
        log.chain.outcome(5, log.chain.intent(4, who, what), "ok", 1, 2, None, "SELECT", "", 5)
        log.commit()
    log.close()
    return ChainFiles(log.path)


def test_a_sidecar_is_built_and_found_again(chain: ChainFiles) -> None:
    numbers = chain.segments()
    assert len(numbers) > 2
    for number in numbers:
        assert audit_index.load(chain, number) is None
        built = audit_index.build(chain, number)
        assert built is not None
        assert built.users == ("alice",)
        assert audit_index.load(chain, number) == built
    place = chain.path.parent / "index"
    assert sorted(each.name for each in place.iterdir()) == [f"{chain.id.hex()}-{number:08d}.idx" for number in numbers]


def test_a_sidecar_can_be_built_step_by_step(chain: ChainFiles) -> None:
    steps = audit_index.building(chain, 0)
    next(steps)
    assert audit_index.load(chain, 0) is None
    assert list(steps) == []
    made = audit_index.load(chain, 0)
    assert made is not None
    assert made == audit_index.build(chain, 0)


def test_a_sidecar_of_another_segment_or_length_is_not_believed(chain: ChainFiles) -> None:
    audit_index.build(chain, 0)
    data = audit_index.index_path(chain, 0).read_bytes()
    audit_index.index_path(chain, 1).write_bytes(data)
    assert audit_index.load(chain, 1) is None
    found = from_bytes(data)
    assert found is not None
    audit_index.index_path(chain, 0).unlink()
    audit_index.index_path(chain, 0).write_bytes(data[:-1])
    assert audit_index.load(chain, 0) is None


def test_a_copy_that_has_grown_is_read_anew(chain: ChainFiles) -> None:
    last = chain.segments()[-1]
    path = segment_path(chain.path, last)
    whole = path.read_bytes()
    frames = SegmentReader().feed(whole)
    path.unlink()
    path.write_bytes(whole[: frames[len(frames) // 2].end])
    assert audit_index.build(chain, last) == audit_index.load(chain, last)
    path.write_bytes(whole)
    assert audit_index.load(chain, last) is None


def test_a_compressed_segment_keeps_its_sidecar(chain: ChainFiles) -> None:
    for number in chain.segments():
        made = audit_index.build(chain, number)
        compress(chain, number)
        assert audit_index.load(chain, number) == made
        assert audit_index.build(chain, number) == made


def test_a_segment_that_cannot_be_read_to_its_end_gets_none(chain: ChainFiles) -> None:
    path = segment_path(chain.path, 0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)
    assert audit_index.build(chain, 0) is None
    path.write_bytes(data[:300])
    assert audit_index.build(chain, 0) is None
    path.unlink()
    assert audit_index.build(chain, 0) is None


def test_what_is_still_written_is_not_complete(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    chain = ChainFiles(log.path)
    assert not audit_index.is_complete(chain, 0)
    log.close()
    assert audit_index.is_complete(chain, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_indexes_belongs_to_the_trails_owner(chain: ChainFiles) -> None:
    os.chown(chain.path.parent, 1234, 4321)
    audit_index.build(chain, 0)
    for each in (audit_index.index_path(chain, 0), chain.path.parent / "index"):
        assert (each.stat().st_uid, each.stat().st_gid) == (1234, 4321)
    assert audit_index.index_path(chain, 0).stat().st_mode & 0o777 == 0o440


def test_a_place_that_cannot_be_written_is_no_error(chain: ChainFiles) -> None:
    (chain.path.parent / "index").write_text("in the way")
    assert audit_index.build(chain, 0) is not None
    assert audit_index.load(chain, 0) is None
