"""The audit's whole write path on a disk that is as bad as it may be: the real AuditLog and the real recovery write, the
real readers and the real proof read, over histories of turns, faults, kills and losses of power that a seed makes.

`make storm` runs 10,000 of them (SLUICE_AUDIT_SEEDS); each failure prints its seed.
"""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.query import Entry
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.verify import ChainCheck, Finding
from gateway.errors import Unavailable
from tests.sim.model_disk import Crash, Forgets, ModelDisk, Retries
from workers import audit_trail
from workers.audit_disk import Sync
from workers.audit_log import AuditLog
from workers.audit_recovery import recover

SEEDS = int(os.environ.get("SLUICE_AUDIT_SEEDS", "300"))
PARTS = 10 if SEEDS > 1000 else 1
T = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """In memory where there is such a place: what is synced when, the model knows."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="sluice-sim-", dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made)


@dataclass
class Promises:
    """What was promised, by id."""

    intents: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)  # of these intents

    def add(self, other: "Promises") -> None:
        """These too."""
        self.intents |= other.intents
        self.outcomes |= other.outcomes

    def forget(self, labels: tuple[str, ...]) -> None:
        """Some chains are not to be asked for."""
        self.intents = {each for each in self.intents if not each.startswith(labels)}
        self.outcomes = {each for each in self.outcomes if not each.startswith(labels)}

    def copy(self) -> "Promises":
        return Promises(set(self.intents), set(self.outcomes))


class Life:
    """One worker incarnation on the disk: turns until something ends it."""

    def __init__(self, history: "History", log: AuditLog) -> None:
        self.history, self.log, self.chance = history, log, history.chance
        self.who = SessionCard(SessionInfo("s1", "alice", database="prod"))
        shapes = ("SELECT $1::int", "SELECT " + "x" * 900)
        self.what = [RulingCard(RulingInfo(1, "abc", shape, "ff", ("SELECT",))) for shape in shapes]
        self.running: list[int] = []
        self.told: set[int] = set()  # answered, and not yet known to be on record
        self.promised = Promises()
        self.durable = Promises()
        self.written: list[tuple[int, int, str, bool]] = []  # promised: segment, its length, id, whether it is an outcome
        self.sync: Sync | None = None

    def turn(self) -> None:
        """Some statements, some answers, one commit."""
        log, chance = self.log, self.chance
        now = self.history.clock()
        asked = [
            log.chain.intent(now, self.who, chance.choice(self.what)) for _ in range(chance.randrange(4))
        ]
        for intent in [each for each in self.running if chance.random() < 0.5]:
            self.running.remove(intent)
            assert log.chain.outcome(now, intent, "ok", 1, 2, None, "SELECT", "", 5)
            self.told.add(intent)
        if chance.random() < 0.1:
            log.chain.event(now, "policy", {"what": "published", "text": "x" * chance.randrange(600)})
        self.history.given.update(map(log.chain.record_id, asked))
        unrecorded = log.unrecorded
        self.written_to = log.chain.segment
        try:
            log.commit()
        except Unavailable:
            self.history.refused.update(map(log.chain.record_id, asked))
            return
        if log.unrecorded == unrecorded:
            self.running += asked
            self.promise(asked, outcomes=False)
        if log.health == "ok":
            self.promise(self.told, outcomes=True)
            self.told.clear()
            if self.history.power:
                self.durable = self.promised.copy()

    def promise(self, numbers: Iterable[int], *, outcomes: bool) -> None:
        ids = list(map(self.log.chain.record_id, numbers))
        (self.promised.outcomes if outcomes else self.promised.intents).update(ids)
        self.written += [(self.written_to, self.log.chain.length, each, outcomes) for each in ids]

    def on_disk(self, segment: int, length: int) -> None:
        """A background sync went well."""
        for number, end, each, outcome in self.written:
            if number == segment and end <= length:
                (self.durable.outcomes if outcome else self.durable.intents).add(each)

    def background(self) -> None:
        """A step of the background sync: begun, run and taken note of at three different moments."""
        if self.sync is None:
            self.sync = self.log.begin_sync()
        elif self.sync.file in self.history.disk._open:
            self.sync.run()
        else:
            done, self.sync = self.sync, None
            self.log.end_sync(done)
            if done.fault is None:
                self.on_disk(done.segment, done.length)

    def unsaid(self) -> bool:
        """Whether a sync failed and that is not on record: nobody can know it any more."""
        log = self.log
        pending = self.sync is not None and self.sync.fault is not None
        return log._spoilt or pending or (log.closed and log.path in self.history.disk.dropped)

    def live(self, turns: int) -> None:
        for _ in range(turns):
            self.history.weather()
            self.turn()
            while self.chance.random() < 0.5:
                self.background()


class History:
    """All that happens to one audit directory."""

    def __init__(self, seed: int, root: Path, disk: type[ModelDisk]) -> None:
        self.chance = random.Random(seed)
        self.now = T
        self.root = root / str(seed)
        self.root.mkdir()
        self.directory = self.root / "var" / "audit"
        self.disk = disk(self.root, self.chance, 1_000_000)
        self.power = self.chance.random() < 0.5
        self.refuse = self.chance.random() < 0.8
        self.promised = Promises()
        self.afloat: list[Life] = []  # killed, and what they wrote may still be in the kernel alone
        self.given: set[str] = set()
        self.refused: set[str] = set()
        self.faults = self.chance.random() < 0.7
        self.lost_power = False
        self.unsaid: set[Path] = set()  # chains whose disk failed and whose worker ended before it could say so

    def clock(self) -> int:
        self.now += self.chance.choice((1, 20, 150)) * MILLISECOND
        return self.now

    def weather(self) -> None:
        """Now and then the disk fares differently."""
        disk, chance = self.disk, self.chance
        if self.faults and chance.random() < 0.15:
            disk.mood = chance.choice(("ok", "ok", "eio", "rofs", "flaky"))
        if self.faults and chance.random() < 0.1:
            disk.room = chance.choice((0, 300, 5000, 1_000_000))

    def incarnation(self) -> None:
        """A start: recovery, a worker, its turns, its end."""
        disk, chance = self.disk, self.chance
        disk.room = max(disk.room, chance.choice((0, 100_000)))
        if self.faults and chance.random() < 0.2 and self.directory.exists():
            disk.mood = "flaky"
        if chance.random() < 0.8:
            disk.crash_in = chance.randrange(1, 150)
        life: Life | None = None
        try:
            with suppress(Unavailable):
                recover(self.directory, "db1", self.clock, disk)
                self._recovered()
                log = AuditLog(
                    self.directory,
                    "db1",
                    0,
                    "power" if self.power else "process",
                    chance.choice((2000, 6000, 100_000)),
                    "refuse" if self.refuse else "continue",
                    self.clock,
                    chance.randbytes(16),
                    reserve_bytes=20_000,
                    patient=chance.random() < 0.5,
                    disk=disk,
                )
                life = Life(self, log)
                life.live(chance.randrange(1, 60))
                log.close()
        except Crash:
            pass
        if life is None:
            self.unsaid |= disk.dropped
        elif life.unsaid():
            self.unsaid.add(life.log.path)
        if life is not None:
            self.afloat.append(life)
        if chance.random() < 0.5:
            self.lost_power = True
            disk.lose_power()
            for each in self.afloat:
                self.promised.add(each.durable)
            self.afloat.clear()
        else:
            disk.kill()

    def _recovered(self) -> None:
        """What recovery found is on disk."""
        for life in self.afloat:
            self.promised.add(life.promised)
        self.afloat.clear()

    def judge(self) -> None:
        """What must hold at the end of any history."""
        self.disk.mood, self.disk.room = "ok", 1_000_000
        recover(self.directory, "db1", self.clock, self.disk)
        self._recovered()
        before = {file: file.read_bytes() for file in self.directory.rglob("*") if file.is_file()}
        assert recover(self.directory, "db1", self.clock, self.disk) == [], "a second recovery finds nothing to do"
        after = {file: file.read_bytes() for file in self.directory.rglob("*") if file.is_file()}
        assert before == after, "and touches nothing"
        entries = list(audit_trail.read_all(self.directory))
        intents = Counter(entry.id for entry in entries if entry.kind == "intent")
        outcomes = [entry for entry in entries if entry.kind == "outcome"]
        numbers = Counter(entry.id for entry in entries)
        assert max(numbers.values(), default=1) == 1, "no id stands for two records"
        findings = proof(self.directory, self.disk.boot())
        self._proof([each for chain, each in findings if chain not in self.unsaid])
        failed = {chain for chain, each in findings if "the disk failed" in each.why} | self.unsaid
        labels = tuple(f"db1-0.{each.name[6:14]}-" for each in failed)
        if labels and not self.power:
            self.promised.forget(labels)
        self._promises(intents, outcomes, labels)

    def _promises(self, intents: Counter[str], outcomes: list[Entry], failed: tuple[str, ...]) -> None:
        said = Counter(entry.intent for entry in outcomes)
        status = {entry.intent: entry.outcome.status for entry in outcomes if entry.outcome is not None}
        assert not self.promised.intents - set(intents), "a promised intent is missing"
        assert set(intents) <= self.given, "an intent that nobody made"
        missing = {each for each in self.promised.outcomes if status.get(each) != "ok"}
        assert not missing, "a promised outcome is missing"
        if failed:  # what the disk lost, and said that it lost, takes its counterparts' sense away
            said = Counter({each: count for each, count in said.items() if not each.startswith(failed)})
            intents = Counter({each: count for each, count in intents.items() if not each.startswith(failed)})
        assert said == intents, "each intent has exactly one outcome, and no outcome is without its intent"
        ran = {each for each in self.refused if status.get(each, "unresolved") != "unresolved"}
        assert not ran, "a refused statement counts as run"

    def _proof(self, findings: list[Finding]) -> None:
        grades = {each.grade for each in findings}
        assert not grades & {"tampered", "unreadable"}, "an honest history is called tampered with"
        if not self.lost_power and self.refuse:
            assert "gap" not in grades, "nothing is missing where the power never went"


def proof(directory: Path, boot: str) -> list[tuple[Path, Finding]]:
    """What `sluice audit verify` would find."""
    said = audit_trail.recoveries(directory)
    findings = []
    for chain in audit_trail.chains(directory):
        check = ChainCheck(chain.id)
        for number, data, following in audit_trail.segment_bytes(chain, chain.segments()):
            check.segment(number, data, following)
        if chain.segments() and not chain.is_void():
            check.end(chain.is_live(), said.get(chain.id), boot)
        findings += [(chain.path, each) for each in check.findings]
    return findings


def run(seed: int, root: Path, disk: type[ModelDisk] = ModelDisk) -> History:
    """One history. Raises AssertionError where a law is broken."""
    history = History(seed, root, disk)
    try:
        for _ in range(history.chance.randrange(1, 5)):
            history.incarnation()
        history.judge()
    finally:
        history.disk.kill()
        shutil.rmtree(history.root, ignore_errors=True)
    return history


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_the_disk_does_what_was_promised_is_there_and_nothing_else_is_claimed(
    part: int, root: Path
) -> None:
    calls = intents = 0
    for seed in range(part, SEEDS, PARTS):
        try:
            history = run(seed, root)
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}: {fault}") from fault
        calls += history.disk.calls
        intents += len(history.promised.intents)
    assert intents > SEEDS // PARTS * 5, "a run that proves something"
    assert calls > SEEDS // PARTS * 50


@pytest.mark.parametrize("planted", [Retries, Forgets])
def test_a_planted_bug_is_found(planted: type[ModelDisk], root: Path) -> None:
    """One takes a second sync's word for the first one's failure, the other forgets that names must be synced too."""
    for seed in range(min(SEEDS, 300)):
        try:
            run(seed, root, planted)
        except (AssertionError, OSError, ValueError):
            return
    raise AssertionError("the simulation does not see it")
