"""A worker's audit on disk: one chain of append-only segment files, and what is done when they cannot be
written.

A directory a chain, `chain-<32 hex>/<8 digits>.seg`, locked (flock) as long as its worker lives. Files have
their name from birth, are never truncated, renamed or written twice, and are read by others without any lock.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.audit.chain import Chain, Position
from gateway.audit.query import Joiner
from gateway.audit.records import Open, Recovered, RulingCard, SessionCard
from gateway.audit.segment import SegmentReader
from gateway.errors import Refused, State, Unavailable
from workers.audit_trail import CHUNK, ChainFiles, chain_directory, chains, segment_content, segment_path

ROTATE_NS = 3600 * 1_000_000_000
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HINT = "The statement was not run and nothing is wrong with it: send it again when the audit can be written."


def boot_id() -> str:
    """The kernel's name for this boot, empty where there is none (proc_sys_kernel(5), random/boot_id)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def clean_host(host: str) -> str:
    """The host as it stands in record ids: letters, digits, dots, dashes and underscores."""
    kept = (each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in host)
    return "".join(kept)[:64] or "host"


class AuditLog:
    """Appends a worker's records. Made after the fork, in the worker itself, and used from one thread.

    Records go through `.chain` (intent, outcome, event); `commit()` writes what has gathered in one append.
    `clock` gives wall nanoseconds. Raises Unavailable at once where the directory cannot be used.
    """

    def __init__(
        self,
        directory: Path | str,
        host: str,
        worker: int,
        durability: Literal["process", "power"] = "process",
        segment_bytes: int = 64 * 1024 * 1024,
        on_failure: Literal["refuse", "continue"] = "refuse",
        clock: Callable[[], int] = time.time_ns,
        chain_id: bytes | None = None,
    ) -> None:
        self._clock, self._segment_bytes = clock, segment_bytes
        self._power, self._continue = durability == "power", on_failure == "continue"
        self.unrecorded = 0  # statements run without a record, since the start
        self.failures = 0  # failed commits since the start
        self.failing = False
        self.closed = False
        now = clock()
        self.chain = Chain(
            clean_host(host),
            worker,
            chain_id or os.urandom(16),
            boot=boot_id(),
            mode=durability,
            now_ns=now,
        )
        self.path = chain_directory(Path(directory), self.chain.chain_id)
        self._file = -1
        self._file_segment = -1
        self._header = b""  # what of the segment's header is not yet in the file
        self._named = False  # whether the directory with the segment's name was synced
        self._spoilt = (
            False  # an fsync is under way or failed; fsync(2): the kernel then calls the pages clean
        )
        self._lock = -1
        try:
            self._lock = _make_chain_directory(self.path)
            self._prepare()
        except OSError as fault:
            self._release()
            raise _unavailable(fault) from fault

    def commit(self) -> None:
        """Writes all that `.chain` holds, in one append; with durability `power` it is on disk on return.
        Also writes the checkpoint when a second has passed, so an idle worker calls it about once a second;
        nothing to do costs 0.2 us.

        Raises Unavailable (58030, or 53100 disk full) when it failed: every intent since the last commit is
        withdrawn and must not be forwarded. The next commit tries again. With on_failure `continue` it
        returns, and counts.
        """
        now = self._clock()
        if not self.chain.due(now):
            return
        rotate = self.chain.length >= self._segment_bytes or now - self.chain.began_ns >= ROTATE_NS
        self._write(now, "segment" if rotate else "")
        if rotate and not self.failing:
            self.chain.next_segment(now)

    def position(self) -> Position | None:
        """How far the chain is promised; None between two segments, while the next one has no file."""
        if self._file_segment != self.chain.segment or self._header:
            return None
        return self.chain.position()

    def close(self) -> None:
        """Answers what is open with `unresolved`, writes `closed` and lets go of the files. Raises
        Unavailable where that could not be written (recovery then explains the chain).
        """
        if self.closed:
            return
        self.closed = True
        try:
            self._write(self._clock(), "chain")
        finally:
            self._release()

    def _write(self, now: int, end: Literal["", "segment", "chain"]) -> None:
        batch = self.chain.take(now, end)
        written = 0
        try:
            self._prepare()
            while written < len(batch):
                written += os.write(self._file, batch[written:] if written else batch)
            if self._power:
                self._spoilt = True
                os.fdatasync(self._file)
                self._spoilt = False
        except OSError as fault:
            self._fail(now, fault, self._spoilt or written > 0)
            return
        self.chain.committed()
        self.failing = False

    def _fail(self, now: int, fault: OSError, abandon: bool) -> None:
        refused = _unavailable(fault)
        self.failing = True
        self.failures += 1
        withdrawn = self.chain.failed(
            now, refused.refused.sqlstate, abandon=abandon, continued=self._continue
        )
        if not self._continue:
            raise refused from fault
        self.unrecorded += withdrawn

    def _prepare(self) -> None:
        """Makes the current segment's file ready: there, with its whole header, its name on disk."""
        if self._file_segment != self.chain.segment:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            created = os.open(segment_path(self.path, self.chain.segment), flags, 0o440)
            if self._file >= 0:
                os.close(self._file)
            self._file, self._file_segment, self._header = created, self.chain.segment, self.chain.header
            self._named = self._spoilt = False
        while self._header:  # half a header on a full disk is finished later: it is the same bytes
            self._header = self._header[os.write(self._file, self._header) :]
        if not self._named:
            self._spoilt = True
            os.fsync(self._lock)
            self._named, self._spoilt = True, False

    def _release(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1


def _make_chain_directory(path: Path) -> int:
    """Makes and locks the chain's directory; returns its descriptor, which holds the lock as long as it is
    open.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.mkdir(mode=0o750)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a reader may be asking, for a moment, whether it is held
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    return descriptor


def _unavailable(fault: OSError) -> Unavailable:
    full = fault.errno in _FULL
    return Unavailable(
        Refused(
            State.DISK_FULL if full else State.AUDIT,
            "the audit's disk is full" if full else "the audit record could not be written",
            _HINT,
            "audit",
        )
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found of one chain whose worker did not close it, and is now on record."""

    chain: str  # its directory's name
    unresolved: int  # intents that got the outcome `unresolved`
    torn: int  # bytes at its end that are no whole record
    damage: str  # why reading stopped before the end, empty for an ordinary torn end


def recover(directory: Path | str, host: str = "", clock: Callable[[], int] = time.time_ns) -> list[Recovery]:
    """Explains each chain that ended without its closing record and that nobody writes any more: one
    `recovered` record, and one outcome `unresolved` for each of its open intents, in a closed chain of their
    own. The chain itself is not touched.

    Run before workers start, and whenever one died. What was explained before is left alone. `host` is this
    host's name unless given. Raises Unavailable.
    """
    directory = Path(directory)
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        found = [
            _recover_chain(directory, chain, host or socket.gethostname(), clock)
            for chain in chains(directory)
        ]
    except OSError as fault:
        raise _unavailable(fault) from fault
    return [each for each in found if each is not None]


def _recover_chain(
    directory: Path, chain: ChainFiles, host: str, clock: Callable[[], int]
) -> Recovery | None:
    if not chain.segments() or chain.is_recovery() or chain.is_closed() or chain.is_live():
        return None
    chain_id = _recovery_id(directory, chain)
    if chain_id is None:
        return None
    joiner = Joiner()
    record, damage = _read_end(chain, joiner)
    log = AuditLog(directory, host, -1, "power", clock=clock, chain_id=chain_id)
    now = clock()
    log.chain.recovered(now, record)
    sessions: dict[int, SessionCard] = {}
    rulings: dict[int, RulingCard] = {}
    for seq, pending in joiner.pending.items():
        session = sessions.setdefault(id(pending.session), SessionCard(pending.session))
        ruling = rulings.setdefault(id(pending.ruling), RulingCard(pending.ruling))
        opened = Open(pending.time_ns, session, ruling, pending.tags, pending.approval, pending.origin)
        log.chain.carry(now, seq, opened)
    log.close()  # answers what is open, with `unresolved`
    return Recovery(chain.path.name, len(joiner.pending), record.tail, damage)


def _recovery_id(directory: Path, chain: ChainFiles) -> bytes | None:
    """The id of the chain that explains this one: it follows from this one's, so that nothing is explained
    twice. None where that is done. An attempt that was cut short is left and counted past.
    """
    for attempt in itertools.count():
        name = b"sluice recovery" + chain.id + attempt.to_bytes(4, "big")
        chain_id = hashlib.sha256(name).digest()[:16]
        tried = ChainFiles(chain_directory(directory, chain_id))
        if not tried.path.exists():
            return chain_id
        if tried.is_closed() or tried.is_live():
            break
    return None


def _read_end(chain: ChainFiles, joiner: Joiner) -> tuple[Recovered, str]:
    """How the chain's end was found, and why reading stopped early; leaves the open intents in `joiner`."""
    last, damage, boot = 0, "", ""
    numbers = chain.segments()
    for number in numbers[-2:]:  # the last one's first append repeats open intents, but it may not have come
        data = segment_content(chain.path, number)
        reader = SegmentReader()
        damage = ""
        for at in range(0, len(data), CHUNK):
            begun = reader.header is not None
            frames = reader.feed(data[at : at + CHUNK])
            if not begun and reader.header is not None:
                joiner.begin(reader.header)
                boot = reader.header.boot
            for frame in frames:
                last = frame.seq
                try:
                    joiner.read(frame)
                except ValueError as fault:
                    damage = damage or str(fault)
        if reader.damage is not None:
            damage = reader.damage.why
    tail = data[reader.offset :]
    record = Recovered(
        chain=chain.id,
        segment=numbers[-1],
        length=reader.offset,
        digest=hashlib.sha256(data[: reader.offset]).digest(),
        tail=len(tail),
        tail_digest=hashlib.sha256(tail).digest(),
        records=last,
        open_intents=len(joiner.pending),
        same_boot=bool(boot) and boot == boot_id(),
    )
    return record, damage
