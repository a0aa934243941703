"""Limits on real servers: what changes too much is taken back, budgets hold over all workers, estimates are asked for."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, database_entries

POLICY = """
[[grant]]
name = "writers"
groups = ["writers"]
allow = ["read", "write"]
max_affected_rows = 5

[[grant]]
name = "readers"
groups = ["readers"]
allow = ["read"]
max_rows_per_hour = 1000
max_statement_seconds = 1

[[grant]]
name = "callers"
groups = ["callers"]
allow = ["read"]
max_statements_per_minute = 20

[[grant]]
name = "planners"
groups = ["planners"]
allow = ["read", "write"]

[[guardrail]]
name = "no broad statements"
groups = ["planners"]
statements = ["SELECT", "UPDATE"]
min_estimated_rows = 500
effect = "deny"

[[grant]]
name = "updaters"
groups = ["updaters"]
allow = ["read", "write"]
"""
SCHEMA = """
create table bounded (id integer primary key, n integer not null default 0);
insert into bounded select g from generate_series(1, 1000) g;
create table parent (id integer primary key);
create table child (id integer references parent deferrable initially deferred);
insert into parent values (1), (2);
insert into child values (1);
analyze bounded;
grant all on bounded, parent, child to public;
"""
Opened = Callable[..., psycopg.Connection[Any]]


@pytest.fixture(scope="module", params=["18", "15"])
def server(postgres_of: Callable[[str], Postgres], request: pytest.FixtureRequest) -> Postgres:
    found = postgres_of(request.param)
    with found.connect("shop") as connection:
        connection.execute(SCHEMA)
    return found


@pytest.fixture(scope="module")
def bounded(server: Postgres) -> Iterator[Gateway]:
    entries = database_entries(server, {"shop": {}, "production": {"environment": "production"}})
    gateway = Gateway(entries, POLICY)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
        gateway.remove()
        with server.connect("shop") as connection:
            connection.execute("drop table bounded, child, parent")


def total(server: Postgres) -> int:
    """The sum of all rows' n, as the server itself tells it."""
    with server.connect("shop") as connection:
        row = connection.execute("select sum(n) from bounded").fetchone()
    assert row is not None
    return int(row[0])


SIMPLE, EXTENDED = False, True


def run(connection: psycopg.Connection[Any], text: str, extended: bool) -> psycopg.Cursor[Any]:
    if not extended:
        return psycopg.ClientCursor(connection).execute(text)
    return connection.execute(text, prepare=True)


@pytest.mark.parametrize("extended", [SIMPLE, EXTENDED])
def test_a_write_within_its_limit_lands(server: Postgres, bounded: Gateway, extended: bool) -> None:
    before = total(server)
    with bounded.connect("shop", "will", ("writers",), autocommit=True) as connection:
        cursor = run(connection, "update bounded set n = n + 1 where id <= 5 returning id", extended)
        assert (cursor.rowcount, len(cursor.fetchall())) == (5, 5)
        assert connection.info.transaction_status.name == "IDLE"
    assert total(server) == before + 5


@pytest.mark.parametrize("extended", [SIMPLE, EXTENDED])
@pytest.mark.parametrize(
    "text",
    [
        "update bounded set n = n + 1 where id <= 6",
        "update bounded set n = n + 1 where id > -1",
        "update bounded set n = n + 1 where n >= 0 returning id",
        "delete from bounded where length(id::text) >= 1",
        "insert into bounded select id from bounded where id <= 6 on conflict (id) do update set n = bounded.n + 1",
    ],
)
def test_a_write_beyond_its_limit_leaves_nothing(
    server: Postgres, bounded: Gateway, text: str, extended: bool
) -> None:
    before = total(server)
    with bounded.connect("shop", "will", ("writers",), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may change 5; everything it did was taken back"):
            run(connection, text, extended)
        assert connection.info.transaction_status.name == "IDLE"
        assert connection.execute("select count(*) from bounded").fetchone() == (1000,)
    assert total(server) == before


@pytest.mark.parametrize("extended", [SIMPLE, EXTENDED])
def test_a_write_beyond_its_limit_aborts_its_transaction(server: Postgres, bounded: Gateway, extended: bool) -> None:
    before = total(server)
    with bounded.connect("shop", "will", ("writers",), autocommit=True) as connection:
        connection.execute("begin")
        run(connection, "update bounded set n = n + 1 where id = 1", extended)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(connection, "update bounded set n = n + 1 where id > 1", extended)
        assert connection.info.transaction_status.name == "INERROR"
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.execute("commit")
        assert connection.execute("select 1").fetchone() == (1,)
    assert total(server) == before


def test_a_pipeline_cannot_commit_before_its_write_was_counted(server: Postgres, bounded: Gateway) -> None:
    before = total(server)
    with bounded.connect("shop", "will", ("writers",), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline():
            connection.execute("begin")
            connection.execute("update bounded set n = n + 1 where id > 0")
            connection.execute("commit")
        connection.rollback()
    assert total(server) == before


@pytest.mark.parametrize(
    "text",
    [
        "update bounded set n = n + 1 where id > 0; commit",
        "with x as (update bounded set n = n + 1 where id > 0 returning 1) select count(*) from x",
        "explain analyze update bounded set n = n + 1 where id > 0",
        "with x as (update bounded set n = n + 1 where id > 0) update bounded set n = n where id = 1",
    ],
)
def test_a_write_whose_rows_no_tag_tells_is_refused(server: Postgres, bounded: Gateway, text: str) -> None:
    before = total(server)
    with (
        bounded.connect("shop", "will", ("writers",), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        run(connection, text, SIMPLE)
    assert total(server) == before


def test_a_deferred_constraint_that_fails_at_the_commit_is_told(bounded: Gateway) -> None:
    with bounded.connect("shop", "will", ("writers",), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            run(connection, "delete from parent where id = 1", SIMPLE)
        assert run(connection, "delete from parent where id = 2", SIMPLE).rowcount == 1


def test_row_budgets_hold_over_all_workers(bounded: Gateway) -> None:
    """Several sessions, spread over the workers, read the same person's rows."""
    rows = 0
    refused = 0
    for _ in range(8):
        with bounded.connect("shop", "rita", ("readers",), autocommit=True) as connection:
            for _ in range(2):
                try:
                    rows += len(connection.execute("select id from bounded limit 100").fetchall())
                except psycopg.errors.ConfigurationLimitExceeded as error:
                    refused += "max_rows_per_hour" in str(error)
            connection.execute("rollback")
    assert rows == 1000
    assert refused == 6


@pytest.mark.parametrize("extended", [SIMPLE, EXTENDED])
def test_a_result_beyond_its_budget_is_cut_off(bounded: Gateway, extended: bool) -> None:
    user = f"ron{extended}"
    with bounded.connect("shop", user, ("readers",), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            run(connection, "select generate_series(1, 100000000)", extended)
        assert connection.info.transaction_status.name == "IDLE"
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute("select 1")


def test_statement_budgets_hold_over_all_workers(bounded: Gateway) -> None:
    done = 0
    for _ in range(6):
        with bounded.connect("shop", "cass", ("callers",), autocommit=True) as connection:
            for _ in range(5):
                try:
                    connection.execute("select 1")
                    done += 1
                except psycopg.errors.ConfigurationLimitExceeded:
                    pass
    assert done == 20


def test_a_statement_that_runs_too_long_is_cancelled_in_the_rules_words(bounded: Gateway) -> None:
    with bounded.connect("shop", "slow", ("readers",), autocommit=True) as connection:
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match=r'cancelled by "readers".*longer than 1 seconds'):
            connection.execute("select pg_sleep(30)")
        assert time.monotonic() - started < 15
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("extended", [SIMPLE, EXTENDED])
def test_the_planner_is_asked_where_a_rule_wants_it(bounded: Gateway, extended: bool) -> None:
    with bounded.connect("shop", "pam", ("planners",), autocommit=True) as connection:
        assert len(run(connection, "select id from bounded where id < 10", extended).fetchall()) == 9
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no broad statements"):
            run(connection, "select id from bounded", extended)
        run(connection, "update bounded set n = n where id = 3", extended)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no broad statements"):
            run(connection, "update bounded set n = n where id > 3", extended)


def test_the_same_prepared_statement_is_judged_by_its_values(bounded: Gateway) -> None:
    with bounded.connect("shop", "pam", ("planners",), autocommit=True) as connection:
        text = "select id from bounded where id < %s"
        assert len(connection.execute(text, (10,), prepare=True).fetchall()) == 9
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(text, (900,), prepare=True)
        assert len(connection.execute(text, (5,), prepare=True).fetchall()) == 4


def test_production_asks_before_broad_updates_with_no_configuration(server: Postgres, bounded: Gateway) -> None:
    with server.connect("shop") as connection:
        connection.execute("create table wide as select g as id, 0 as n from generate_series(1, 20000) g")
        connection.execute("analyze wide; grant all on wide to public")
    try:
        with bounded.connect("production", "uma", ("updaters",), autocommit=True) as connection:
            assert connection.execute("update wide set n = 1 where id = 7").rowcount == 1
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="held by"):
                connection.execute("update wide set n = 1 where id > 7")
        with server.connect("shop") as connection:
            assert connection.execute("select sum(n) from wide").fetchone() == (1,)
    finally:
        with server.connect("shop") as connection:
            connection.execute("drop table wide")
