"""Agents on a real server: what they may is what all sides may, and their budgets hold over four workers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, database_entries

POLICY = """
[[grant]]
name = "analysts"
groups = ["analysts"]
allow = ["read", "write"]
unmask = ["email"]

[[grant]]
name = "helpers of analysts"
groups = ["analysts"]
actors = ["helper", "planner"]
allow = ["read", "ddl"]
unmask = ["public.members.email", "phone"]

[[grant]]
name = "planners"
groups = ["analysts"]
actors = ["planner"]
allow = ["read"]

[[grant]]
name = "crowd"
groups = ["crowd"]
allow = ["read"]

[[grant]]
name = "agents of the crowd"
groups = ["crowd"]
actors = ["*"]
allow = ["read"]
max_subjects_per_hour = 100
max_rows_per_hour = 900

[[grant]]
name = "agents with a task"
groups = ["tasks"]
actors = ["*"]
allow = ["read"]
max_rows_per_task = 10
max_subjects_per_task = 5
max_statements_per_task = 20

[[grant]]
name = "people with tasks"
groups = ["tasks"]
allow = ["read"]
max_statements_per_hour = 30
"""
SCHEMA = """
create table members (id integer primary key, email text, phone text, city text);
insert into members
select n, 'member' || n || '@mail.example', '+1-555-01' || n % 10 || '0-' || lpad(n::text, 4, '0'), 'Oslo'
from generate_series(1, 400) n;
grant all on members to public;
"""
LOOPS = """
[[grant]]
name = "loopers"
groups = ["loopers"]
allow = ["read"]

[[grant]]
name = "agents of loopers"
groups = ["loopers"]
actors = ["*"]
allow = ["read"]

[[guardrail]]
name = "one key after the other"
actors = ["*"]
groups = ["loopers"]
tables = ["members"]
loop = "keys"
after = 4
effect = "slow"

[[guardrail]]
name = "again and again"
actors = ["*"]
groups = ["loopers"]
loop = "denied"
effect = "stop"
"""
WORKERS, SESSIONS, PAGE, SEED = 4, 12, 5, 20261128


@pytest.fixture(scope="module")
def gateway(postgres_of: Callable[[str], Postgres]) -> Iterator[Gateway]:
    server = postgres_of("18")
    with server.connect("shop") as connection:
        connection.execute(SCHEMA)
    found = Gateway(database_entries(server, {"shop": {}}), POLICY + LOOPS, workers=WORKERS)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        found.remove()
        with server.connect("shop") as connection:
            connection.execute("drop table members")


def working(gateway: Gateway, run: str, user: str = "tess", actor: str = "worker") -> psycopg.Connection[Any]:
    """A session of an agent whose token is for this run."""
    options = ("--user", user, "--groups", "tasks", "--actor", actor, "--run", run)
    minted = gateway.sluice("token", "mint", *options)
    assert minted.returncode == 0, minted.stderr
    dsn = f"host=127.0.0.1 port={gateway.port} dbname=shop user={user} password={minted.stdout.strip()}"
    return psycopg.connect(dsn, autocommit=True)


def test_an_agent_may_and_sees_what_both_sides_may_and_see(gateway: Gateway) -> None:
    person, agent = (gateway.connect("shop", "ann", ("analysts",), actor) for actor in ("", "helper"))
    with person, agent:
        sql = "select email, phone from members where id = 7"
        email, phone = person.execute(sql).fetchone()  # type: ignore[misc]
        assert "@" in email
        assert agent.execute(sql).fetchone() == (email, phone), "of the phone the agent alone has a grant"
        assert phone == "[redacted]"
        assert person.execute("update members set city = 'Lima' where id = 7").rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no grant of the agent's here allows write"):
            agent.execute("update members set city = 'Lima' where id = 7")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no grant of the user's own here allows ddl"):
            agent.execute("create table made (n integer)")
    read = [one for one in gateway.audit("--kind", "intent", "--actor", "helper") if one["decision"] == "allow"]
    assert read
    assert all(one["rules"] == ["helpers of analysts", "analysts"] for one in read)
    assert all(one["grant"]["name"] == "helpers of analysts" for one in read)


def test_what_an_agent_may_is_explained_side_by_side(gateway: Gateway) -> None:
    who = ("--user", "ann", "--groups", "analysts", "--actor", "helper", "--database", "shop")
    done = gateway.sluice("policy", "explain", *who, "select city from members")
    assert done.stdout.splitlines()[:4] == [
        "side: ddl, read, by helpers of analysts",
        "side: read, write, by analysts",
        "together: read",
        "allow: select city from members",
    ]


@pytest.mark.parametrize(
    ("user", "groups", "actor", "words"),
    [
        ("bob", ("others",), "helper", 'no grant lets user "bob" into database "shop"'),
        ("ann", ("analysts",), "stranger", 'agent "stranger" has no grant for database "shop" that is about user "ann"'),
    ],
)
def test_the_side_that_lacks_a_grant_is_named(
    gateway: Gateway, user: str, groups: tuple[str, ...], actor: str, words: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match=words):
        gateway.connect("shop", user, groups, actor)


def test_people_and_rows_are_counted_over_all_workers(gateway: Gateway) -> None:
    """Sessions on all workers read pages at once: together they are shown at most a turn's worth too many."""
    shown: list[int] = []
    refused: list[str] = []
    start = threading.Barrier(SESSIONS)

    def read(number: int) -> None:
        chance = random.Random(SEED + number)
        with gateway.connect("shop", "cleo", ("crowd",), "agent-7") as session:
            start.wait()
            for _ in range(25):
                first = chance.randrange(1, 396)
                try:
                    sql = f"select id, email from members where id between {first} and {first + PAGE - 1}"
                    shown.extend(row[0] for row in session.execute(sql))
                except psycopg.errors.ConfigurationLimitExceeded as error:
                    refused.append(str(error.diag.message_primary))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turn = WORKERS * PAGE
    assert 100 - PAGE <= len(set(shown)) <= 100 + turn
    assert len(shown) <= 900 + turn
    assert refused
    for said in refused:
        assert said in {f'max_{what}_per_hour of grant "agents of the crowd" is used up' for what in ("subjects", "rows")}


def test_a_task_has_its_own_budgets_in_every_session_of_it(gateway: Gateway) -> None:
    one, same, other = (working(gateway, run) for run in ("run-1", "run-1", "run-2"))
    with one, same, other:
        people = "select id from members where id <= {}"
        assert len(one.execute(people.format(3)).fetchall()) == 3
        assert len(same.execute(people.format(5)).fetchall()) == 5
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="max_rows_per_task"):
            one.execute(people.format(3))
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="max_rows_per_task"):
            same.execute("select 1")
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="max_subjects_per_task"):
            other.execute(people.format(6))
        assert other.execute("select 1").fetchone() == (1,)


def test_a_persons_budget_is_used_up_by_all_of_his_agents(gateway: Gateway) -> None:
    done, said = 0, set()
    for number in range(3):
        with working(gateway, f"run-{number}", "timo", f"agent-{number}") as session:
            for _ in range(15):
                try:
                    session.execute("select 1 where false")
                    done += 1
                except psycopg.errors.ConfigurationLimitExceeded as error:
                    said.add(error.diag.message_primary)
    assert done == 30
    assert said == {'max_statements_per_hour of grant "people with tasks" is used up'}


def test_an_agent_that_reads_key_by_key_is_slowed_and_told_so(gateway: Gateway) -> None:
    for actor, slowed in (("crawler", True), ("", False)):
        notices: list[str] = []
        with gateway.connect("shop", "lou", ("loopers",), actor) as session:
            session.add_notice_handler(lambda one, said=notices: said.append(one.message_primary))
            began = time.monotonic()
            for key in range(1, 5):
                assert session.execute("select city from members where id = %s", (key,)).fetchone() == ("Oslo",)
            waited = time.monotonic() - began
        assert [said.partition(":")[0] for said in notices] == ['slowed by guardrail "one key after the other"'] * slowed
        assert waited > 0.5 or not slowed


def test_an_agent_that_sends_the_same_refused_statement_is_stopped_and_on_record(gateway: Gateway) -> None:
    with gateway.connect("shop", "lia", ("loopers",), "stubborn") as session:
        for number in range(2):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"delete from members where id = {number}")
        with pytest.raises(psycopg.errors.AdminShutdown, match='stopped by guardrail "again and again": the same refused'):
            session.execute("delete from members where id = 7")
        assert session.closed
    events = [one["event"] for one in gateway.audit("--kind", "session", "--user", "lia")]
    (stopped,) = [one for one in events if one["what"] == "agent stopped"]
    assert (stopped["rule"], stopped["actor"]) == ("again and again", ["stubborn"])
