"""Each way to tamper with a signed trail is named where it was done; what honestly happens to one is never called so."""

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.msgpack import encode
from msgspec.structs import replace

from gateway.audit import records, segment
from gateway.audit.receipt import KeptHead
from gateway.audit.segment import Frame, SegmentReader, encode_header, read_header
from gateway.audit.signed import SignedTrail
from gateway.audit.verify import ChainCheck
from tests.workers.signed_rig import SECOND, Trail, file_of, grades, proven, signer, tampered
from workers.audit_log import AuditLog
from workers.audit_receipts import Prover, read_log
from workers.audit_trail import ChainFiles, chain_directory
from workers.notary_log import log_files

Edit = Callable[[list[Frame]], list[Frame]]


@dataclass
class Signed:
    """A trail whose newest record is signed: a closed chain, one that was killed and recovered, and a living one."""

    trail: Trail
    closed: AuditLog
    killed: AuditLog
    living: AuditLog
    kept: KeptHead  # the tree head of before the last words


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    trail = Trail(tmp_path_factory.mktemp("signed") / "audit")
    closed, killed, living = trail.worker(), trail.worker(), trail.worker()
    for log in (closed, killed, living):
        trail.write(log, 40)
    trail.sign()
    kept = Prover(trail.directory).newest()
    for log in (closed, killed, living):
        trail.write(log, 10)
    trail.write(killed, 2, answered=False)
    closed.close()
    trail.kill(killed, b"half a frame")
    trail.recover()
    trail.sign()
    yield Signed(trail, closed, killed, living, kept)
    trail.abandon()


@pytest.fixture
def copy(signed: Signed, tmp_path: Path) -> Path:
    return signed.trail.copy(tmp_path / "audit")


def frames_of(data: bytes) -> tuple[bytes, list[Frame]]:
    frames = SegmentReader().feed(data)
    return data[: frames[0].offset], frames


def rewritten(data: bytes, edit: Edit) -> bytes:
    """The segment with its frames edited, every checksum made right again and every checkpoint's digest too."""
    header, frames = frames_of(data)
    done = bytearray(header)
    for frame in edit(frames):
        payload = frame.payload
        if frame.kind == records.CHECKPOINT:
            said = records.decode(frame.kind, payload)
            payload = encode(replace(said, digest=digest(done), records=frame.seq - 1))
        elif frame.kind == records.CLOSED:
            payload = encode(records.Closed(digest(done), frame.seq - 1))
        done += segment.frame(frame.kind, frame.seq, frame.time_ns, payload)
    return bytes(done)


def digest(data: bytes | bytearray) -> bytes:
    return hashlib.sha256(data).digest()


def rechain(directory: Path, log: AuditLog, number: int, edit: Edit) -> None:
    """Rewrites one segment, and makes every later one follow from it."""
    path = chain_directory(directory, log.chain.chain_id)
    before = b""
    for each in ChainFiles(path).segments():
        file = file_of(directory, log, each)
        data = file.read_bytes()
        if each == number:
            data = rewritten(data, edit)
        elif each > number:
            found = read_header(data)
            assert isinstance(found, tuple)
            assert not isinstance(found, segment.Damage)
            header, length = found
            header = replace(header, previous=digest(before), previous_length=len(before))
            changed = encode_header(header)
            data = rewritten(changed + data[length:], lambda frames: frames)
        file.write_bytes(data)
        before = data


def test_what_nobody_touched_is_good_and_signed_to_its_end(signed: Signed, copy: Path) -> None:
    for directory, same in ((signed.trail.directory, True), (copy, False)):
        proof = proven(directory, key=signed.trail.key.public, kept=(signed.kept,), named=True)
        said = {each.grade for each in proof.places}
        assert "tampered" not in said, proof.places
        assert said <= ({"note"} if same else {"note", "gap"})  # nobody holds the copy's living chain
        assert sum(each.unsigned for each in proof.checks) == 0
        assert proof.log is not None
        assert proof.log.compared


def test_any_changed_byte_of_a_signed_segment_is_named_in_its_file(signed: Signed, copy: Path) -> None:
    rng = random.Random(7)
    for log in (signed.closed, signed.killed, signed.living):
        numbers = ChainFiles(log.path).segments()
        for number in (numbers[0], numbers[len(numbers) // 2], numbers[-1]):
            file = file_of(copy, log, number)
            data = file.read_bytes()
            for at in rng.sample(range(len(data)), 12):
                file.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
                found = [each for each in proven(copy).places if each.grade in ("tampered", "unreadable")]
                assert any(each.file == file and (each.offset or 0) <= at for each in found), (
                    file,
                    at,
                    found,
                )
            file.write_bytes(data)


def test_every_byte_of_a_small_signed_chain_matters(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit")
    log = trail.worker(700)
    trail.write(log, 12)
    log.close()
    trail.sign()
    signed = SignedTrail()
    read_log(trail.directory, None, lambda each: signed.add(each.time_ns, each.entry))
    files = [file_of(trail.directory, log, each).read_bytes() for each in ChainFiles(log.path).segments()]
    assert len(files) > 1
    headers = [ChainFiles(log.path).header(each + 1) for each in range(len(files))]
    for number, data in enumerate(files):
        for at in range(len(data)):
            check = ChainCheck(log.chain.chain_id, signed.chains[log.chain.chain_id])
            for each, content in enumerate(files):
                if each == number:
                    content = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
                check.segment(each, content, headers[each])
            check.end(False, None)
            named = [one for one in check.findings if one.grade in ("tampered", "unreadable")]
            assert any(one.segment == number and one.offset <= at for one in named), (number, at)


EDITS: dict[str, Edit] = {
    "edit": lambda f: [
        *f[:4],
        f[4]._replace(payload=f[4].payload.replace(b"ok", b"no"), time_ns=f[4].time_ns + 1),
        *f[5:],
    ],
    "drop": lambda f: [*f[:3], *f[4:]],
    "swap": lambda f: [*f[:3], f[4], f[3], *f[5:]],
    "insert": lambda f: [*f[:3], f[2], *f[3:]],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_frames_with_right_checksums_but_changed_are_named(signed: Signed, copy: Path, edit: Edit) -> None:
    for log in (signed.closed, signed.killed, signed.living):
        file = file_of(copy, log, 1)
        before = file.read_bytes()
        file.write_bytes(rewritten(before, edit))
        assert any(each.file == file for each in tampered(copy))
        file.write_bytes(before)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_a_whole_chain_written_anew_from_one_segment_on_is_named_at_that_segment(
    signed: Signed, copy: Path, edit: Edit
) -> None:
    rechain(copy, signed.closed, 1, edit)
    found = tampered(copy)
    assert found[0].file == file_of(copy, signed.closed, 1)
    assert any("not those that were signed" in each.why for each in found)
    signed.trail.copy(copy)
    rechain(copy, signed.closed, 1, lambda frames: frames)
    assert tampered(copy) == [], "written anew, and nothing changed"


def test_a_chain_written_anew_without_its_last_statement_is_consistent_in_itself_and_named_by_its_head(
    signed: Signed, copy: Path
) -> None:
    last = ChainFiles(signed.closed.path).segments()[-1]

    def drop(frames: list[Frame]) -> list[Frame]:
        return [*frames[:-3], frames[-1]._replace(seq=frames[-3].seq)]

    rechain(copy, signed.closed, last, drop)
    (found,) = tampered(copy)
    assert found.file == file_of(copy, signed.closed, last)
    shutil.rmtree(copy / "heads")
    assert tampered(copy) == []


def test_cut_ends_are_named_below_what_was_signed_and_counted_above(signed: Signed, copy: Path) -> None:
    for log in (signed.closed, signed.living):
        last = ChainFiles(log.path).segments()[-1]
        file = file_of(copy, log, last)
        data = file.read_bytes()
        _, frames = frames_of(data)
        for size in (len(data) - 1, frames[-1].offset, frames[-1].offset + 7, frames[0].offset, 5, 0):
            file.write_bytes(data[:size])
            found = tampered(copy)
            assert any(each.file == file and (each.offset or 0) <= size for each in found), (size, found)
        file.write_bytes(data)
    signed.trail.write(signed.living, 1)
    proof = proven(signed.trail.directory)
    assert not proof.tampered
    assert sum(each.unsigned for each in proof.checks) >= 2
    signed.trail.sign()


def test_segments_and_chains_that_are_gone_are_named(signed: Signed, copy: Path) -> None:
    for log in (signed.closed, signed.killed, signed.living):
        numbers = ChainFiles(log.path).segments()
        for number in (0, 1, numbers[-1]):
            file = file_of(copy, log, number)
            data = file.read_bytes()
            file.unlink()
            (named, *_) = tampered(copy)
            assert (named.file, named.why) == (file, f"segment {number} is missing")
            file.write_bytes(data)
        path = chain_directory(copy, log.chain.chain_id)
        shutil.move(path, copy.parent / "away")
        assert file_of(copy, log, 0) in [each.file for each in tampered(copy)]
        shutil.move(copy.parent / "away", path)


def test_any_changed_byte_of_the_log_is_named_and_so_are_its_files_that_are_gone(
    signed: Signed, copy: Path
) -> None:
    files, newest = log_files(copy), Prover(copy).newest()
    assert len(files) > 1
    rng = random.Random(3)
    for file in files:
        data = file.read_bytes()
        for at in rng.sample(range(len(data)), 25):
            file.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
            bad = [each for each in proven(copy, kept=(newest,)).places if each.grade != "note"]
            assert any(copy / "heads" in each.file.parents for each in bad), (file, at, bad)
        file.write_bytes(data)
    first = files[0].read_bytes()
    files[0].unlink()
    assert tampered(copy)[0].file.parent == copy / "heads"
    files[0].write_bytes(first)


def test_a_log_signed_anew_with_another_key_is_named(signed: Signed, copy: Path) -> None:
    shutil.rmtree(copy / "heads")
    assert tampered(copy) == []
    assert tampered(copy, key=signed.trail.key.public, named=True)[0].file == copy / "heads"
    forger = Trail(copy)
    forger.now = signed.trail.now
    forger.sign()
    assert tampered(copy) == []  # a log, and nothing that it could be compared with
    (found,) = tampered(copy, key=signed.trail.key.public)
    assert "not yours" in found.why
    forger.key = signer()
    forger.sign()
    (found,) = tampered(copy)
    assert "without the old one's word" in found.why


def test_an_older_log_in_the_place_of_the_newest_is_told_by_a_tree_head_kept_elsewhere(
    signed: Signed, copy: Path
) -> None:
    newest = Prover(copy).newest()
    log_files(copy)[-1].unlink()
    (found,) = tampered(copy, kept=(newest,))
    assert "the log was cut" in found.why
    assert tampered(copy, kept=(signed.kept,)) == []
    assert sum(each.unsigned for each in proven(copy).checks) > 0


def test_an_old_log_beside_records_that_go_on_for_minutes_is_a_gap(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit")
    log = trail.worker()
    trail.write(log)
    trail.sign()
    trail.now += 600 * SECOND
    trail.write(log)
    (found,) = proven(trail.directory).places
    assert (found.grade, "nothing was signed since" in found.why) == ("gap", True)
    trail.close()


def test_files_of_another_host_are_named(signed: Signed, copy: Path, tmp_path: Path) -> None:
    other = Trail(tmp_path / "other", host="db2")
    log = other.worker()
    other.write(log, 40)
    other.sign()
    log.close()
    target = chain_directory(copy, log.chain.chain_id)
    shutil.copytree(log.path, target)
    (found,) = tampered(copy)
    assert (found.file.parent, "on host db2" in found.why) == (target, True)
    shutil.rmtree(target)
    file = file_of(copy, signed.closed, 1)
    before = file.read_bytes()
    file.write_bytes(file_of(other.directory, log, 1).read_bytes())
    assert "another chain" in next(each.why for each in tampered(copy) if each.file == file)
    file.write_bytes(before)
    for each in log_files(other.directory):
        shutil.copy(each, copy / "heads" / f"{len(log_files(copy)):08d}.log")
    assert "another log" in " ".join(each.why for each in tampered(copy))


def test_a_chain_of_this_host_that_the_log_never_saw_is_named_once_it_should_have(tmp_path: Path) -> None:
    trail, forged = Trail(tmp_path / "audit"), Trail(tmp_path / "forged")
    trail.write(trail.worker())
    for _ in range(12):
        trail.sign()
    fake = forged.worker()
    forged.write(fake)
    fake.close()
    shutil.copytree(fake.path, trail.directory / fake.path.name)
    (found,) = tampered(trail.directory)
    assert found.why == "the signed log does not know this chain"
    trail.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(("write", "ask", "kill", "recover", "close", "sign", "compress", "prune", "start")),
              st.integers(0, 3)),
    max_size=14,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_honest_histories_are_never_called_tampered(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    trail = Trail(tmp_path_factory.mktemp("honest") / "audit")
    trail.worker(1024)
    try:
        for step, which in steps:
            alive = [each for each in trail.logs if not each.closed]
            log = alive[which % len(alive)] if alive else None
            if step == "start":
                trail.worker(1024)
            elif step == "sign":
                trail.sign()
            elif step == "recover":
                trail.recover()
            elif step == "compress":
                trail.compress()
            elif step == "prune":
                trail.now += 30 * 86_400 * SECOND
                trail.sign(days=10)
            elif log is not None and step in ("write", "ask"):
                trail.write(log, 1 + 4 * which, answered=step == "write")
            elif log is not None and step == "close":
                log.close()
            elif log is not None:
                trail.kill(log, segment.frame(records.EVENT, 9999, trail.now, b"x" * 30)[: which * 9])
            assert not tampered(trail.directory), steps
    finally:
        trail.abandon()
    trail.recover()
    trail.sign()
    assert grades(trail.directory) <= {"note"}
