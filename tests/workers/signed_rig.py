"""A signed trail on real files: workers that write, die and are recovered, and a notary that signs what they promised."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.records import RulingInfo, SessionInfo
from workers.audit_log import AuditLog
from workers.audit_recovery import recover
from workers.audit_trail import ChainFiles, chain_directory, chains, segment_path
from workers.audit_verify import Place, Proof, Trust, prove
from workers.notary import Notary
from workers.notary_keeping import compress
from workers.notary_key import Rotation
from workers.notary_log import Signer

T = 1_700_000_000_000_000_000
SECOND = 10**9
DAY = 86_400 * SECOND


def signer() -> Signer:
    key = Ed25519PrivateKey.generate()
    return Signer(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Trail:
    """An audit directory, its living workers and its key."""

    def __init__(self, directory: Path, host: str = "db1") -> None:
        self.directory, self.host, self.now = directory, host, T
        self.key = signer()
        self.rotations: list[Rotation] = []
        self.logs: list[AuditLog] = []
        directory.mkdir(parents=True, exist_ok=True)

    def worker(self, segment_bytes: int = 2048) -> AuditLog:
        log = AuditLog(
            self.directory, self.host, len(self.logs), segment_bytes=segment_bytes, clock=lambda: self.now
        )
        self.logs.append(log)
        return log

    def write(self, log: AuditLog, count: int = 12, answered: bool = True) -> None:
        who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
        for _ in range(count):
            self.now += SECOND // 4
            asked = log.chain.intent(self.now, who, what)
            log.commit()
            if answered:
                log.chain.outcome(self.now, asked, "ok", 1, 2, None, "SELECT", "", 5)
                log.commit()

    def sign(self, days: int = 0, seconds: int = 61) -> None:
        """A notary that looks at all there is, signs it, deletes what is older than `days`, and ends."""
        self.now += seconds * SECOND
        promises = [each.position() for each in self.logs if not each.closed]
        notary = Notary(
            self.directory,
            self.host,
            self.key,
            self.rotations,
            lambda: [each for each in promises if each is not None],
            lambda *_: None,
            self.now,
        )
        try:
            notary.finish(self.now)
            if days:
                notary.prune(self.now, days)
        finally:
            notary.close()

    def kill(self, log: AuditLog, torn: bytes = b"") -> None:
        """As SIGKILL leaves it, perhaps in the middle of a write."""
        log._release()
        log.closed = True
        if torn:
            file = segment_path(log.path, ChainFiles(log.path).segments()[-1])
            file.chmod(0o640)
            with file.open("ab") as opened:
                opened.write(torn)

    def recover(self) -> None:
        recover(self.directory, self.host, lambda: self.now)

    def compress(self) -> None:
        for chain in chains(self.directory):
            for number in chain.segments()[:-1]:
                compress(chain, number)

    def close(self) -> None:
        for log in self.logs:
            if not log.closed:
                log.close()

    def abandon(self) -> None:
        """Lets go of all files, whatever state they are in."""
        for log in self.logs:
            if not log.closed:
                with contextlib.suppress(OSError):
                    self.kill(log)

    def copy(self, to: Path) -> Path:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.directory, to, copy_function=shutil.copyfile)
        return to


def proven(directory: Path, **trust: Any) -> Proof:
    return prove(directory, Trust(**trust), 1, lambda _: None, lambda _: None)


def grades(directory: Path, **trust: Any) -> set[str]:
    return {each.grade for each in proven(directory, **trust).places}


def tampered(directory: Path, **trust: Any) -> list[Place]:
    return [each for each in proven(directory, **trust).places if each.grade == "tampered"]


def file_of(directory: Path, log: AuditLog, number: int) -> Path:
    return segment_path(chain_directory(directory, log.chain.chain_id), number)
