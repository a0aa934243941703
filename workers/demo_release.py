"""The part of the demo in which somebody else decides: a statement waits, its own person may not release it, another may."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from workers.demo_slack import LocalSlack

OWNER, ADMINISTRATOR = "UMIA", "UBO"


@dataclass
class Released:
    """What happened beside the client: what stood in Slack, who tried, and what he read."""

    message: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def released(slack: LocalSlack, door: str) -> Iterator[Released]:
    """While the client waits inside the `with`, the person behind the agents and then the administrator press Approve. It is
    all told when that ends. `door`: the address at which the gateway hears Slack."""
    told = Released()
    with ThreadPoolExecutor(1) as beside:
        work: Future[None] = beside.submit(_release, slack, door, told)
        yield told
        work.result()


def _release(slack: LocalSlack, door: str, told: Released) -> None:
    told.message = slack.message()
    if told.message:
        for member in (OWNER, ADMINISTRATOR):
            told.lines.append((member, slack.decide(door, member, True, "the ticket says so")))
