"""The notary over real chains on real files: what it seals and signs, what it finds, and how it starts again."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit import heads, merkle
from gateway.audit.heads import Alarm, Checkpoint, Key, Pruned, Seal
from gateway.audit.segment import SegmentReader
from tests.workers.notary_rig import DAY, Rig, T, check_head, kill, of, rewrite, signer
from workers import notary, notary_chain
from workers.audit_log import AuditLog
from workers.audit_recovery import recover
from workers.audit_trail import ChainFiles, chain_directory, chains, segment_path
from workers.notary_chain import VOID_TURNS
from workers.notary_key import Rotation
from workers.notary_log import HeadsLog, LogBroken, Signer, log_files


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "audit")
    yield made
    made.end()


def test_log_begins_with_the_key_and_a_checkpoint(rig: Rig) -> None:
    rig.directory.mkdir()
    entries = rig.turn()
    assert entries == [Key(rig.key.public), Checkpoint(merkle.EMPTY, ())]


def test_checkpoint_states_what_was_promised_and_no_more(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    promised = log.position()
    rig.write(log)  # written, and not yet promised to the notary
    (checkpoint,) = of(Checkpoint, rig.turn())
    (head,) = checkpoint.heads
    assert promised is not None
    assert (head.chain, head.length, head.digest) == (promised.chain, promised.length, promised.digest)
    assert head.seq == promised.seq
    assert checkpoint.root == heads.heads_root(checkpoint.heads)
    check_head(rig.directory, head)


def test_each_minute_has_a_checkpoint_also_when_nothing_happened(rig: Rig) -> None:
    rig.directory.mkdir()
    rig.turn()
    assert rig.turn(30) == []
    assert rig.turn(31) == [Checkpoint(merkle.EMPTY, ())]


def test_checkpoint_holds_only_chains_that_were_written(rig: Rig) -> None:
    first, second = rig.worker(0), rig.worker(1)
    rig.write(first)
    rig.write(second)
    rig.post()
    (checkpoint,) = of(Checkpoint, rig.turn())
    assert len(checkpoint.heads) == 2
    rig.write(second)
    rig.post()
    (checkpoint,) = of(Checkpoint, rig.turn(61))
    (head,) = checkpoint.heads
    assert head.chain == second.chain.chain_id


def test_segments_are_sealed_as_they_end_and_a_chain_as_it_closes(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    for _ in range(6):
        rig.write(log)
        rig.post()
        rig.turn()
    log.close()
    rig.post()
    rig.turn()
    seals = of(Seal, rig.entries())
    numbers = ChainFiles(chain_directory(rig.directory, log.chain.chain_id)).segments()
    assert [each.head.segment for each in seals] == numbers
    assert [each.head.closed for each in seals] == [False] * (len(numbers) - 1) + [True]
    for seal in seals:
        check_head(rig.directory, seal.head)
        assert T < seal.first_ns <= seal.last_ns <= rig.now
    for before, after in itertools.pairwise(seals):
        assert after.first_seq == before.head.seq + 1
    assert rig.turn() == []


def test_chain_that_was_killed_is_sealed_once_it_is_recovered(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.turn()
    kill(log)
    file = segment_path(log.path, 0)
    file.chmod(0o640)
    with file.open("ab") as torn:
        torn.write(b"half a frame")
    assert rig.turn() == []
    recover(rig.directory, "db1", lambda: rig.now)
    rig.turn()
    rig.turn()
    seals = {each.head.chain: each.head for each in of(Seal, rig.entries())}
    assert len(seals) == 2
    assert all(each.closed for each in seals.values())
    assert seals[log.chain.chain_id].length == file.stat().st_size - len(b"half a frame")
    assert rig.told == []


def test_recovery_that_was_itself_killed_is_sealed_as_it_is(rig: Rig) -> None:
    log = AuditLog(rig.directory, "db1", -1, clock=lambda: rig.now)
    log.chain.event(rig.now, "system", {"what": "begun"})
    log.commit()
    assert of(Seal, rig.turn()) == []
    kill(log)
    seals = [of(Seal, rig.turn()) for _ in range(VOID_TURNS)]
    assert [len(each) for each in seals] == [0] * (VOID_TURNS - 1) + [1]
    assert seals[-1][0].head.closed
    check_head(rig.directory, seals[-1][0].head)


def test_recovery_that_its_writer_takes_away_is_no_alarm(rig: Rig) -> None:
    log = AuditLog(rig.directory, "db1", -1, clock=lambda: rig.now)
    log.chain.event(rig.now, "system", {"what": "begun"})
    log.commit()
    rig.turn(61)
    kill(log)
    rig.turn(61)
    for file in log.path.iterdir():
        file.unlink()
    log.path.rmdir()
    assert of(Alarm, rig.turn(61)) == []


def test_killed_worker_of_which_not_even_the_next_header_was_written(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    kill(log)
    segment_path(log.path, 1).write_bytes(b"SLUIC")
    recover(rig.directory, "db1", lambda: rig.now)
    rig.turn()
    rig.turn()
    seals = [each.head for each in of(Seal, rig.entries()) if each.head.chain == log.chain.chain_id]
    assert [(each.segment, each.closed) for each in seals] == [(0, False), (1, True)]
    assert seals[1].length == 0
    rig.stop()
    assert of(Alarm, rig.turn()) == []


@pytest.mark.parametrize("offset", [30, 200, -40])
def test_changed_byte_is_an_alarm_and_the_chain_is_signed_no_further(rig: Rig, offset: int) -> None:
    log, other = rig.worker(0), rig.worker(1)
    rig.write(log)
    rig.write(other)
    file = segment_path(log.path, 0)
    file.chmod(0o640)
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)
    rig.post()
    entries = rig.turn()
    (alarm,) = of(Alarm, entries)
    assert alarm.chain == log.chain.chain_id
    assert alarm.segment == 0
    assert [each for each, _ in rig.told] == ["alarm"]
    assert rig.notary is not None
    assert rig.notary.alarms == 1
    (checkpoint,) = of(Checkpoint, entries)
    assert [each.chain for each in checkpoint.heads] == [other.chain.chain_id]
    rig.stop()  # also the next notary knows
    rig.write(log)
    rig.write(other)
    rig.post()
    (checkpoint,) = of(Checkpoint, rig.turn(61))
    assert [each.chain for each in checkpoint.heads] == [other.chain.chain_id]


def test_alarm_names_the_first_byte_that_may_be_wrong(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.turn()
    good = log.chain.length
    rig.write(log, 3)
    file = segment_path(log.path, 0)
    file.chmod(0o640)
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    rig.post()
    (alarm,) = of(Alarm, rig.turn())
    assert good <= alarm.offset < len(data)


def test_cut_tail_of_a_live_chain_is_an_alarm(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rewrite(segment_path(log.path, 0), lambda data: data[:-100])
    (alarm,) = of(Alarm, rig.turn())
    assert "missing" in alarm.why


def test_tail_that_was_cut_after_the_worker_died_is_an_alarm(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.start()
    kill(log)
    reader = SegmentReader()
    frames = reader.feed(segment_path(log.path, 0).read_bytes())
    rewrite(segment_path(log.path, 0), lambda data: data[: frames[-3].end])
    recover(rig.directory, "db1", lambda: rig.now)
    rig.turn()
    (alarm,) = of(Alarm, rig.turn() + of(Alarm, rig.entries()))[:1]
    assert alarm.chain == log.chain.chain_id
    assert alarm.offset == frames[-3].end


def test_tail_that_was_cut_while_no_notary_ran_is_an_alarm(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.turn()
    rig.stop()
    kill(log)
    rig.promises.clear()
    reader = SegmentReader()
    frames = reader.feed(segment_path(log.path, 0).read_bytes())
    rewrite(segment_path(log.path, 0), lambda data: data[: frames[-3].end])
    recover(rig.directory, "db1", lambda: rig.now)
    rig.turn()
    rig.turn()
    (alarm,) = of(Alarm, rig.entries())
    assert alarm.chain == log.chain.chain_id


def test_rewritten_chain_is_an_alarm_though_all_its_own_digests_hold(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.turn()
    chain_id = log.chain.chain_id
    log.close()
    rig.stop()
    for file in log.path.iterdir():
        file.unlink()
    log.path.rmdir()
    forged = AuditLog(rig.directory, "db1", 0, clock=lambda: rig.now, chain_id=chain_id)
    rig.write(forged, 20)
    forged.close()
    rig.turn()
    (alarm,) = of(Alarm, rig.entries())
    assert alarm.chain == chain_id


def test_chain_that_vanishes_is_an_alarm_once(rig: Rig) -> None:
    log = rig.worker()
    rig.write(log)
    rig.post()
    rig.turn()
    log.close()
    rig.promises.clear()
    for file in log.path.iterdir():
        file.unlink()
    log.path.rmdir()
    assert [each.why for each in of(Alarm, rig.turn())] == ["the chain is gone"]
    rig.post()  # its writer goes on as if nothing were
    assert of(Alarm, rig.turn()) == []
    rig.promises.clear()
    assert of(Alarm, rig.turn()) == []
    rig.stop()
    assert of(Alarm, rig.turn(61)) == []


def test_sealed_segment_that_vanishes_is_an_alarm(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    for _ in range(4):
        rig.write(log)
        rig.post()
        rig.turn()
    segment_path(log.path, 1).unlink()
    (alarm,) = of(Alarm, rig.turn(61))
    assert (alarm.chain, alarm.segment) == (log.chain.chain_id, 1)


def test_segment_that_is_missing_before_it_was_read_is_an_alarm(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    rig.write(log, 240)
    rig.post()
    segment_path(log.path, 1).unlink()
    (alarm,) = of(Alarm, rig.turn())
    assert (alarm.segment, alarm.why) == (1, "the segment is missing")


def test_restarted_notary_goes_on_where_the_last_one_was(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    for _ in range(5):
        rig.write(log)
        rig.post()
        rig.turn(61)
        rig.stop()
    log.close()
    rig.post()
    rig.turn(61)
    entries = rig.entries()
    assert len(of(Key, entries)) == 1
    assert len(log_files(rig.directory)) == 6
    seals = of(Seal, entries)
    assert [each.head.segment for each in seals] == ChainFiles(log.path).segments()
    for seal in seals:
        check_head(rig.directory, seal.head)
    assert of(Alarm, entries) == []
    assert rig.told == []


def test_entries_without_a_signature_behind_them_are_said_again(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    rig.write(log, 120)
    rig.post()
    rig.turn()
    rig.stop()
    (file,) = log_files(rig.directory)
    data = file.read_bytes()
    for cut in range(len(data) - 60, len(data), 5):  # the notary was killed within its last append
        rewrite(file, lambda _, n=cut: data[:n])  # type: ignore[misc]
        rig.turn()
        assert of(Alarm, rig.entries()) == []
        assert {each.head.segment for each in of(Seal, rig.entries())} >= {0, 1}
        rig.stop()
        for other in log_files(rig.directory)[1:]:
            other.unlink()
    rewrite(file, lambda _: data)


def test_log_that_was_changed_is_not_continued(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    rig.write(log, 120)
    rig.post()
    rig.turn()
    rig.stop()
    rig.turn(61)
    rig.stop()
    first, _ = log_files(rig.directory)
    data = first.read_bytes()
    for at in range(0, len(data), 3):
        changed = bytearray(data)
        changed[at] ^= 1
        rewrite(first, lambda _, new=bytes(changed): new)  # type: ignore[misc]
        with pytest.raises(LogBroken):
            rig.start()
    rewrite(first, lambda _: data)


def test_two_notaries_do_not_write_one_log(rig: Rig) -> None:
    rig.directory.mkdir()
    rig.start()
    with pytest.raises(BlockingIOError):
        HeadsLog(rig.directory, "db1", lambda entry: None)


def test_old_segments_are_said_to_be_pruned_and_then_go(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    for _ in range(4):
        rig.write(log)
        rig.post()
        rig.turn()
    sealed = len(of(Seal, rig.entries()))
    assert sealed >= 2
    notary = rig.notary
    assert notary is not None
    rig.now += 10 * DAY
    notary.prune(rig.now, 0)
    notary.prune(rig.now, 11)
    assert of(Pruned, rig.entries()) == []
    notary.prune(rig.now, 9)
    (pruned,) = of(Pruned, rig.entries())
    assert (pruned.first, pruned.last, pruned.retention_days) == (0, sealed - 1, 9)
    assert ChainFiles(log.path).segments()[0] == sealed
    header = ChainFiles(log.path).first()
    assert header is not None
    assert (pruned.digest, pruned.length) == (header.previous, header.previous_length)
    rig.stop()
    rig.write(log)
    log.close()
    rig.post()
    assert of(Alarm, rig.turn()) == []
    rig.now += 30 * DAY
    assert rig.notary is not None
    rig.notary.prune(rig.now, 9)
    assert chains(rig.directory) == []
    assert of(Alarm, rig.turn(61)) == []
    rig.stop()
    assert of(Alarm, rig.turn(61)) == []


def test_files_that_a_killed_notary_left_after_its_word_go_at_the_next_start(
    rig: Rig, monkeypatch: Any
) -> None:
    log = rig.worker(segment_bytes=4096)
    rig.write(log, 120)
    log.close()
    rig.post()
    rig.turn()
    assert rig.notary is not None
    rig.now += 10 * DAY
    monkeypatch.setattr("workers.notary_keeping.remove_pruned", lambda watched: None)
    rig.notary.prune(rig.now, 1)
    rig.stop()
    monkeypatch.undo()
    assert chains(rig.directory)
    assert of(Alarm, rig.turn()) == []
    assert rig.notary is not None
    rig.notary.prune(rig.now, 1)
    assert chains(rig.directory) == []
    assert of(Pruned, rig.entries())[1:] == []


def test_key_hands_over_to_the_next_with_its_word(rig: Rig) -> None:
    rig.directory.mkdir()
    rig.turn()
    assert rig.notary is not None
    old, new = Ed25519PrivateKey.generate(), signer()
    rig.key = Signer(old.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    rig.stop()
    rig.turn()  # nobody vouched
    rig.wrong = ["the key was replaced without the old one's word"]
    assert [each for each, _ in rig.told] == ["key replaced"]
    assert rig.notary is not None
    log = rig.notary.log.log
    rig.rotations = [Rotation(new.public, old.sign(heads.endorsement(log, new.public)))]
    rig.notary.sign_with(new, rig.rotations)
    rig.turn()
    keys = of(Key, rig.entries())
    assert [bool(each.endorsed) for each in keys] == [False, False, True]
    assert [each for each, _ in rig.told] == ["key replaced", "key rotated"]
    rig.key = new
    rig.stop()
    rig.turn()
    assert len(of(Key, rig.entries())) == 3


def test_last_turn_signs_everything(rig: Rig) -> None:
    log = rig.worker(segment_bytes=4096)
    rig.write(log, 120)
    notary = rig.start()
    log.close()
    rig.post()
    notary.finish(rig.now)
    entries = rig.entries()
    assert of(Seal, entries)[-1].head.closed
    assert isinstance(entries[-1], Checkpoint)
    assert entries[-1].heads[-1].closed


def test_more_than_one_turn_reads_is_read_in_the_turns_that_follow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notary, "BUDGET", 1000)  # ends within a record
    monkeypatch.setattr(notary_chain, "WINDOW", 1000)
    log = rig.worker()
    rig.write(log, 400)
    rig.post()
    rig.turn()
    entry = of(Checkpoint, rig.turn(60))[-1]
    (head,) = entry.heads
    assert head.frames > 800
    check_head(rig.directory, head)
