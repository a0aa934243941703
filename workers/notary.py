"""The notary: reads what the workers wrote, compares it with what they promised, and signs it in the log of heads.

It acts on files alone and decides nothing about statements: while it is gone they go on, and the log says so by the
minutes that are missing in it. `workers.notary_process` is the process around it.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.audit.chain import Position
from gateway.audit.heads import Alarm, Checkpoint, Entry, Key, Pruned, Seal, heads_root
from gateway.audit.records import Recovered
from workers import notary_keeping
from workers.audit_trail import ChainFiles, chain_directory, chains, recoveries
from workers.notary_chain import Broken, Watched
from workers.notary_key import Rotation, endorsements
from workers.notary_log import HeadsLog, Signer

CHECKPOINT_NS: Final = 60 * 1_000_000_000
BUDGET: Final = 16 * 1024 * 1024  # bytes of one chain read at a time: the others are not kept waiting
Tell = Callable[[str, Mapping[str, Any]], None]  # what happened and its facts, for the record
log = logging.getLogger("sluice.notary")


class Notary:
    """The signed log of one audit directory. `promises` gives what the writers have promised so far, `tell` records what
    the notary finds and does.

    Raises BlockingIOError where another notary is at work, OSError, LogBroken.
    """

    def __init__(
        self,
        directory: Path,
        host: str,
        signer: Signer,
        rotations: Iterable[Rotation],
        promises: Callable[[], list[Position]],
        tell: Tell,
        now_ns: int,
        checkpoint_ns: int = CHECKPOINT_NS,
    ) -> None:
        self._directory, self._promises, self._tell = directory, promises, tell
        self._checkpoint_ns = checkpoint_ns
        self._checkpointed_ns = 0  # so that the first turn begins with one
        self._chains: dict[bytes, Watched] = {}
        self.alarms = 0  # in the whole log
        self.alarm = ""  # the newest
        self.log = HeadsLog(directory, host, self._remember)
        known = {each.id for each in self._chains.values() if each.closed}
        said = recoveries(directory)
        self._explained: dict[bytes, Recovered] = {each: said[each] for each in said if each not in known}
        self._waiting: list[Entry] = []
        self._news = [
            (each.files, one.number)
            for each in self._chains.values()
            if not each.alarmed
            for one in each.sealed
        ]
        self.sign_with(signer, rotations)

    def sign_with(self, signer: Signer, rotations: Iterable[Rotation]) -> None:
        """Goes on with this key: the entry says who vouches for it."""
        before = self.log.public
        if signer.public == before:
            self.log.sign_with(signer)
            return
        entries = [Key(signer.public)]
        if before:
            endorsed = endorsements(self.log.log, before, signer.public, rotations)
            if endorsed:
                entries = [Key(public, signature) for public, signature in endorsed]
            else:
                log.critical("audit: the signing key was replaced without the old one's word")
            what = "key rotated" if endorsed else "key replaced"
            self._tell(what, {"key": signer.public.hex(), "before": before.hex()})
        self._waiting += entries
        self.log.sign_with(signer)

    def turn(self, now_ns: int) -> bool:
        """Reads on, and signs what is new. True while more is there than one turn reads. Raises OSError where the directory
        cannot be read, LogBroken where the log was taken away.
        """
        if not self.log.settle():
            return False
        entries, more = self._watch()
        if abs(now_ns - self._checkpointed_ns) >= self._checkpoint_ns:  # also when the clock was set back
            self.log.check_there()
            entries += self._missing()
            entries.append(self._checkpoint())
            self._checkpointed_ns = now_ns
        self._sign(now_ns, entries)
        return more

    def finish(self, now_ns: int) -> None:
        """The last turn: all that is there, and a checkpoint."""
        self._checkpointed_ns = now_ns
        while self.turn(now_ns):
            pass
        self._checkpointed_ns = 0
        self.turn(now_ns)

    def prune(self, now_ns: int, days: int) -> None:
        """Deletes what is older than `days`: says so first, signed. 0 keeps everything."""
        entries: list[Entry] = []
        for watched in self._chains.values():
            due = notary_keeping.outdated(watched, now_ns, days)
            if due:
                last = due[-1]
                entries.append(Pruned(watched.id, due[0].number, last.number, last.length, last.digest, days))
        if entries and (not self.log.settle() or not self._sign(now_ns, entries)):
            return  # it was not said: nothing goes
        for said in entries:
            assert isinstance(said, Pruned)
            self._chains[said.chain].was_pruned(said.last)
            data = {"chain": said.chain.hex(), "first": said.first, "last": said.last, "days": days}
            self._tell("retention pruned", data)
        for watched in self._chains.values():
            if watched.pruned_to >= 0 and not watched.alarmed:
                notary_keeping.remove_pruned(watched)

    def sealed(self) -> list[tuple[ChainFiles, int]]:
        """Segments that were complete when it was last asked for; at first all that are there."""
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Lets go of the log."""
        self.log.close()

    def _remember(self, entry: Entry) -> None:
        """What an earlier notary has signed."""
        match entry:
            case Seal(head=head):
                self._watched(head.chain).was_sealed(entry)
            case Checkpoint(heads=heads):
                for head in heads:
                    self._watched(head.chain).was_signed(head)
            case Pruned(chain=chain, last=last):
                self._watched(chain).was_pruned(last)
            case Alarm(chain=chain, why=why):
                self._watched(chain).alarmed = True
                self.alarms, self.alarm = self.alarms + 1, why

    def _watched(self, chain: bytes) -> Watched:
        found = self._chains.get(chain)
        if found is None:
            found = self._chains[chain] = Watched(ChainFiles(chain_directory(self._directory, chain)))
        return found

    def _watch(self) -> tuple[list[Entry], bool]:
        promised = {each.chain: each for each in self._promises()}
        there = {each.id for each in chains(self._directory)}
        entries: list[Entry] = []
        more = False
        for chain in there:
            self._watched(chain)
        for chain, watched in list(self._chains.items()):
            if chain not in there:
                entries += self._vanished(watched)
                continue
            if watched.closed or watched.alarmed:
                continue
            if chain in promised:
                watched.promise(promised[chain])
            try:
                seals, read = watched.step(watched.files.is_live(), self._explained.get(chain), BUDGET)
            except Broken as broken:
                entries.append(self._alarmed(watched, broken.segment, broken.offset, broken.why))
                continue
            except OSError as fault:  # tried again; where it has gone the next turn says so
                if not watched.unreadable:
                    log.error(
                        "audit: %s cannot be read, and is not signed: %s", watched.files.path.name, fault
                    )
                watched.unreadable = True
                continue
            watched.unreadable = False
            entries += seals
            self._news += ((watched.files, seal.head.segment) for seal in seals)
            if watched.closed:
                self._explained.pop(chain, None)
            for said in watched.recovered:
                self._explained[said.chain] = said
            watched.recovered.clear()
            more = more or read >= BUDGET
        return entries, more

    def _vanished(self, watched: Watched) -> list[Entry]:
        del self._chains[watched.id]
        if watched.spent or watched.alarmed:
            return []
        return [self._alarmed(watched, 0, 0, "the chain is gone")]

    def _missing(self) -> list[Entry]:
        """Sealed segments whose file is not there any more."""
        entries: list[Entry] = []
        for watched in self._chains.values():
            if watched.alarmed or not watched.sealed:
                continue
            there = set(watched.files.segments())
            gone = next((each.number for each in watched.sealed if each.number not in there), None)
            if gone is not None:
                entries.append(self._alarmed(watched, gone, 0, "the sealed segment is missing"))
        return entries

    def _alarmed(self, watched: Watched, segment: int, offset: int, why: str) -> Alarm:
        watched.alarmed = True
        self.alarms, self.alarm = self.alarms + 1, why
        file = watched.files.path.name
        log.critical("audit: alarm: %s, segment %d, byte %d: %s", file, segment, offset, why)
        self._tell("alarm", {"chain": watched.id.hex(), "segment": segment, "offset": offset, "why": why})
        return Alarm(watched.id, segment, offset, why)

    def _checkpoint(self) -> Checkpoint:
        found = []
        for each in sorted(self._chains.values(), key=lambda each: each.id):
            if each.speaks:
                with contextlib.suppress(OSError):  # then the next one tells of it
                    if not each.closed:
                        each.sync()
                    found.append(each.head())
                    each.fresh = False
        heads = tuple(found)
        return Checkpoint(heads_root(heads), heads)

    def _sign(self, now_ns: int, entries: list[Entry]) -> bool:
        entries = self._waiting + entries
        self._waiting = []
        return not entries or self.log.append(now_ns, entries)
