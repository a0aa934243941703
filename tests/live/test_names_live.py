"""Names mean what the session's search_path makes them mean, on servers that report it and on those that are asked."""

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

[[grant]]
name = "owners"
groups = ["owners"]
allow = ["all"]

[[classify]]
columns = ["open.contact.info"]
label = "none"

[[classify]]
columns = ["closed.contact.info"]
label = "ssn"
"""
SCHEMA = """
create schema open;
create schema closed;
create table open.contact (id int, info text);
create table closed.contact (id int, info text);
insert into open.contact values (1, 'free');
insert into closed.contact values (1, 'canary');
create function open.moves() returns text language sql as $$ select set_config('search_path', 'closed', false) $$;
alter table open.contact owner to sluice;
alter table closed.contact owner to sluice;
grant usage, create on schema open, closed to public;
grant all on all tables in schema open, closed to public;
"""
LOOK = "select info || '' from contact"


@pytest.fixture(scope="module", params=["18", "15"])
def named(postgres_of: Callable[[str], Postgres], request: pytest.FixtureRequest) -> Iterator[Gateway]:
    server = postgres_of(request.param)
    with server.connect("shop") as connection:
        connection.execute(SCHEMA)
    gateway = Gateway(database_entries(server, {"shop": {}}), POLICY)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()
        gateway.remove()
        with server.connect("shop") as connection:
            connection.execute("drop schema open, closed cascade")


@pytest.fixture
def session(named: Gateway) -> Iterator[psycopg.Connection[Any]]:
    with named.connect("shop", "will", ("writers",)) as connection:
        yield connection


def look(session: psycopg.Connection[Any], text: str = LOOK, extended: bool = False) -> str:
    rows = session.execute(text, prepare=True) if extended else psycopg.ClientCursor(session).execute(text)
    row = rows.fetchone()
    assert row is not None
    assert "canary" not in str(row[0])
    return "clear" if row[0] == "free" else "masked"


@pytest.mark.parametrize("extended", [False, True])
def test_the_path_tells_which_table_is_meant(session: psycopg.Connection[Any], extended: bool) -> None:
    session.execute("set search_path = open")
    assert look(session, extended=extended) == "clear"
    session.execute("set search_path = closed")
    assert look(session, extended=extended) == "masked"
    session.execute("select set_config('search_path', 'open, closed', false)")
    assert look(session, extended=extended) == "masked"  # the server passes over schemas that its role may not use
    session.execute("set search_path to open, pg_catalog")
    assert look(session, extended=extended) == "clear"


def test_what_a_transaction_set_is_taken_back_with_it(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = closed")
    session.execute("begin")
    session.execute("set local search_path = open")
    assert look(session) == "clear"
    session.execute("rollback")
    assert look(session) == "masked"
    session.execute("begin")
    session.execute("savepoint s")
    session.execute("set search_path = open")
    session.execute("rollback to s")
    assert look(session) == "masked"
    session.execute("commit")
    session.execute("begin")
    session.execute("set search_path = open")
    session.execute("commit")
    assert look(session) == "clear"


def test_one_text_that_moves_the_path_is_not_read_by_the_old_one(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = open")
    cursor = psycopg.ClientCursor(session).execute(f"set search_path = closed; {LOOK}")
    assert cursor.nextset()
    (shown,) = cursor.fetchone() or ("",)
    assert "canary" not in str(shown)


def test_a_pipeline_that_moves_the_path_is_not_read_by_the_old_one(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = open")
    with session.pipeline():
        session.execute("set search_path = closed")
        found = session.execute(LOOK)
        assert "canary" not in str(found.fetchone())


def test_a_prepared_statement_follows_the_path(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = open")
    session.execute(f"prepare p as {LOOK}")
    assert look(session, "execute p") == "clear"
    session.execute("set search_path = closed")
    assert look(session, "execute p") == "masked"


def test_somebodys_function_that_may_move_the_path_does_not_run_where_columns_are_masked(named: Gateway) -> None:
    with named.connect("shop", "olga", ("owners",)) as session:
        session.execute("set search_path = open")
        assert look(session) == "clear"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("select open.moves()")
        assert look(session) == "clear"


@pytest.mark.parametrize("text", ["reset search_path", "reset all", "discard all"])
def test_what_resets_the_path_is_followed(session: psycopg.Connection[Any], text: str) -> None:
    session.execute("set search_path = open")
    assert look(session) == "clear"
    session.execute(text)
    with pytest.raises(psycopg.errors.UndefinedTable):
        session.execute(LOOK)
    session.execute("set search_path = open")
    assert look(session) == "clear"


def test_asking_for_the_path_leaves_the_transactions_first_statement_free(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = open")
    session.execute("begin")
    session.execute("set transaction isolation level serializable")
    assert session.execute("show transaction_isolation").fetchone() == ("serializable",)
    session.execute("commit")


def test_tables_of_the_sessions_own_are_read_changed_and_dropped(session: psycopg.Connection[Any]) -> None:
    session.execute("set search_path = closed")
    session.execute("create temp table contact (id int, info text)")
    session.execute("insert into contact values (1, 'free')")
    assert look(session) == "clear"
    assert look(session, "select info from contact") == "clear"
    session.execute("insert into contact select id, info from closed.contact")
    assert look(session, "select info || '' from contact where id = 1 limit 1") == "masked"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r'"contact\.info" is used in ORDER BY'):
        look(session, "select info || '' from contact where id = 1 order by info limit 1")
    session.execute("update contact set info = 'x'")
    session.execute("drop table contact")
    assert look(session) == "masked"


def test_renamed_tables_are_not_taken_for_what_they_were(named: Gateway) -> None:
    with named.connect("shop", "olga", ("owners",)) as session:
        session.execute("begin")
        session.execute("alter table open.contact rename to former")
        session.execute("alter table closed.contact set schema open")
        assert look(session, "select info || '' from open.contact") == "masked"
        session.execute("rollback")
        assert look(session, "select info || '' from open.contact") == "clear"
