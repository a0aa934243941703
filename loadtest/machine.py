"""Where a measurement was made, and with which versions."""

import os
import platform
import re
import subprocess
from pathlib import Path

from servers import PGBOUNCER, ROOT, programs


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    gigabytes = int(memory[1]) / 2**20 if memory else 0
    cores = len(os.sched_getaffinity(0))
    return f"{model[1] if model else platform.machine()}, {cores} cores, {gigabytes:.0f} GiB, Linux {platform.release()}"


def versions() -> str:
    def first_line(command: list[str]) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]

    parts = [first_line([str(programs() / "postgres"), "--version"]), f"Python {platform.python_version()}"]
    parts += [first_line([PGBOUNCER, "--version"]) if PGBOUNCER else "pgbouncer is not installed"]
    compiled = any((ROOT / "gateway").rglob("*.so"))
    return ", ".join([*parts, f"Sluice with its hot modules {'compiled' if compiled else 'interpreted'}"])
