"""The proof of a directory on real files: side by side as one after the other, compressed, pruned, being written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.signed_rig import DAY, SECOND, Trail, file_of, grades, proven, tampered
from workers import audit_trail
from workers.audit_trail import ChainFiles
from workers.audit_verify import Proof, Trust, prove, usable_processes


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(tmp_path / "audit")
    yield made
    made.abandon()


def counts(proof: Proof) -> list[tuple[bytes, int, int, int]]:
    return [(each.chain, each.count, each.intents, each.unsigned) for each in proof.checks]


def test_processes_side_by_side_find_what_one_does(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.audit_verify._ALONE_BYTES", 0)
    for _ in range(4):
        trail.write(trail.worker(), 30)
    trail.sign()
    file = file_of(trail.directory, trail.logs[2], 1)
    data = file.read_bytes()
    file.chmod(0o640)
    file.write_bytes(data[:500] + b"?" + data[501:])
    begun: list[int] = []
    stepped: list[int] = []
    two = prove(trail.directory, Trust(), 2, begun.append, stepped.append)
    one = proven(trail.directory)
    assert next(each.file for each in two.places if each.grade == "tampered") == file
    assert two.places == one.places
    assert counts(two) == counts(one)
    files = [each.stat().st_size for each in trail.directory.glob("chain-*/*.seg")]
    assert (begun, sum(stepped), len(stepped)) == ([sum(files)], sum(files), len(files))


def test_compressed_segments_prove_as_they_were_and_damage_in_them_is_named(trail: Trail) -> None:
    log = trail.worker()
    trail.write(log, 85)
    trail.sign()
    before = counts(proven(trail.directory))
    trail.compress()
    assert counts(proven(trail.directory)) == before
    assert grades(trail.directory) == set()
    file = audit_trail.stored_path(log.path, 1)
    assert file.suffix == audit_trail.COMPRESSED
    data = file.read_bytes()
    file.chmod(0o640)
    content = audit_trail.segment_content(log.path, 1)
    for at in range(0, len(data), 3):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        if file not in [each.file for each in tampered(trail.directory)]:
            assert audit_trail.segment_content(log.path, 1) == content, "some bits say the same"
    file.write_bytes(data[: len(data) // 2])
    assert tampered(trail.directory)
    (trail.directory / "heads").rename(trail.directory / "away")
    file.write_bytes(b"?" + data[1:])
    assert (file, 0) in [(each.file, each.offset) for each in tampered(trail.directory)], "signed or not"


def test_what_was_deleted_for_its_age_is_a_note_and_more_than_that_is_tampering(trail: Trail) -> None:
    old, new = trail.worker(), trail.worker()
    trail.write(old, 40)
    old.close()
    trail.write(new, 90)
    trail.now += 100 * DAY
    trail.write(new, 20)
    trail.sign(days=30)
    left = ChainFiles(new.path).segments()
    assert left[0] > 1
    assert not old.path.exists()
    proof = proven(trail.directory)
    assert {each.grade for each in proof.places} == {"note"}
    assert len(proof.places) == 2
    assert all("deleted after 30 days" in each.why for each in proof.places)
    first = file_of(trail.directory, new, left[0])
    data = first.read_bytes()
    first.unlink()
    assert [each.file for each in tampered(trail.directory)] == [first]
    first.write_bytes(data)
    (trail.directory / "heads").rename(trail.directory / "away")
    assert [each.why.split(" are")[0] for each in tampered(trail.directory)] == [
        f"segments 0 to {left[0] - 1}"
    ]


def test_an_alarm_of_the_notary_is_told_even_where_the_files_look_well_again(trail: Trail) -> None:
    log = trail.worker()
    trail.write(log, 40)
    trail.sign()
    path = trail.directory / log.path.name
    path.rename(trail.directory / "away")
    trail.sign()
    assert any("the chain is gone" in each.why for each in tampered(trail.directory))
    (trail.directory / "away").rename(path)
    (found,) = tampered(trail.directory)
    assert found.why.startswith("alarm of 2023-")
    assert found.file.parent == path


def test_a_trail_that_is_being_written_is_good_and_what_is_not_signed_yet_is_counted(trail: Trail) -> None:
    log = trail.worker()
    trail.write(log, 20)
    trail.sign()
    for _ in range(30):
        trail.write(log, 1)
        proof = proven(trail.directory)
        assert proof.places == []
        assert proof.live
    assert sum(each.unsigned for each in proof.checks) > 60
    trail.now += SECOND
    trail.kill(log)
    assert grades(trail.directory) == {"gap"}
    trail.recover()
    assert grades(trail.directory) == set()


def test_a_directory_that_was_emptied_is_missed_as_one_that_is_gone(trail: Trail) -> None:
    log = trail.worker()
    trail.write(log)
    log.close()
    trail.sign()
    file_of(trail.directory, log, 0).unlink()
    (found,) = tampered(trail.directory)
    assert (found.file, found.why) == (file_of(trail.directory, log, 0), "segment 0 is missing")


def test_many_small_segments_are_handed_over_together(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.audit_verify._ALONE_BYTES", 0)
    log = trail.worker(300)
    trail.write(log, 100)
    assert len(ChainFiles(log.path).segments()) > 64
    proof = prove(trail.directory, Trust(), 2, lambda _: None, lambda _: None)
    assert proof.places == []
    assert proof.checks[0].intents == 100


def test_strange_names_and_empty_directories_disturb_nobody(trail: Trail) -> None:
    trail.write(trail.worker())
    (trail.directory / ("chain-" + "zz" * 16)).mkdir()
    (trail.directory / ("chain-" + "ab" * 16)).mkdir()
    (trail.directory / "index").mkdir()
    assert grades(trail.directory) == set()


def test_all_processors_may_be_used() -> None:
    assert usable_processes() == len(os.sched_getaffinity(0))
