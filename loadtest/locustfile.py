"""Locust users who speak PostgreSQL over plain sockets: an analyst at a dashboard, and an AI agent that tries things.

Run by load.py (`make load`), which starts the servers and says where they are by environment: LOAD_PORT, LOAD_ANALYST
and LOAD_AGENT (tokens). What the policy refuses counts as a success here when a refusal is what should come.
"""

import os
import random
import sys
import time
from pathlib import Path

from locust import User, constant_pacing, events, task

sys.path.insert(0, str(Path(__file__).parent))

from wire import Client, WireError

PORT = int(os.environ.get("LOAD_PORT", "6432"))
PEOPLE = 100_000


class Session(User):
    """One signed-in session for each locust user, opened when it starts."""

    abstract = True
    token_variable = ""

    def on_start(self) -> None:
        self.chance = random.Random(id(self))
        self.client = self._timed(
            "sign in", lambda: Client(PORT, "ann", "bench", os.environ[self.token_variable])
        )

    def on_stop(self) -> None:
        self.client.close()

    def _timed(self, name: str, work: object, refused: str = "") -> Client:
        assert callable(work)
        started = time.perf_counter()
        failure: Exception | None = None
        answer = None
        try:
            answer = work()
            if refused:
                failure = WireError("it was not refused")
        except WireError as error:
            failure = None if refused and str(error).startswith(refused) else error
        events.request.fire(
            request_type="sluice",
            name=name,
            response_time=(time.perf_counter() - started) * 1000,
            response_length=answer if isinstance(answer, int) else 0,
            exception=failure,
            context={},
        )
        return answer

    def ask(self, name: str, sql: str, refused: str = "") -> None:
        self._timed(name, lambda: self.client.query(sql), refused)


class Analyst(Session):
    """Reads people and aggregates, ten statements a second."""

    weight = 4
    token_variable = "LOAD_ANALYST"
    wait_time = constant_pacing(0.1)

    @task(6)
    def one_person(self) -> None:
        self.ask(
            "one person (masked)",
            f"select id, name, email, ssn, city from people where id = {self.chance.randint(1, PEOPLE)}",
        )

    @task(3)
    def a_page(self) -> None:
        start = self.chance.randint(1, PEOPLE)
        self.ask(
            "a page of 100 (masked)",
            f"select * from people where id between {start} and {start + 99} order by id",
        )

    @task(1)
    def an_aggregate(self) -> None:
        start = self.chance.randint(1, PEOPLE)
        self.ask(
            "aggregate",
            f"select city, count(*) from people where id between {start} and {start + 999} group by city",
        )


class Agent(Session):
    """An AI agent for the analyst: many short statements, some of which the policy stops."""

    weight = 1
    token_variable = "LOAD_AGENT"
    wait_time = constant_pacing(0.05)

    @task(8)
    def look_up(self) -> None:
        self.ask(
            "agent: look up (masked)", f"select email from people where id = {self.chance.randint(1, PEOPLE)}"
        )

    @task(1)
    def drop(self) -> None:
        self.ask("agent: DROP (refused)", "/* tidy */ drop table people", refused="42501")

    @task(1)
    def escalate(self) -> None:
        self.ask("agent: GRANT (refused)", "grant all on people to public", refused="42501")
