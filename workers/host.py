"""A worker's main loop: the relay's turns, with trio as their guest.

Who sleeps in trio's loop pays for its scheduler at every wake-up, and a session alone wakes it for each message. So the
relay's own epoll is what a worker sleeps in, and trio (sign-in, catalogues, everything that is not hot) runs beside it in
guest mode: its waiting for sockets and times is done on a thread of trio's, its tasks run here, one pass between two turns.
docs/decisions/0021.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import outcome
import trio

from workers.relay import Relay

IDLE_SECONDS = 0.5  # the longest sleep: a turn is a sign of life


class _Host:
    """What trio asks of the loop that it is a guest of."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.soon: deque[Callable[[], object]] = deque()
        self.result: outcome.Outcome[int] | None = None

    def call_soon(self, call: Callable[[], object]) -> None:
        """From trio's thread."""
        self.soon.append(call)
        self.relay.wake()

    def done(self, result: outcome.Outcome[int]) -> None:
        self.result = result


def run(relay: Relay, main: Callable[[], Awaitable[int]]) -> int:
    """Serves until `main` returns, with what it returns; raises what it raises. Whatever a turn raises ends it at once."""
    host = _Host(relay)
    trio.lowlevel.start_guest_run(
        main,
        run_sync_soon_threadsafe=host.call_soon,
        run_sync_soon_not_threadsafe=host.soon.append,
        done_callback=host.done,
    )
    soon = host.soon
    while True:
        for _ in range(len(soon)):
            soon.popleft()()
        if host.result is not None:
            return host.result.unwrap()
        relay.serve(0 if soon else IDLE_SECONDS)
