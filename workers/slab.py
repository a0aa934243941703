"""Counters that all processes share: one anonymous mapping made before the forks.

Every cell is an aligned 8-byte word (torn reads measured on such words: none). Each word has one writer: a
slot's worker writes its own row, the supervisor writes the header and clears a dead worker's gauges. Readers
add the rows up, so no lock is needed.
"""

import mmap
import time
import zlib
from enum import IntEnum

_HEADER_WORDS = 8
_GENERATION = 0
_BUCKETS = 256  # database names are hashed into these: two names in one bucket only cost an early refresh
_ROW_GAUGES = 32
AUDIT_HEALTH = ("ok", "full", "failed")  # what the gauge's values mean, the worst last


class Counter(IntEnum):
    """The words of a slot's row; the first three and AUDIT_HEALTH are gauges, cleared when the worker is replaced."""

    BEAT = 0  # CLOCK_MONOTONIC nanoseconds of the relay's last turn
    SESSIONS = 1
    AUDIT_LAG = 2  # bytes handed to the kernel and not known to be on disk
    STATEMENTS = 3
    REFUSED = 4
    ROWS = 5
    BYTES = 6
    TURNS = 7
    SIGN_INS = 8
    SIGN_INS_REFUSED = 9
    CANCELS = 10
    RESTARTS = 11  # written by the supervisor while the slot has no worker
    BUDGETS_FULL = 12  # times that a use could not be counted because the table of budgets was full
    LABELS = 13  # labels of columns written down; its total moving tells every worker that there are new ones
    AUDIT_HEALTH = 14  # 0 it can be written, 1 its disk is full, 2 it failed
    AUDIT_UNRECORDED = 15  # statements run without a record, as `on_failure = "continue"` has it
    AUDIT_FAILURES = 16  # appends to the audit that failed


_GAUGES = (Counter.BEAT, Counter.SESSIONS, Counter.AUDIT_LAG, Counter.AUDIT_HEALTH)
_CATALOGUE = _ROW_GAUGES
_REACHED = _CATALOGUE + _BUCKETS
_FAILED = _REACHED + _BUCKETS
_ROW_WORDS = _FAILED + _BUCKETS


def _bucket(database: str) -> int:
    return zlib.crc32(database.encode()) % _BUCKETS


class Slab:
    """The whole mapping: the policy generation in force, and a row of counters for each of `slots` slots."""

    def __init__(self, slots: int) -> None:
        assert slots >= 1
        self.slots = slots
        self._map = mmap.mmap(-1, 8 * (_HEADER_WORDS + slots * _ROW_WORDS))
        self._words = memoryview(self._map).cast("Q")

    @property
    def generation(self) -> int:
        """The policy generation in force; read once a turn. 0 before the first."""
        return self._words[_GENERATION]

    def publish(self, generation: int) -> None:
        """Put `generation` in force everywhere. Only the supervisor calls this, after every live worker
        acknowledged."""
        assert generation > self.generation
        self._words[_GENERATION] = generation

    def changes(self) -> int:
        """A number that moves with each policy put in force and each label written down; read once a turn."""
        words = self._words
        moved: int = words[_GENERATION]
        at = _HEADER_WORDS + int(Counter.LABELS)
        for _ in range(self.slots):
            moved += words[at]
            at += _ROW_WORDS
        return moved

    def row(self, index: int) -> "Row":
        """The row of slot `index` (0-based)."""
        assert 0 <= index < self.slots
        start = _HEADER_WORDS + index * _ROW_WORDS
        return Row(self, self._words[start : start + _ROW_WORDS])

    def total(self, counter: Counter) -> int:
        """The sum of one counter over all slots."""
        return sum(self._column(int(counter)))

    def worst(self, counter: Counter) -> int:
        """The greatest value of one counter over all slots."""
        return max(self._column(int(counter)))

    def catalogue_changes(self, database: str) -> int:
        """A number that grows whenever DDL passed through any worker to `database`; only its changes mean
        something."""
        return sum(self._column(_CATALOGUE + _bucket(database)))

    def health(self, database: str) -> tuple[int, int]:
        """POSIX seconds of the last successful and the last failed connect to `database`; 0 for never."""
        bucket = _bucket(database)
        return max(self._column(_REACHED + bucket)), max(self._column(_FAILED + bucket))

    def _column(self, word: int) -> list[int]:
        first = _HEADER_WORDS + word
        return [self._words[first + slot * _ROW_WORDS] for slot in range(self.slots)]


class Row:
    """One slot's words, for its only writer."""

    def __init__(self, slab: Slab, words: memoryview) -> None:
        self._slab = slab
        self._words = words

    def beat(self) -> None:
        """Say that the relay's turn goes round. Called by the turn itself, never by a thread beside it."""
        self._words[Counter.BEAT] = time.monotonic_ns()

    def changes(self) -> int:
        """See the slab's."""
        return self._slab.changes()

    def get(self, counter: Counter) -> int:
        """The counter's value."""
        return self._words[counter]

    def set(self, counter: Counter, value: int) -> None:
        """Overwrite a gauge; `value` is not negative."""
        self._words[counter] = value

    def add(self, counter: Counter, count: int = 1) -> None:
        """Add to a counter."""
        self._words[counter] += count

    def admit(self, sessions_max: int, own_max: int) -> bool:
        """Count one more session, unless all slots together would then hold more than `sessions_max`, or this one more
        than `own_max`.

        The session is counted before the sum is taken: two workers racing for the last place may both be
        turned away, never both let in.
        """
        self._words[Counter.SESSIONS] += 1
        if self._words[Counter.SESSIONS] <= own_max and self._slab.total(Counter.SESSIONS) <= sessions_max:
            return True
        self._words[Counter.SESSIONS] -= 1
        return False

    def leave(self) -> None:
        """Count one session less."""
        self._words[Counter.SESSIONS] -= 1

    def bump_catalogue(self, database: str) -> None:
        """Tell every worker that DDL passed through to `database`."""
        self._words[_CATALOGUE + _bucket(database)] += 1

    def note_connect(self, database: str, *, reached: bool) -> None:
        """Remember now as the time of the last successful or failed connect to `database`."""
        self._words[(_REACHED if reached else _FAILED) + _bucket(database)] = int(time.time())

    def clear(self) -> None:
        """Reset the gauges of a worker that is gone. Only the supervisor calls this."""
        for counter in _GAUGES:
            self._words[counter] = 0
