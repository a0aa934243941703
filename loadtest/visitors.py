"""What all kinds of users share: a session each, and how what they do is timed and counted."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from checks import Wrong
from destination import Table, told
from gevent.lock import Semaphore
from locust import User, events
from messages import Answer
from wire import Client, WireError

KEYS_MOST = 10_000
SIGN_IN = "sign in"
RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Known:
    """The table's lowest keys in order, as text: between two of them lie exactly those between."""

    keys: list[str]


class Sessions:
    """How many are open, and what was learned of the table by the first."""

    def __init__(self) -> None:
        self.open = 0
        self.begun = 0
        self._known: Known | None = None
        self._lock = Semaphore()

    def known(self, client: Client, table: Table) -> Known:
        """Asked once, whoever comes first; the others wait."""
        with self._lock:
            if self._known is None:
                sql = f"select {table.key} from {table.name} order by {table.key} limit {KEYS_MOST}"
                keys = [str(row[0], "utf-8") for row in client.ask(sql).rows if row[0] is not None]
                if not keys:
                    raise Wrong(f"{table.name} is empty")
                self._known = Known(keys)
            return self._known


SESSIONS = Sessions()


class Visitor(User):
    """Somebody who knows where to go, and reports to locust what came of it."""

    abstract = True
    kind = ""
    token = ""  # the name of the environment's variable
    to = told()
    table = to.table

    def on_start(self) -> None:
        SESSIONS.begun += 1
        self.chance = random.Random(SESSIONS.begun)

    def timed(self, name: str, work: Callable[[], int], *, refused: bool = False) -> bool:
        """Runs `work`, which gives the bytes that came, and tells locust how it went. False when it went wrong."""
        started = time.perf_counter()
        size, failure = 0, None
        try:
            size = work()
        except (WireError, Wrong, OSError) as error:
            failure = error
        events.request.fire(
            request_type=self.kind,
            name=name,
            response_time=(time.perf_counter() - started) * 1000,
            response_length=size,
            exception=failure,
            context={"refused": refused, "sign_in": name == SIGN_IN},
        )
        return failure is None


class Resident(Visitor):
    """One session for each user, opened before anything is asked, and again after anything went wrong in it."""

    abstract = True
    receive_buffer = 0
    _client: Client | None = None

    def on_start(self) -> None:
        super().on_start()
        while not self.timed(SIGN_IN, self.arrive):
            gevent.sleep(RETRY_SECONDS)

    def on_stop(self) -> None:
        self.leave()

    def leave(self) -> None:
        """Closes the session."""
        if self._client:
            self._client.close()
            self._client = None
            SESSIONS.open -= 1

    def arrive(self) -> int:
        """Opens the session, and looks at the table first if nobody has."""
        self.leave()
        self._client = self.to.address.connect(self.to.tokens[self.token], self.receive_buffer)
        SESSIONS.open += 1
        self.known = SESSIONS.known(self._client, self.table)
        return self._client.received

    def with_session(self, name: str, work: Callable[[Client], int], *, refused: bool = False) -> None:
        """`work` in the user's session; a sign-in is a request of its own."""
        if self._client is None and not self.timed(SIGN_IN, self.arrive):
            return
        client = self._client
        assert client
        if not self.timed(name, lambda: work(client), refused=refused):
            self.leave()

    def ask(self, name: str, sql: str, right: Callable[[Answer], None]) -> None:
        """One simple query whose answer `right` looks at; it raises Wrong."""

        def work(client: Client) -> int:
            before = client.received
            right(client.ask(sql))
            return client.received - before

        self.with_session(name, work)

    def somebody(self) -> str:
        """A key that exists."""
        return self.chance.choice(self.known.keys)

    def stretch(self, most: int) -> list[str]:
        """Keys that follow one another in the table, at most so many."""
        keys = self.known.keys
        at = self.chance.randrange(max(1, len(keys) - most + 1))
        return keys[at : at + most]
