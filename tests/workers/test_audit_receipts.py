"""Receipts of real files that a real notary signed: for sealed and for growing segments, after a rotation of segments."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.audit import heads, receipt
from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.segment import cut, frame
from workers.audit_group import audit
from workers.audit_log import AuditLog
from workers.audit_receipts import NoProof, Prover, public_key
from workers.audit_trail import read_all
from workers.notary import Notary
from workers.notary_log import Signer, verify

T, MINUTE = 1_700_000_000_000_000_000, 60 * 10**9


class Host:
    """An audit directory with one worker and a notary."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey | None = None, copied: Path | None = None) -> None:
        self.directory, self.now = folder / "audit", T
        if copied is not None:
            shutil.copytree(copied, self.directory)
        self.key = key or Ed25519PrivateKey.generate()
        self.pub = folder / "audit.pub"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.pub.write_bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.log = AuditLog(self.directory, "db1", 0, segment_bytes=8192, clock=lambda: self.now)
        self.resume()

    def resume(self) -> None:
        signer = Signer(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        promises = lambda: [each for each in (self.log.position(),) if each is not None]  # noqa: E731
        self.notary = Notary(self.directory, "db1", signer, [], promises, lambda what, data: None, T)

    def work(self, statements: int) -> None:
        who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
        for _ in range(statements):
            self.now += 10**6
            asked = self.log.chain.intent(self.now, who, what)
            self.log.chain.outcome(self.now, asked, "ok", 1, 2, None, "SELECT", "", 5)
            self.log.commit()

    def sign(self) -> None:
        self.now += MINUTE
        while self.notary.turn(self.now):
            pass

    def ids(self) -> list[str]:
        return [each.id for each in read_all(self.directory)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_records_of_sealed_and_growing_segments_are_proven(host: Host) -> None:
    host.work(300)
    host.sign()
    ids = host.ids()
    prover, trusted = Prover(host.directory), public_key(host.pub)
    stated = set()
    for record in (ids[0], ids[1], ids[len(ids) // 2], ids[-2], ids[-1]):
        document = receipt.read(receipt.encode(prover.record(record)))
        proven = receipt.check(document, verify, trusted)
        assert proven.record["id"] == record
        assert proven.record["user"] == "alice"
        assert len(receipt.encode(document)) < 16_000
        stated.add(proven.by)
    assert stated == {"seal", "checkpoint"}
    host.notary.close()


def test_record_that_nothing_signed_covers_yet_is_told_so(host: Host) -> None:
    host.work(3)
    host.sign()
    host.work(1)
    with pytest.raises(NoProof, match="try again in a minute"):
        Prover(host.directory).record(host.ids()[-1])
    for unknown in ("db1-0.00000000-1", "nonsense", host.ids()[-1] + "9999"):
        with pytest.raises(NoProof):
            Prover(host.directory).record(unknown)
    host.notary.close()


def test_edited_segment_gives_no_receipt(host: Host) -> None:
    host.work(300)
    host.sign()
    record = host.ids()[0]
    segment = min(host.directory.glob("chain-*/00000000.seg"))
    segment.chmod(0o600)
    segment.write_bytes(segment.read_bytes().replace(b"alice", b"mice!"))
    with pytest.raises(NoProof, match="audit verify"):
        Prover(host.directory).record(record)
    host.notary.close()


def test_seal_is_preferred_to_checkpoints(host: Host) -> None:
    host.work(20)
    host.sign()
    record = host.ids()[0]
    assert receipt.check(Prover(host.directory).record(record), verify).by == "checkpoint"
    host.log.close()
    host.sign()
    host.sign()
    assert receipt.check(Prover(host.directory).record(record), verify).by == "seal"
    host.notary.close()


def test_numbers_that_are_no_records_give_no_receipt(host: Host) -> None:
    host.work(3)
    host.sign()
    first = host.ids()[0]
    label = first.rpartition("-")[0]
    for number in (0, 1, 2):  # none, and the two definitions
        with pytest.raises(NoProof, match=r"no record is|is no record"):
            Prover(host.directory).record(f"{label}-{number}")
    host.notary.close()


def test_log_whose_newest_signature_was_changed_gives_no_proof(host: Host) -> None:
    host.work(3)
    host.sign()
    prover = Prover(host.directory)
    older, record = prover.newest(), host.ids()[0]
    host.notary.close()
    (file,) = host.directory.glob("heads/*.log")
    data = file.read_bytes()
    header = heads.read_header(data)
    assert isinstance(header, tuple)
    frames, _, _ = cut(data, header[1], 0)
    said = heads.decode(frames[-1])
    payload = msgspec.msgpack.encode(msgspec.structs.replace(said, signature=bytes(64)))
    last = frame(heads.TREE_HEAD, frames[-1].seq, frames[-1].time_ns, payload)
    file.chmod(0o600)
    file.write_bytes(data[: frames[-1].offset] + last)
    for proof in (prover.newest, lambda: prover.record(record), lambda: prover.extension(older)):
        with pytest.raises(NoProof, match="signature"):
            proof()


def sluice(*arguments: str) -> Result:
    return CliRunner().invoke(audit, [*arguments])


def test_verbs_write_proofs_that_are_checked_without_the_trail(host: Host, tmp_path: Path) -> None:
    host.work(50)
    host.sign()
    directory, pub = ("--dir", str(host.directory)), ("--pub", str(host.pub))
    kept, proof, extension = (str(tmp_path / name) for name in ("head.json", "proof.json", "extension.json"))
    assert sluice(*directory, "head", "--out", kept).exit_code == 0
    host.work(50)
    host.sign()
    record = host.ids()[5]
    assert sluice(*directory, "receipt", record, "--out", proof).exit_code == 0
    assert sluice(*directory, "extends", kept, "--out", extension).exit_code == 0
    line = sluice(*directory, "head", "--json").output
    assert line.count("\n") == 1
    assert json.loads(line)["kind"] == "tree-head"
    host.notary.close()
    shutil.rmtree(host.directory)
    for file, word in ((kept, "signed"), (proof, record), (extension, "begins with")):
        checked = sluice("check-receipt", file, *pub)
        assert checked.exit_code == 0, checked.output
        assert word in checked.output
        assert "(yours)" in checked.output
    every = sluice("check-receipt", kept, proof, extension, "--json")
    said = [json.loads(each) for each in every.output.splitlines()]
    assert [(each["result"], each["key_compared"]) for each in said] == [("proven", False)] * 3
    Path(proof).write_text(Path(proof).read_text().replace("alice", "mice!"))
    broken = sluice("check-receipt", proof, kept, *pub)
    assert broken.exit_code == 1
    assert "NOT proven: the record that is shown" in broken.output


def test_two_logs_under_one_name_are_told(host: Host, tmp_path: Path) -> None:
    """The log is copied, and the two copies go on apart: each is good in itself."""
    host.work(5)
    host.sign()
    before = Prover(host.directory).newest()
    host.notary.close()
    twin = Host(tmp_path / "twin", host.key, host.directory)
    host.resume()
    files = []
    for each, statements in ((host, 5), (twin, 6)):
        each.work(statements)
        each.sign()
        each.notary.close()
        files.append(tmp_path / f"{statements}.json")
        files[-1].write_bytes(receipt.encode(Prover(each.directory).newest()))
        assert receipt.check(Prover(each.directory).extension(before), verify).older == before
    told = sluice("check-receipt", *map(str, files), "--pub", str(host.pub))
    assert told.exit_code == 1
    assert "SPLIT VIEW" in told.output
    refused = sluice("--dir", str(twin.directory), "extends", str(files[0]))
    assert refused.exit_code == 1
    assert "rewritten" in refused.output


def test_receipt_is_checked_anywhere(host: Host, tmp_path: Path) -> None:
    host.work(5)
    host.sign()
    file = tmp_path / "proof.json"
    file.write_bytes(receipt.encode(Prover(host.directory).record(host.ids()[-1])))
    host.notary.close()
    anywhere = tmp_path / "anywhere"
    anywhere.mkdir()
    command = [sys.executable, "-m", "workers.cli", "audit", "check-receipt", str(file), "--pub", str(host.pub)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=anywhere, env=environment)
    assert told.returncode == 0, told.stderr
    assert "alice" in told.stdout
