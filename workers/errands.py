"""What operators have workers do, and what comes of it: words that the supervisor passes on between the admin process and
the workers without a look at them, but for bars, which it keeps for those workers that come later."""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.identity.barred import Bar, Key

ANSWER_SECONDS: Final = 1.0  # for a worker to answer
NOBODY_ASKS: Final = 0  # the number of an errand whose answer nobody waits for


class ListSessions(msgspec.Struct, tag="list", frozen=True):
    """Tell all sessions; answered with Listed."""


class EndSession(msgspec.Struct, tag="end", frozen=True):
    """End one session, whatever it does; answered with Ended."""

    session: str
    by: str
    reason: str = ""


class MoveBars(msgspec.Struct, tag="bars", frozen=True):
    """New bars, and bars that are lifted; who is in and is barred now is put out. Answered with Ended, once that is done."""

    put: tuple[Bar, ...] = ()
    lift: tuple[Key, ...] = ()


class AllBars(msgspec.Struct, tag="all bars", frozen=True):
    """All bars, sealed in the descriptor beside it, for a worker that begins. Not answered."""

    size: int
    digest: bytes


class Listed(msgspec.Struct, tag="listed", frozen=True):
    """The sessions of a worker, sealed in the descriptor beside it: `workers.sessions_shown.unpack` reads them."""

    size: int
    digest: bytes


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """How many sessions were ended, and how many of them had not gone when the answer was due."""

    ended: int
    left: int = 0


Errand = ListSessions | EndSession | MoveBars | AllBars
Answer = Listed | Ended


@dataclass(frozen=True, slots=True)
class Answered:
    """One worker's answer; what was in its descriptor is `content`."""

    worker: int
    answer: Answer
    content: bytes = b""
