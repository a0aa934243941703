"""The queue live: server-sent events that tell a page that what it shows is another by now. The page then asks for itself.

An event holds the mark of what the person may see and nothing of it, so that there is one way in which requests are shown.
Streams are bounded, of each person and in all; a page that gets none asks every few seconds.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec
import trio

from workers.admin_calls import Turned
from workers.console_sessions import Session, Sessions

STREAMS_MAX: Final = 48
PERSON_MAX: Final = 4
TICK_SECONDS: Final = 1.0  # between looks whether somebody is still signed in
LOOK_SECONDS: Final = 15.0  # and whether something is different that nobody has told; also a sign of life
PAUSE_SECONDS: Final = 0.25  # between two events
STREAM_SECONDS: Final = 3600.0
log = logging.getLogger("sluice.console")
Look = Callable[[], Awaitable[str]]
Receive = Callable[[], Awaitable[Any]]


class Watch:
    """Wakes the streams when something has changed."""

    def __init__(self) -> None:
        self.event = trio.Event()

    def changed(self) -> None:
        """Something has."""
        moved, self.event = self.event, trio.Event()
        moved.set()

    async def heard(self, *_: object) -> None:
        """… at another gateway of the fleet."""
        self.changed()


class Live:
    """All streams. One of them is an ASGI application: `stream(session, look)`."""

    def __init__(self, watch: Watch, sessions: Sessions) -> None:
        self._watch = watch
        self._sessions = sessions
        self._of: Counter[tuple[str, str]] = Counter()

    def full(self, session: Session) -> bool:
        """Whether this person, or everybody, has as many as there may be."""
        return self._of.total() >= STREAMS_MAX or self._of[session.person] >= PERSON_MAX

    def stream(self, session: Session, look: Look, headers: dict[str, str]) -> "Stream":
        """For one page. `look`: the mark of what it shows."""
        return Stream(self, session, look, headers)

    @contextmanager
    def counted(self, session: Session) -> Iterator[None]:
        """One stream more."""
        self._of[session.person] += 1
        try:
            yield
        finally:
            self._of[session.person] -= 1
            self._of += Counter()  # forgets who has none

    async def tell(self, session: Session, look: Look, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Until the sign-in ends, or for STREAM_SECONDS."""
        end = trio.current_time() + STREAM_SECONDS
        due, told = 0.0, ""
        await send(b"retry: 2000\n\n")
        while trio.current_time() < end:
            moved = self._watch.event
            if not self._sessions.alive(session):
                return await send(b"event: ended\ndata: \n\n")
            if trio.current_time() >= due:
                due = trio.current_time() + LOOK_SECONDS
                mark = told
                with suppress(Turned):  # it is in the log; the page asks again
                    mark = await look()
                await send(b": here\n\n" if mark == told else b"data: " + mark.encode() + b"\n\n")
                told = mark
                await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(TICK_SECONDS):
                await moved.wait()
            if moved.is_set():
                due = 0.0


class Stream:
    """One of them, as an answer of the application."""

    def __init__(self, live: Live, session: Session, look: Look, headers: dict[str, str]) -> None:
        self._live, self._session, self._look = live, session, look
        self._headers = {**headers, "Content-Type": "text/event-stream", "Connection": "close", "X-Accel-Buffering": "no"}

    async def __call__(self, scope: Any, receive: Receive, send: Callable[[Any], Awaitable[None]]) -> None:
        """As ASGI has it. It is counted before anything is awaited, so that there are never more than there may be."""
        if self._live.full(self._session):
            await send({"type": "http.response.start", "status": 429, "headers": _raw(self._headers)})
            return await send({"type": "http.response.body", "body": b""})
        with self._live.counted(self._session):
            await self._speak(scope, receive, send)

    async def _speak(self, scope: Any, receive: Receive, send: Callable[[Any], Awaitable[None]]) -> None:
        if (stays := scope.get("sluice.stays")) is not None:
            stays(STREAM_SECONDS + TICK_SECONDS)
        await send({"type": "http.response.start", "status": 200, "headers": _raw(self._headers)})

        async def say(content: bytes) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": True})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(_gone, receive, nursery.cancel_scope)
            await self._live.tell(self._session, self._look, say)
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})  # what this does must not be cut short by `_gone`


def mark(shown: Iterable[Mapping[str, Any]]) -> str:
    """What tells one state of a page from another. That somebody has looked changes nothing that is shown."""
    told = [{name: fact for name, fact in one.items() if name != "looks"} for one in shown]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]


async def _gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
