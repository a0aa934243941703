"""What stays in the server's session: whatever is not known to go with DISCARD ALL."""

import pytest

from gateway.classify.catalog import CatalogFunction
from gateway.policy.lasting import lasting
from parser.statements import read
from tests.gateway.masking.shop import catalog

KNOWN = catalog()
KNOWN.functions["remember"] = (CatalogFunction("public", "remember", "v", "plperl", False, False),)


def lasts(sql: str) -> bool:
    (facts,) = read(sql.encode())
    return lasting(facts, KNOWN)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*), lower(email) from customers",
        "select nextval('s'), pg_advisory_lock(1), set_config('search_path', 'hr', false)",
        "update customers set city = 'x' where id = 1",
        "create temporary table mine as select 1",
        "set search_path to hr",
        "set sluice.reason = 'TICKET-1'",
        "reset all",
        "discard all",
        "listen news",
        "prepare p as select 1",
        "begin",
    ],
)
def test_what_discard_all_takes_back_does_not_last(sql: str) -> None:
    assert not lasts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "do $$ begin execute 'select 1'; end $$",
        "do $$ begin perform remember('me'); end $$",
        "load 'auto_explain'",
        "set app.tenant = '7'",
        "select set_config('app.tenant', '7', false)",
        "select set_config('app.' || 'tenant', '7', false)",
        "select setseed(0.5)",
        "select random() from (select setseed(0.5)) s",
        "set role app_ro",
        "set session authorization ada",
        "select remember('me')",
        "select who_knows()",
        "prepare p as select remember('me')",
        "explain analyze select remember('me')",
        "select dblink_connect('c', 'dbname=x')",
        "selec nonsense",
    ],
)
def test_what_may_stay_in_the_servers_process_lasts(sql: str) -> None:
    assert lasts(sql)
