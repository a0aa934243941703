"""pgbench, run and read: transactions a second, what the peer's processes spent on each, how long each took."""

import re
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from servers import Target, programs
from tables import Failed

THREADS = 2
PATIENCE_SECONDS = 60  # beyond its time, for many clients to connect in
CLIENTS_A_SECOND = 100
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True)
class Mark:
    """One of pgbench's reports of progress, and the peer's CPU time when it came."""

    seconds: float
    tps: float
    cpu: float = 0


def pgbench(
    target: Target, options: Sequence[str], *, clients: int, seconds: int, program: Path | None = None
) -> dict[str, float]:
    """`tps` (without connecting), and `cpu`: microseconds of the peer's processes for a transaction, after the first second,
    in which the sessions may still be opened."""
    command = [str(program or programs() / "pgbench"), "-n", "-P", "1", "-c", str(clients)]
    opening = clients // CLIENTS_A_SECOND  # pgbench's clock already runs while it opens the sessions
    command += ["-j", str(min(THREADS, clients)), "-T", str(seconds + opening), *options]
    with subprocess.Popen(
        command, env=target.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(seconds + PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            marks, complaints = follow(process.stderr, target)
            output = process.stdout.read()
            code = process.wait()
        finally:
            watchdog.cancel()
            process.kill()
    if code:
        raise Failed(complaints or f"pgbench ended with {code}; it is ended {PATIENCE_SECONDS} s after its time")
    tps, count = rate(output)
    return {"tps": tps, "cpu": cpu_each(marks, count, target.cpu_seconds()) * 1e6}


def follow(errors: IO[str], target: Target) -> tuple[list[Mark], str]:
    """The reports of progress, each with the CPU time at its moment, and the last complaint."""
    marks, complaint = [], ""
    for line in errors:
        if (mark := progress(line)) is not None:
            marks.append(Mark(mark.seconds, mark.tps, target.cpu_seconds()))
        elif "error" in line or "FATAL" in line or "ERROR" in line:
            complaint = complaint or line.strip()
    return marks, complaint


def progress(line: str) -> Mark | None:
    found = re.match(r"progress: ([0-9.]+) s, ([0-9.]+) tps", line)
    return Mark(float(found[1]), float(found[2])) if found else None


def rate(output: str) -> tuple[float, int]:
    """Transactions a second without connecting, and how many were processed."""
    tps = re.search(r"tps = ([0-9.]+) \(without", output)
    count = re.search(r"actually processed: (\d+)", output)
    lost = re.search(r"failed transactions: (\d+)", output)
    if count and not int(count[1]):
        raise Failed("no transaction: opening the sessions took all the time")
    if not tps or not count:
        raise Failed(f"pgbench said: {output[-200:]}")
    if lost and int(lost[1]):
        raise Failed(f"{lost[1]} transactions failed")
    return float(tps[1]), int(count[1])


def cpu_each(marks: Sequence[Mark], count: int, at_end: float) -> float:
    """Seconds of CPU for a transaction between the first report and the last, or the end where there is but one."""
    if not marks:
        raise Failed("pgbench reported no progress")
    first, *others = marks
    if not others:
        done, spent = count - first.tps * first.seconds, at_end - first.cpu
    else:
        before = [first, *others]
        done = sum(mark.tps * (mark.seconds - last.seconds) for last, mark in zip(before, others, strict=False))
        spent = others[-1].cpu - first.cpu
    if done < 1:
        raise Failed("no transaction after the first second")
    return spent / done


def latencies(target: Target, options: Sequence[str], *, clients: int, seconds: int) -> list[float]:
    """Microseconds of each transaction. Where the options hold a rate, they count from when it was to begin, so that who
    waits behind a slow one waits in the figures too."""
    with tempfile.TemporaryDirectory() as folder:
        log = ["--log", "--log-prefix", f"{folder}/log"]
        pgbench(target, [*options, *log], clients=clients, seconds=seconds)
        return logged("".join(file.read_text() for file in Path(folder).iterdir()))


def logged(text: str) -> list[float]:
    """The times in pgbench's log, without those that ended while all was still warming up."""
    lines = [line.split() for line in text.splitlines()]
    if not lines:
        raise Failed("pgbench logged no transaction")
    ended = [int(line[4]) + int(line[5]) / 1e6 for line in lines]
    start = min(ended) + WARM_UP_SECONDS
    return [float(line[2]) for line, end in zip(lines, ended, strict=True) if end >= start]
