"""The part of the demo in which somebody else decides: a statement waits, its owner may not release it, another does."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

WAIT_SECONDS = 20.0
POLL_SECONDS = 0.1

Sluice = Callable[..., CompletedProcess[str]]


@dataclass
class Released:
    """What happened beside the client: who tried what at the command line, and what came of it."""

    lines: list[tuple[str, str]] = field(default_factory=list)  # who, and what he read
    id: str = ""
    done: bool = False


@contextmanager
def released(sluice: Sluice, owner: str, administrator: str) -> Iterator[Released]:
    """While the client waits inside the `with`, the owner (his token) and then the administrator try to release what is
    held. All is told when it ends."""
    told = Released()
    with ThreadPoolExecutor(1) as beside:
        work: Future[None] = beside.submit(_release, sluice, owner, administrator, told)
        yield told
        work.result()


def _release(sluice: Sluice, owner: str, administrator: str, told: Released) -> None:
    waiting = _waiting(sluice, administrator)
    if waiting is None:
        return
    told.id = waiting["id"]
    for who, token in (("its owner", owner), ("administrator", administrator)):
        answer = sluice("approvals", "approve", told.id, "--reason", "the ticket says so", token=token)
        told.lines.append((who, (answer.stdout + answer.stderr).strip()))
        told.done = who == "administrator" and answer.returncode == 0


def _waiting(sluice: Sluice, token: str) -> dict[str, Any] | None:
    give_up = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up:
        listed = sluice("approvals", "list", "--json", token=token)
        found = json.loads(listed.stdout)["approvals"] if listed.returncode == 0 else []
        waiting: list[dict[str, Any]] = [one for one in found if one["state"] == "pending"]
        if waiting:
            return waiting[0]
        time.sleep(POLL_SECONDS)
    return None
