"""What a connection that is lent for one transaction cannot carry, however it is written; and what it can."""

import pytest

from gateway.classify.catalog import CatalogFunction
from gateway.errors import State
from gateway.policy.pooled import not_carried
from parser.known import Body
from parser.statements import read
from tests.gateway.masking.shop import catalog

KNOWN = catalog()
KNOWN.functions["remember"] = (CatalogFunction("public", "remember", "v", "plperl", False, False),)


def refused(sql: str) -> bool:
    answers = [not_carried(facts, KNOWN) for facts in read(sql.encode())]
    said = [one for one in answers if one is not None]
    assert all(one.sqlstate == State.FEATURE and one.hint for one in said)
    return bool(said)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*), lower(email) from customers",
        "begin", "commit", "rollback to savepoint a", "set transaction isolation level serializable",
        "set constraints all deferred",
        "set local work_mem = '9MB'",
        "set sluice.intent = 'read'",
        "select set_config('work_mem', '9MB', true), set_config('search_path', 'hr', true)",
        "set local search_path = hr, public",
        "notify news",
        "create temporary table mine (a int) on commit drop",
        "create temporary table mine on commit drop as select 1 as a",
        "create table lasting_one (a int)",
        "declare c cursor for select 1", "fetch all from c", "close c",
        "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)",
        "select nextval('s')",
        "deallocate all",
        "insert into customers (name) values ('x') returning id",
        "copy customers (id, city) to stdout",
        "explain analyze select 1",
    ],
)  # fmt: skip
def test_what_ends_with_its_transaction_passes(sql: str) -> None:
    assert not refused(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "set work_mem = '9MB'", "set session work_mem = '9MB'", "set time zone 'UTC'", "reset all", "reset work_mem",
        "set session characteristics as transaction read only",
        "set local names 'utf8'", "set local client_encoding = utf8", "set local standard_conforming_strings = off",
        "set local role app_ro", "set role app_ro", "set local app.tenant = '7'", "discard temp", "load 'auto_explain'",
        "select set_config('work_mem', '9MB', false)",
        "select set_config('work_mem', '9MB', 'f')",
        "select set_config('work_mem', '9MB', $1)",
        "select set_config($1, '9MB', true)",
        "select \"set_config\"('work_mem', '9MB', 'f'), 1 as \"set_config(a, true)\"",
        "select U&\"set_confi\\0067\"('work_mem', '9MB', 'f'), set_config('work_mem', '9MB', true)",
        "select set_config('search_path', $1, true)",
        "set local search_path = pg_temp, public", "set local search_path = \"pg_temp\"",
        "create temporary table mine (a int)",
        "create temporary table mine (\" on commit drop\" int)",
        "create temporary table \"a \"\" on commit drop\" (a int)",
        "create temporary table mine (a text default ' on commit drop')",
        "create temporary table mine (a int) on commit delete rows",
        "create table pg_temp.mine (a int)", "create temporary view mine as select 1", "create temporary sequence mine",
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "create type U&\"pg\\005ftemp\".kind as (a int)",
        "select 1 as a into temporary mine",
        "explain analyze create temporary table mine as select 1 as a",
        "declare c cursor with hold for select 1", "declare c no scroll cursor with hold for select 1",
        "prepare p as select 1", "execute p", "explain analyze execute p", "deallocate p", "create table t as execute p",
        "listen news", "unlisten *",
        "select pg_advisory_lock(1)", "select pg_try_advisory_lock_shared(1)", "select pg_advisory_unlock_all()",
        "select currval('s')", "select lastval()", "select setseed(0.5)",
        "table pg_prepared_statements", "select * from pg_catalog.\"pg_prepared_statements\"",
        "select name from pg_prepared_statement()",
        "select remember('me')", "do $$ begin perform remember('me'); end $$", "selec nonsense",
    ],
)  # fmt: skip
def test_what_may_stay_behind_is_refused_with_a_mend(sql: str) -> None:
    assert refused(sql)


def test_lock_behind_a_function_is_found() -> None:
    body = Body(frozenset({"read"}), (), (), frozenset({(None, "pg_advisory_lock")}), frozenset(), ())
    KNOWN.functions["locks"] = (CatalogFunction("public", "locks", "v", "sql", False, False, body=body),)
    assert refused("select locks()")
