"""The signed log on disk, for its one writer: read back and checked when the notary starts, then appended to.

`<audit dir>/heads/<8 digits>.log`; the directory is locked (flock) as long as the notary lives. Each start begins a
file of its own, so that no file is opened a second time for writing.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.audit import heads, merkle
from gateway.audit.heads import Entry, LogHeader, LogWriter, TreeHead
from gateway.audit.segment import Damage, Frame, beyond, cut

FILE_BYTES: Final = 64 * 1024 * 1024
_WINDOW: Final = 1 << 20
_VERSION: Final = 1


class LogBroken(Exception):
    """What lies in the heads directory is no log that could be continued; the text says where and why."""


class Signer:
    """An Ed25519 key that signs, from its PEM. Raises ValueError, or TypeError where it is another kind of key."""

    def __init__(self, pem: bytes) -> None:
        key = load_pem_private_key(pem, None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("not an Ed25519 key")
        self.sign: Callable[[bytes], bytes] = key.sign
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the raw public key's owner signed the message (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def heads_directory(directory: Path) -> Path:
    """Where the signed log of an audit directory lies."""
    return directory / "heads"


def log_files(directory: Path) -> list[Path]:
    """The log's files of an audit directory, in order."""
    return sorted(heads_directory(directory).glob("[0-9]" * 8 + ".log"))


def log_id(directory: Path) -> bytes:
    """The id of the audit directory's log, empty where it has none yet. Raises LogBroken."""
    for file in log_files(directory)[:1]:
        with file.open("rb") as opened:
            return _header(file, opened.read(_WINDOW))[0].log
    return b""


class HeadsLog:
    """The log of one audit directory, locked. `seen` is called with each entry that is there, in order.

    Raises BlockingIOError where another notary holds it, OSError where it cannot be read, LogBroken.
    """

    def __init__(self, directory: Path, host: str, seen: Callable[[Entry], None]) -> None:
        self._host = host
        self._path = heads_directory(directory)
        self._path.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.log = b""
        self.public = b""  # whose signature the last tree head bears
        self.signed_ns = 0  # when that was
        self._tree = merkle.Tree()
        self._file = -1
        self._number = -1  # of the last file there is
        self._length = 0  # bytes of the open file that are written for good
        self._unwritten = b""  # signed, and not yet on disk
        self._unwritten_first = self._unwritten_ns = 0
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for file in log_files(directory):
                self._read(file, seen)
        except BaseException:
            self.close()
            raise
        self.fresh = not self.log
        self.log = self.log or os.urandom(16)
        self._writer: LogWriter | None = None

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self._tree.size

    def sign_with(self, signer: Signer) -> None:
        """From here on this key signs; the entry that says so is the caller's to append."""
        self.public = signer.public
        self._writer = LogWriter(self.log, self._tree, signer.public, signer.sign)

    def append(self, now_ns: int, entries: list[Entry]) -> bool:
        """Writes the entries and the signature over the log with them. False where that failed: `settle` until it
        succeeds, before anything else is appended.
        """
        assert self._writer is not None
        assert not self._unwritten
        first = self._tree.size
        for entry in entries:
            self._writer.append(now_ns, entry)
        self._unwritten, self._unwritten_first = self._writer.take(now_ns), first
        self._unwritten_ns = now_ns
        return self.settle()

    def settle(self) -> bool:
        """Writes what could not be written; True when there is nothing (more) to write. Never raises."""
        if not self._unwritten:
            return True
        try:
            self._write()
        except OSError:
            self._abandon()
            return False
        self._unwritten = b""
        self.signed_ns = self._unwritten_ns
        return True

    def check_there(self) -> None:
        """Raises LogBroken when the file that is written was taken away: what is signed then would be seen by nobody."""
        if self._file < 0:
            return
        file = self._path / f"{self._number:08d}.log"
        try:
            there = file.stat()
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(there, os.fstat(self._file)):
            raise LogBroken(f"{file}: the file was taken away while it was written")

    def close(self) -> None:
        """Lets go of the log."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _write(self) -> None:
        if self._file >= 0 and self._length >= FILE_BYTES:
            os.close(self._file)
            self._file = -1
        if self._file < 0:
            self._begin()
        data = self._unwritten
        while data:
            data = data[os.write(self._file, data) :]
        os.fdatasync(self._file)
        self._length += len(self._unwritten)

    def _begin(self) -> None:
        number = self._number + 1
        header = LogHeader(_VERSION, self.log, self._host, number, self._unwritten_first, self._unwritten_ns)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path / f"{number:08d}.log", flags, 0o440)
        self._number, self._length = number, 0
        data = heads.encode_header(header)
        self._length = os.write(self._file, data)
        if self._length < len(data):
            raise OSError("the header was written in part")
        os.fsync(self._lock)  # its name too

    def _abandon(self) -> None:
        """A file that a write failed on ends where it was good: what is signed goes, whole, into the next one."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._length)
            os.close(self._file)
            self._file = -1

    def _read(self, file: Path, seen: Callable[[Entry], None]) -> None:
        number = int(file.name[:8])
        with file.open("rb") as opened:
            data = opened.read(_WINDOW)
            if heads.read_header(data) is None:
                self._number = number  # its writer was killed before it had said anything
                return
            header, at = _header(file, data)
            if header.number != number or (self.log and header.log != self.log):
                raise LogBroken(f"{file}: the file belongs to another log or place")
            if header.first != self._tree.size:
                raise LogBroken(
                    f"{file}: it begins at entry {header.first}, and {self._tree.size} are before it"
                )
            self.log, self._number = header.log, number
            last = self._replay(file, _frames(file, opened.read, data[at:]), seen)
        if last is not None:
            if not heads.is_signed(self.log, last, verify):
                raise LogBroken(f"{file}: the signature of its last tree head is wrong")
            self.public, self.signed_ns = last.key, last.time_ns

    def _replay(self, file: Path, frames: Iterator[Frame], seen: Callable[[Entry], None]) -> TreeHead | None:
        last: TreeHead | None = None
        waiting: list[tuple[bytes, Entry]] = []  # entries count from the tree head behind them on
        for frame in frames:
            try:
                said = heads.decode(frame)
            except ValueError as fault:
                raise LogBroken(f"{file}: an entry cannot be read: {fault}") from fault
            if not isinstance(said, TreeHead):
                waiting.append((merkle.leaf(heads.entry_bytes(frame)), said))
                continue
            for hashed, entry in waiting:
                self._tree.add(hashed)
                seen(entry)
            waiting.clear()
            if said.size != self._tree.size or said.root != self._tree.root():
                raise LogBroken(
                    f"{file}: the entries before tree head {said.size} are not those that were signed"
                )
            last = said
        return last


def _frames(file: Path, read: Callable[[int], bytes], data: bytes) -> Iterator[Frame]:
    """The whole frames up to a torn end. What could not be read before a whole tree head is no torn end."""
    while True:
        frames, used, damage = cut(data, 0, 0)
        yield from frames
        more = read(_WINDOW)
        data = data[used:] + more
        if damage or not more:
            break
    later = beyond(data[:_WINDOW], 1, -1)
    while later is not None:
        if later.kind == heads.TREE_HEAD:
            raise LogBroken(f"{file}: what stands before tree head {later.seq} cannot be read")
        later = beyond(data[:_WINDOW], later.end, -1)


def _header(file: Path, data: bytes) -> tuple[LogHeader, int]:
    found = heads.read_header(data)
    if found is None or isinstance(found, Damage):
        raise LogBroken(f"{file}: {found.why if found else 'the header is incomplete'}")
    return found
