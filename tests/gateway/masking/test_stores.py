"""Values of masked columns cannot be put aside in a setting, from where they would come back without a mask."""

import pytest

from gateway.masking.basis import basis
from gateway.masking.stores import kept_aside
from gateway.policy.rules import Mask
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
        "select setval('s', salary::bigint) from customers",
        "select pg_try_advisory_xact_lock(1, salary::int) from customers",
        "select pg_advisory_lock(salary::bigint) from customers",
        "select pg_notify('c', x::text) from (select customers from customers) x",
        "select pg_notify('c', z) from elsewhere as z",
    ],
)
def test_masked_values_are_not_sent_on(sql: str) -> None:
    refused = kept_aside(facts(sql), basis_of(sql))
    assert refused is not None
    assert "no masked values in messages" in refused.message


@pytest.mark.parametrize(
    "sql",
    [
        "select pg_notify('c', 'x')",
        "select pg_notify('c', $1)",
        "notify c, 'x'",
        "select setval('s', (select max(id) from customers))",
        "select pg_advisory_lock(7), city from customers",
    ],
)
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
        "insert into orders select id, email from customers",
        "insert into orders select * from customers",
        "insert into orders (id) values (1) on conflict (id) do update set note = (select email from nobody limit 1)",
        "insert into nobody.knows select email from customers",
        "insert into nobody.knows (x) select email from customers",
        "with x as (insert into nobody (x) select email from customers returning 1) select * from x",
        "update orders set item = peek(1)",
        "create table copy as select email as harmless, peek(1) as x from customers",
        "insert into orders (item) select query_to_xml('select 1', true, true, '')::text",
    ],
)
def test_masked_values_are_not_put_where_no_label_can_follow(sql: str) -> None:
    refused = kept_aside(facts(sql), basis_of(sql))
    assert refused is not None
    rules = "no masked values in other columns", "no code over masked data that cannot be read"
    assert refused.rule in [f"built-in: {rule}" for rule in rules]


@pytest.mark.parametrize(
    "sql",
    [
        "update customers set city = 'x' where email = 'y'",
        "update customers set city = upper(city)",
        "update customers set email = lower(email)",
        "update customers set city = email where id = 1",
        "update customers set city = upper(left(email, 3))",
        "update customers set (city, name) = (select email, 'x')",
        "with x as (update customers set city = email returning 1) select * from x",
        "insert into customers (email) select email from customers",
        "insert into orders (item) select email from customers",
        "insert into orders select id, null from customers where email like 'a%'",
        "insert into orders select id, count(*) from customers group by id, email",
        "merge into orders o using customers c on o.id = c.id when matched then update set item = c.email",
        "create temp table mine as select email from customers",
        "create table copy as select id, city from customers where email is not null",
        "select email as harmless into copy from customers",
        "alter table customers rename email to harmless",
    ],
)
def test_other_writes_pass_and_labels_follow(sql: str) -> None:
    assert kept_aside(facts(sql), basis_of(sql)) is None


PARTIAL = [Mask(labels=("card",), method="partial", keep_last=4)]


@pytest.mark.parametrize(
    ("sql", "passes"),
    [
        ("update customers set card_number = left(card_number, 4)", False),
        ("update customers set card_number = card_number::varchar(4)", False),
        ("update customers set card_number = upper(card_number)", True),
        ("update customers set city = left(card_number, 4)", True),
        ("update customers set email = left(email, 4)", True),
    ],
)
def test_piece_does_not_go_where_the_whole_is_masked_in_part(sql: str, passes: bool) -> None:
    """Its own end would be shown: four digits at a time, all of a card."""
    assert (kept_aside(facts(sql), basis_of(sql, masks=PARTIAL)) is None) is passes
    assert kept_aside(facts(sql), basis_of(sql, ["card"], PARTIAL)) is None
