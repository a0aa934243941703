"""How many different people somebody, or a task, was shown: sketches (gateway.masking.distinct) shared by all workers.

As in `workers.budgets` each slot has a table of its own with one writer, and a reader unites what all tables say. An entry
has a head of 8-byte words and, for each span of time, a sketch of 32 KiB:

    key       0 for a free entry
    life      as in `workers.tasks`
    offered   keys and rows that were counted so far, the same ones more than once: it only grows
    spans     for each sketch: 24 bits for the number of the span that it is of, plus one, and 40 bits for the rows that it
              met of which no key tells

An hour is the span that runs, of twenty minutes, and the three before it: what was met within the last sixty minutes counts,
what was met eighty minutes ago does not. A task is one span without an end. So an entry takes 128 KiB of memory in the table
of hours and 32 KiB in that of tasks, once it is used; what no entry uses the kernel never gives.

Nothing here needs numpy: the supervisor makes the mapping, and must have no threads when it forks.
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from workers.probing import sizes

HOURS = 1024  # entries of each slot's table: 128 MiB where all of them are used
TASKS = 2048  # 64 MiB
SPANS = 4
SPAN_SECONDS = 1200

REGISTERS = 1 << 15  # bytes of a sketch
LIFE, OFFERED, HEAD = 1, 2, 3  # places of the head's words, and how many stand before those of the spans
COUNT_BITS = 40
COUNT_MAX = (1 << COUNT_BITS) - 1


class Table(NamedTuple):
    """One slot's."""

    head: memoryview
    registers: memoryview


class Crowds:
    """Mappings with a table for each of `slots` slots. `spans`: sketches an entry has; `span_seconds`: 0 for no end.
    `gives_way`: whether the entry that was not used for longest makes room for a new one; else one is taken that no span
    counts any more, and where there is none the newcomer is not counted, and so gets nothing."""

    def __init__(self, slots: int, entries: int, spans: int, span_seconds: int, *, fleet: bool = False) -> None:
        self.spans = spans
        self.span_ns = span_seconds * 10**9
        self.width = HEAD + spans
        # A mapping for each: a kernel that does not overcommit as it likes looks at each by itself.
        self.tables = tuple(self._made(size) for size in sizes(slots, entries, fleet))

    def _made(self, entries: int) -> Table:
        head = entries * self.width * 8
        mapped = memoryview(mmap.mmap(-1, head + entries * self.spans * REGISTERS))
        return Table(mapped[:head].cast("Q"), mapped[head:])

    def number(self, now: int) -> int:
        """Of the span that runs, from 1."""
        return now // self.span_ns + 1 if self.span_ns else 1

    def stamps(self, table: Table, place: int) -> Iterator[tuple[int, int]]:
        """The sketches of an entry: number and rows without a key."""
        for word in table.head[place + HEAD : place + self.width]:
            yield word >> COUNT_BITS, word & COUNT_MAX

    def sketch(self, table: Table, place: int, index: int) -> memoryview:
        begin = (place // self.width * self.spans + index) * REGISTERS
        return table.registers[begin : begin + REGISTERS]
