"""Putting on record how chains ended whose worker did not close them. Nothing that was found is touched."""

import contextlib
import hashlib
import itertools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.defined import Open, RulingCard, SessionCard
from gateway.audit.query import Joiner
from gateway.audit.records import Recovered
from gateway.audit.segment import Frame, Header, SegmentReader, later
from gateway.errors import Unavailable
from workers.audit_disk import Disk, make_directories, sync_names, unavailable
from workers.audit_log import AuditLog, reserve_path
from workers.audit_trail import (
    CHUNK,
    RECOVERY_WORKER,
    ChainFiles,
    chain_directory,
    chains,
    segment_content,
    segment_path,
)

RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.01
_DISK = Disk()
log = logging.getLogger("sluice")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found of one chain whose worker did not close it, and is now on record."""

    chain: str  # its directory's name
    unresolved: int  # intents that got the outcome `unresolved`
    torn: int  # bytes behind the last record that could be read without a search
    damage: str  # why reading stopped before the end, empty for an ordinary torn end
    beyond: int = 0  # whole records found behind the damage


def recover(
    directory: Path | str, host: str = "", clock: Callable[[], int] = time.time_ns, disk: Disk = _DISK
) -> list[Recovery]:
    """Explains each chain that ended without its closing record and that nobody writes any more: one
    `recovered` record, and one outcome `unresolved` for each of its open intents, in a closed chain of their
    own. The chain itself is not touched, but that the room which its worker kept for a full disk is given back.

    Run before workers start, and whenever one died. What was explained before is left alone. `host` is this
    host's name unless given. Raises Unavailable.
    """
    directory, host = Path(directory), host or socket.gethostname()
    done = []
    try:
        make_directories(disk, directory)
        for parent in directory.absolute().parents:  # a start that was cut short may have made one and not synced its name
            with contextlib.suppress(PermissionError):
                sync_names(disk, parent)
        dead = [chain for chain in chains(directory) if not chain.is_live()]
        for chain in dead:
            with contextlib.suppress(FileNotFoundError):
                disk.remove(reserve_path(chain.path))
        for chain in dead:
            found = _recover_chain(directory, chain, host, clock, disk)
            if found is not None:
                done.append(found)
    except OSError as fault:
        raise unavailable(fault) from fault
    return done


def recover_and_tell(directory: Path) -> None:
    """Recovers, with a line in the log for each chain. Raises Unavailable."""
    for found in recover(directory):
        log.warning(
            "audit: %s had no end; %d statements are on record as unresolved", found.chain, found.unresolved
        )
        if found.damage:
            log.error("audit: %s is damaged (%s); see sluice audit verify", found.chain, found.damage)


def recover_at_last(directory: Path) -> int:
    """The same for a process of its own, which tries for as long as the audit cannot be written; its exit code."""
    while True:
        try:
            recover_and_tell(directory)
        except Unavailable:
            time.sleep(RETRY_SECONDS)
        else:
            return 0


class Recoveries:
    """The processes that put on record how the audits of dead workers ended: `pids`, for who reaps them to take out."""

    def __init__(self) -> None:
        self.pids: set[int] = set()

    def finish(self, directory: Path, seconds: float) -> None:
        """When no worker lives any more: waits for so long, and then does what is left to do."""
        deadline = time.monotonic() + seconds
        while self.pids and time.monotonic() < deadline:
            self.pids = {pid for pid in self.pids if os.waitpid(pid, os.WNOHANG)[0] == 0}
            time.sleep(_POLL_SECONDS)
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        with contextlib.suppress(Unavailable):
            recover_and_tell(directory)


def _recover_chain(
    directory: Path, chain: ChainFiles, host: str, clock: Callable[[], int], disk: Disk
) -> Recovery | None:
    if not chain.segments() or chain.is_recovery() or chain.is_closed() or chain.is_live():
        return None
    chain_id = _recovery_id(directory, chain)
    if chain_id is None:
        return None
    joiner = Joiner()
    record = _read_end(chain, joiner, disk)
    try:
        _write(directory, host, chain_id, record, joiner, clock, disk)
    except Unavailable as refusal:
        if isinstance(refusal.__cause__, FileExistsError):  # another process is at it
            return None
        _take_away(ChainFiles(chain_directory(directory, chain_id)), disk)
        raise
    return Recovery(chain.path.name, len(joiner.pending), record.tail, record.damage, record.beyond)


def _write(
    directory: Path,
    host: str,
    chain_id: bytes,
    record: Recovered,
    joiner: Joiner,
    clock: Callable[[], int],
    disk: Disk,
) -> None:
    writer = AuditLog(
        directory, host, RECOVERY_WORKER, "power", clock=clock, chain_id=chain_id, reserve_bytes=0, disk=disk
    )
    now = clock()
    writer.chain.recovered(now, record)
    sessions: dict[int, SessionCard] = {}
    rulings: dict[int, RulingCard] = {}
    for seq, pending in joiner.pending.items():
        session = sessions.setdefault(id(pending.session), SessionCard(pending.session))
        ruling = rulings.setdefault(id(pending.ruling), RulingCard(pending.ruling))
        opened = Open(pending.time_ns, session, ruling, pending.tags, pending.approval, pending.origin)
        opened.literals, opened.declared = pending.literals, pending.declared
        writer.chain.carry(now, seq, opened)
    writer.close()  # answers what is open, with `unresolved`


def _take_away(attempt: ChainFiles, disk: Disk) -> None:
    """Removes a recovery that could not be written, as far as that can be done: while a disk is full there would be
    another one each time."""
    with contextlib.suppress(OSError):
        for number in attempt.segments():
            disk.remove(segment_path(attempt.path, number))
        disk.remove_directory(attempt.path)


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


def _read_end(chain: ChainFiles, joiner: Joiner, disk: Disk) -> Recovered:
    """How the chain's end was found; leaves the open intents in `joiner`."""
    numbers = chain.segments()
    synced = _settle(chain, numbers[-1], disk)
    last = beyond = 0
    boot = ""
    reader, whole = SegmentReader(), b""
    for number in _enough(chain, numbers):
        whole = _promised(chain, number)
        reader = SegmentReader()
        for frame in _frames(reader, whole, joiner):
            last = frame.seq
        boot = reader.header.boot if reader.header is not None else boot
        if reader.pending:
            beyond = 0
            joiner.lenient = True  # what these records refer to may be in what cannot be read
            for frame in later(reader.rest, last):
                beyond, last = beyond + 1, frame.seq
                with contextlib.suppress(ValueError):
                    joiner.read(frame)
    return Recovered(
        chain=chain.id,
        segment=numbers[-1],
        length=reader.offset,
        digest=hashlib.sha256(whole[: reader.offset]).digest(),
        tail=reader.pending,
        tail_digest=hashlib.sha256(reader.rest).digest(),
        records=last,
        open_intents=len(joiner.pending),
        same_boot=bool(boot) and boot == disk.boot(),
        synced=synced,
        damage="" if reader.damage is None else reader.damage.why,
        beyond=beyond,
    )


def _settle(chain: ChainFiles, number: int, disk: Disk) -> bool:
    """Has on disk what is about to be put on record as found; whether that worked."""
    file = disk.reopen(segment_path(chain.path, number))
    try:
        disk.sync(file)
        sync_names(disk, chain.path)
    except OSError:
        return False
    finally:
        disk.close(file)
    return True


def _frames(reader: SegmentReader, data: bytes, joiner: Joiner) -> Iterator[Frame]:
    for at in range(0, len(data), CHUNK):
        begun: Header | None = reader.header
        frames = reader.feed(data[at : at + CHUNK])
        if begun is None and reader.header is not None:
            joiner.begin(reader.header)
        for frame in frames:
            with contextlib.suppress(ValueError):
                joiner.read(frame)
            yield frame


def _enough(chain: ChainFiles, numbers: list[int]) -> list[int]:
    """The last segments, as many as name all open intents: a segment's first batch repeats them, but only the header of the
    segment behind says that it was written whole, and others hold nothing at all.
    """
    start = len(numbers) - 1
    while start > 0:
        start -= 1
        vouched = chain.header(numbers[start] + 1) is not None
        if vouched and SegmentReader().feed(_promised(chain, numbers[start])):
            break
    return numbers[start:]


def _promised(chain: ChainFiles, number: int) -> bytes:
    following = chain.header(number + 1)
    data = segment_content(chain.path, number)
    return data if following is None else data[: following.previous_length]
