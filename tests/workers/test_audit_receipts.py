"""Receipts of real files that a real notary signed: for sealed and for growing segments, after a rotation of segments."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.audit import receipt
from gateway.audit.records import RulingCard, RulingInfo, SessionCard, SessionInfo
from workers.audit_log import AuditLog
from workers.audit_receipts import NoProof, Prover, public_key
from workers.audit_trail import read_all
from workers.notary import Notary
from workers.notary_log import Signer, verify

T, MINUTE = 1_700_000_000_000_000_000, 60 * 10**9


class Host:
    """An audit directory with one worker and a notary."""

    def __init__(self, folder: Path) -> None:
        self.directory, self.now = folder / "audit", T
        key = Ed25519PrivateKey.generate()
        self.pub = folder / "audit.pub"
        self.pub.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        signer = Signer(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.log = AuditLog(self.directory, "db1", 0, segment_bytes=8192, clock=lambda: self.now)
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


def sluice(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.cli", "audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_verbs_write_proofs_that_are_checked_without_the_trail(host: Host, tmp_path: Path) -> None:
    host.work(50)
    host.sign()
    directory, pub = ("--dir", str(host.directory)), ("--pub", str(host.pub))
    kept, proof, extension = (str(tmp_path / name) for name in ("head.json", "proof.json", "extension.json"))
    assert sluice(*directory, "head", "--out", kept).returncode == 0
    host.work(50)
    host.sign()
    record = host.ids()[5]
    assert sluice(*directory, "receipt", record, "--out", proof).returncode == 0
    assert sluice(*directory, "extends", kept, "--out", extension).returncode == 0
    host.notary.close()
    for file, word in ((kept, "signed"), (proof, record), (extension, "begins with")):
        checked = sluice("check-receipt", file, *pub)
        assert checked.returncode == 0, checked.stderr
        assert word in checked.stdout
        assert "(yours)" in checked.stdout
    Path(proof).write_text(Path(proof).read_text().replace("alice", "mice!"))
    broken = sluice("check-receipt", proof, *pub)
    assert broken.returncode == 1
    assert "NOT proven" in broken.stderr
