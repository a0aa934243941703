"""Users who speak PostgreSQL over plain sockets: an analyst, an AI agent, a batch job, a storm of sign-ins, a slow reader.

`make load` runs them against the demo. Against one's own gateway: SLUICE_DSN and SLUICE_TOKEN in the environment, then
`locust -f loadtest/locustfile.py --class-picker`, or the users' names on the command line (docs/load.md). What must be
refused counts as right only with the right SQLSTATE and rule; an answer with a wrong count or without masks is a failure.
"""

import sys
import time
from pathlib import Path

import gevent
from locust import between as waiting
from locust import constant_pacing, task

sys.path.insert(0, str(Path(__file__).parent))

import series  # noqa: F401 - listens to what the users report
from checks import Wrong, between, columns, many, much, no_secret, people, quoted
from destination import AGENT_TOKEN, BATCH_TOKEN, TOKEN, Refusal
from messages import Answer
from visitors import SESSIONS, Resident, Visitor
from wire import Client, WireError, only

PAGE = 100
BATCH_ROWS = 20_000
COPIED_ROWS = 5_000
PIPELINED = 20
SLOW_ROWS = 20_000
SLOW_BYTES = 32 * 1024  # a second
SLOW_SECONDS = 4
SLOW_BUFFER = 64 * 1024
NOT_SIGNED_IN = ("28P01", "28000")


class Analyst(Resident):
    """A dashboard: people one by one and in pages, and what they add up to; ten statements a second."""

    weight = 10
    kind, token = "analyst", TOKEN
    wait_time = constant_pacing(0.1)

    @task(6)
    def one_person(self) -> None:
        key = self.somebody()
        sql = f"select {columns(self.table)} from {self.table.name} where {self.table.key} = {quoted(key)}"
        self.ask("one person (masked)", sql, people(self.table, [key]))

    @task(3)
    def a_page(self) -> None:
        keys, table = self.stretch(PAGE), self.table
        sql = f"select {columns(table)} from {table.name} where {between(table, keys)} order by {table.key}"
        self.ask("a page of 100 (masked)", sql, people(table, keys))

    @task(1)
    def an_aggregate(self) -> None:
        keys, table = self.stretch(1000), self.table

        def adds_up(answer: Answer) -> None:
            found = sum(int(row[1] or 0) for row in answer.rows)
            if found != len(keys):
                raise Wrong(f"{found} people counted instead of {len(keys)}")

        counted = f"select {table.clear}, count(*) from {table.name} where {between(table, keys)}"
        self.ask("an aggregate", f"{counted} group by {table.clear}", adds_up)


class Agent(Resident):
    """An AI agent that acts for the analyst: many short statements, some of which must be refused, by the right rule."""

    weight = 4
    kind, token = "agent", AGENT_TOKEN
    wait_time = constant_pacing(0.05)

    @task(6)
    def look_up(self) -> None:
        key, table = self.somebody(), self.table
        sql = f"select {columns(table)} from {table.name} where {table.key} = {quoted(key)}"
        self.ask("look up (masked)", sql, people(table, [key]))

    @task(2)
    def disguise(self) -> None:
        """An expression over what is masked is masked as a whole."""
        keys, table = self.stretch(10), self.table
        column = self.chance.choice(table.masked)

        def hidden(answer: Answer) -> None:
            no_secret(table, answer)
            if len(answer.raw) != len(keys):
                raise Wrong(f"{len(answer.raw)} rows came instead of {len(keys)}")
            if any(row[0] is not None and not table.mask.fullmatch(row[0]) for row in answer.rows):
                raise Wrong(f"LEAK: upper({column}) is not masked")

        sql = f"select upper({column}::text) from {table.name} where {between(table, keys)}"
        self.ask("an expression (masked)", sql, hidden)

    @task(2)
    def try_what_is_forbidden(self) -> None:
        if not self.to.refusals:
            return
        forbidden = self.chance.choice(self.to.refusals)
        self.with_session(
            f"{forbidden.name} (refused)", lambda client: self._refused(client, forbidden), refused=True
        )

    def _refused(self, client: Client, forbidden: Refusal) -> int:
        before = client.received
        try:
            client.ask(forbidden.statement)
        except WireError as error:
            if error.sqlstate != forbidden.sqlstate or f'"{forbidden.rule}"' not in error.message:
                raise
            return client.received - before
        raise Wrong("it was not refused")


class BatchJob(Resident):
    """Moves much at once: large answers, COPY out and in, prepared statements in pipelines. Its token must let it write."""

    weight = 1
    kind, token = "batch job", BATCH_TOKEN
    wait_time = waiting(0.2, 1.0)

    @task(2)
    def large_select(self) -> None:
        sql, right = many(self.table, BATCH_ROWS), much(self.table, BATCH_ROWS, "SELECT")
        self.ask("20,000 rows (masked)", sql, right)

    @task(2)
    def copy_out(self) -> None:
        sql, right = many(self.table, BATCH_ROWS), much(self.table, BATCH_ROWS, "COPY")
        self.ask("COPY out, 20,000 rows (masked)", f"copy ({sql}) to stdout", right)

    @task(2)
    def copy_in(self) -> None:
        self.with_session("COPY in, 5,000 rows", self._copy_in)

    def _copy_in(self, client: Client) -> int:
        """Into a temporary table that ends with its transaction; counted where it arrived."""
        before = client.received
        lines = [f"{number}\tline {number}\n" for number in range(COPIED_ROWS)]
        blocks = ["".join(lines[at : at + 500]).encode() for at in range(0, COPIED_ROWS, 500)]
        client.ask("begin")
        client.ask("create temporary table load_lines (number integer, line text) on commit drop")
        copied = client.copy_in("copy load_lines from stdin", blocks)
        row = client.ask("select count(*), sum(number) from load_lines").rows[0]
        client.ask("commit")
        if copied.tag != f"COPY {COPIED_ROWS}" or row != [
            b"%d" % COPIED_ROWS,
            b"%d" % sum(range(COPIED_ROWS)),
        ]:
            raise Wrong(f"{copied.tag} came, and {row} arrived")
        return client.received - before

    @task(4)
    def pipeline(self) -> None:
        self.with_session("a pipeline of 20", self._pipeline)

    def _prepared(self, client: Client) -> None:
        if self._prepared_in is not client:
            table = self.table
            client.prepare(
                "person", f"select {columns(table)} from {table.name} where {table.key}::text = $1"
            )
            client.prepare("ratio", "select 10 / $1::integer")
            self._prepared_in = client

    _prepared_in: Client | None = None

    def _pipeline(self, client: Client) -> int:
        before = client.received
        self._prepared(client)
        keys = [self.somebody() for _ in range(PIPELINED)]
        answers = client.pipeline(("person", (key,)) for key in keys)
        if len(answers) != PIPELINED:
            raise Wrong(f"{len(answers)} answers came for {PIPELINED} executions")
        for key, answer in zip(keys, answers, strict=True):
            people(self.table, [key])(only([answer]))
        return client.received - before

    @task(1)
    def broken_pipeline(self) -> None:
        self.with_session("a pipeline with an error in it", self._broken_pipeline)

    def _broken_pipeline(self, client: Client) -> int:
        """What follows an error is skipped, and the session is usable after it."""
        before = client.received
        self._prepared(client)
        key = self.somebody()
        answers = client.pipeline(
            [("person", (key,)), ("ratio", ("0",)), ("person", (key,)), ("ratio", ("1",))]
        )
        states = [answer.error.sqlstate if answer.error else "" for answer in answers]
        if states != ["", "22012"]:
            raise Wrong(f"{states} came instead of one row and a division by zero")
        people(self.table, [key])(answers[0])
        (after,) = client.pipeline([("ratio", ("5",))])
        if after.rows != [[b"2"]]:
            raise Wrong("the session is not what it was")
        return client.received - before


class SignInStorm(Visitor):
    """Signs in, asks one thing and goes, over and over; now and then with a token that nobody signed."""

    weight = 2
    kind, token = "sign-in storm", TOKEN
    wait_time = constant_pacing(0.25)

    @task(9)
    def come_and_go(self) -> None:
        self.timed("connect, SELECT 1, close", self._come_and_go)

    def _come_and_go(self) -> int:
        client = self.to.address.connect(self.to.tokens[self.token])
        SESSIONS.open += 1
        try:
            if client.ask("select 1").rows != [[b"1"]]:
                raise Wrong("one is not one")
            return client.received
        finally:
            client.close()
            SESSIONS.open -= 1

    @task(1)
    def forge(self) -> None:
        self.timed("a forged token (refused)", self._forge, refused=True)

    def _forge(self) -> int:
        """The right token with one letter of its signature changed."""
        token = self.to.tokens[self.token]
        middle = (token.rfind(".") + len(token)) // 2
        other = "A" if token[middle] != "A" else "B"
        try:
            self.to.address.connect(token[:middle] + other + token[middle + 1 :]).close()
        except WireError as error:
            if error.sqlstate not in NOT_SIGNED_IN:
                raise
            return 0
        raise Wrong("a forged token got in")


class SlowReader(Resident):
    """Asks for much, takes a little a second, then the rest: if others had to wait for it, their times would show it."""

    weight = 1
    kind, token = "slow reader", TOKEN
    receive_buffer = SLOW_BUFFER
    wait_time = waiting(0.5, 1.5)

    @task
    def read_slowly(self) -> None:
        self.with_session("20,000 rows (masked), read slowly", self._read_slowly)

    def _read_slowly(self, client: Client) -> int:
        before = client.received
        table = self.table
        client.begin(many(table, SLOW_ROWS))
        until = time.monotonic() + SLOW_SECONDS
        while time.monotonic() < until:
            left = SLOW_BYTES
            while left > 0:
                left -= client.pull(left)
            gevent.sleep(1)
        much(table, SLOW_ROWS, "SELECT")(only(client.rest()))
        return client.received - before
