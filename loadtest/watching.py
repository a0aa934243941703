"""What the gateway's processes and the load generator use while the load runs, from /proc."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Watch:
    """One process with its descendants. `samples` holds time, cores used since the sample before, and MiB."""

    root: int
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    _last: tuple[float, float] | None = None

    def look(self) -> None:
        """One sample. Nothing is noted once the process is gone."""
        pids = family(self.root)
        if not pids:
            return
        now, spent = time.time(), sum(map(cpu_seconds, pids))
        if self._last and now > self._last[0]:
            cores = max(0.0, (spent - self._last[1]) / (now - self._last[0]))
            self.samples.append((round(now, 1), round(cores, 3), round(mebibytes(pids), 1)))
        self._last = now, spent


def family(root: int) -> list[int]:
    """The process and its descendants that live."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        try:
            waiting += map(int, (PROC / f"{pid}/task/{pid}/children").read_text().split())
        except OSError:
            continue
        found.append(pid)
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time so far; 0 of a process that has just gone."""
    try:
        fields = (PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def mebibytes(pids: Sequence[int]) -> float:
    """Memory in proportion to who shares it: forked workers share most of theirs."""
    total = 0
    for pid in pids:
        try:
            lines = (PROC / f"{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
