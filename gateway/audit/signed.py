"""What the signed log says of each chain, gathered from its entries for those who compare it with the files."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.audit.heads import Alarm, Checkpoint, Entry, Head, Pruned, Seal

_SETTLED: Final = 10  # checkpoints after which each chain that was there is in the log


@dataclass(slots=True)
class SignedChain:
    """One chain as it was signed."""

    seals: dict[int, Head] = field(default_factory=dict)  # by segment
    newest: Head | None = None  # of the segment that was not complete yet
    pruned: Pruned | None = None  # the last time

    def heads(self, segment: int) -> list[Head]:
        """What was signed of a segment."""
        sealed = self.seals.get(segment)
        if sealed is not None:
            return [sealed]
        return [self.newest] if self.newest is not None and self.newest.segment == segment else []

    def last(self) -> int:
        """The furthest segment that was signed; -1 where none was."""
        return max([*self.seals, -1 if self.newest is None else self.newest.segment], default=-1)

    def is_closed(self) -> bool:
        """Whether nothing may follow what was signed."""
        return any(each.closed for each in self.seals.values())


@dataclass(slots=True)
class SignedTrail:
    """All of a log. `add` each entry in order, with its time."""

    chains: dict[bytes, SignedChain] = field(default_factory=dict)
    alarms: list[tuple[int, Alarm]] = field(default_factory=list)
    _checkpoints: deque[int] = field(default_factory=lambda: deque(maxlen=_SETTLED))

    def add(self, time_ns: int, entry: Entry) -> None:
        """The log's next entry."""
        if isinstance(entry, Seal):
            of = self._of(entry.head)
            of.seals[entry.head.segment] = entry.head
            if of.newest is not None and of.newest.segment <= entry.head.segment:
                of.newest = None
        elif isinstance(entry, Checkpoint):
            self._checkpoints.append(time_ns)
            for head in entry.heads:
                of = self._of(head)
                if head.segment not in of.seals:
                    of.newest = head
        elif isinstance(entry, Pruned):
            self.chains.setdefault(entry.chain, SignedChain()).pruned = entry
        elif isinstance(entry, Alarm):
            self.alarms.append((time_ns, entry))

    def settled_ns(self) -> int:
        """Chains that began before this must be in the log; 0 while it is too young to tell."""
        return self._checkpoints[0] if len(self._checkpoints) == _SETTLED else 0

    def _of(self, head: Head) -> SignedChain:
        return self.chains.setdefault(head.chain, SignedChain())
