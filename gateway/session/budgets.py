"""What a session may still use of the budgets of its grants: the counters themselves are shared by all workers."""

from collections.abc import Callable
from typing import Protocol

from gateway.masking.distinct import Seen
from gateway.policy.decision import Budget


class Purse(Protocol):
    """What one principal has left of one budget, counted over all workers. `now`: POSIX nanoseconds.

    Looking and spending are two steps: sessions that run at once may together go beyond the budget by what they spend
    between their looks.
    """

    def left(self, now: int) -> int:
        """How many rows, bytes or statements are left; 0 when the budget is used up or cannot be counted."""

    def spend(self, count: int, now: int) -> None:
        """Counts so many as used, within the budget or beyond it."""


class Crowd(Protocol):
    """Whom one principal has met under a budget of different people, over all workers. Two that look at once may together go
    beyond it by what they meet between their looks."""

    def exceeded(self, now: int) -> bool:
        """Whether they are more than the budget allows, or what comes cannot be counted."""

    def meet(self, seen: Seen, now: int, *, must: bool = False) -> bool:
        """Whether these too are within the budget; only then they are counted. `must`: in any case."""


Crowds = Callable[[Budget], Crowd]
Purses = Callable[[Budget], Purse]  # of the session's principal; a session keeps what it was given
