"""Values of masked columns cannot be put aside in a setting, from where they would come back without a mask."""

import pytest

from gateway.masking.basis import basis
from gateway.masking.stores import kept_aside
from tests.gateway.masking.shop import basis_of, catalog, facts, rights
from tests.gateway.session.rig import ALL, CLEAR, scope_of


@pytest.mark.parametrize(
    "sql",
    [
        "select set_config('app.kept', email, false) from customers",
        "select set_config('app.kept', (select email from customers limit 1), true)",
        "select pg_catalog.set_config('app.kept', name || 'x', false) from customers",
        "with c as (select email as e from customers) select set_config('app.kept', e, false) from c",
        "select id from customers where set_config('app.kept', email, false) is not null",
        "select set_config('a.b', 'x', false), set_config('app.kept', email, false) from customers",
        "select set_config('app.kept', email, false) from elsewhere",
        "select set_config('app.kept', kept.value, false) from (values ('a')) as kept (value)",  # not told apart
    ],
)
def test_set_config_of_a_computed_value_is_refused(sql: str) -> None:
    refused = kept_aside(facts(sql), basis_of(sql))
    assert refused is not None
    assert refused.sqlstate == "42501"
    assert refused.rule in refused.message
    assert refused.hint
    assert "app.kept" not in refused.message + refused.hint


@pytest.mark.parametrize(
    "sql",
    [
        "select set_config('search_path', '', false)",
        "select set_config('app.user', $1, true)",
        "select set_config('app.user', '7', true), email from customers",
        "select set_config('app.user', $1, true), email from customers",
        "select current_setting('app.user')",
        "select email from customers",
        "set app.user = '7'",
    ],
)
def test_other_settings_pass(sql: str) -> None:
    assert kept_aside(facts(sql), basis_of(sql)) is None


@pytest.mark.parametrize(
    "sql",
    [
        "select pg_notify('c', email) from customers",
        "select pg_catalog.pg_notify('c', (select email from customers limit 1))",
        "with c as (select email as e from customers) select pg_notify('c', e) from c",
        "select lo_from_bytea(0, email::bytea) from customers",
        "select pg_notify('c', x::text) from (select customers from customers) x",
        "select pg_notify('c', z) from elsewhere as z",
    ],
)
def test_masked_values_are_not_sent_on(sql: str) -> None:
    refused = kept_aside(facts(sql), basis_of(sql))
    assert refused is not None
    assert "no masked values in messages" in refused.message


@pytest.mark.parametrize("sql", ["select pg_notify('c', 'x')", "select pg_notify('c', $1)", "notify c, 'x'"])
def test_messages_of_the_statement_itself_pass(sql: str) -> None:
    assert kept_aside(facts(sql), basis_of(sql)) is None


def test_who_may_see_the_values_may_keep_them() -> None:
    sql = "select set_config('app.kept', email, false) from customers"
    seen = basis(facts(sql), rights(["*"]), catalog(), key=b"", made=frozenset())
    assert kept_aside(facts(sql), seen) is None


def test_who_may_do_anything_but_not_see_it_is_refused_too() -> None:
    script = scope_of(ALL).script(b"select set_config('search_path', email, false) from customers")
    assert script.refused is not None
    assert script.rulings[0].decision.verdict == "deny"
    assert scope_of(CLEAR).script(b"select set_config('search_path', email, false) from customers").refused is None


@pytest.mark.parametrize(
    "sql",
    [
        "update customers set city = email where id = 1",
        "update customers set city = upper(left(email, 3))",
        "update customers set (city, name) = (select email, 'x')",
        "update customers set city = (select email from customers c where c.id = 1)",
        "insert into orders select id, email from customers",
        "insert into orders select * from customers",
        "insert into orders values (1, (select max(email) from customers))",
        "insert into orders (id) values (1) on conflict (id) do update set note = (select email from customers limit 1)",
        "merge into orders o using customers c on o.id = c.id when matched then update set note = c.email",
        "merge into orders o using customers c on true when not matched then insert values (1, c.email)",
        "with x as (select email as e from customers) update customers set city = e from x",
        "with x as (update customers set city = email returning 1) select * from x",
        "explain analyze update customers set city = email",
        "prepare p as update customers set city = email",
        "create table copy as select email as harmless from customers",
        "create table copy as select * from customers",
        "select email as harmless into copy from customers",
        "insert into nobody.knows select email from customers",
    ],
)
def test_masked_values_are_not_put_where_they_would_be_read_in_clear(sql: str) -> None:
    refused = kept_aside(facts(sql), basis_of(sql))
    assert refused is not None
    assert "no masked values in other columns" in refused.message


@pytest.mark.parametrize(
    "sql",
    [
        "update customers set city = 'x' where email = 'y'",
        "update customers set city = upper(city)",
        "update customers set email = lower(email)",
        "insert into customers (email) select email from customers",
        "insert into orders select id, null from customers where email like 'a%'",
        "insert into orders select id, count(*) from customers group by id, email",
        "create temp table mine as select email from customers",
        "create table copy as select id, city from customers where email is not null",
    ],
)
def test_other_writes_pass(sql: str) -> None:
    assert kept_aside(facts(sql), basis_of(sql)) is None
