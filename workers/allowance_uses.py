"""What one worker has in its hands of allowances, and what came of it: told to the admin process until it is counted."""

from collections.abc import Callable, Iterator
from functools import partial

from gateway.session.uses import Use
from workers.holds_link import Leave, Used, Using


class Uses:
    """By the request that each belongs to."""

    def __init__(self, tell: Callable[[Used], None]) -> None:
        self._tell = tell
        self._open: set[str] = set()
        self._done: dict[str, Used] = {}

    def begin(self, request: str, leave: Leave | None) -> Use | None:
        """Of a statement that is let go."""
        if leave is None:
            return None
        self._open.add(request)
        return Use(leave.allowance, leave.rows, partial(self._settled, request))

    def _settled(self, request: str, rows: int | None, exceeded: bool) -> None:
        self._open.discard(request)
        self._done[request] = Used(request, rows, exceeded)
        self._tell(self._done[request])

    def unused(self, request: str) -> None:
        """It was given for what does not wait any more, unless that was let go with it before."""
        if request not in self._open and request not in self._done:
            self._settled(request, 0, False)

    def counted(self, request: str) -> None:
        """The admin process knows what came of it."""
        self._done.pop(request, None)

    def again(self) -> Iterator[Using | Used]:
        """What an admin process must know that has begun anew."""
        yield from map(Using, self._open)
        yield from list(self._done.values())
