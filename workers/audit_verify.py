"""Proves an audit directory: its chains, segment by segment and side by side in processes, and the signed log, which says
what they have to be.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit import heads
from gateway.audit.heads import Alarm, Head
from gateway.audit.heads_check import LogCheck
from gateway.audit.query import timestamp
from gateway.audit.receipt import KeptHead, tree_head
from gateway.audit.records import Recovered
from gateway.audit.segment import Damage, Header
from gateway.audit.segment_check import SegmentFacts, check_segment
from gateway.audit.signed import SignedChain, SignedTrail
from gateway.audit.verify import ChainCheck, Finding, Grade
from workers import audit_trail
from workers.audit_disk import boot_id
from workers.audit_log import clean_host
from workers.audit_receipts import read_log
from workers.audit_trail import ChainFiles
from workers.notary_key import Rotation, endorsements
from workers.notary_log import log_files

_ALONE_BYTES: Final = 16 * 1024 * 1024  # up to here processes cost more than they save
_BATCH_BYTES: Final = 4 * 1024 * 1024
_BATCH_JOBS: Final = 64
_STALE_NS: Final = 5 * 60 * 1_000_000_000  # five checkpoints that are missing


class Place(NamedTuple):
    """A finding, with its file. `offset` is None where it is about the whole file."""

    grade: Grade
    file: Path
    offset: int | None
    record: str
    why: str


@dataclass(slots=True)
class SignedLog:
    """The directory's signed log, checked."""

    check: LogCheck
    trail: SignedTrail
    hosts: set[str]  # that wrote it
    compared: bool = False  # with a key of the reader's own


@dataclass(slots=True)
class Proof:
    """What was found out about one directory. `log` is None where nothing is signed."""

    directory: Path
    checks: list[ChainCheck] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    log: SignedLog | None = None
    live: bool = False  # somebody writes while we read

    @property
    def tampered(self) -> bool:
        """Whether anything was."""
        return any(each.grade == "tampered" for each in self.places)


@dataclass(frozen=True, slots=True)
class Trust:
    """What the reader holds: a public key (32 raw bytes), what keys said of each other, tree heads kept elsewhere. `named`:
    he named the key himself, so that there has to be a log.
    """

    key: bytes | None = None
    rotations: tuple[Rotation, ...] = ()
    kept: tuple[KeptHead, ...] = ()
    named: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One segment to check."""

    chain: Path
    number: int
    following: Header | None
    heads: tuple[Head, ...]
    size: int  # of its file


@dataclass(slots=True)
class _Chain:
    files: ChainFiles
    live: bool
    void: bool
    numbers: list[int]
    sizes: list[int]


def run(job: Job) -> SegmentFacts | None:
    """One segment's facts; None where it is not there any more. Raises OSError."""
    failed = ""

    def read(count: int) -> bytes:
        nonlocal failed
        try:
            return file.read(count)
        except audit_trail.DAMAGED as error:
            failed = f"the compressed file is damaged ({error})"
            return b""

    try:
        with audit_trail.open_segment(job.chain, job.number) as file:
            facts = check_segment(job.number, read, job.following, job.heads)
    except FileNotFoundError:
        return None
    facts.broken = failed
    return facts


def prove(
    directory: Path, trust: Trust, processes: int, begin: Callable[[int], None], step: Callable[[int], None]
) -> Proof:
    """Checks everything in a directory; `begin` is told how many bytes that is, `step` how many more were done. At most
    `processes` at once. Raises OSError.
    """
    proof = Proof(directory)
    proof.log = log = _read_log(proof, trust)
    recovered = audit_trail.recoveries(directory)
    found = [_look(each) for each in audit_trail.chains(directory)]
    proof.live = any(each.live for each in found)
    begin(sum(sum(each.sizes) for each in found))
    jobs = ((number, job) for number, chain in enumerate(found) for job in _jobs(chain, log))
    total = sum(sum(each.sizes) for each in found)
    results = _side_by_side(jobs, processes if total > _ALONE_BYTES else 1)
    for number, job, facts in results:
        chain = found[number]
        if job.number == chain.numbers[0]:
            proof.checks.append(ChainCheck(chain.files.id, _signed(log, chain.files.id)))
        if facts is not None:
            proof.checks[-1].add(facts)
        step(job.size)
        if job.number == chain.numbers[-1]:
            _judge(proof, chain, proof.checks[-1], recovered)
    _judge_absent(proof, {each.files.id for each in found if each.numbers}, recovered)
    _judge_log(proof)
    return proof


def _look(files: ChainFiles) -> _Chain:
    numbers = files.segments()
    live = files.is_live()  # asked before reading: a chain that ends meanwhile is then no unclean end
    sizes = [_size(audit_trail.stored_path(files.path, each)) for each in numbers]
    return _Chain(files, live, files.is_void(), numbers, sizes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # compressed or deleted a moment ago
        return 0


def _jobs(chain: _Chain, log: SignedLog | None) -> Iterator[Job]:
    signed = _signed(log, chain.files.id) or SignedChain()
    for number, size in zip(chain.numbers, chain.sizes, strict=True):
        yield Job(chain.files.path, number, chain.files.header(number + 1), tuple(signed.heads(number)), size)


def _signed(log: SignedLog | None, chain: bytes) -> SignedChain | None:
    return None if log is None else log.trail.chains.get(chain)


def run_all(jobs: list[Job]) -> list[SegmentFacts | None]:
    """Each segment's facts. Raises OSError."""
    return [run(each) for each in jobs]


def _side_by_side(
    jobs: Iterable[tuple[int, Job]], processes: int
) -> Iterator[tuple[int, Job, SegmentFacts | None]]:
    """Each job's result, in order; no more are under way than keep the processes busy."""
    if processes <= 1:
        for number, job in jobs:
            yield number, job, run(job)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:  # no thread runs here yet
        under_way: deque[tuple[list[tuple[int, Job]], Future[list[SegmentFacts | None]]]] = deque()
        for batch in _batches(jobs):
            under_way.append((batch, pool.submit(run_all, [job for _, job in batch])))
            if len(under_way) >= 4 * processes:
                yield from _results(*under_way.popleft())
        for done, future in under_way:
            yield from _results(done, future)


def _results(
    batch: list[tuple[int, Job]], future: Future[list[SegmentFacts | None]]
) -> Iterator[tuple[int, Job, SegmentFacts | None]]:
    for (number, job), facts in zip(batch, future.result(), strict=True):
        yield number, job, facts


def _batches(jobs: Iterable[tuple[int, Job]]) -> Iterator[list[tuple[int, Job]]]:
    """Small segments together, so that handing them over costs little beside checking them."""
    batch: list[tuple[int, Job]] = []
    size = 0
    for number, job in jobs:
        batch.append((number, job))
        size += job.size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_JOBS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _judge(proof: Proof, chain: _Chain, check: ChainCheck, recovered: dict[bytes, Recovered]) -> None:
    log = proof.log
    if not chain.void:
        check.end(chain.live, recovered.get(check.chain), boot_id())
    if log is not None and check.header is not None:
        _judge_origin(log, check, check.header, known=check.signed is not None or chain.live)
    proof.places += (_placed(proof.directory, check.chain, each) for each in check.findings)


def _judge_origin(log: SignedLog, check: ChainCheck, header: Header, *, known: bool) -> None:
    """A chain that the log does not know, though it has been there for long, was put there."""
    foreign = header.host not in log.hosts
    why = f"the chain was written on host {header.host}, the log on {', '.join(sorted(log.hosts))}"
    if not known and header.time_ns < log.trail.settled_ns():
        why = "the signed log does not know this chain" + (f": {why}" if foreign else "")
        check.findings.append(Finding("tampered", header.segment, 0, "", why))
    elif foreign:
        check.findings.append(Finding("note" if known else "tampered", header.segment, 0, "", why))


def _judge_absent(proof: Proof, there: set[bytes], recovered: dict[bytes, Recovered]) -> None:
    """Chains that are vouched for but gone."""
    known = {} if proof.log is None else proof.log.trail.chains
    for chain, signed in known.items():
        if chain not in there:
            check = ChainCheck(chain, signed)
            check.end(False, None)
            proof.places += (_placed(proof.directory, chain, each) for each in check.findings)
    for chain in recovered:
        if chain not in there and chain not in known:
            path = audit_trail.chain_directory(proof.directory, chain)
            proof.places.append(Place("tampered", path, None, "", "the whole chain is missing"))


def _placed(directory: Path, chain: bytes, found: Finding) -> Place:
    file = audit_trail.stored_path(audit_trail.chain_directory(directory, chain), found.segment)
    return Place(found.grade, file, found.offset, found.record, found.why)


def _read_log(proof: Proof, trust: Trust) -> SignedLog | None:
    directory = proof.directory
    files = log_files(directory)
    if not files:
        if trust.named:
            why = "there is no signed log here: it was taken away, or never was"
            proof.places.append(Place("tampered", directory / "heads", None, "", why))
        return None
    trail = SignedTrail()
    check = read_log(directory, None, lambda each: trail.add(each.time_ns, each.entry))
    log = SignedLog(check, trail, set().union(*map(_host, files)))
    _trust(proof, log, trust)
    paths = {int(path.name[:8]): path for path in files}
    for found in check.problems:
        path = paths.get(found.file, files[0])
        proof.places.append(Place(found.grade, path, found.offset, "", found.why))
    return log


def _host(path: Path) -> set[str]:
    with path.open("rb") as file:
        found = heads.read_header(file.read(audit_trail.HEADER_BYTES))
    return set() if found is None or isinstance(found, Damage) else {clean_host(found[0].host)}


def _trust(proof: Proof, log: SignedLog, trust: Trust) -> None:
    """Compares the log with what its reader holds."""
    check, last = log.check, log_files(proof.directory)[-1]
    keys = [key.public for _, key in check.keys]
    if trust.key is not None:
        log.compared = True
        if trust.key not in keys and not endorsements(check.log, check.key, trust.key, trust.rotations):
            why = "the log is signed by a key that is not yours: it was replaced"
            proof.places.append(Place("tampered", last, None, "", why))
    for kept in trust.kept:
        if kept.log == check.log.hex():
            why = check.extends(tree_head(kept))
            if why:
                proof.places.append(Place("tampered", last, None, "", why))


def _judge_log(proof: Proof) -> None:
    """What the log says of itself and of the chains, and whether it is as new as they are."""
    log = proof.log
    if log is None or log.check.tree_head is None:
        return
    for time_ns, alarm in log.trail.alarms:
        proof.places.append(_alarm(proof.directory, time_ns, alarm))
    signed_ns = log.check.tree_head.time_ns
    newest = max((each.last_ns for each in proof.checks if each.unsigned), default=0)
    if newest - signed_ns > _STALE_NS:
        count = sum(each.unsigned for each in proof.checks)
        why = (
            f"nothing was signed since {timestamp(signed_ns)}, and {count} records were written until "
            f"{timestamp(newest)}: the log was cut, or its notary did not run"
        )
        proof.places.append(Place("gap", log_files(proof.directory)[-1], None, "", why))


def _alarm(directory: Path, time_ns: int, alarm: Alarm) -> Place:
    why = f"alarm of {timestamp(time_ns)}: {alarm.why}"
    return _placed(directory, alarm.chain, Finding("tampered", alarm.segment, alarm.offset, "", why))


def usable_processes() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
