"""An audit directory with real workers' chains in it, and notaries over it one after the other."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.audit import heads, merkle
from gateway.audit.chain import Position
from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.heads import Entry, Head, TreeHead
from gateway.audit.heads_check import LogCheck, Problem
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.segment import SegmentReader, cut
from workers.audit_log import AuditLog
from workers.audit_trail import chain_directory, segment_content
from workers.notary import Notary
from workers.notary_key import Rotation
from workers.notary_log import Signer, log_files, verify

T = 1_700_000_000_000_000_000
SECOND = 10**9
DAY = 86_400 * SECOND


def signer() -> Signer:
    key = Ed25519PrivateKey.generate()
    return Signer(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Rig:
    """An audit directory with workers in it, and notaries over it one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = T
        self.logs: list[AuditLog] = []
        self.told: list[tuple[str, Any]] = []
        self.promises: list[Position] = []
        self.key = signer()
        self.rotations: list[Rotation] = []
        self.notary: Notary | None = None
        self.wrong: list[str] = []  # what is expected to be wrong with the log in the end

    def worker(self, slot: int = 0, segment_bytes: int = 1 << 26) -> AuditLog:
        log = AuditLog(self.directory, "db1", slot, segment_bytes=segment_bytes, clock=lambda: self.now)
        self.logs.append(log)
        return log

    def write(self, log: AuditLog, count: int = 50) -> None:
        who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
        for _ in range(count):
            self.now += 1_000_000
            asked = log.chain.intent(self.now, who, what)
            log.commit()
            log.chain.outcome(self.now, asked, "ok", 1, 2, None, "SELECT", "", 5)
            log.commit()

    def post(self) -> None:
        """What the workers' housekeeping does."""
        found = {each.chain: each for each in self.promises}
        for log in self.logs:
            position = log.position()
            if position is not None:
                found[position.chain] = position
        self.promises = list(found.values())

    def start(self) -> Notary:
        self.notary = Notary(
            self.directory,
            "db1",
            self.key,
            self.rotations,
            lambda: self.promises,
            lambda what, data: self.told.append((what, data)),
            self.now,
        )
        return self.notary

    def turn(self, seconds: int = 1) -> list[Entry]:
        """A turn after some time; the entries it added."""
        before = len(self.entries())
        self.now += seconds * SECOND
        notary = self.notary or self.start()
        while notary.turn(self.now):
            pass
        return self.entries()[before:]

    def stop(self) -> None:
        if self.notary is not None:
            self.notary.close()
            self.notary = None

    def end(self) -> None:
        """Leaves nothing open, and a log that proves."""
        self.stop()
        if log_files(self.directory):
            found = problems(self.directory)
            assert [each.why for each in found if each.grade != "note"] == self.wrong
        for log in self.logs:
            if not log.closed:
                kill(log)

    def entries(self) -> list[Entry]:
        """What the log holds, every signature over it checked."""
        return read_log(self.directory)


def problems(directory: Path, trusted: bytes | None = None) -> list[Problem]:
    """What whoever proves the log finds wrong with it."""
    check = LogCheck(verify, trusted)
    for file in log_files(directory):
        check.begin(int(file.name[:8]))
        check.feed(file.read_bytes())
        check.end()
    check.finish()
    return check.problems


def read_log(directory: Path) -> list[Entry]:
    """The entries under signatures, read without the notary's own reader."""
    tree = merkle.Tree()
    entries: list[Entry] = []
    for file in log_files(directory):
        data = file.read_bytes()
        frames, _, _ = cut(data, 16 + int.from_bytes(data[12:16], "little"), 0)
        waiting: list[tuple[bytes, Entry]] = []
        for frame in frames:
            said = heads.decode(frame)
            if isinstance(said, TreeHead):
                for hashed, entry in waiting:
                    tree.add(hashed)
                    entries.append(entry)
                waiting.clear()
                assert (said.size, said.root) == (tree.size, tree.root())
            else:
                assert frame.seq == tree.size + len(waiting)
                waiting.append((merkle.leaf(heads.entry_bytes(frame)), said))
    return entries


def kill(log: AuditLog) -> None:
    """As SIGKILL leaves it: the descriptors are closed, nothing is written."""
    log._release()
    log.closed = True


def of(kind: type[Any], entries: list[Entry]) -> list[Any]:
    return [each for each in entries if isinstance(each, kind)]


def check_head(directory: Path, head: Head) -> None:
    """A head against the file, by other means than the notary's."""
    data = segment_content(chain_directory(directory, head.chain), head.segment)[: head.length]
    assert hashlib.sha256(data).digest() == head.digest
    reader = SegmentReader()
    frames = reader.feed(data)
    assert reader.offset == head.length
    assert len(frames) == head.frames
    parts = [data[: frames[0].offset] if frames else data, *(data[each.offset : each.end] for each in frames)]
    assert merkle.root([merkle.leaf(each) for each in parts]) == head.root
    if frames:
        assert frames[-1].seq == head.seq


def rewrite(file: Path, change: Callable[[bytes], bytes]) -> None:
    file.chmod(0o640)
    file.write_bytes(change(file.read_bytes()))
