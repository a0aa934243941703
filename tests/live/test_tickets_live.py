"""Clients that do not wait for people: refused at once with a ticket, and let through once when it was approved."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, serving, standard_entries, wait_for
from tests.live.test_held_live import call, quietly

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "changes wait"
effect = "hold"
statements = ["UPDATE", "DELETE"]
tables = ["ticketed"]
[[approval]]
name = "the shop"
approvers = { groups = ["shop"] }
databases = ["dev"]
ticket_seconds = 600
max_allowance = { times = 100, rows = 1000, seconds = 7200 }
"""
OPTIONS = "-c sluice.on_hold=ticket"
TICKET = re.compile(r"request (h[0-9a-f]{10}) waits")
DENIED = psycopg.errors.InsufficientPrivilege


@pytest.fixture(scope="module")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    with postgres.connect("shop", "sluice") as connection:  # before it starts: all workers know it
        connection.execute("create table ticketed (id int primary key, amount int)")
        connection.execute("insert into ticketed select n, 0 from generate_series(1, 50) n")
    yield from serving(Gateway(standard_entries(postgres), POLICY))


def sluice(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb as one who decides calls it."""
    return gateway.sluice("approvals", *words, SLUICE_TOKEN=gateway.token("bo", ("shop",)))


def decide(gateway: Gateway, request: str, verb: str = "approve") -> None:
    assert call(gateway, "POST", f"/v1/approvals/{request}/{verb}", body={"reason": "seen"})[0] == 200


def listed(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(gateway, "GET", "/v1/approvals")[1]["approvals"]
    return found


def ticket(work: Callable[[], Any]) -> str:
    """The request that the refusal names."""
    with pytest.raises((DENIED, asyncpg.InsufficientPrivilegeError)) as refused:
        work()
    found = TICKET.search(str(refused.value))
    assert found, str(refused.value)
    return found[1]


def client(gateway: Gateway, options: str = OPTIONS, **more: Any) -> psycopg.Connection:
    return gateway.connect("dev", "olga", ("owners",), options=options, **more)


def psql(gateway: Gateway, postgres: Postgres, *sql: str) -> subprocess.CompletedProcess[str]:
    commands = [word for one in sql for word in ("-c", one)]
    return subprocess.run(
        [postgres.program("psql"), f"{gateway.dsn('dev')} options='{OPTIONS}'", "-Xq", *commands],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_batch_job_in_psql_gets_a_ticket_waits_for_the_answer_and_runs_once(gateway: Gateway, postgres: Postgres) -> None:
    update = "update ticketed set amount = 4711 where id = 1"
    first, again = psql(gateway, postgres, update), psql(gateway, postgres, update)
    assert first.returncode == 1
    (request,) = set(TICKET.findall(first.stderr + again.stderr))  # one for both
    assert f"sluice approvals wait {request}" in first.stderr
    assert "Audit record" in first.stderr
    assert [one["on_hold"] for one in listed(gateway) if one["id"] == request] == ["ticket"]
    assert "4711" not in json.dumps(listed(gateway))
    assert "4711" in str(call(gateway, "GET", f"/v1/approvals/{request}"))
    decide(gateway, request)
    waited = sluice(gateway, "wait", request)
    assert (waited.returncode, waited.stdout) == (0, f"{request}: approved\n")
    other = psql(gateway, postgres, update + " ")
    assert TICKET.findall(other.stderr) not in ([], [request]), "one byte more is another statement"
    done = psql(gateway, postgres, update, "select amount from ticketed where id = 1")
    assert (done.returncode, done.stdout.split()[2]) == (0, "4711"), done.stderr
    assert TICKET.findall(psql(gateway, postgres, update).stderr) not in ([], [request])
    records = gateway.audit()
    assert [one["decision"] for one in records if one["kind"] == "intent" and one.get("approval") == request] == ["hold"]
    assert "4711" not in json.dumps(records)


def test_drivers_send_exactly_the_same_again_with_their_parameters(gateway: Gateway) -> None:
    sql = "update ticketed set amount = %s where id = %s"
    for more in ({"prepare": False}, {"prepare": True}):
        with client(gateway) as one:
            request = ticket(lambda one=one, more=more: one.execute(sql, (7, 2), **more))
            assert ticket(lambda one=one, more=more: one.execute(sql, (7, 2), **more)) == request
            assert ticket(lambda one=one, more=more: one.execute(sql, (8, 2), **more)) != request
        decide(gateway, request)
        with client(gateway) as one:
            assert ticket(lambda one=one, more=more: one.execute(sql, (9, 2), **more)) != request
            one.execute("set search_path = pg_catalog, public")
            assert ticket(lambda one=one, more=more: one.execute(sql, (7, 2), **more)) != request, "other meanings"
            one.execute("reset search_path")
            assert one.execute(sql, (7, 2), **more).rowcount == 1
            assert ticket(lambda one=one, more=more: one.execute(sql, (7, 2), **more)) != request
    with client(gateway) as one:
        request = ticket(lambda: pipelined(one))
        decide(gateway, request)
        assert pipelined(one) == [(1,), (5,)]

    async def by_asyncpg() -> str:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=gateway.port, user="olga", database="dev", password=gateway.token("olga", ("owners",)),
            server_settings={"sluice.on_hold": "ticket"},
        )  # fmt: skip
        try:
            return str(await connection.execute("update ticketed set amount = $1 where id = $2", 11, 3))
        finally:
            await connection.close()

    request = ticket(lambda: asyncio.run(by_asyncpg()))
    decide(gateway, request)
    assert asyncio.run(by_asyncpg()) == "UPDATE 1"


def pipelined(connection: psycopg.Connection) -> list[Any]:
    with connection.pipeline():
        before = connection.execute("select 1")
        connection.execute("update ticketed set amount = 5 where id = 4")
        after = connection.execute("select amount from ticketed where id = 4")
    return [before.fetchone(), after.fetchone()]


def test_a_denial_stands_and_the_word_can_be_the_sessions_the_transactions_or_the_statements(gateway: Gateway) -> None:
    with client(gateway, "") as one:
        one.execute("set sluice.on_hold = 'ticket'")
        request = ticket(lambda: one.execute("delete from ticketed where id = 5"))
        decide(gateway, request, "deny")
        for _ in range(2):
            with pytest.raises(DENIED, match=rf"request {request} was denied by bo \(local\): seen"):
                one.execute("delete from ticketed where id = 5")
        with one.transaction():
            assert one.execute("show sluice.on_hold").fetchone() == ("ticket",)
        one.execute("reset sluice.on_hold")
        comment = "delete from ticketed where id = 6 /*sluice_on_hold='ticket'*/"
        request = ticket(lambda: one.execute(comment))
        assert ticket(lambda: in_transaction(one, comment)) == request
        decide(gateway, request)
        assert in_transaction(one, comment) == 1
        for wrong in ("set sluice.on_hold = 'maybe'", comment.replace("ticket'", "later'")):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="invalid value") as told:
                one.execute(wrong)
            assert told.value.diag.message_hint == "Available values: wait, ticket."
    with pytest.raises(psycopg.OperationalError, match=r"invalid value for sluice\.on_hold"):
        client(gateway, "-c sluice.on_hold=never")


def in_transaction(connection: psycopg.Connection, sql: str) -> int:
    with connection.transaction():
        connection.execute("set local statement_timeout = 5000")
        return connection.execute(sql).rowcount


def test_a_ticket_outlives_the_gateway_and_is_used_once_by_many_who_try(gateway: Gateway) -> None:
    update = "update ticketed set amount = amount + 1 where id = 7"
    with client(gateway) as one:
        request = ticket(lambda: one.execute(update))
    os.kill(gateway.admin(), signal.SIGKILL)
    wait_for("an answer", lambda: quietly(lambda: decide(gateway, request) or True))
    assert gateway.stop() == 0
    gateway.start()

    def tries(_: int) -> int:
        with client(gateway) as one:
            try:
                return one.execute(update).rowcount
            except DENIED:
                return 0

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(tries, range(24))) == 1
    with client(gateway) as one:
        assert one.execute("select amount from ticketed where id = 7").fetchone() == (1,)
    waits = [one for one in listed(gateway) if one["state"] == "pending" and "amount +" in one["statement"]]
    assert len(waits) == 1, "all others share the next request"


def allowed(gateway: Gateway, request: str, times: int, rows: int) -> None:
    allowance = {"times": times, "rows": rows, "seconds": 600}
    status, said = call(gateway, "POST", f"/v1/approvals/{request}/approve", body={"allowance": allowance})
    assert status == 200, said


def left(gateway: Gateway, request: str) -> tuple[int, int]:
    found = call(gateway, "GET", f"/v1/approvals/{request}")[1]["approval"]["left"]
    return found["times"], found["rows"]


def test_one_decision_allows_so_many_of_a_shape_and_the_server_takes_back_what_exceeds_the_rows(gateway: Gateway) -> None:
    sql = "update ticketed set amount = amount + 1 where id between {} and {}"
    with client(gateway) as one, client(gateway, "") as other:
        request = ticket(lambda: one.execute(sql.format(11, 12)))
        body = {"allowance": {"times": 101, "rows": 1, "seconds": 1}}
        refused = call(gateway, "POST", f"/v1/approvals/{request}/approve", body=body)[1]["error"]
        assert refused == 'the rule "the shop" allows at most 100 times'
        allowed(gateway, request, 5, 10)
        assert one.execute(sql.format(11, 12)).rowcount == 2
        assert other.execute(sql.format(13, 15)).rowcount == 3, "who would wait for people passes, too"
        with pytest.raises(DENIED, match=rf'"allowance {request}": the statement changed 6 rows and may change 5;'):
            one.execute(sql.format(16, 21))
        assert ticket(lambda: one.execute(sql.format(16, 21))) != request, "and is held then"
        with pytest.raises(psycopg.errors.DivisionByZero), one.transaction():
            one.execute(sql.format(16, 17))
            one.execute("select 1 / 0")
        assert left(gateway, request) == (1, 3), "what was rolled back counts: it was done"
        with gateway.connect("dev", "otto", ("owners",), options=OPTIONS) as stranger:
            assert ticket(lambda: stranger.execute(sql.format(11, 12))) != request
        assert ticket(lambda: one.execute("delete from ticketed where id between 11 and 12")) != request
        assert one.execute(sql.format(16, 18)).rowcount == 3
        assert ticket(lambda: one.execute(sql.format(11, 11))) != request
        assert one.execute("select sum(amount) from ticketed where id between 11 and 21").fetchone() == (8,)
    records = gateway.audit("--approval", request)
    assert len(records) >= 2
    uses = [one["event"] for one in gateway.audit() if one.get("event", {}).get("allowance") == request]
    assert {(*one["by"], one["requester"]) for one in uses} == {("bo (local)", "olga (local)")}
    assert [(one["times_left"], one["rows_left"]) for one in uses] == [(4, 10), (3, 8), (2, 5), (1, 5), (0, 3)]


def test_many_at_once_and_a_killed_worker_use_no_more_than_was_allowed(gateway: Gateway) -> None:
    sql = "update ticketed set amount = amount + 1 where id = {}"
    with client(gateway) as one:
        request = ticket(lambda: one.execute(sql.format(30)))
        allowed(gateway, request, 6, 5)

        def tries(number: int) -> int:
            with client(gateway) as one:
                try:
                    return one.execute(sql.format(30 + number % 4)).rowcount
                except DENIED:
                    return 0

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(tries, range(12))) == 5
        assert left(gateway, request) == (1, 0)
        two = ticket(lambda: one.execute(sql.format(30)))
        allowed(gateway, two, 9, 9)
    locking, other = client(gateway), client(gateway)
    locking.execute("begin")
    locking.execute("lock table ticketed")
    with ThreadPoolExecutor(1) as thread:
        lost = thread.submit(lambda: other.execute(sql.format(30)))
        wait_for("a use", lambda: left(gateway, two) == (8, 0))
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            lost.result(20)
    locking.close()
    other.close()
    with wait_for("a worker", lambda: quietly(lambda: client(gateway))) as one:
        assert ticket(lambda: one.execute(sql.format(31))) != two, "nobody knows what it changed"
        three = ticket(lambda: one.execute("delete from ticketed where id = 49"))
        words = ("--times", "3", "--rows", "3", "--for", "10m", "--scope", "person")
        assert sluice(gateway, "approve", three, *words).stdout == f"{three}: approved\n"
        assert one.execute("delete from ticketed where id = 49").rowcount == 1
        assert sluice(gateway, "revoke", three).returncode == 0
        assert ticket(lambda: one.execute("delete from ticketed where id = 50")) != three
