"""What the report says of processes: read of ones whose descent and use are known."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import watching
from watching import Watch


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for the end of its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdin
    assert process.stdout.read(1) == b"x"
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_descendants_are_counted_with_their_root(child: subprocess.Popen[bytes]) -> None:
    assert {os.getpid(), child.pid} <= set(watching.family(os.getpid()))
    assert watching.family(child.pid) == [child.pid]


def test_what_a_process_uses_is_seen(child: subprocess.Popen[bytes]) -> None:
    watch = Watch(os.getpid())
    watch.look()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    watch.look()
    ((_, cores, size),) = watch.samples
    assert 0 < cores < 100
    assert size > watching.mebibytes([child.pid]) > 1


def test_process_that_is_gone_leaves_no_sample() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    watch = Watch(gone.pid)
    watch.look()
    watch.look()
    assert watch.samples == []
    assert watching.cpu_seconds(gone.pid) == 0
